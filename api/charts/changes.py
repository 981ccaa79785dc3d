"""Differences with their intervals about a line at zero: changes, contrasts, revisions."""

from collections.abc import Callable, Sequence
from functools import partial

from api.answer_payloads import GroupsHead
from api.charts.chart import Chart, Link, draw_chart, name_of, percent, points
from api.charts.layout import Dot, Row, row_spec
from api.charts.measures import is_of_means, number
from api.charts.scales import Scale, difference_scale, number_scale
from api.comparison_payloads import (
    AreaChange,
    AreaContrast,
    AreaRevision,
    ChangePayload,
    ContrastPayload,
    RevisionPayload,
)

__all__ = ["change_chart"]


def change_chart(
    payload: ChangePayload | ContrastPayload | RevisionPayload, *, link: Link | None = None, title: str | None = None
) -> Chart:
    """Differences of shares or means, one row an area or group.

    A dot is filled where the answer is sure of the direction ("rise", "larger"), hollow where it is not. A revision has
    no interval and no probability, so its rows are dots alone.

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    said_of = partial(_said, payload)
    rows = [_row(change, link, said_of) for change in _differences(payload)]
    ends = [end for row in rows for dot in row.dots for end in (dot.value, dot.low, dot.high) if end is not None]
    of = f", {percent(payload.interval)} intervals" if not isinstance(payload, RevisionPayload) else ""
    spec = row_spec(rows, _scale(payload, ends), axis_title=f"{_what(payload)}{_unit(payload)}{of}", reference=0.0)
    said = " ".join(change.sentence for change in _differences(payload)[:12]) or "There is nothing to compare."
    return draw_chart(spec, title=title or f"{payload.option or 'Mean'}: {_what(payload)}", description=said)


def _differences(
    payload: ChangePayload | ContrastPayload | RevisionPayload,
) -> Sequence[AreaChange | AreaContrast | AreaRevision]:
    if isinstance(payload, ChangePayload):
        return payload.changes
    return payload.contrasts if isinstance(payload, ContrastPayload) else payload.revisions


def _row(
    change: AreaChange | AreaContrast | AreaRevision, link: Link | None, said_of: Callable[[float], tuple[str, str]]
) -> Row:
    name, href = name_of(change), None if link is None else link(change)
    said, unit = said_of(change.difference)
    if isinstance(change, AreaRevision):
        dot = Dot(change.difference, is_hollow=not change.beyond_simulation)
        return Row(label=name, dots=(dot,), name=f"{name}: {said}{unit}", text=said, href=href)
    ends = sorted(change.intervals, key=lambda end: end.interval)
    outer, inner = (ends[-1], ends[0] if len(ends) > 1 else None) if ends else (change, None)
    dot = Dot(
        change.difference,
        outer.low,
        outer.high,
        None if inner is None else (inner.low, inner.high),
        is_hollow=change.words.startswith("no clear"),
    )
    spoken = f"{name}: {said}{unit} ({said_of(change.low)[0]} to {said_of(change.high)[0]}), {change.words}"
    return Row(label=name, dots=(dot,), name=spoken, text=said, href=href)


def _said(payload: GroupsHead, difference: float) -> tuple[str, str]:
    """A difference for readers, and what it is counted in."""
    if not is_of_means(payload):
        return points(difference), " points"
    plus = "+" if difference > 0 else ""
    return f"{plus}{number(difference)}", f" {payload.unit}" if payload.unit else ""


def _unit(payload: GroupsHead) -> str:
    unit = payload.unit if is_of_means(payload) else "points"
    return f", {unit}" if unit else ""


def _scale(payload: GroupsHead, ends: Sequence[float]) -> Scale:
    return number_scale([0.0, *ends]) if is_of_means(payload) else difference_scale(ends)


def _what(payload: ChangePayload | ContrastPayload | RevisionPayload) -> str:
    if isinstance(payload, RevisionPayload):
        return f"Revision since release {payload.before.release_number}"
    if isinstance(payload, ContrastPayload):
        first, second = (_levels(side) for side in (payload.first, payload.second))
        return f"{first} minus {second}"
    if payload.since is not None:
        return f"Change since {payload.since}"
    return f"Change since release {payload.before.release_number}" if payload.before is not None else "Change"


def _levels(side: dict[str, list[str]]) -> str:
    return ", ".join(" or ".join(levels) for levels in side.values())
