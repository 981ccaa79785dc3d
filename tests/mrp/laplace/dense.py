"""What `mrp.laplace.conditional.Conditional` gives, by plain algebra with all latents in one matrix."""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import linalg

from mrp.coding import EffectCoding
from mrp.design import Design
from mrp.hyper import hyper_space
from mrp.laplace.conditional import Conditional
from mrp.priors import Priors
from tests.mrp.maps import slow_covariance

type Floats = NDArray[np.float64]


def dense(design: Design, counts: pl.DataFrame, priors: Priors, hypers: Floats) -> dict[str, Floats]:
    """Mode, densities, gradient, mean to third order and covariance; of slopes only those with one correlation."""
    rows = design.rows(counts)
    n, y = counts["n"].to_numpy(), counts["y"].to_numpy()
    n_free = 1 + rows.x.shape[1]
    by_latent = np.zeros((counts.height, design.n_latents))
    by_latent[:, :n_free] = np.column_stack([np.ones(counts.height), rows.x])
    for entry in range(rows.index.shape[1]):
        by_latent[np.arange(counts.height), rows.index[:, entry]] += rows.weight[:, entry]
    bases = [np.eye(effect.size) if effect.basis is None else effect.basis for effect in design.effects]
    basis = linalg.block_diag(np.eye(n_free), *bases)
    x = by_latent @ basis
    free = [priors.intercept, *(priors.for_predictor(p.name) for p in design.predictors for _ in p.coefficients)]
    mean = np.zeros(x.shape[1])
    mean[:n_free] = [prior.mean for prior in free]
    terms = hyper_space(design, priors).terms
    prior = [
        _covariance(effect, hypers[own.sds], hypers[own.correlations], hypers[own.mixings])
        for effect, own in zip(design.effects, terms, strict=True)
    ]
    precision = linalg.block_diag(np.diag([one.sd**-2 for one in free]), *(np.linalg.inv(one) for one, _ in prior))
    z = mean.copy()
    for _ in range(50):
        share = 1 / (1 + np.exp(-x @ z))
        hessian = x.T * (n * share * (1 - share)) @ x + precision
        z += np.linalg.solve(hessian, x.T @ (y - n * share) - precision @ (z - mean))
    covariance = np.linalg.inv(hessian)
    variance = np.einsum("ci,ij,cj->c", x, covariance, x)
    shift = -0.5 * covariance @ (x.T @ (n * share * (1 - share) * (1 - 2 * share) * variance))
    away = z - mean
    second = covariance + np.outer(away, away) + np.outer(away, shift) + np.outer(shift, away)
    gradient, at = np.zeros(hypers.size), n_free
    for (one, slopes), own in zip(prior, terms, strict=True):
        inverse, moments = np.linalg.inv(one), second[at : at + len(one), at : at + len(one)]
        positions = [k for at in (own.sds, own.correlations, own.mixings) for k in range(at.start, at.stop)]
        for k, slope in zip(positions, slopes, strict=True):
            gradient[k] = 0.5 * np.trace(inverse @ slope @ (inverse @ moments - np.eye(len(one))))
        at += len(one)
    joint = y @ (x @ z) - n @ np.logaddexp(0, x @ z)
    joint += 0.5 * np.linalg.slogdet(precision)[1] - 0.5 * away @ precision @ away
    log_det = np.linalg.slogdet(hessian)[1]
    return {
        "mode": basis @ z,
        "joint": joint,
        "log determinant": 0.5 * log_det,
        "marginal": joint - 0.5 * log_det,
        "gradient": gradient,
        "centre": basis @ (z + shift),
        "covariance": basis @ covariance @ basis.T,
    }


def eliminated(conditional: Conditional, hypers: Floats) -> dict[str, Floats]:
    """The same from the engine, at a mode to full precision."""
    mode = conditional.mode(hypers)
    for _ in range(3):
        mode = conditional.mode(hypers, mode)
    latents = conditional.latents(mode)
    joint = conditional.log_joint(latents[None], hypers)[0]
    centre, _ = conditional.draw(hypers, mode, np.zeros((1, conditional.n_coordinates)))
    # A draw is linear in its noise: one draw by unit of noise gives a root of the covariance.
    root = conditional.draw(hypers, mode, np.eye(conditional.n_coordinates))[0] - centre
    return {
        "mode": latents,
        "joint": joint,
        "log determinant": joint - mode.log_likelihood,
        "marginal": np.asarray(mode.log_likelihood),
        "gradient": conditional.slope(hypers, mode)[1],
        "centre": centre[0],
        "covariance": root.T @ root,
    }


def _covariance(effect: EffectCoding, sd: Floats, correlation: Floats, mixing: Floats) -> tuple[Floats, list[Floats]]:
    """Prior covariance of the coordinates of a term, and its derivatives by sds, correlation and mixing."""
    if effect.kind == "bym2":
        assert effect.basis is not None
        one, like = np.eye(effect.size), slow_covariance(effect.size, effect.neighbours)
        turned = [effect.basis.T @ matrix @ effect.basis for matrix in (one, like)]
        mixed = (1 - mixing[0]) * turned[0] + mixing[0] * turned[1]
        return sd[0] ** 2 * mixed, [2 * sd[0] * mixed, sd[0] ** 2 * (turned[1] - turned[0])]
    if effect.kind == "ar1":
        gap = np.abs(np.subtract.outer(np.arange(effect.size), np.arange(effect.size)))
        one, slope = correlation[0] ** gap, gap * correlation[0] ** np.maximum(gap - 1.0, 0)
        return sd[0] ** 2 * one, [2 * sd[0] * one, sd[0] ** 2 * slope]
    scale, beside = np.diag(sd), np.zeros((sd.size, sd.size))
    if correlation.size:
        beside[0, 1] = beside[1, 0] = 1.0
    matrix = np.eye(sd.size) + (correlation[0] * beside if correlation.size else 0)
    units = [np.diag(unit) for unit in np.eye(sd.size)]
    slopes = [unit @ matrix @ scale + scale @ matrix @ unit for unit in units]
    if correlation.size:
        slopes.append(scale @ beside @ scale)
    each = np.eye(effect.n_coordinates // sd.size)
    return np.kron(each, scale @ matrix @ scale), [np.kron(each, slope) for slope in slopes]
