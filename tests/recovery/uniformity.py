"""Are ranks uniform? The simultaneous envelope of their empirical distribution function, read as a test.

At every point ``z`` of a grid the number of ``n`` uniform values below it is Binomial(n, z). The statistic is the
smallest two-sided tail probability of these numbers over the grid, as in the envelopes that ArviZ draws; the p-value,
the chance of a smaller one, is exact: between the points of the grid the numbers are a Markov chain with binomial
steps, so that the chance of staying inside an envelope is a product of matrices.

References
----------
Sailynoja, Buerkner and Vehtari (2022), "Graphical test for discrete uniformity and its applications in goodness-of-fit
evaluation and multiple sample comparison", Statistics and Computing 32, section 2.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["outside_envelope", "p_values"]

type Floats = NDArray[np.float64]


def outside_envelope(ranks: Mapping[str, Floats], *, n_draws: int, alpha: float = 1e-3) -> dict[str, float]:
    """Quantities whose ranks are not uniform, with the p-value of each; ``alpha`` is shared among all quantities."""
    return {name: p for name, p in p_values(ranks, n_draws=n_draws).items() if p < alpha / len(ranks)}


def p_values(ranks: Mapping[str, Floats], *, n_draws: int) -> dict[str, float]:
    """P-value of each quantity's ranks.

    Parameters
    ----------
    ranks
        Quantity → normalised ranks among ``n_draws`` draws, in (0, 1), shape (survey,).
    """
    grid = np.arange(1, n_draws + 1) / (n_draws + 1)
    return {name: p_value(values, grid) for name, values in ranks.items()}


def p_value(values: Floats, grid: Floats) -> float:
    """P-value of uniform ``values`` by their numbers below each point of ``grid``, which ascends inside (0, 1)."""
    n = len(values)
    counts = np.searchsorted(np.sort(values), grid, side="right")
    tail = np.minimum(stats.binom.cdf(counts, n, grid), stats.binom.sf(counts - 1, n, grid)).min()
    if tail < 1e-12:
        return float(2 * len(grid) * tail)  # Bonferroni's bound: the product below would lose itself in rounding
    # Inside means that both tails are larger; the ends of that range at every point, up to rounding.
    tail *= 1 + 1e-9
    low = stats.binom.ppf(tail, n, grid).astype(int)
    low += stats.binom.cdf(low, n, grid) <= tail
    high = stats.binom.isf(tail, n, grid).astype(int)
    high += stats.binom.sf(high, n, grid) > tail
    high -= stats.binom.sf(high - 1, n, grid) <= tail
    inside = np.ones(1)
    at, before = np.zeros(1, dtype=int), 0.0
    for point, first, last in zip(grid, low, high, strict=True):
        to = np.arange(first, last + 1)
        step = (point - before) / (1 - before)
        inside = inside @ stats.binom.pmf(to - at[:, None], n - at[:, None], step)
        at, before = to, point
    return float(np.clip(1 - inside.sum(), 2 * tail, 1.0))
