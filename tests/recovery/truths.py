"""Truths from the prior of any model, drawn from what the terms mean and not from how the engines compute them.

A random walk is a sum of normal steps less what other terms stand for (its mean, and its straight line if it is of
second order); an autoregression remembers a part of the period before; districts on a map are normal with the scaled
generalised inverse for covariance, or that mixed with independence; slopes come from a covariance matrix; nuisance
effects are independent normals less their mean. Scales, shapes and bounds of the parameters are read from `mrp.priors`.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mrp.coding import EffectCoding
from mrp.design import Design
from mrp.hyper import TermHypers, hyper_space
from mrp.priors import Priors
from tests.mrp.maps import slow_covariance, slow_mixing_density

__all__ = ["correlation_matrix", "draw_truth"]

type Floats = NDArray[np.float64]


def draw_truth(design: Design, priors: Priors, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """One draw from the prior.

    Returns
    -------
    latents
        In the order of `Design.latent_names`, shape (latent,).
    hypers
        Natural values in the order of `mrp.hyper.HyperSpace`: sds, correlations, mixings; shape (parameter,).
    """
    space = hyper_space(design, priors)
    hypers = np.empty(space.size)
    latents = [np.array([rng.normal(priors.intercept.mean, priors.intercept.sd)])]
    for predictor in design.predictors:
        prior = priors.for_predictor(predictor.name)
        latents.append(rng.normal(prior.mean, prior.sd, len(predictor.coefficients)))
    for effect, of in zip(design.effects, space.terms, strict=True):
        hypers[of.sds] = np.abs(rng.normal(0, priors.for_sd(effect.term).scale, len(effect.columns)))
        hypers[of.correlations] = [2 * rng.beta(a, b) - 1 for a, b in of.shapes]
        if effect.n_mixings:
            prior = priors.for_mixing(effect.term)
            hypers[of.mixings] = draw_mixing(effect, prior.upper, prior.probability, rng)
        latents.append(_effects(effect, of, hypers, rng))
    return np.concatenate(latents), hypers


def _effects(effect: EffectCoding, of: TermHypers, hypers: Floats, rng: np.random.Generator) -> Floats:
    sd, partial = hypers[of.sds], hypers[of.correlations]
    n = effect.shape[-1]
    match effect.kind:
        case "icar":
            alike = slow_covariance(n, effect.neighbours)
            return sd[0] * rng.multivariate_normal(np.zeros(n), alike, method="eigh")
        case "bym2":
            phi, alike = hypers[of.mixings][0], slow_covariance(n, effect.neighbours)
            one = rng.multivariate_normal(np.zeros(n), alike, method="eigh")
            return np.asarray(sd[0] * (np.sqrt(phi) * one + np.sqrt(1 - phi) * rng.standard_normal(n)))
        case "rw1" | "rw2":
            order = 1 if effect.kind == "rw1" else 2
            return sd[0] * np.concatenate([_walk(n, order, rng) for _ in range(effect.size // n)])
        case "ar1":
            values = [rng.standard_normal()]
            for _ in range(n - 1):
                values.append(partial[0] * values[-1] + np.sqrt(1 - partial[0] ** 2) * rng.standard_normal())
            return sd[0] * np.array(values)
        case "zero-sum":
            values = sd[0] * rng.standard_normal(n)
            return np.asarray(values - values.mean())
        case "correlated slopes":
            covariance = correlation_matrix(partial, len(sd)) * np.outer(sd, sd)
            return rng.multivariate_normal(np.zeros(len(sd)), covariance, effect.n_groups).ravel()
        case _:
            return np.asarray((sd * rng.standard_normal((effect.n_groups, len(sd)))).ravel())


def draw_mixing(effect: EffectCoding, upper: float, probability: float, rng: np.random.Generator) -> float:
    """A share of the variance, by its distribution on a grid of the density as it is defined."""
    edges = np.linspace(0, 1, 401)
    middle = (edges[1:] + edges[:-1]) / 2
    mass = _mixing_density(effect.size, effect.neighbours, upper, probability, tuple(middle))
    return float(np.interp(rng.random() * mass.sum(), np.concatenate([[0.0], np.cumsum(mass)]), edges))


@lru_cache(maxsize=4)
def _mixing_density(
    n: int, pairs: tuple[tuple[int, int], ...], upper: float, probability: float, at: tuple[float, ...]
) -> Floats:
    return slow_mixing_density(n, pairs, upper, probability, np.array(at))


def _walk(n: int, order: int, rng: np.random.Generator) -> Floats:
    """A walk of ``n`` levels without its mean (and line), scaled to variances of geometric mean 1."""
    differences = np.diff(np.eye(n), n=order, axis=0)
    covariance = np.linalg.pinv(differences.T @ differences)
    walk = np.zeros(n)
    walk[order:] = rng.standard_normal(n - order)
    for _ in range(order):
        walk = np.cumsum(walk)
    others = np.vander(np.arange(n), order)
    walk -= others @ np.linalg.lstsq(others, walk)[0]
    return np.asarray(walk / np.exp(0.5 * np.log(np.diag(covariance)).mean()))


def correlation_matrix(partial: Floats, size: int) -> Floats:
    """Correlations from canonical partial ones, by the recursion of Lewandowski, Kurowicka and Joe (2009), section 2.

    Of a pair (i, j), j < i, the partial correlation is that given columns 0 to j - 1.
    """
    partials = np.eye(size)
    partials[np.tril_indices(size, -1)] = partial
    matrix = np.eye(size)
    for i in range(size):
        for j in range(i):
            r = partials[i, j]
            for k in reversed(range(j)):
                one, two = partials[i, k], partials[j, k]
                r = one * two + r * np.sqrt((1 - one**2) * (1 - two**2))
            matrix[i, j] = matrix[j, i] = r
    return matrix
