"""Several values in one row: sample against frame, observed against expected, one method against another."""

from collections.abc import Sequence
from itertools import groupby

from api.answer_payloads import GroupsHead
from api.charts.chart import Chart, draw_chart, percent
from api.charts.layout import ROW, Dot, Key, Row, row_spec
from api.charts.measures import is_of_means, measure_of, number, scale_of
from api.charts.rows import MethodNumber, PredictedShare, SampleShare
from api.charts.scales import share_scale
from api.charts.theme import SERIES, SHAPES, variable

__all__ = ["methods_chart", "predictive_chart", "representation_chart"]

_FRAME = (variable("muted"), "diamond")


def representation_chart(shares: Sequence[SampleShare], *, title: str = "Who was interviewed") -> Chart:
    """Each level's share of the interviews beside its share of the people, under the name of its demographic.

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    rows: list[Row] = []
    for demographic, levels in groupby(shares, key=lambda share: share.demographic):
        rows.append(Row(label=demographic))
        rows += [_represented(share) for share in levels]
    values = [value for share in shares for value in (share.sample, share.frame) if value is not None]
    keys = [Key("interviews", variable("mark")), Key("people", *_FRAME)]
    spec = row_spec(rows, share_scale([0.0, *values]), axis_title="Share", keys=keys)
    apart = sorted(
        (share for share in shares if share.sample is not None),
        key=lambda share: -abs((share.sample or 0) - share.frame),
    )
    said = ". ".join(_said(share) for share in apart[:5]) or "Nothing is shown"
    return draw_chart(spec, title=title, description=f"Furthest apart first: {said}.")


def predictive_chart(
    shares: Sequence[PredictedShare], *, interval: float = 0.9, title: str = "Observed on what the model expects"
) -> Chart:
    """The observed share of each group on its predictive interval; outside it, the dot is of another colour and shape.

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    rows: list[Row] = []
    has_groups = len({share.group for share in shares}) > 1
    for group, members in groupby(shares, key=lambda share: share.group):
        if has_groups and group:
            rows.append(Row(label=group))
        rows += [_predicted(share) for share in members]
    values = [value for share in shares for value in (share.observed, share.low, share.high)]
    keys = [
        Key(f"observed, inside the {percent(interval)} interval", SERIES[0]),
        Key("outside", SERIES[1], "diamond"),
    ]
    outside = [share for share in shares if not share.low <= share.observed <= share.high]
    spec = row_spec(rows, share_scale(values), axis_title="Share observed, and expected of new data", keys=keys)
    named = ", ".join(share.name for share in outside[:8])
    said = f"{len(outside)} of {len(shares)} observed shares lie outside their {percent(interval)} predictive interval"
    return draw_chart(spec, title=title, description=f"{said}: {named}." if outside else f"{said}.")


def methods_chart(head: GroupsHead, numbers: Sequence[MethodNumber], *, title: str = "Methods side by side") -> Chart:
    """The same share or mean by several methods, one below the other in each row, with intervals.

    Parameters
    ----------
    head
        What was asked.

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    methods = list(dict.fromkeys(one.method for one in numbers))
    looks = {
        method: (SERIES[number % len(SERIES)], SHAPES[number % len(SHAPES)]) for number, method in enumerate(methods)
    }
    step = 1 / (len(methods) + 1)
    rows: list[Row] = []
    for name, members in groupby(numbers, key=lambda one: one.name):
        known = list(members)
        dots = tuple(
            Dot(
                one.value,
                one.low,
                one.high,
                colour=looks[one.method][0],
                shape=looks[one.method][1],
                offset=step * (methods.index(one.method) + 1) - 0.5,
            )
            for one in known
            if one.value is not None
        )
        spoken = f"{name}: " + "; ".join(_by_method(one, head) for one in known)
        rows.append(Row(label=name, dots=dots, name=spoken, text="" if dots else "–"))
    values = [value for one in numbers for value in (one.value, one.low, one.high) if value is not None]
    keys = [Key(method, *looks[method]) for method in methods]
    height = max(ROW, 13.0 * (len(methods) + 1))
    axis = measure_of(head) if is_of_means(head) else "Share"
    spec = row_spec(rows, scale_of(head, values), axis_title=axis, keys=keys, row_height=height, has_separators=True)
    said = ". ".join(row.name for row in rows[:12]) or "Nothing is shown"
    return draw_chart(spec, title=title, description=f"{said}.")


def _represented(share: SampleShare) -> Row:
    frame = Dot(share.frame, colour=_FRAME[0], shape=_FRAME[1])
    if share.sample is None:
        name = f"{share.level}: interviews withheld, {percent(share.frame)} of the people"
        return Row(label=share.level, dots=(frame,), name=name, text="–")
    # The line between the two is the first dot's interval: a dumbbell.
    low, high = sorted((share.sample, share.frame))
    return Row(
        label=share.level,
        dots=(frame, Dot(share.sample, low, high)),
        name=_said(share),
        text=f"{100 * (share.sample - share.frame):+.0f}".replace("-", "−").replace("+0", "0").replace("−0", "0"),
    )


def _said(share: SampleShare) -> str:
    sample = "withheld" if share.sample is None else percent(share.sample)
    return f"{share.level}: {sample} of the interviews, {percent(share.frame)} of the people"


def _predicted(share: PredictedShare) -> Row:
    is_inside = share.low <= share.observed <= share.high
    colour, shape = (SERIES[0], "circle") if is_inside else (SERIES[1], "diamond")
    expected = f"{percent(share.low).removesuffix('%')} to {percent(share.high)}"
    return Row(
        label=share.name,
        dots=(
            Dot(share.observed, share.low, share.high, colour=colour, interval_colour=variable("muted"), shape=shape),
        ),
        name=f"{share.name}: {percent(share.observed)} observed, {expected} expected{'' if is_inside else ': outside'}",
        text=percent(share.observed),
    )


def _by_method(one: MethodNumber, head: GroupsHead) -> str:
    if one.value is None:
        return f"{one.method} withheld"
    write = number if is_of_means(head) else percent
    if one.low is None or one.high is None:
        return f"{one.method} {write(one.value)}"
    low, high = (write(end).removesuffix("%") for end in (one.low, one.high))
    return f"{one.method} {write(one.value)} ({low} to {high})"
