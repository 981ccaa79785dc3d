"""Which colour of the map's palette a share with its interval gets; see `api.charts.theme` for the palette.

Shares fall into eight classes of equal, round width about those that there are. In row R of the palette 2^R
neighbouring classes are one. A share gets the first row whose classes are as wide as half its interval: a map tells 50%
from 55% only where an estimate is known to 5 points, give or take. What is known less well than all of it is grey.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from api.charts.theme import MAP_CLASSES, variable

__all__ = ["MapClasses", "map_classes", "mean_classes"]

STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.025, 0.05, 0.1, 0.125)
N_CLASSES = MAP_CLASSES[0]
N_ROWS = len(MAP_CLASSES)
EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class MapClasses:
    """Round classes of shares."""

    share_low: float
    share_step: float

    def of(self, share: float, width: float) -> tuple[int, int]:
        """Row and class of a share, given the width of its interval."""
        row = next((row for row, most in enumerate(self.most_widths) if width <= most + EPSILON), N_ROWS - 1)
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
    def most_widths(self) -> list[float]:
        """The widest interval of each row but the last, which takes all wider ones."""
        return [2 * self.share_step * 2**row for row in range(N_ROWS - 1)]


def mean_classes(means: Sequence[float], widths: Sequence[float]) -> MapClasses:
    """Classes for means, whose size nothing bounds; otherwise as `map_classes`."""
    low, high = (min(means), max(means)) if means else (0.0, 1.0)
    least = max((high - low) / N_CLASSES, min(widths, default=0.0) / N_CLASSES, 1e-9 * max(abs(low), abs(high), 1.0))
    magnitude = 10.0 ** math.floor(math.log10(least))
    for step in (part * magnitude for part in (1, 2, 2.5, 5, 10, 20)):
        first = math.floor(low / step + EPSILON)
        used = math.floor(high / step + EPSILON) + 1 - first
        if step >= least - EPSILON * magnitude and used <= N_CLASSES:
            break
    return MapClasses(round((first - (N_CLASSES - used) // 2) * step, 9), step)


def map_classes(shares: Sequence[float], widths: Sequence[float]) -> MapClasses:
    """Classes for these shares: the narrowest round ones that hold all, and together at least the narrowest interval.

    Parameters
    ----------
    shares
        In [0, 1]; may be empty.
    widths
        Upper minus lower end of each interval.
    """
    low, high = (min(shares), max(shares)) if shares else (0.0, 1.0)
    least = min(widths, default=0.0) / N_CLASSES
    for step in STEPS:
        first = math.floor(low / step + EPSILON)
        used = math.floor(high / step + EPSILON) + 1 - first
        # A share of just 1 belongs to the last class.
        ends_at_one = used == N_CLASSES + 1 and (first + N_CLASSES) * step >= high - EPSILON
        if step >= least - EPSILON and (used <= N_CLASSES or ends_at_one):
            first -= max(N_CLASSES - used, 0) // 2
            first = max(min(first, round(1 / step) - N_CLASSES), 0)
            return MapClasses(round(first * step, 9), step)
    return MapClasses(0.0, STEPS[-1])
