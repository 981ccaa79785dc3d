"""Tell the central intervals of a number that was computed draw by draw, at every level that was asked for."""

from collections.abc import Iterable

from api.answer_payloads import IntervalEnds
from api.group_query import EstimateQuery
from mrp.quantity import Quantity

__all__ = ["ends_of", "interval_ends"]


def interval_ends(intervals: Iterable[float], ends: Iterable[tuple[float, float]]) -> list[IntervalEnds]:
    """Probabilities, and the lower and upper end of each."""
    return [IntervalEnds(interval, low, high) for interval, (low, high) in zip(intervals, ends, strict=True)]


def ends_of(query: EstimateQuery, number: Quantity) -> list[IntervalEnds]:
    """The intervals of a number that was summarised at those of a query."""
    return interval_ends(query.intervals, ((number.low, number.high), *number.further))
