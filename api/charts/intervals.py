"""Shares with their intervals, one row each: toplines, groups, districts."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from api.answer_payloads import EstimatesPayload, GroupsHead, IntervalEnds
from api.charts.chart import Chart, Link, draw_chart, name_of, percent
from api.charts.layout import Dot, Key, Row, row_spec
from api.charts.measures import (
    MODEL_INTERVAL,
    TOTAL_INTERVAL,
    Estimate,
    estimate_name,
    estimated,
    is_of_means,
    measure_of,
    outer_of,
    scale_of,
    span_of,
    value_of,
    written,
)
from api.charts.scales import share_scale
from api.charts.theme import SERIES, SHAPES, variable

__all__ = ["interval_chart", "toplines_chart"]

NOBODY = "no-interviews"


def interval_chart(
    head: GroupsHead,
    estimates: Sequence[Estimate],
    *,
    link: Link | None = None,
    sort: Literal["given", "share"] = "given",
    reference: float | None = None,
    title: str | None = None,
) -> Chart:
    """Shares of one option, or means, with their intervals, one row an area or group.

    Parameters
    ----------
    head
        What was asked: the payload that the estimates are of.
    estimates
        Rows of any payload that has shares or means: estimates, ranks, chances, battlegrounds, groups of a profile.
        Where they are of several demographics, each begins with a heading.
    link
        Where a row leads.
    sort
        "given" keeps their order, "share" puts the largest first.
    reference
        A share or mean at which a line stands, such as the nation's or 0.5.
    title
        Instead of one made from ``head``.

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    ordered = sorted(estimates, key=lambda row: -value_of(row)) if sort == "share" else list(estimates)
    rows: list[Row] = []
    kinds = {tuple(row.groups) for row in ordered}
    previous: tuple[str, ...] | None = None
    for row in ordered:
        kind = tuple(row.groups)
        if len(kinds) > 1 and kind != previous and kind:
            rows.append(Row(label=" × ".join(kind)))
        previous = kind
        rows.append(_row(row, name_of(row), None if link is None else link(row)))
    ends = [end for row in estimated(ordered) for end in (*span_of(row), *(outer_of(row) or ()))]
    is_alone = any(NOBODY in row.flags for row in ordered)
    keys = [
        Key("Interviewed", variable("mark")),
        Key("Model alone: nobody interviewed", variable("mark"), is_hollow=True),
    ]
    spec = row_spec(
        rows,
        scale_of(head, ends if reference is None else [*ends, reference]),
        axis_title=f"{measure_of(head)}, {percent(head.interval)} intervals",
        reference=reference,
        keys=(*(keys if is_alone else ()), *_keys(ordered)),
    )
    what = title or f"{measure_of(head) if is_of_means(head) else head.option}: {_by(head)}"
    return draw_chart(spec, title=what, description=_described(head, ordered))


def toplines_chart(payloads: Sequence[EstimatesPayload], *, title: str | None = None) -> Chart:
    """Shares of several options of a question in the whole population, one row an option.

    Parameters
    ----------
    payloads
        The answer for each option, of the whole population and not broken down: of each the first row is shown.
    title
        Instead of the question's wording.

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    answered = [(payload, payload.estimates[0]) for payload in payloads if payload.estimates]
    rows = [_row(row, row.option, None) for _, row in answered]
    if len(payloads) > 2:
        rows = [_coloured(row, place) for place, row in enumerate(rows)]
    ends = [end for _, row in answered for end in (*span_of(row), *(outer_of(row) or ()))]
    interval = payloads[0].interval if payloads else 0.9
    spec = row_spec(
        rows,
        share_scale([0.0, *ends]),
        axis_title=f"Share, {percent(interval)} intervals",
        keys=_keys([row for _, row in answered]),
    )
    description = ". ".join(row.name for row in rows) or "Nothing is estimated"
    return draw_chart(
        spec, title=title or (payloads[0].text if payloads else "Toplines"), description=f"{description}."
    )


def _row(row: Estimate, name: str, href: str | None) -> Row:
    is_alone = NOBODY in row.flags
    spoken = estimate_name(name, row) + (", nobody interviewed" if is_alone else "")
    if row.low is None:
        return Row(label=name, name=spoken, text="—", href=href)  # there is no room for words
    widest, inner = _spans(row)
    dot = Dot(
        value_of(row),
        widest.low,
        widest.high,
        None if inner is None else (inner.low, inner.high),
        outer_of(row),
        is_hollow=is_alone,
    )
    return Row(label=name, dots=(dot,), name=spoken, text=written(row), href=href)


def _coloured(row: Row, place: int) -> Row:
    """In the colour that its option has on maps and over time."""
    colour = SERIES[place] if place < len(SERIES) else variable("muted")
    dots = tuple(replace(dot, colour=colour, shape=SHAPES[place % len(SHAPES)]) for dot in row.dots)
    return replace(row, dots=dots)


def _spans(row: Estimate) -> tuple[IntervalEnds, IntervalEnds | None]:
    """The widest interval, and the narrowest if there is another."""
    ends = sorted(row.intervals, key=lambda end: end.interval) or [IntervalEnds(0.0, *span_of(row))]
    return ends[-1], ends[0] if len(ends) > 1 else None


def _keys(rows: Sequence[Estimate]) -> tuple[Key, ...]:
    """What the two intervals are, where there are two."""
    if all(outer_of(row) is None for row in rows):
        return ()
    model = Key(MODEL_INTERVAL, variable("mark"), shape="stroke")
    return (model, Key(TOTAL_INTERVAL, variable("muted"), shape="stroke"))


def _by(head: GroupsHead) -> str:
    if head.by:
        return "by " + " and ".join(head.by)
    return "everybody" if head.level == "nation" else f"by {head.level}"


def _described(head: GroupsHead, rows: Sequence[Estimate]) -> str:
    rows = estimated(rows)
    if not rows:
        return f"Nothing is estimated of {head.text}"
    most, least = max(rows, key=value_of), min(rows, key=value_of)
    kind = f"Estimates with {percent(head.interval)} intervals"
    if len(rows) == 1:
        return f"{kind}. {estimate_name(name_of(most), most)}. Question: {head.text}"
    return (
        f"{kind}, {len(rows)} rows. Largest: {estimate_name(name_of(most), most)}. "
        f"Smallest: {estimate_name(name_of(least), least)}. Question: {head.text}"
    )
