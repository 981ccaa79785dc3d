"""Differences between groups, areas and options within one fit.

    d[s] = theta[s, a] - theta[s, b],      P(a > b) = sum_s (1[d_s > 0] + 1[d_s = 0] / 2) / S

computed draw by draw: the two shares have errors in common, so that the interval of their difference does not follow
from their own intervals.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrp.areas import area_names, column_of, complement, require_joint, require_same_areas
from mrp.poststratification import AreaDraws
from mrp.quantity import Probability, Quantity, probabilities, quantities

__all__ = ["Contrast", "contrast", "contrasts", "differences", "lead"]


@dataclass(frozen=True, slots=True)
class Contrast:
    """How much larger one share is than another."""

    first: Mapping[str, str]
    """What the first share is about; see `mrp.areas.area_names`."""
    second: Mapping[str, str]
    difference: Quantity
    """First minus second, on the scale of shares."""
    p_greater: Probability
    """That the first is larger; a tie counts half."""


def contrast(
    estimate: AreaDraws, first: Mapping[str, str], second: Mapping[str, str], *, interval: float = 0.9
) -> Contrast:
    """Compare two areas or groups of one estimate.

    Parameters
    ----------
    first, second
        The areas, e.g. ``{"age": "65+"}``.
    interval
        Probability of the interval of the difference, in (0, 1).

    Raises
    ------
    FrameError
        If the estimate has no such area.
    ValueError
        If ``interval`` is not inside (0, 1).
    """
    a, b = column_of(estimate, first), column_of(estimate, second)
    ((difference, p),) = differences(estimate.draws[:, [a]] - estimate.draws[:, [b]], estimate, interval=interval)
    return Contrast(dict(first), dict(second), difference, p)


def contrasts(estimate: AreaDraws, reference: Mapping[str, str], *, interval: float = 0.9) -> tuple[Contrast, ...]:
    """Compare every area with one of them; its comparison with itself is left out.

    Raises
    ------
    FrameError
        If the estimate has no area ``reference``.
    """
    b = column_of(estimate, reference)
    others = [i for i in range(estimate.areas.height) if i != b]
    names = area_names(estimate)
    found = differences(estimate.draws[:, others] - estimate.draws[:, [b]], estimate, interval=interval)
    return tuple(Contrast(names[i], names[b], d, p) for i, (d, p) in zip(others, found, strict=True))


def lead(
    option: AreaDraws, other: AreaDraws | None = None, *, interval: float = 0.9, also: tuple[float, ...] = ()
) -> tuple[Contrast, ...]:
    """Lead of one option over another in every area.

    Parameters
    ----------
    option
        Shares of the option.
    other
        Shares of the other option in the same fit; None: everybody else, the other option of a binary question.

    Raises
    ------
    FrameError
        If the two are for other areas.
    DrawsError
        If they are not joint draws of one fit.
    """
    other = complement(option) if other is None else other
    require_same_areas(option, other)
    require_joint(option, other)
    names = area_names(option)
    found = differences(option.draws - other.draws, option, interval=interval, also=also)
    return tuple(Contrast(name, name, d, p) for name, (d, p) in zip(names, found, strict=True))


def differences(
    values: NDArray[np.float64], source: AreaDraws, *, interval: float, also: tuple[float, ...] = ()
) -> tuple[tuple[Quantity, Probability], ...]:
    """Size of differences, shape (draw, difference), and probability that they are above 0."""
    above = np.heaviside(values, 0.5)
    sizes = quantities(values, source, interval=interval, also=also)
    return tuple(zip(sizes, probabilities(above, source, behind=values), strict=True))
