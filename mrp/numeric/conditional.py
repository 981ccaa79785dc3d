r"""The latents given the parameters of their prior and the residual sd, and the likelihood of those: exact.

With a normal likelihood the latents ``z`` are normal given the parameters ``h``, and what the interviews say of them is
the same matrix for all ``h``. In deviations from the prior mean m, with the predictor A of the cells and s the residual
sd,

    G = A'NA,    b = A'N (mean - A m),    c = sum_j ss_j + n_j (mean_j - (A m)_j)^2,      N = diag(n)

    z - m | y, h ~ Normal(H^-1 b / s^2, H^-1),      H = P(h) + G / s^2

    log p(y | h) = -(sum n) log s - c / (2 s^2) + b'H^-1 b / (2 s^4) + 1/2 log det P - 1/2 log det H

so that there is nothing to iterate, nothing to correct, and no pass over cells: a point costs one Cholesky factor.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import linalg

from mrp.errors import SamplingError
from mrp.hyper import hyper_space
from mrp.laplace.blocks import PriorBlock
from mrp.laplace.coordinates import coordinates_basis, incidence
from mrp.numeric.counts import in_unit
from mrp.numeric.design import NumericDesign
from mrp.priors import Priors
from mrp.warm_start import prior_means, prior_sds

__all__ = ["NumericConditional", "NumericMode"]

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NumericMode:
    """The mean of the latents given the parameters, which is their mode."""

    point: Floats
    """Coordinates less their prior mean, shape (coordinate,)."""
    log_likelihood: float
    """log p(y | parameters), up to a constant that is the same for all."""
    n_steps: int = 1


class NumericConditional:
    """Latents given parameters, for one set of counts. Safe to use from several threads.

    Parameters
    ----------
    design
        With a unit.
    counts
        As `mrp.numeric.counts.coarsest_numeric` makes them, in the unit of the question.
    priors
        As for `mrp.numeric.model.build_numeric_model`, of which this is the density.
    """

    def __init__(self, design: NumericDesign, counts: pl.DataFrame, priors: Priors) -> None:
        common, cells = design.common, in_unit(counts, design.require_unit())
        self._basis = coordinates_basis(common)
        self._inverse: Floats = linalg.pinv(self._basis.toarray())
        self._predictor = incidence(common, cells) @ self._basis
        self._n, mean, ss = (cells[name].cast(pl.Float64).to_numpy() for name in ("n", "mean", "ss"))
        free_mean, free_sd = prior_means(common, priors), prior_sds(common, priors)
        self._fixed = free_sd**-2.0
        self._mean = np.zeros(self.n_coordinates)
        self._mean[: free_mean.size] = free_mean
        self._away: Floats = mean - self._predictor @ self._mean
        self._within = float(ss.sum())
        weighted = self._predictor.multiply(self._n[:, None]).tocsr()
        self._information: Floats = (self._predictor.T @ weighted).toarray()
        self._pull: Floats = weighted.T @ self._away
        self._squares = self._within + float(self._n @ self._away**2)
        self._blocks = []
        at = self._fixed.size
        for effect, hypers in zip(common.effects, hyper_space(common, priors).terms, strict=True):
            size = effect.size if effect.kind == "bym2" else effect.n_coordinates
            self._blocks.append(PriorBlock(effect, hypers, slice(at, at + size)))
            at += size

    @property
    def n_coordinates(self) -> int:
        """Number of independent numbers that the latents are made of."""
        return int(self._basis.shape[1])

    def mode(self, hypers: Floats, _near: NumericMode | None = None) -> NumericMode:
        """Find the mean of the latents; there is no need of another to start from."""
        return self._solved(hypers)[0]

    def slope(self, hypers: Floats, _near: NumericMode | None = None) -> tuple[NumericMode, Floats]:
        """The mode, and the gradient of its log likelihood by the natural values, shape (parameter,).

        It is that of the expected log density of answers and latents, by Fisher's identity.
        """
        mode, root = self._solved(hypers)
        covariance, _ = linalg.lapack.dpotri(root, lower=True)
        covariance = np.tril(covariance) + np.tril(covariance, -1).T
        gradient = np.zeros_like(hypers)
        second = covariance + np.outer(mode.point, mode.point)
        for block in self._blocks:
            block.add_slope(gradient, hypers, second)
        s = hypers[-1]
        squares = self._squares - 2 * self._pull @ mode.point + float((self._information * second).sum())
        gradient[-1] = -self._n.sum() / s + squares / s**3
        return mode, gradient

    def draw(self, hypers: Floats, _near: NumericMode, noise: Floats) -> tuple[Floats, Floats]:
        """Draw latents from their normal distribution.

        Returns
        -------
        latents
            In the order of `NumericDesign.latent_names`, the residual sd last, shape (draw, latent).
        log_ratio
            Log of the exact p(y, latents | hypers) over the normal density of the draw, up to the same constant as
            `NumericMode.log_likelihood`: that but for rounding, shape (draw,).
        """
        mode, root = self._solved(hypers)
        spread = linalg.solve_triangular(root, noise.T, lower=True, trans="T", check_finite=False)
        points = mode.point + spread.T
        log_normal = float(np.log(np.diag(root)).sum()) - 0.5 * (noise**2).sum(axis=1)
        latents = (points + self._mean) @ self._basis.T
        of_residual = np.full((len(latents), 1), hypers[-1])
        return np.concatenate([latents, of_residual], axis=1), self._log_joint(points, hypers) - log_normal

    def log_joint(self, latents: Floats, hypers: Floats) -> Floats:
        """Exact log p(y, latents | hypers) of each row, up to the constant of the log likelihood.

        Of the residual sd in the last column nothing is read: it is one of the parameters.
        """
        return self._log_joint(latents[:, :-1] @ self._inverse.T - self._mean, hypers)

    def prior(self, hypers: Floats) -> tuple[Floats, float]:
        """Precision matrix of the coordinates, and half its log determinant."""
        precision = np.zeros((self.n_coordinates, self.n_coordinates))
        n_free = self._fixed.size
        precision[np.arange(n_free), np.arange(n_free)] = self._fixed
        log_det = float(np.log(self._fixed).sum())
        for block in self._blocks:
            log_det += block.fill(precision, hypers)
        return precision, 0.5 * log_det

    def _log_joint(self, points: Floats, hypers: Floats) -> Floats:
        """Cell by cell, so that it checks the sums over cells that everything else is made of."""
        precision, normaliser = self.prior(hypers)
        s = hypers[-1]
        squares = self._within + ((self._away - (self._predictor @ points.T).T) ** 2) @ self._n
        of_prior = normaliser - 0.5 * np.einsum("si,si->s", points @ precision, points)
        return np.asarray(of_prior - self._n.sum() * np.log(s) - squares / (2 * s**2))

    def _solved(self, hypers: Floats) -> tuple[NumericMode, Floats]:
        """The mode, and the lower Cholesky factor of the posterior precision."""
        precision, normaliser = self.prior(hypers)
        s = hypers[-1]
        precision += self._information / s**2
        try:
            root = linalg.cholesky(precision, lower=True, overwrite_a=True, check_finite=False)
        except linalg.LinAlgError as error:
            raise SamplingError(
                "the precision of the latents is not positive definite at standard deviations "
                f"{np.array2string(hypers, precision=3)}; fit with NUTS"
            ) from error
        half = linalg.solve_triangular(root, self._pull / s**2, lower=True, check_finite=False)
        point = linalg.solve_triangular(root, half, lower=True, trans="T", check_finite=False)
        log_det = float(np.log(np.diag(root)).sum())
        value = normaliser - log_det - self._n.sum() * np.log(s) - self._squares / (2 * s**2) + 0.5 * half @ half
        if not np.isfinite(value):
            raise SamplingError(
                f"the likelihood is not finite at {np.array2string(hypers, precision=3)}; fit with NUTS"
            )
        return NumericMode(point, float(value)), root
