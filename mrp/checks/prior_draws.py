"""Draws of the latents from the prior: what a model believes before anybody was asked."""

import numpy as np
from numpy.typing import NDArray

from mrp.categorical.design import CategoricalDesign
from mrp.categorical.model import require_categorical_priors
from mrp.categorical.posterior import LINK as OPTION_LINK
from mrp.coding import EffectCoding
from mrp.design import Design
from mrp.hyper import TermHypers, hyper_space
from mrp.latents import LatentDraws
from mrp.numeric.design import NumericDesign
from mrp.numeric.posterior import LINK as NUMBER_LINK
from mrp.numeric.residual import require_numeric_priors
from mrp.ordinal.design import OrdinalDesign
from mrp.ordinal.posterior import LINK as SCALE_LINK
from mrp.outcomes.designs import AnyDesign
from mrp.priors import Priors, require_priors
from mrp.structure import correlation_root, zero_sum_basis

__all__ = ["prior_draws"]

type Floats = NDArray[np.float64]


def prior_draws(design: AnyDesign, priors: Priors, *, n: int, seed: int) -> LatentDraws:
    """Independent draws of every latent from the prior.

    Parameters
    ----------
    n
        How many.
    seed
        Any integer >= 0.
    """
    rng = np.random.default_rng(seed)
    if isinstance(design, CategoricalDesign):
        require_categorical_priors(priors, design)
        return _of_options(design, priors, n, rng)
    if isinstance(design, OrdinalDesign):
        require_priors(priors, design.common, own="log_width")
        width = priors.log_width
        last = rng.normal(width.mean, width.sd, (n, len(design.inner_options)))
        return _named(np.concatenate([_of_common(design.common, priors, n, rng), last], axis=1), design, SCALE_LINK)
    if isinstance(design, NumericDesign):
        require_numeric_priors(priors, design.common)
        last = priors.residual.scale * np.abs(rng.standard_normal((n, 1)))
        return _named(np.concatenate([_of_common(design.common, priors, n, rng), last], axis=1), design, NUMBER_LINK)
    require_priors(priors, design)
    return _named(_of_common(design, priors, n, rng), design, "logit")


def _named(draws: Floats, design: AnyDesign, link: str) -> LatentDraws:
    return LatentDraws(draws.astype(np.float32), design.latent_names, link=link)


def _of_common(design: Design, priors: Priors, n: int, rng: np.random.Generator) -> Floats:
    parts = [rng.normal(priors.intercept.mean, priors.intercept.sd, (n, 1))]
    for predictor in design.predictors:
        prior = priors.for_predictor(predictor.name)
        parts.append(rng.normal(prior.mean, prior.sd, (n, len(predictor.coefficients))))
    for effect, hypers in zip(design.effects, hyper_space(design, priors).terms, strict=True):
        parts.append(_effects(effect, hypers, n, rng, copies=1, sds=1)[:, :, 0])
    return np.concatenate(parts, axis=1)


def _of_options(design: CategoricalDesign, priors: Priors, n: int, rng: np.random.Generator) -> LatentDraws:
    """Vectors over options, summing to zero; see `mrp.categorical.design`."""
    k, common = design.n_options, design.common
    basis = zero_sum_basis(k)
    parts = [rng.normal(0, priors.intercept.sd, (n, 1, k - 1)) @ basis.T]
    for predictor in common.predictors:
        sd = priors.for_predictor(predictor.name).sd
        parts.append(rng.normal(0, sd, (n, len(predictor.coefficients), k - 1)) @ basis.T)
    for effect, hypers in zip(common.effects, hyper_space(common, priors).terms, strict=True):
        if design.sd == "shared":
            parts.append(_effects(effect, hypers, n, rng, copies=k - 1, sds=1) @ basis.T)
        else:
            drawn = _effects(effect, hypers, n, rng, copies=k, sds=k)
            parts.append(drawn - drawn.mean(axis=2, keepdims=True))
    own = [priors.for_predictor(predictor.term) for predictor in design.own]
    last = np.array([rng.normal(prior.mean, prior.sd, n) for prior in own]).reshape(len(own), n).T
    vectors = np.concatenate(parts, axis=1).reshape(n, -1)
    return _named(np.concatenate([vectors, last], axis=1), design, OPTION_LINK)


def _effects(
    effect: EffectCoding, hypers: TermHypers, n: int, rng: np.random.Generator, *, copies: int, sds: int
) -> Floats:
    """Draws of one term, several times with the same parameters but for ``sds`` standard deviations of their own.

    Shape (draw, effect, copy).
    """
    width = len(effect.columns)
    sd = hypers.scale * np.abs(rng.standard_normal((n, width, sds)))
    units = _units(effect, hypers, n, rng, copies=copies)
    spread = np.broadcast_to(sd, (n, width, copies)) if sds in (1, copies) else sd
    return np.stack([np.tile(spread[:, :, c], effect.n_groups) * units[c] for c in range(copies)], axis=2)


def _units(effect: EffectCoding, hypers: TermHypers, n: int, rng: np.random.Generator, *, copies: int) -> list[Floats]:
    """The same with standard deviations of one, each of shape (draw, effect)."""
    width = len(effect.columns)
    if hypers.mixing is not None and effect.basis is not None:
        phi = hypers.mixing.draw(rng, (n, 1))
        spread = np.sqrt(1 - phi + phi * effect.directions)
        return [(spread * rng.standard_normal((n, effect.size))) @ effect.basis.T for _ in range(copies)]
    if (basis := effect.basis) is not None:
        return [rng.standard_normal((n, basis.shape[1])) @ basis.T for _ in range(copies)]
    noise = [rng.standard_normal((n, effect.n_groups, width)) for _ in range(copies)]
    partial = np.array([2 * rng.beta(a, b, n) - 1 for a, b in hypers.shapes])
    if effect.kind == "ar1":
        for values in noise:
            for at in range(1, values.shape[1]):
                rho = partial[0][:, None]
                values[:, at] = rho * values[:, at - 1] + np.sqrt(1 - rho**2) * values[:, at]
    elif hypers.shapes:
        for draw in range(n):
            root = np.array(correlation_root(partial[:, draw], width), dtype=np.float64)
            for values in noise:
                values[draw] = values[draw] @ root.T
    return [values.reshape(n, -1) for values in noise]
