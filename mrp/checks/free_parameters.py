"""The parameters of a model of any kind that are normal a priori, each as numbers that are independent of each other.

Vectors over options, which sum to zero, are their coordinates (`mrp.structure.zero_sum_basis`): so many numbers as
options less one, each with the prior of the term.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrp.categorical.design import CategoricalDesign
from mrp.latents import LatentDraws
from mrp.ordinal.design import OrdinalDesign
from mrp.outcomes.designs import AnyDesign
from mrp.prior_kinds import Normal
from mrp.priors import Priors
from mrp.structure import zero_sum_basis

__all__ = ["FreeParameter", "common_draws", "free_parameters"]

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FreeParameter:
    """An intercept, a coefficient, or the width of an option of a scale."""

    term: str
    """By which its prior is declared."""
    name: str
    prior: Normal
    draws: Floats
    """Shape (draw, coordinate)."""

    @property
    def log_density(self) -> Floats:
        """Of the prior at each draw, up to a constant, shape (draw,)."""
        found: Floats = -0.5 * (((self.draws - self.prior.mean) / self.prior.sd) ** 2).sum(axis=1)
        return found


def free_parameters(latents: LatentDraws, design: AnyDesign, priors: Priors) -> tuple[FreeParameter, ...]:
    """Intercept, coefficients, then those of options' own columns, or of widths."""
    common = common_draws(latents, design)
    found = [FreeParameter("intercept", "intercept", priors.intercept, common[:, 0])]
    at = 1
    for predictor in design.common.predictors:
        prior = priors.for_predictor(predictor.name)
        width = len(predictor.coefficients)
        names = design.common.coefficient_names[at - 1 : at - 1 + width]
        found += [FreeParameter(predictor.name, name, prior, common[:, at + k]) for k, name in enumerate(names)]
        at += width
    draws = latents.draws.astype(np.float64)
    if isinstance(design, CategoricalDesign):
        first = design.n_latents - len(design.own)
        for j, own in enumerate(design.own):
            prior = priors.for_predictor(own.term)
            found.append(FreeParameter(own.term, own.term, prior, draws[:, first + j, None]))
    if isinstance(design, OrdinalDesign):
        for j, option in enumerate(design.inner_options):
            own_draws = draws[:, design.n_common + j, None]
            found.append(FreeParameter("log_width", f"log width[{option}]", priors.log_width, own_draws))
    return tuple(found)


def common_draws(latents: LatentDraws, design: AnyDesign) -> Floats:
    """Draws of what a design has in common with a binary one, shape (draw, latent, coordinate)."""
    draws = latents.draws.astype(np.float64)
    if not isinstance(design, CategoricalDesign):
        return draws[:, : design.common.n_latents, None]
    vectors = draws[:, : design.n_common * design.n_options].reshape(len(draws), design.n_common, design.n_options)
    return np.asarray(vectors @ zero_sum_basis(design.n_options))
