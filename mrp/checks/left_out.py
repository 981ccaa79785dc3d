r"""Leave one cell out, without fitting again: scores of the model, and scores of the estimates.

A *cell* is one of the population: a district with a level of every demographic; its interviews are left out together,
whatever period and pollster they are of. With l[s, j] the log likelihood of cell ``j`` at draw ``s`` and w[s, j] the
Pareto-smoothed weights proportional to exp(-l[s, j]),

    elpd = sum_j log sum_s w[s, j] exp(l[s, j])                             the model's score; larger is better
    m[j] = sum_s w[s, j] p[s, j]                                            what the others say of cell ``j``

The first judges predictions of cells. It does not judge poststratified estimates: errors of cells cancel in sums, and a
model that orders cells well may sum badly (Kuh et al.). So beside it stands the score made for estimates, the squared
error of the sum instead of the sum of squared errors, for an area ``a`` with ``N`` people in cells with interviews,

    e[a] = sum_j N[j] (m[j] - y[j] / n[j]) / sum_j N[j],    v[a] = sum_j N[j]^2 p[j] (1 - p[j]) / n[j] / (sum_j N[j])^2,

with v the noise of what was observed. Told are the root of mean_a (e^2 - v), which has no noise in it, and the
continuous ranked probability score of the area's distribution, that of the joint draws with every cell moved to m[j],
plus the noise. Cells without interviews are people of whom nothing can be said here, in either score. The other cells
of an area stay in the fit, so that the score of an area is smaller than its error; it puts models in the right order.

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
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import gammaln, logsumexp

from mrp.checks.margins import with_parents
from mrp.checks.predictive import Predicted, predict_counts
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.errors import ScoreError
from mrp.laplace.pareto import smoothed_weights
from mrp.latents import LatentDraws

__all__ = ["CAUTION", "EstimateScore", "LeftOut", "elpd_difference", "estimate_scores", "leave_cells_out"]

type Floats = NDArray[np.float64]

CAUTION = (
    "LOO judges predictions of single cells, not poststratified estimates, in which errors of cells cancel: models may "
    "come in another order by it (Kuh et al. 2024). The score of estimates stands beside it."
)
MAX_K = 0.7
_MOST_DRAWS, _LEAST_DRAWS = 1000, 200
# Of several arrays of as many numbers: a hundred megabytes.
_MOST_NUMBERS = 6_000_000


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Every cell with interviews, predicted from the others. Of exact counts: not to be shown cell by cell."""

    cells: pl.DataFrame
    """District and demographics of each cell, with the parents of the district."""
    n: Floats
    """Interviews, shape (cell,); with weights in the likelihood what is left of them after the design effect."""
    observed: Floats
    """Share observed, shape (cell,)."""
    mean: Floats
    """Share that the other cells predict, shape (cell,)."""
    share: Floats
    """Draws of the share given all cells, shape (draw, cell)."""
    elpd: Floats
    """Log predictive density of the cell's interviews given those of the others, shape (cell,)."""
    density: Floats
    """The same given those of all cells, shape (cell,): larger by what the model learned from the cell."""
    k_hat: Floats
    """Shape of the tail of the weights, shape (cell,): above `MAX_K` the cell moves the fit too much for this."""

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


@dataclass(frozen=True, slots=True)
class EstimateScore:
    """How good estimates of areas of one kind are, by leaving cells out; smaller is better."""

    level: str
    """"nation", the district, a parent or a demographic."""
    n_areas: int
    error: float
    """Root of the mean squared error beyond the noise of what was observed, as a share; 0 if there is none."""
    noise: float
    """Root of the mean variance of that noise: errors much smaller cannot be seen."""
    crps: float
    """Mean continuous ranked probability score, as a share."""
    bias: float
    """Mean of predicted minus observed, as a share."""


