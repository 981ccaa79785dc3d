"""Probabilities of events in every area: above a threshold, in the lead; and where each area ranks.

P(above t)[a]  = sum_s (1[theta[s, a] > t] + 1[theta[s, a] = t] / 2) / S
P(leads)[a, o] = sum_s 1[theta[s, a, o] = max_o' theta[s, a, o']] / (number of options at the maximum) / S
rank[s, a]     = 1 + number of areas above a in draw s (areas that tie share the mean of their ranks)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrp.areas import area_names, require_joint, require_same_areas
from mrp.errors import FrameError
from mrp.poststratification import AreaDraws
from mrp.quantity import Probability, Quantity, central_intervals, probabilities, quantities

__all__ = ["AreaRank", "above", "leads", "ranks", "stacked"]


@dataclass(frozen=True, slots=True)
class AreaRank:
    """Where an area stands among all areas; 1 is the largest share or mean."""

    area: Mapping[str, str]
    rank: Quantity
    """``low`` and ``high`` are ranks that occur: at least ``interval`` of the draws lie between them."""
    p_first: Probability


def above(estimate: AreaDraws, threshold: float) -> tuple[Probability, ...]:
    """Probability that the share, or the mean, is above a threshold, for every area in order.

    Parameters
    ----------
    threshold
        Of shares in [0, 1], 0.5 for a majority; of means any number in the unit of the question.

    Raises
    ------
    ValueError
        If the threshold is no share, or of means no finite number.
    """
    if estimate.kind == "mean" and not math.isfinite(threshold):
        raise ValueError(f"threshold must be a finite number, got {threshold}; write it in the unit of the question")
    if estimate.kind == "share" and not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be a share in [0, 1], got {threshold}; write 0.5 for 50%")
    away = estimate.draws - threshold
    return probabilities(np.heaviside(away, 0.5), estimate, behind=away)


def leads(options: Mapping[str, AreaDraws]) -> dict[str, tuple[Probability, ...]]:
    """Probability that an option has the largest share, by option, for every area in order.

    Parameters
    ----------
    options
        Shares of each option, joint draws of one fit; for a binary question see `mrp.areas.complement`.

    Returns
    -------
    dict
        The probabilities of one area add up to 1: options that tie share the draw.

    Raises
    ------
    FrameError
        If there are fewer than two options, or they are for other areas.
    DrawsError
        If the options are not joint draws of one fit.
    """
    share = stacked(options)
    first = share == share.max(axis=0)
    part = first / first.sum(axis=0)
    two_best = np.partition(share, -2, axis=0)[-2:]
    margin = two_best[1] - two_best[0]
    source = next(iter(options.values()))
    return {name: probabilities(part[o], source, behind=margin) for o, name in enumerate(options)}


def ranks(estimate: AreaDraws, *, interval: float = 0.9, also: tuple[float, ...] = ()) -> tuple[AreaRank, ...]:
    """Rank of every area among all areas of the estimate.

    Parameters
    ----------
    interval
        Probability of the interval of ranks, in (0, 1).
    also
        Those of further intervals.

    Raises
    ------
    ValueError
        If an interval is not inside (0, 1).
    """
    draws = estimate.draws
    rank = _rank(draws) if draws.size else draws
    ends = central_intervals(rank, (interval, *also), whole=True)
    if not draws.size:
        return ()
    means = quantities(rank, estimate, interval=interval)
    first = draws == draws.max(axis=1, keepdims=True)
    p_first = probabilities(first / first.sum(axis=1, keepdims=True), estimate, behind=draws)
    # Of each area, the ends of its intervals: (area, interval, 2).
    of_area = [[(low, high) for low, high in one] for one in ends.transpose(2, 0, 1).tolist()]
    return tuple(
        AreaRank(name, Quantity(q.mean, q.sd, *first_ends, q.mc_error, tuple(further)), p)
        for name, q, (first_ends, *further), p in zip(area_names(estimate), means, of_area, p_first, strict=True)
    )


def stacked(options: Mapping[str, AreaDraws]) -> NDArray[np.float64]:
    """Shares of all options, shape (option, draw, area); raises as `leads` does."""
    if len(options) < 2:
        raise FrameError(f"options compete with each other: give at least two, got {', '.join(options) or 'none'}")
    first, *others = options.values()
    for other in others:
        require_same_areas(first, other)
        require_joint(first, other)
    return np.stack([one.draws for one in options.values()])


def _rank(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    return np.asarray(rankdata(-draws, axis=1), dtype=np.float64)
