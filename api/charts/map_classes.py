"""Which colour of the map's palette a share with its interval gets; see `api.charts.theme` for the palette.

Shares fall into eight classes of equal, round width about those that there are; widths of intervals into four rows. In
row R, 2^R neighbouring classes are one: the palette tells apart only what the intervals can. For the same reason the
eight classes together are never narrower than the narrowest interval: districts of 63% and 64%, each give or take 20
points, have one colour.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from api.charts.theme import MAP_CLASSES, variable

__all__ = ["MapClasses", "map_classes"]

SHARE_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.025, 0.05, 0.1, 0.125)
WIDTH_STEPS = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.25)
"""Widths that differ by less than a point are not worth another colour."""
N_CLASSES = MAP_CLASSES[0]
N_ROWS = len(MAP_CLASSES)
EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class MapClasses:
    """Round classes of shares and of widths of intervals."""

    share_low: float
    share_step: float
    width_low: float
    width_step: float

    def of(self, share: float, width: float) -> tuple[int, int]:
        """Row and class of a share, given the width of its interval."""
        row = math.floor((width - self.width_low) / self.width_step + EPSILON)
        row = min(max(row, 0), N_ROWS - 1)
        column = math.floor((share - self.share_low) / (self.share_step * 2**row) + EPSILON)
        return row, min(max(column, 0), MAP_CLASSES[row] - 1)

    def colour(self, share: float, width: float) -> str:
        """The colour of a share, given the width of its interval."""
        row, column = self.of(share, width)
        return variable(f"map-{row}-{column}")

    def ink(self, share: float, width: float) -> str:
        """The colour of text on it."""
        row, column = self.of(share, width)
        return variable(f"map-{row}-{column}-ink")

    @property
    def share_edges(self) -> list[float]:
        """Where the classes of shares begin, and where the last ends."""
        return [self.share_low + number * self.share_step for number in range(N_CLASSES + 1)]

    @property
    def width_edges(self) -> list[float]:
        """Where the rows of widths begin, and where the last ends."""
        return [self.width_low + number * self.width_step for number in range(N_ROWS + 1)]


def map_classes(shares: Sequence[float], widths: Sequence[float]) -> MapClasses:
    """Classes for these shares and the widths of their intervals.

    Parameters
    ----------
    shares
        In [0, 1]; may be empty.
    widths
        Upper minus lower end of each interval.
    """
    least = min(widths, default=0.0) / N_CLASSES
    share_low, share_step = _cover(shares or (0.0, 1.0), SHARE_STEPS, N_CLASSES, least=least, most=1.0)
    width_low, width_step = _cover(widths or (0.0, 0.1), WIDTH_STEPS, N_ROWS, least=least, most=None)
    return MapClasses(share_low, share_step, width_low, width_step)


def _cover(
    values: Sequence[float], steps: Sequence[float], n_classes: int, *, least: float, most: float | None
) -> tuple[float, float]:
    """Where ``n_classes`` classes of the smallest round width, at least ``least``, begin that hold all values; and it.

    Of shares (``most`` given) the values lie in the middle of the classes; widths begin with the first.
    """
    low, high = min(values), max(values)
    for step in steps:
        if step < least - EPSILON and step != steps[-1]:
            continue
        first = math.floor(low / step + EPSILON)
        used = math.floor(high / step + EPSILON) + 1 - first
        if used > n_classes and not (used == n_classes + 1 and (first + n_classes) * step >= high - EPSILON):
            continue
        if most is not None:
            first -= max(n_classes - used, 0) // 2
            first = max(min(first, round(most / step) - n_classes), 0)
        return round(first * step, 9), step
    return 0.0, steps[-1]