def leave_cells_out(latents: LatentDraws, design: Design, electorate: Electorate, counts: pl.DataFrame) -> LeftOut:
    """Predict every cell from the others.

    Parameters
    ----------
    latents, design, electorate, counts
        As for `mrp.checks.predictive.posterior_predictive`. Rows with a gap in a demographic are left out.
    """
    counts = counts.filter((pl.col("n") > 0) & pl.all_horizontal(pl.col(electorate.cell_columns).is_not_null()))
    names = counts.select(pl.col(electorate.cell_columns).cast(pl.String))
    cells = names.unique(maintain_order=True).with_row_index("#")
    draws = max(_LEAST_DRAWS, min(_MOST_DRAWS, _MOST_NUMBERS // cells.height))
    predicted = predict_counts(latents, design, electorate, counts, most_draws=draws)
    of_row = names.join(cells, on=electorate.cell_columns, how="left", maintain_order="left")["#"]
    group = of_row.cast(pl.Int64).to_numpy()
    n_of_row = predicted.n**2 / predicted.spread  # with weights: as many equal ones as have its variance
    n = np.bincount(group, n_of_row, cells.height)
    observed = np.bincount(group, n_of_row * predicted.y / predicted.n, cells.height) / n
    share = predicted.sums(group, cells.height)[0] / np.bincount(group, predicted.n, cells.height)
    likelihood = _log_likelihood(predicted, group, cells.height, n_of_row)
    mean, elpd, k_hat = np.empty(cells.height), np.empty(cells.height), np.empty(cells.height)
    for cell in range(cells.height):
        weight, k_hat[cell] = smoothed_weights(-likelihood[:, cell])
        mean[cell] = weight @ share[:, cell]
        elpd[cell] = logsumexp(likelihood[:, cell], b=weight)
    return LeftOut(
        cells=with_parents(cells.drop("#"), electorate),
        n=n,
        observed=observed,
        mean=mean,
        share=share,
        elpd=elpd,
        density=logsumexp(likelihood, axis=0) - math.log(len(likelihood)),
        k_hat=k_hat,
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


def estimate_scores(left_out: LeftOut, electorate: Electorate, *, least: int = 30) -> tuple[EstimateScore, ...]:
    """Score poststratified estimates of the nation, the districts, their parents, and each demographic.

    Parameters
    ----------
    left_out
        See `leave_cells_out`.
    least
        Areas with fewer interviews are left out: of them little can be told, and little can be learned.
    """
    frame = electorate.frame.select(*electorate.cell_columns, "n_people")
    people = left_out.cells.join(frame, on=electorate.cell_columns, how="left", maintain_order="left")["n_people"]
    weight = people.fill_null(0).cast(pl.Float64).to_numpy()
    levels: list[str | None] = [None, *electorate.cell_columns, *electorate.parents]
    scores = [_score(left_out, weight, level, least=least) for level in levels]
    return tuple(one for one in scores if one is not None)


def _score(left_out: LeftOut, people: Floats, level: str | None, *, least: int) -> EstimateScore | None:
    area = np.zeros(len(people), dtype=np.int64)
    if level is not None:
        area = left_out.cells[level].rank("dense").cast(pl.Int64).to_numpy() - 1
    n_areas = int(area.max()) + 1
    total = np.bincount(area, people, n_areas)
    kept = (total > 0) & (np.bincount(area, left_out.n, n_areas) >= least)
    if not kept.any():
        return None
    weight = people / np.where(total > 0, total, 1.0)[area]
    error = np.bincount(area, weight * (left_out.mean - left_out.observed), n_areas)[kept]
    noise = np.bincount(area, weight**2 * left_out.mean * (1 - left_out.mean) / left_out.n, n_areas)[kept]
    moved = (left_out.share - left_out.share.mean(axis=0)) * weight
    by_area = sparse.csc_array((np.ones(len(area)), (np.arange(len(area)), area)), shape=(len(area), n_areas))
    draws = (by_area.T @ moved.T).T[:, kept] + error
    return EstimateScore(
        level=level or "nation",
        n_areas=int(kept.sum()),
        error=math.sqrt(max(0.0, float(np.mean(error**2 - noise)))),
        noise=math.sqrt(float(noise.mean())),
        crps=float(np.mean(_crps_around_zero(draws, noise))),
        bias=float(error.mean()),
    )


def _crps_around_zero(draws: Floats, variance: Floats) -> Floats:
    """CRPS of draws plus normal noise at the outcome 0: that of a normal distribution of the same mean and variance.

    Shares of areas are sums of many cells.
    """
    mean, sd = draws.mean(axis=0), np.sqrt(draws.var(axis=0) + variance)
    z = np.abs(mean) / np.maximum(sd, 1e-12)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    above = np.array([math.erf(one / math.sqrt(2)) for one in z])
    return np.asarray(sd * (z * above + 2 * density - 1 / math.sqrt(math.pi)))


def _log_likelihood(predicted: Predicted, group: NDArray[np.int64], n_cells: int, n: Floats) -> Floats:
    """Of each cell's interviews at each draw, with the binomial coefficient, shape (draw, cell)."""
    share = np.clip(predicted.share.astype(np.float64), 1e-9, 1 - 1e-9)
    y = n * predicted.y / predicted.n
    shape = (share.shape[1], n_cells)
    of_yes, of_no = (sparse.csc_array((of, (predicted.cell, group)), shape=shape) for of in (y, n - y))
    # Of the cell as a whole: in which rows its interviews are must not matter. Differences of fits are without it.
    whole, chosen = np.bincount(group, n, n_cells), np.bincount(group, y, n_cells)
    coefficient = gammaln(whole + 1) - gammaln(chosen + 1) - gammaln(whole - chosen + 1)
    given: Floats = (of_yes.T @ np.log(share).T + of_no.T @ np.log1p(-share).T).T + coefficient
    return given
