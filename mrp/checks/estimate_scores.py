r"""Score poststratified estimates by cells that were left out: see `mrp.checks.left_out`, also for the references.

The score of cells does not judge estimates: errors of cells cancel in sums, and a model that orders cells well may sum
badly (Kuh et al.). So beside it stands the score made for estimates, the squared error of the sum instead of the sum of
squared errors, for an area ``a`` with ``N`` people in cells with interviews,

    e[a] = sum_j N[j] (m[j] - y[j] / n[j]) / sum_j N[j],    v[a] = sum_j N[j]^2 p[j] (1 - p[j]) / n[j] / (sum_j N[j])^2,

with v the noise of what was observed; of numbers the variance of one answer stands for p (1 - p). Told are the root of
mean_a (e^2 - v), which has no noise in it, and the continuous ranked probability score of the area's distribution, that
of the joint draws with every cell moved to m[j], plus the noise. Cells without interviews are people of whom nothing
can be said here, in either score. The other cells of an area stay in the fit, so that the score of an area is smaller
than its error; it puts models in the right order.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from mrp.checks.left_out import LeftOut
from mrp.electorate import Electorate
from mrp.heed import Heed, nobody

__all__ = ["EstimateScore", "estimate_scores"]

type Floats = NDArray[np.float64]

# Numbers of a block of cells whose draws are added up: they stay in the cache.
_BLOCK = 200_000


@dataclass(frozen=True, slots=True)
class EstimateScore:
    """How good estimates of areas of one kind are, by leaving cells out; smaller is better. Means are in their unit."""

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
    option: str | None = None
    """Of several; None: of the only one, or of all together, whose errors are averaged."""


def estimate_scores(
    left_out: Mapping[str, LeftOut], electorate: Electorate, *, least: int = 30, heed: Heed = nobody
) -> tuple[EstimateScore, ...]:
    """Score poststratified estimates of the nation, the districts, their parents, and each demographic.

    Parameters
    ----------
    left_out
        See `leave_cells_out`.
    least
        Areas with fewer interviews are left out: of them little can be told, and little can be learned.
    heed
        Called between blocks of cells.

    Returns
    -------
    tuple
        By level; of several options those of all together, and then of each.
    """
    of_each = {option: _scores_of(one, electorate, least=least, heed=heed) for option, one in left_out.items()}
    if len(of_each) == 1:
        return tuple(one for scores in of_each.values() for one in scores.values())
    levels = list(dict.fromkeys(level for scores in of_each.values() for level in scores))
    together = (_together([scores[level] for scores in of_each.values() if level in scores]) for level in levels)
    named = (replace(one, option=option) for option, scores in of_each.items() for one in scores.values())
    return (*together, *named)


def _scores_of(left_out: LeftOut, electorate: Electorate, *, least: int, heed: Heed) -> dict[str, EstimateScore]:
    """By level."""
    frame = electorate.frame.select(*electorate.cell_columns, "n_people")
    people = left_out.cells.join(frame, on=electorate.cell_columns, how="left", maintain_order="left")["n_people"]
    weight = people.fill_null(0).cast(pl.Float64).to_numpy()
    if left_out.stands is not None:
        weight = weight * left_out.stands
    levels: list[str | None] = [None, *electorate.cell_columns, *electorate.parents]
    area = [_areas_of(left_out, level) for level in levels]
    moved = _moved(left_out, weight, area, heed)
    scores = map(partial(_score, left_out, weight, least=least), levels, area, moved)
    return {one.level: one for one in scores if one is not None}


def _areas_of(left_out: LeftOut, level: str | None) -> NDArray[np.int64]:
    """Which area of a level each cell is in."""
    if level is None:
        return np.zeros(left_out.cells.height, dtype=np.int64)
    return left_out.cells[level].rank("dense").cast(pl.Int64).to_numpy() - 1


def _moved(left_out: LeftOut, people: Floats, area: Sequence[NDArray[np.int64]], heed: Heed) -> list[Floats]:
    """By how many people each draw of an area is away from the mean of its draws, for each level (draw, area)."""
    n_draws, n_cells = left_out.share.shape
    n_areas = [int(one.max()) + 1 for one in area]
    starts = np.cumsum([0, *n_areas])
    total = np.zeros((starts[-1], n_draws))
    rows = np.stack([of + start for of, start in zip(area, starts[:-1], strict=True)])  # (level, cell)
    step = max(1, _BLOCK // n_draws)
    for start in range(0, n_cells, step):
        heed()
        here = slice(start, start + step)
        share = left_out.share[:, here].T.astype(np.float64)
        away = (share - share.mean(axis=1, keepdims=True)) * people[here, None]
        cell = np.broadcast_to(np.arange(len(away)), (len(area), len(away)))
        at = (rows[:, here].ravel(), cell.ravel())
        total += sparse.csr_array((np.ones(cell.size), at), shape=(len(total), len(away))) @ away
    return [total[first:last].T for first, last in itertools.pairwise(starts)]


def _together(scores: Sequence[EstimateScore]) -> EstimateScore:
    """All options of a level: each area and option counts alike, and no bias is left of shares that add up to 1."""
    n = np.array([one.n_areas for one in scores], dtype=np.float64)
    square = {name: np.array([getattr(one, name) for one in scores]) ** 2 for name in ("error", "noise")}
    return EstimateScore(
        level=scores[0].level,
        n_areas=max(one.n_areas for one in scores),
        error=math.sqrt(float(np.average(square["error"], weights=n))),
        noise=math.sqrt(float(np.average(square["noise"], weights=n))),
        crps=float(np.average([one.crps for one in scores], weights=n)),
        bias=float(np.average([one.bias for one in scores], weights=n)),
    )


def _score(
    left_out: LeftOut, people: Floats, level: str | None, area: NDArray[np.int64], moved: Floats, *, least: int
) -> EstimateScore | None:
    n_areas = moved.shape[1]
    total = np.bincount(area, people, n_areas)
    kept = (total > 0) & (np.bincount(area, left_out.n, n_areas) >= least)
    if not kept.any():
        return None
    weight = people / np.where(total > 0, total, 1.0)[area]
    error = np.bincount(area, weight * (left_out.mean - left_out.observed), n_areas)[kept]
    of_one = left_out.mean * (1 - left_out.mean) if left_out.variance is None else left_out.variance
    noise = np.bincount(area, weight**2 * of_one / left_out.n, n_areas)[kept]
    draws = moved[:, kept] / total[kept] + error
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
