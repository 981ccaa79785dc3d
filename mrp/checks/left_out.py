"""Leave one cell out, without fitting again: scores of the model.

A *cell* is one of the population: a district with a level of every demographic; its interviews are left out together,
whatever period and pollster they are of. With l[s, j] the log likelihood of cell ``j`` at draw ``s`` and w[s, j] the
Pareto-smoothed weights proportional to exp(-l[s, j]),

    elpd = sum_j log sum_s w[s, j] exp(l[s, j])                             the model's score; larger is better
    m[j] = sum_s w[s, j] p[s, j]                                            what the others say of cell ``j``

This judges predictions of cells. It does not judge poststratified estimates: beside it stands a score of those,
`mrp.checks.estimate_scores`.

References
----------
Vehtari, Gelman and Gabry (2017), "Practical Bayesian model evaluation using leave-one-out cross-validation and WAIC",
Statistics and Computing 27, 1413-1432.
Kuh, Kennedy, Chen and Gelman (2024), "Using leave-one-out cross validation (LOO) in a multilevel regression and
poststratification (MRP) workflow: a cautionary tale", Statistics in Medicine 43, 953-982.
Kennedy, Vehtari and Gelman (2023), "Scoring multilevel regression and postratification based population and
subpopulation estimates", arXiv:2312.06334: both scores of estimates, with cells left out one at a time.
Gneiting and Raftery (2007), "Strictly proper scoring rules, prediction, and estimation", JASA 102, 359-378: CRPS.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import logsumexp

from mrp.checks.answered import AnsweredCells, answered_blocks
from mrp.electorate import Electorate
from mrp.errors import ScoreError
from mrp.heed import Heed, nobody
from mrp.laplace.pareto import smoothed_rows
from mrp.latents import LatentDraws
from mrp.outcomes.designs import AnyDesign

__all__ = ["CAUTION", "LeftOut", "elpd_difference", "leave_cells_out"]

type Floats = NDArray[np.float64]

CAUTION = (
    "LOO judges predictions of single cells, not poststratified estimates, in which errors of cells cancel: models may "
    "come in another order by it (Kuh et al. 2024). The score of estimates stands beside it."
)
MAX_K = 0.7
_MOST_DRAWS, _LEAST_DRAWS = 1000, 200
# Numbers of a block of cells whose weights are smoothed: they stay in the cache.
_BLOCK = 200_000


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Every cell with interviews, predicted from the others. Of exact counts: not to be shown cell by cell."""

    cells: pl.DataFrame
    """District and demographics of each cell, with the parents of the district."""
    n: Floats
    """Interviews, shape (cell,); with weights in the likelihood what is left of them after the design effect."""
    observed: Floats
    """Share, or mean, observed, shape (cell,)."""
    mean: Floats
    """What the other cells predict of it, shape (cell,)."""
    share: NDArray[np.floating[Any]]
    """Draws of it given all cells, shape (draw, cell)."""
    elpd: Floats
    """Log predictive density of the cell's interviews given those of the others, shape (cell,)."""
    density: Floats
    """The same given those of all cells, shape (cell,): larger by what the model learned from the cell."""
    k_hat: Floats
    """Shape of the tail of the weights, shape (cell,): above `MAX_K` the cell moves the fit too much for this."""
    variance: Floats | None = None
    """Of one answer that is a number, shape (cell,); None of shares."""
    stands: NDArray[np.bool_] | None = None
    """Where the option can be chosen, shape (cell,); None: everywhere."""

    @property
    def total(self) -> float:
        """Expected log predictive density of all cells."""
        return float(self.elpd.sum())

    @property
    def se(self) -> float:
        """Its standard error over cells."""
        return math.sqrt(len(self.elpd) * float(self.elpd.var(ddof=1))) if len(self.elpd) > 1 else 0.0

    @property
    def n_parameters(self) -> float:
        """Effective number of parameters."""
        return float((self.density - self.elpd).sum())

    @property
    def share_bad(self) -> float:
        """Share of cells whose weights cannot be trusted."""
        return float(np.mean(~(self.k_hat <= MAX_K)))


def leave_cells_out(
    latents: LatentDraws, design: AnyDesign, electorate: Electorate, counts: pl.DataFrame, *, heed: Heed = nobody
) -> dict[str, LeftOut]:
    """Predict every cell from the others.

    Parameters
    ----------
    latents, design, electorate, counts
        As for `mrp.checks.answered.answered_cells`.
    heed
        Called between blocks of cells; see `mrp.heed`.

    Returns
    -------
    dict
        What is estimated (`mrp.outcomes.designs.estimands`) -> its cells. The scores of the model are those of all
        answers, the same in each.
    """
    blocks = answered_blocks(
        latents, design, electorate, counts, most_draws=_MOST_DRAWS, least_draws=_LEAST_DRAWS, heed=heed
    )
    parts = [_left_out(block, heed) for block in blocks]
    # Each estimand is taken out of the parts: there is room for all draws once, and not twice.
    return {name: _together_again([part.pop(name) for part in parts]) for name in tuple(parts[0])}


def _left_out(block: AnsweredCells, heed: Heed) -> dict[str, LeftOut]:
    """Of a block of cells."""
    likelihood = np.ascontiguousarray(block.likelihood.T)  # (cell, draw)
    n_cells, n_draws = likelihood.shape
    elpd, k_hat = np.empty(n_cells), np.empty(n_cells)
    means = {name: np.empty(n_cells) for name in block.of}
    step = max(1, _BLOCK // n_draws)
    for start in range(0, n_cells, step):
        heed()
        here = slice(start, start + step)
        weight, k_hat[here] = smoothed_rows(-likelihood[here])
        elpd[here] = logsumexp(likelihood[here], b=weight, axis=1)
        for name, one in block.of.items():
            means[name][here] = np.einsum("cs,sc->c", weight, one.expected[:, here])
    density = logsumexp(likelihood, axis=1) - math.log(n_draws)
    return {
        name: LeftOut(
            cells=block.cells,
            n=block.n,
            observed=one.observed,
            mean=means[name],
            share=one.expected,
            elpd=elpd,
            density=density,
            k_hat=k_hat,
            variance=one.variance,
            stands=one.stands,
        )
        for name, one in block.of.items()
    }


def _together_again(parts: Sequence[LeftOut]) -> LeftOut:
    """One estimand in the cells of all blocks."""
    if len(parts) == 1:
        return parts[0]

    def joined(name: str) -> Any:
        own = [getattr(part, name) for part in parts]
        return None if own[0] is None else np.concatenate(own)

    rest = ("n", "observed", "mean", "elpd", "density", "k_hat", "variance", "stands")
    return LeftOut(
        cells=pl.concat([part.cells for part in parts]),
        share=np.concatenate([part.share for part in parts], axis=1),
        **{name: joined(name) for name in rest},
    )


def elpd_difference(one: LeftOut, other: LeftOut) -> tuple[float, float]:
    """How much better one fit predicts cells than another of the same counts, and the standard error over cells.

    Raises
    ------
    ScoreError
        If the two are not of the same cells.
    """
    if not one.cells.equals(other.cells) or not np.allclose(one.n, other.n):
        raise ScoreError("the two fits are not of the same interviews, so that their scores cannot be compared")
    by_cell = one.elpd - other.elpd
    se = math.sqrt(len(by_cell) * float(by_cell.var(ddof=1))) if len(by_cell) > 1 else 0.0
    return float(by_cell.sum()), se
