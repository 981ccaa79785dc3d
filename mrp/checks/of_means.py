r"""Observed means beside what a fit predicts of the same interviews; see `mrp.checks.predictive`.

For a group ``g`` of cells, and per draw ``s``,

    mean[g] ~ Normal(sum_j w[j] m[s, j] / sum_j w[j],  residual[s]^2 sum w^2 / (sum w)^2),     m = centre + scale eta

with effects of pollsters and modes in ``m``, as these interviews were made by somebody; of answers without weights
sum w^2 / (sum w)^2 is 1 / n. Tails are averages over draws.

Means, and all that is found of them, are in units of twice the scale of the design (`mrp.numeric.unit`), from its
centre. The answers of a share near one half have an sd of a half: so a difference of 0.01 is as large here as a point
is there, and what `mrp.checks.misfit` calls too small to matter, or grave, is so in dollars and in cents.
`size_in_unit` says it in the unit of the question.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import log_ndtr, logsumexp, ndtri_exp

from mrp.checks.margin_sums import groups_of
from mrp.checks.margins import Margin, with_parents
from mrp.checks.predictive import GroupCheck, MarginCheck
from mrp.electorate import Electorate
from mrp.errors import DrawsError
from mrp.heed import Heed, nobody
from mrp.laplace.coordinates import incidence
from mrp.latents import LatentDraws
from mrp.numeric.counts_check import require_columns, require_numbers
from mrp.numeric.design import NumericDesign
from mrp.numeric.merging import NUMBERS, are_weighted, mass_of

__all__ = ["SLOPE", "predictive_of_means", "size_in_unit"]

type Floats = NDArray[np.float64]

_MOST_DRAWS, _SDS = 400, 2.0
SLOPE = 1 / _SDS
"""What an effect of one is worth in the unit of this module, for `mrp.checks.concerns.house_concerns`."""
_REACH = 1.6448536269514722
"""Of a normal distribution's central interval of 90%, in its sds."""


def predictive_of_means(
    latents: LatentDraws,
    design: NumericDesign,
    electorate: Electorate,
    counts: pl.DataFrame,
    margins: Sequence[Margin],
    *,
    heed: Heed = nobody,
) -> tuple[MarginCheck, ...]:
    """Check a fit by margins.

    Parameters and errors as of `mrp.checks.predictive.posterior_predictive`; counts as those of
    `mrp.numeric.collapse_numeric`. What is called a share there is a mean here; see the module for its unit.
    """
    unit = design.require_unit()
    if latents.names != design.latent_names:
        raise DrawsError("the draws and the design are not of the same fit")
    require_columns(counts, (*design.count_columns, *NUMBERS))
    require_numbers(counts)
    counts = counts.filter(pl.col("n") > 0)
    draws = latents.draws[:: -(-latents.draws.shape[0] // _MOST_DRAWS)].astype(np.float64)
    eta = incidence(design.common, counts) @ draws[:, :-1].T  # (row, draw)
    eta, residual = eta / _SDS, draws[:, -1] / _SDS
    mean = (counts["mean"].to_numpy() - unit.centre) / (_SDS * unit.scale)
    n, weight = (counts[name].cast(pl.Float64).to_numpy() for name in ("n", mass_of(counts)))
    square = counts["weight_square"].to_numpy() if are_weighted(counts) else n
    table = with_parents(counts, electorate)
    checked = []
    for margin in margins:
        names, group = groups_of(table, margin)
        groups = []
        for g, levels in enumerate(names):
            heed()
            own = group == g
            w = weight[own] / weight[own].sum()
            middle, noise = w @ eta[own], residual * np.sqrt(square[own].sum()) / weight[own].sum()
            groups.append(_checked(levels, int(n[own].sum()), float(w @ mean[own]), middle, noise))
        checked.append(MarginCheck(margin, tuple(groups)))
    return tuple(checked)


def size_in_unit(size: float, design: NumericDesign) -> str:
    """A difference that a check found, without its sign, in the unit of the question: two digits of it.

    For `mrp.checks.concerns.misfit_concerns`, whose words are those of shares.
    """
    return f"{float(f'{abs(size) * _SDS * design.require_unit().scale:.2g}'):,g}"


def _checked(levels: tuple[str, ...], n: int, observed: float, middle: Floats, noise: Floats) -> GroupCheck:
    """Of a group whose mean is normal around ``middle`` with the sd ``noise`` in each draw, shape (draw,)."""
    away = (observed - middle) / noise
    below, above = (float(logsumexp(log_ndtr(sign * away)) - np.log(away.size)) for sign in (1, -1))
    small = min(below, above, float(np.log(0.5)))
    z = float(ndtri_exp(small)) * (1.0 if below < above else -1.0)
    predicted, sd = float(middle.mean()), float(np.sqrt(middle.var() + np.mean(noise**2)))
    return GroupCheck(
        levels=levels,
        n=n,
        observed=observed,
        predicted=predicted,
        sd=sd,
        low=predicted - _REACH * sd,
        high=predicted + _REACH * sd,
        z=z,
        pit=float(np.exp(below)),
        log_chance=min(float(np.log(2) + log_ndtr(-abs(z))), 0.0),
    )
