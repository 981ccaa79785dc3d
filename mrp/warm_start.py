r"""A quick normal approximation, to give the sampler coordinates in which the posterior is nearly round.

Newton's method finds the most probable totals given the sds, a Laplace approximation the most probable sds. What the
interviews say about the coordinates ``c`` of one total is then summarised by a precision ``I`` and a pull ``h``, both
diagonal after a rotation, and the sampler's coordinates ``z`` are defined by

    c = v h / (1 + v I) + sqrt(v / (1 + v I)) z,       v: variance of the total, a function of the sds.

If the summary were exact, ``z`` would be standard normal whatever the sds: neither the funnel of a centred nor the
ridge of a non-centred parametrisation. It need not be exact, because the change of variables is: only speed depends
on it.

References
----------
Rue, Martino and Chopin (2009), "Approximate Bayesian inference for latent Gaussian models by using integrated nested
Laplace approximations", JRSS B 71(2), 319-392.
Papaspiliopoulos, Roberts and Skold (2007), "A general framework for the parametrization of hierarchical models",
Statistical Science 22(1), 59-73.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import linalg, optimize, sparse
from scipy.special import expit

from mrp.design import Design
from mrp.identified import Identified
from mrp.priors import Priors

__all__ = ["WarmStart", "warm_start"]

type Floats = NDArray[np.float64]

_ROUNDS = 3
_NEWTON_STEPS = 50
_LOG_SD_BOUNDS = (-4.0, 2.0)


@dataclass(frozen=True, slots=True)
class WarmStart:
    """Where to start and how to scale; see the module."""

    sd: Floats
    """Most probable sds, shape (varying term,)."""
    centre: Floats
    """Most probable intercept and coefficients, shape (1 + coefficient,)."""
    root: Floats
    """Lower Cholesky factor of their approximate covariance."""
    bases: tuple[Floats, ...]
    """Coordinates of each total rotated so that ``information`` is diagonal, shape (level, coordinate)."""
    information: tuple[Floats, ...]
    """Precision that the interviews give each coordinate, shape (coordinate,)."""
    pull: Floats
    """Precision times the value that the interviews ask for, all coordinates in order."""


def warm_start(identified: Identified, design: Design, counts: pl.DataFrame, priors: Priors) -> WarmStart:
    """Approximate the posterior of the totals.

    Parameters
    ----------
    identified, design
        As from `mrp.identified.identify`, and what it was given.
    counts
        Cells with ``n`` and ``y``.
    priors
        Of the model that is about to be sampled.
    """
    problem = _Problem(identified, design, counts, priors)
    log_sd = np.log([0.5 * priors.for_sd(effect.term).scale for effect in design.effects])
    mode = problem.start()
    for _ in range(_ROUNDS):
        mode, information = problem.newton(mode, log_sd)
        log_sd = problem.best_log_sd(log_sd, mode, information)
    mode, information = problem.newton(mode, log_sd)
    prior = problem.precision(log_sd)
    covariance = linalg.inv(information + np.diag(prior))
    n_free = problem.n_free
    bases, precisions, pulls = [], [], []
    start = n_free
    for basis in identified.bases:
        own = slice(start, start + basis.shape[1])
        start = own.stop
        posterior = linalg.inv(covariance[own, own])
        values, rotation = linalg.eigh(posterior - np.diag(prior[own]))
        bases.append(basis @ rotation)
        precisions.append(np.clip(values, 0, None))
        pulls.append(rotation.T @ posterior @ mode[own])
    return WarmStart(
        sd=np.exp(log_sd),
        centre=mode[:n_free],
        root=linalg.cholesky(covariance[:n_free, :n_free], lower=True),
        bases=tuple(bases),
        information=tuple(precisions),
        pull=np.concatenate([np.empty(0), *pulls]),
    )


class _Problem:
    """The log joint density of the coordinates given the sds, and its derivatives."""

    def __init__(self, identified: Identified, design: Design, counts: pl.DataFrame, priors: Priors) -> None:
        rows = identified.design.rows(counts)
        n_rows, n_terms = rows.index.shape
        self.n_free = 1 + rows.x.shape[1]
        n_levels = sum(effect.size for effect in identified.design.effects)
        one_hot = sparse.csr_matrix(
            (np.ones(n_rows * n_terms), (np.repeat(np.arange(n_rows), n_terms), (rows.index - self.n_free).ravel())),
            shape=(n_rows, n_levels),
        )
        free = np.column_stack([np.ones(n_rows), rows.x])
        # Sparse levels times dense coordinates: the Hessian costs levels squared, not cells times levels squared.
        self._levels = sparse.csr_matrix(sparse.hstack([sparse.csr_matrix(free), one_hot]))
        self._basis = linalg.block_diag(np.eye(self.n_free), *identified.bases)
        self._n = counts["n"].cast(pl.Float64).to_numpy()
        self._y = counts["y"].cast(pl.Float64).to_numpy()
        self._scale = np.array([priors.for_sd(effect.term).scale for effect in design.effects])
        kept = identified.design.predictors
        prior = [priors.for_predictor(p.name) for p in kept for _ in p.coefficients]
        self._mean = np.zeros(self._basis.shape[1])
        self._mean[: self.n_free] = [priors.intercept.mean, *(p.mean for p in prior)]
        self._coefficient_precision = np.array([p.sd**-2.0 for p in prior])
        self._identified = identified
        self._block = np.concatenate(
            [np.empty(0, dtype=np.int64)] + [np.full(basis.shape[1], 1 + b) for b, basis in enumerate(identified.bases)]
        )

    def start(self) -> Floats:
        mode = np.zeros(self._basis.shape[1])
        mode[0] = np.log((self._y.sum() + 1) / (self._n.sum() - self._y.sum() + 1))
        return mode

    def precision(self, log_sd: Floats) -> Floats:
        """Prior precision of each coordinate."""
        variance = self._identified.fixed + self._identified.shares @ np.exp(2 * log_sd)
        return np.concatenate([[1 / variance[0]], self._coefficient_precision, 1 / variance[self._block]])

    def newton(self, mode: Floats, log_sd: Floats) -> tuple[Floats, Floats]:
        """Most probable coordinates given the sds, and the information of the interviews there."""
        prior = self.precision(log_sd)
        for _ in range(_NEWTON_STEPS):
            gradient, information = self._derivatives(mode)
            step = linalg.solve(information + np.diag(prior), gradient - prior * (mode - self._mean), assume_a="pos")
            # A step of more than 2 on the logit scale leaves the region where the quadratic means anything.
            step *= min(1.0, 2.0 / max(np.abs(step).max(), 1e-12))
            mode = mode + step
            if np.abs(step).max() < 1e-6:
                break
        return mode, self._derivatives(mode)[1]

    def best_log_sd(self, log_sd: Floats, mode: Floats, information: Floats) -> Floats:
        """Most probable log sds with the likelihood replaced by its quadratic around ``mode``."""
        if not log_sd.size:
            return log_sd
        gradient = self._derivatives(mode)[0]
        pull = information @ (mode - self._mean) + gradient

        def minus_log_density(log_sd: Floats) -> float:
            prior = self.precision(log_sd)
            root = linalg.cholesky(information + np.diag(prior), lower=True)
            solved = linalg.solve_triangular(root, pull, lower=True)
            evidence = 0.5 * np.log(prior).sum() - np.log(np.diag(root)).sum() + 0.5 * solved @ solved
            return -float(evidence - 0.5 * np.sum((np.exp(log_sd) / self._scale) ** 2) + log_sd.sum())

        found = optimize.minimize(
            minus_log_density, log_sd, method="L-BFGS-B", bounds=[_LOG_SD_BOUNDS] * log_sd.size, options={"ftol": 1e-6}
        )
        return np.asarray(found.x)

    def _derivatives(self, mode: Floats) -> tuple[Floats, Floats]:
        share = expit(self._levels @ (self._basis @ mode))
        gradient = self._basis.T @ (self._levels.T @ (self._y - self._n * share))
        weighted = self._levels.multiply((self._n * share * (1 - share))[:, None]).tocsr()
        return gradient, self._basis.T @ (self._levels.T @ weighted).toarray() @ self._basis
