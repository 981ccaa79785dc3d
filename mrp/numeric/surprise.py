"""How far the answers of a new wave, which are numbers, are from what a release predicts.

As `mrp.surprise` compares shares. Per draw ``s`` and cell ``j``, in units of what one answer differs from others by,

    m[s, j] = eta[s, j] + h[s] + g[s] x[j],      mean[j] ~ Normal(m[s, j], residual[s]^2 / n[j])

``h`` the error of a whole poll, ``g`` that of its contrasts, and with m[j] the mean over draws, x[j] = m[j] centred:

    total    sum_j n[j] mean[j] / sum_j n[j], in the unit of the question
    slope    1 + sum_j n[j] x[j] (mean[j] - m[j]) / sum_j n[j] x[j]^2
    cells    sum_j n[j] (mean[j] - m[j])^2, over its expectation

A scale that was turned round moves the slope to -1, one that was coded from 1 to 10 in place of 0 to 100 all of them.

The errors of polls are those of `mrp.surprise.PollingError`, which are on the scale of the logit: half of one of these
is an error in sds of the answer, as a logit of 0.1 is 0.025 of a share whose answers have an sd of 0.5.
"""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.errors import CountsError, DrawsError
from mrp.laplace.coordinates import incidence
from mrp.latents import LatentDraws
from mrp.numeric.design import NumericDesign
from mrp.numeric.merging import mass_of, merged
from mrp.numeric.unit import Unit
from mrp.surprise import MOST_DRAWS, Measure, PollingError, Surprise

__all__ = ["numeric_surprise"]

type Floats = NDArray[np.float64]

_OF_LOGIT = 0.5


def numeric_surprise(
    latents: LatentDraws,
    design: NumericDesign,
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
        Of the wave: `NumericDesign.cell_columns`, ``n``, ``mean`` and ``ss``; see
        `mrp.numeric.counts.collapse_numeric`. Rows of one cell are merged.
    seed
        Of the polls' errors.
    error
        How large these are, on the scale of the logit; default: `mrp.surprise.PollingError`.

    Raises
    ------
    CountsError
        If a column is missing.
    DrawsError
        If the draws are those of another design, or that has no unit.
    """
    unit = design.require_unit()
    if latents.names != design.latent_names:
        raise DrawsError("the draws and the design are not of the same fit")
    names = ("n", "mean", "ss", *(name for name in ("weight", "weight_square") if name in counts.columns))
    for column in (*design.cell_columns, "n", "mean", "ss"):
        if column not in counts.columns:
            raise CountsError(f"the counts have no column {column!r}; they have {', '.join(counts.columns)}")
    cells = merged(counts.select(*design.cell_columns, *names).filter(pl.col("n") > 0), design.cell_columns)
    known = cells
    if design.cell_columns:
        known = cells.filter(pl.Series(design.covers(cells), dtype=pl.Boolean))
    n_left_out = int(cells["n"].sum()) - int(known["n"].sum())
    if not known.height:
        return Surprise(0, n_left_out, ())
    mean = (known["mean"].to_numpy() - unit.centre) / unit.scale
    n = known["n"].cast(pl.Float64).to_numpy()
    # Of weighted answers the variance of a mean is that of as many as they are worth (Kish).
    worth = n if mass_of(known) == "n" else (known["weight"] ** 2 / known["weight_square"]).to_numpy()

    rng = np.random.default_rng(seed)
    draws = latents.draws[:: -(-latents.draws.shape[0] // MOST_DRAWS)].astype(np.float64)
    residual = draws[:, -1]
    plain = known.select(design.cell_columns) if design.cell_columns else pl.DataFrame({"": np.zeros(1)})
    eta: Floats = (incidence(design.common, plain) @ draws[:, :-1].T).T  # (draw, cell)
    error = PollingError() if error is None else error
    middle = eta.mean(axis=0)
    x = middle - worth @ middle / worth.sum()
    of_answers = _OF_LOGIT * residual[:, None]
    eta = eta + of_answers * rng.normal(0, math.hypot(error.house_sd, error.error_sd), (len(eta), 1))
    eta += rng.normal(0, error.slope_sd, (len(eta), 1)) * x
    wave = _Wave(mean, worth, eta, residual)
    measures = [wave.linear("total", worth / worth.sum(), 0.0, unit)]
    scale = float(worth @ x**2)
    # Equal predictions differ by rounding.
    if scale > 1e-6 * worth.sum() * float(np.mean(residual**2)):
        constant = 1 - float(x @ (worth * eta.mean(axis=0))) / scale
        measures.append(wave.linear("slope", worth * x / scale, constant, Unit(0.0, 1.0)))
    measures.append(wave.scatter(rng))
    return Surprise(int(n.sum()), n_left_out, tuple(measures))


@dataclass(frozen=True, slots=True)
class _Wave:
    """Means of cells beside their predicted ones, in the unit of the model."""

    mean: Floats
    """Shape (cell,)."""
    worth: Floats
    """How many interviews' mean each is, shape (cell,)."""
    eta: Floats
    """Shape (draw, cell)."""
    residual: Floats
    """Shape (draw,)."""

    def linear(self, name: str, a: Floats, constant: float, unit: Unit) -> Measure:
        """A number that is linear in the means of cells, constant + a'mean; by the law of total variance."""
        means = self.eta @ a
        within = self.residual**2 * float((a**2 / self.worth).sum())
        expected, sd = constant + float(means.mean()), math.sqrt(float(means.var() + within.mean()))
        observed = constant + float(a @ self.mean)
        z = (observed - expected) / sd
        observed, expected = (unit.centre + unit.scale * one for one in (observed, expected))
        return Measure(name, observed, expected, unit.scale * sd, z, math.erfc(abs(z) / math.sqrt(2)))

    def scatter(self, rng: np.random.Generator) -> Measure:
        """Squared distances of cells, beside those of simulated waves."""
        middle = self.eta.mean(axis=0)
        simulated = self.eta + self.residual[:, None] / np.sqrt(self.worth) * rng.standard_normal(self.eta.shape)
        squares = (simulated - middle) ** 2 @ self.worth
        expected = float(squares.mean())
        observed = float(self.worth @ (self.mean - middle) ** 2)
        logs = np.log(np.maximum(squares, 1e-12))
        z = (math.log(max(observed, 1e-12)) - float(logs.mean())) / float(logs.std())
        chance = math.erfc(z / math.sqrt(2)) / 2
        return Measure("cells", observed / expected, 1.0, float(squares.std()) / expected, z, chance)
