"""What charts of estimates show: shares in percent, or means in the unit of a question; how both are written."""

from collections.abc import Sequence

from api.answer_payloads import AreaEstimate, AreaMean, AreaNumber, GroupsHead, IntervalEnds
from api.charts.chart import ABSENT, percent, share_name
from api.charts.scales import Scale, number_scale, share_scale
from api.measures import value_of

__all__ = [
    "MODEL_INTERVAL",
    "TOTAL_INTERVAL",
    "Estimate",
    "estimate_name",
    "estimated",
    "is_of_means",
    "measure_of",
    "number",
    "outer_of",
    "scale_of",
    "span_of",
    "value_of",
    "written",
]

type Estimate = AreaEstimate | AreaMean | AreaNumber

MODEL_INTERVAL, TOTAL_INTERVAL = "Interval of the model", "With the error that polls share"
"""What keys call the two intervals, where there are two."""


def written(row: Estimate) -> str:
    """The same for readers."""
    if is_mean(row):
        return number(value_of(row))
    return percent(value_of(row)) if row.low is not None else ABSENT


def span_of(row: Estimate) -> tuple[float, float]:
    """Ends of the interval; the share itself where the option does not stand."""
    low, high = row.low, row.high
    return (value_of(row), value_of(row)) if low is None or high is None else (low, high)


def estimated[E: Estimate](rows: Sequence[E]) -> list[E]:
    """Those of which something is estimated: the option stands there."""
    return [row for row in rows if row.low is not None]


def number(value: float) -> str:
    """A mean for readers, with three digits or more: "0.54", "−12.3", "1,240"."""
    size = abs(value)
    text = f"{size:,.{0 if size >= 99.95 else 1 if size >= 9.995 else 2}f}"
    return f"−{text}" if value < 0 and text.strip("0.") else text


def estimate_name(name: str, row: Estimate) -> str:
    """What a mark is called: "Northmoor: 54% (48 to 60)", "Northmoor: 23.4 (20.1 to 26.7)".

    Where the row has a second interval, that follows: ", 44 to 63% with the systematic error".
    """
    if is_mean(row):
        low, high = span_of(row)
        return f"{name}: {written(row)} ({number(low)} to {number(high)}){_with_error(row)}"
    told = share_name(name, value_of(row), row.low, row.high)
    part = getattr(row, "part_standing", 1.0)
    standing = "" if part in (0, 1) else f", stands among {percent(part)} of the people"
    return f"{told}{standing}{_with_error(row)}"


def outer_of(row: Estimate) -> tuple[float, float] | None:
    """The widest interval with the systematic error, where the row has one."""
    ends: list[IntervalEnds] | None = getattr(row, "total_intervals", None)
    widest = max(ends, key=lambda end: end.interval) if ends else None
    return None if widest is None else (widest.low, widest.high)


def is_mean(row: Estimate) -> bool:
    """Whether a row has a mean and no share."""
    return getattr(row, "mean", None) is not None


def _with_error(row: Estimate) -> str:
    outer = outer_of(row)
    if outer is None:
        return ""
    low, high = outer
    ends = (
        f"{number(low)} to {number(high)}" if is_mean(row) else f"{percent(low).removesuffix('%')} to {percent(high)}"
    )
    return f", {ends} with the systematic error"


def is_of_means(head: GroupsHead) -> bool:
    """Whether an answer is of means."""
    return head.measure == "mean"


def measure_of(head: GroupsHead) -> str:
    """What is shown: "Share answering “yes”", "Mean, minutes", "Mean score", all these "among likely voters"."""
    among = f" among {head.population.people}" if head.population.told_by else ""
    if is_of_means(head):
        return f"{'Mean score' if head.scores else f'Mean, {head.unit}' if head.unit else 'Mean'}{among}"
    return f"Share answering “{head.option}”{among}"


def scale_of(head: GroupsHead, values: Sequence[float]) -> Scale:
    """Ends and ticks for what is shown."""
    return number_scale(values) if is_of_means(head) else share_scale(values)
