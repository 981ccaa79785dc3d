"""How far the answers of a new wave are from what a release predicts.

The prediction is that of the release's cells, per draw ``s`` and cell ``j``, with what polls add to sampling:

    logit p[s, j] = eta[s, j] + h[s] + g[s] x[j],      y[j] ~ Binomial(n[j], p[s, j]),

``h`` the error of a whole poll (its house, who answers it), ``g`` that of its contrasts. Three numbers are compared
with their posterior predictive distribution:

    total    sum_j y[j] / sum_j n[j]
    slope    1 + sum_j x[j] (y[j] - n[j] m[j]) / sum_j v[j] x[j]^2
    cells    sum_j (y[j] - n[j] m[j])^2 / v[j],   over its expectation

with m[j] the mean of p over draws, v[j] = n[j] m[j] (1 - m[j]), and x[j] = logit m[j], centred with weights v. The
slope is one scoring step of a logistic regression of the answers on the predicted logit: 1 as predicted, 0 unrelated,
-1 or less with the option labels exchanged. Labels exchanged near 50% move no total, and the slope by 2 or more. Total
and slope are linear in
``y``: their mean and variance follow from the law of total variance, without simulation of answers.

References
----------
Box (1980), "Sampling and Bayes' inference in scientific modelling and robustness", JRSS A 143(4), 383-430: predictive
checks. Cox (1958), "Two further applications of a model for binary regression", Biometrika 45: the slope.
Shirani-Mehr, Rothschild, Goel and Gelman (2018), "Disentangling bias and variance in election polls", JASA 113(522),
607-614: the error of a poll beside sampling is about 3 points, 0.12 on the scale of the logit.
"""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.cell_pass import linear_predictor
from mrp.design import Design
from mrp.errors import CountsError, DrawsError
from mrp.latents import LatentDraws

__all__ = ["MOST_DRAWS", "Measure", "PollingError", "Surprise", "compare", "surprise"]

MOST_DRAWS = 1000


@dataclass(frozen=True, slots=True)
class PollingError:
    """What a poll adds to sampling: standard deviations on the scale of the logit, >= 0."""

    house_sd: float = 0.08
    """Of a pollster: how it words, selects and reaches."""
    error_sd: float = 0.12
    """Of polls in common: who answers none of them."""
    slope_sd: float = 0.3
    """Of contrasts between cells, relative to the predicted ones."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of a wave beside what was predicted of it."""

    name: str
    """``total``, ``slope`` or ``cells``."""
    observed: float
    expected: float
    sd: float
    """Posterior predictive standard deviation."""
    z: float
    """(observed - expected) / sd; of ``cells`` on the scale of logarithms."""
    chance: float
    """Probability of being so far off, or farther, if the wave is as predicted; two-sided but for ``cells``."""


@dataclass(frozen=True, slots=True)
class Surprise:
    """A wave beside the prediction."""

    n_interviews: int
    n_left_out: int
    """Interviews in cells that the release does not know."""
    measures: tuple[Measure, ...]
    """Without ``slope`` where the release predicts the same for every cell; none where nobody is left."""

    @property
    def chance(self) -> float:
        """Probability that any measure is so far off if the wave is as predicted (Bonferroni); 1 without measures."""
        return min((1.0, *(len(self.measures) * one.chance for one in self.measures)))


def surprise(
    latents: LatentDraws,
    design: Design,
    counts: pl.DataFrame,
    *,
    seed: int,
    error: PollingError | None = None,
) -> Surprise:
    """Compare the counts of a wave with the posterior predictive distribution of a release.

    Parameters
    ----------
    latents, design
        Of the release; nuisance effects are left out of the prediction, as they are of estimates.
    counts
        Of the wave: `Design.cell_columns`, ``n`` and ``y``, whole numbers with 0 <= y <= n; see `mrp.counts.collapse`.
        Rows of one cell are added up.
    seed
        Of the polls' errors.
    error
        How large these are; default: `PollingError`.

    Raises
    ------
    CountsError
        If a column is missing.
    DrawsError
        If the draws are those of another design.
    """
    if latents.names != design.latent_names:
        raise DrawsError("the draws and the design are not of the same fit")
    for column in (*design.cell_columns, "n", "y"):
        if column not in counts.columns:
            raise CountsError(f"the counts have no column {column!r}; they have {', '.join(counts.columns)}")
    cells = _cells(counts, design)
    known = cells
    if design.cell_columns:
        known = cells.filter(pl.Series(design.covers(cells.select(design.cell_columns)), dtype=pl.Boolean))
    n, y = (known[name].cast(pl.Float64).to_numpy() for name in ("n", "y"))
    left_out = int(cells["n"].sum()) - int(n.sum())
    if not n.sum() > 0:
        return Surprise(0, left_out, ())
    return compare(_predicted(latents, design, known), n, y, left_out, seed=seed, error=error)


