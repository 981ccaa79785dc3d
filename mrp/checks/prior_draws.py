"""Draws of the latents from the prior: what a model believes before anybody was asked."""

import numpy as np
from numpy.typing import NDArray

from mrp.coding import EffectCoding
from mrp.design import Design
from mrp.hyper import TermHypers, hyper_space
from mrp.latents import LatentDraws
from mrp.mixing import MixingPrior
from mrp.priors import Priors, require_priors
from mrp.structure import correlation_root

__all__ = ["prior_draws"]

type Floats = NDArray[np.float64]


def prior_draws(design: Design, priors: Priors, *, n: int, seed: int) -> LatentDraws:
    """Independent draws of every latent from the prior.

    Parameters
    ----------
    n
        How many.
    seed
        Any integer >= 0.
    """
    require_priors(priors, design)
    rng = np.random.default_rng(seed)
    parts = [rng.normal(priors.intercept.mean, priors.intercept.sd, (n, 1))]
    for predictor in design.predictors:
        prior = priors.for_predictor(predictor.name)
        parts.append(rng.normal(prior.mean, prior.sd, (n, len(predictor.coefficients))))
    for effect, hypers in zip(design.effects, hyper_space(design, priors).terms, strict=True):
        parts.append(_effects(effect, hypers, n, rng))
    return LatentDraws(np.concatenate(parts, axis=1).astype(np.float32), design.latent_names)


def _effects(effect: EffectCoding, hypers: TermHypers, n: int, rng: np.random.Generator) -> Floats:
    """Draws of one term, shape (draw, effect)."""
    width = len(effect.columns)
    sd = hypers.scale * np.abs(rng.standard_normal((n, width)))
    if hypers.mixing is not None and effect.basis is not None:
        phi = hypers.mixing.draw(rng, (n, 1))
        spread = np.sqrt(1 - phi + phi * effect.directions)
        return np.asarray(sd * ((spread * rng.standard_normal((n, effect.size))) @ effect.basis.T))
    if (basis := effect.basis) is not None:
        coordinates = rng.standard_normal((n, basis.shape[1]))
        if hypers.mixing is not None:
            phi = _mixing(hypers.mixing, n, rng)[:, None]
            coordinates *= np.sqrt(1 - phi + phi * effect.directions)
        return np.asarray(sd * (coordinates @ basis.T))
    noise = rng.standard_normal((n, effect.n_groups, width))
    partial = np.array([2 * rng.beta(a, b, n) - 1 for a, b in hypers.shapes])
    if effect.kind == "ar1":
        values = noise[:, :, 0]
        for at in range(1, values.shape[1]):
            values[:, at] = partial[0] * values[:, at - 1] + np.sqrt(1 - partial[0] ** 2) * values[:, at]
        return np.asarray(sd * values)
    if hypers.shapes:
        for draw in range(n):
            root = np.array(correlation_root(partial[:, draw], width), dtype=np.float64)
            noise[draw] = noise[draw] @ root.T
    return np.asarray((sd[:, None, :] * noise).reshape(n, -1))


def _mixing(prior: MixingPrior, n: int, rng: np.random.Generator) -> Floats:
    """Draws of the share of a map's variance that is alike between neighbours, from a fine grid."""
    # Finer near 0, where the density may be steep.
    grid = np.linspace(0, 1, 2002)[1:-1] ** 2
    chance = np.cumsum(np.exp(prior.log_density(grid)) * np.gradient(grid))
    return np.asarray(np.interp(rng.random(n) * chance[-1], chance, grid))
