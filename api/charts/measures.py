"""What charts of estimates show: shares in percent, or means in the unit of a question; how both are written."""

from collections.abc import Sequence

from api.answer_payloads import AreaEstimate, AreaMean, GroupsHead, MeansPayload
from api.charts.chart import percent, share_name
from api.charts.scales import Scale, number_scale, share_scale

__all__ = [
    "Estimate",
    "estimate_name",
    "is_of_means",
    "measure_of",
    "number",
    "outer_written",
    "scale_of",
    "value_of",
    "written",
]

type Estimate = AreaEstimate | AreaMean


def value_of(row: Estimate) -> float:
    """The share or the mean."""
    return row.mean if isinstance(row, AreaMean) else row.share


def written(row: Estimate) -> str:
    """The same for readers."""
    return number(row.mean) if isinstance(row, AreaMean) else percent(row.share)


def number(value: float) -> str:
    """A mean for readers, with three digits or more: "0.54", "−12.3", "1,240"."""
    size = abs(value)
    text = f"{size:,.{0 if size >= 99.95 else 1 if size >= 9.995 else 2}f}"
    return f"−{text}" if value < 0 and text.strip("0.") else text


def estimate_name(name: str, row: Estimate) -> str:
    """What a mark is called: "Northmoor: 54% (48 to 60)", "Northmoor: 23.4 (20.1 to 26.7)"."""
    if isinstance(row, AreaMean):
        return f"{name}: {number(row.mean)} ({number(row.low)} to {number(row.high)})"
    return share_name(name, row.share, row.low, row.high)


def outer_written(row: Estimate, low: float, high: float) -> str:
    """A wider interval around it: "44 to 63%", "18.0 to 28.5"."""
    if isinstance(row, AreaMean):
        return f"{number(low)} to {number(high)}"
    return f"{percent(low).removesuffix('%')} to {percent(high)}"


def is_of_means(head: GroupsHead) -> bool:
    """Whether an answer is of means."""
    return isinstance(head, MeansPayload)


def measure_of(head: GroupsHead) -> str:
    """What is shown: "Share answering “yes”", "Mean, minutes", "Mean score"."""
    if isinstance(head, MeansPayload):
        return "Mean score" if head.scores else f"Mean, {head.unit}" if head.unit else "Mean"
    return f"Share answering “{head.option}”"


def scale_of(head: GroupsHead, values: Sequence[float]) -> Scale:
    """Ends and ticks for what is shown."""
    return number_scale(values) if is_of_means(head) else share_scale(values)