def compare(
    eta: NDArray[np.float64],
    n: NDArray[np.float64],
    y: NDArray[np.float64],
    left_out: int,
    *,
    seed: int,
    error: PollingError | None = None,
) -> Surprise:
    """Compare answers with predicted logits, shape (draw, cell), whose array is used up; see `surprise`."""
    rng = np.random.default_rng(seed)
    error = PollingError() if error is None else error
    x, slope_scale = _contrast(_share(eta).mean(axis=0), n)
    eta += rng.normal(0, math.hypot(error.house_sd, error.error_sd), (len(eta), 1))
    eta += rng.normal(0, error.slope_sd, (len(eta), 1)) * x
    share = _share(eta)  # (draw, cell)
    mean = share.mean(axis=0)
    measures = [_linear("total", a=np.full(len(n), 1 / n.sum()), constant=0.0, y=y, n=n, share=share)]
    if slope_scale > 0:
        # Around the prediction with the polls' error, whose mean is a little nearer to one half.
        constant = 1 - float(x @ (n * mean)) / slope_scale
        measures.append(_linear("slope", a=x / slope_scale, constant=constant, y=y, n=n, share=share))
    measures.append(_dispersion(y, n, share, mean, rng))
    return Surprise(int(n.sum()), left_out, tuple(measures))


def _cells(counts: pl.DataFrame, design: Design) -> pl.DataFrame:
    sums = [pl.col("n").sum(), pl.col("y").sum()]
    if not design.cell_columns:
        return counts.select(sums)
    return counts.group_by(design.cell_columns).agg(sums).sort(design.cell_columns)


def _predicted(latents: LatentDraws, design: Design, cells: pl.DataFrame) -> NDArray[np.float64]:
    """Linear predictor, shape (draw, cell); of many draws some, evenly."""
    step = -(-latents.draws.shape[0] // MOST_DRAWS)
    by_latent = np.ascontiguousarray(latents.draws[::step].T)
    out = np.empty((cells.height, by_latent.shape[1]), dtype=np.float32)
    rows = design.rows(cells.select(design.cell_columns)) if design.cell_columns else None
    return linear_predictor(by_latent, rows, 0, cells.height, out=out).T.astype(np.float64)


def _share(eta: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.clip(eta, -30, 30)))


def _contrast(mean: NDArray[np.float64], n: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The predicted logit of each cell, centred, and its sum of squares with weights n m (1 - m)."""
    variance = n * mean * (1 - mean)
    logit = np.log(mean) - np.log1p(-mean)
    x = logit - (variance @ logit) / variance.sum()
    scale = float(variance @ x**2)
    # Equal predictions differ by rounding.
    return x, scale if scale > 1e-6 * float(variance.sum()) else 0.0


def _linear(
    name: str,
    *,
    a: NDArray[np.float64],
    constant: float,
    y: NDArray[np.float64],
    n: NDArray[np.float64],
    share: NDArray[np.float64],
) -> Measure:
    """A number that is linear in the answers, constant + a'y, by the law of total variance."""
    means = share @ (a * n)
    within = (share * (1 - share)) @ (a**2 * n)
    expected, sd = constant + float(means.mean()), math.sqrt(float(means.var() + within.mean()))
    observed = constant + float(a @ y)
    z = (observed - expected) / sd if sd > 0 else 0.0
    return Measure(name, observed, expected, sd, z, math.erfc(abs(z) / math.sqrt(2)))


def _dispersion(
    y: NDArray[np.float64],
    n: NDArray[np.float64],
    share: NDArray[np.float64],
    mean: NDArray[np.float64],
    rng: np.random.Generator,
) -> Measure:
    """Squared distances of cells, beside those of simulated waves."""
    variance = n * mean * (1 - mean)
    simulated = rng.binomial(n.astype(np.int64), share)
    squares = (((simulated - n * mean) ** 2) / variance).sum(axis=1)
    expected = float(squares.mean())
    observed = float((((y - n * mean) ** 2) / variance).sum())
    logs = np.log(np.maximum(squares, 1e-12))
    spread = float(logs.std())
    z = (math.log(max(observed, 1e-12)) - float(logs.mean())) / spread if spread > 1e-9 else 0.0
    return Measure(
        "cells", observed / expected, 1.0, float(squares.std()) / expected, z, math.erfc(z / math.sqrt(2)) / 2
    )
