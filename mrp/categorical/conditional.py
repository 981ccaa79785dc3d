r"""The latents of several options given the parameters of their prior, and the likelihood of those parameters.

    log p(y | h) ~ max_z [ log p(y | z) + log p(z | h) ] - 1/2 log det H,       H: negative Hessian at the mode

as in `mrp.laplace.conditional`, with the full Hessian of the softmax. Coordinates ``z`` are those of the binary model,
each with the K - 1 directions of an orthonormal zero-sum basis over options: a priori directions are independent, and
each has the binary model's prior. Draws are centred at the mode shifted by its error to third order.

All latents are solved for at once: a step costs the cube of coordinates times K - 1.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.special import logsumexp

from mrp.categorical import kernels
from mrp.categorical.counts import count_name
from mrp.categorical.design import CategoricalDesign
from mrp.errors import SamplingError
from mrp.hyper import hyper_space
from mrp.laplace.blocks import PriorBlock
from mrp.priors import Priors
from mrp.structure import zero_sum_basis

__all__ = ["CategoricalConditional", "CategoricalMode", "coordinates_basis"]

type Floats = NDArray[np.float64]

_MAX_STEPS, _MAX_HALVINGS = 60, 30
# Gain of the last Newton step: the mode is then within a thousandth of a posterior sd.
_TOLERANCE = 1e-6
# Coordinates from which the Laplace formula is corrected, and by how many pairs of draws on both sides of the mean.
_MANY, _PAIRS = 1000, 2


@dataclass(frozen=True, slots=True)
class CategoricalMode:
    """The most probable latents given the parameters."""

    point: Floats
    """Coordinates, shape (coordinate,)."""
    log_likelihood: float
    """log p(y | parameters), up to a constant that is the same for all, nearly."""
    n_steps: int


def coordinates_basis(design: CategoricalDesign) -> sparse.csr_array:
    """Latents of the binary model from their coordinates, shape (latent, coordinate)."""
    # A mixed map keeps its effects for coordinates, as in `mrp.laplace.conditional`.
    parts = [sparse.eye_array(1 + len(design.common.coefficient_names))]
    for effect in design.common.effects:
        basis = None if effect.kind == "bym2" else effect.basis
        parts.append(sparse.eye_array(effect.size) if basis is None else sparse.csr_array(basis))
    return sparse.csr_array(sparse.block_diag(parts, format="csr"))


class CategoricalConditional:
    """Latents given parameters, for one set of counts. Safe to use from several threads.

    Parameters
    ----------
    design, counts, priors
        As for `mrp.categorical.model.build_categorical_model`, of which this is the density; counts as
        `mrp.categorical.counts.coarsest_options` makes them.
    """

    def __init__(self, design: CategoricalDesign, counts: pl.DataFrame, priors: Priors) -> None:
        common, rows = design.common, design.rows(counts)
        self._n_options, self._width = design.n_options, design.n_options - 1
        self._options = np.ascontiguousarray(zero_sum_basis(design.n_options).T)
        self._basis = coordinates_basis(design)
        self._inverse: Floats = linalg.pinv(self._basis.toarray())
        self._n_vectors, self._n_own = int(self._basis.shape[1]), len(design.own)
        # What of a vector over options is not known from the districts, one entry for every coordinate of a cell.
        n_cells, n_entries = rows.common.index.shape
        cell = np.repeat(np.arange(n_cells), n_entries)
        effects = sparse.csr_array(
            (rows.common.weight.ravel(), (cell, rows.common.index.ravel())), shape=(n_cells, common.n_latents)
        )
        free = sparse.csr_array(np.column_stack([np.ones(n_cells), rows.common.x]))
        free.resize((n_cells, common.n_latents))
        incidence = sparse.csr_array((effects + free) @ self._basis)
        y = counts.select(map(count_name, design.options)).to_numpy()
        self._data = (
            incidence.indptr.astype(np.int64),
            incidence.indices.astype(np.int64),
            np.ascontiguousarray(incidence.data),
            np.ascontiguousarray(rows.own),
            np.ascontiguousarray(rows.offset),
            counts["n"].cast(pl.Float64).to_numpy(),
            np.ascontiguousarray(y, dtype=np.float64),
            self._options,
        )
        n_free = 1 + len(common.coefficient_names)
        coefficients = [priors.for_predictor(p.name).sd for p in common.predictors for _ in p.coefficients]
        self._fixed = np.array([priors.intercept.sd, *coefficients]) ** -2.0
        of_own = [priors.for_predictor(predictor.term) for predictor in design.own]
        self._own_mean = np.array([prior.mean for prior in of_own], dtype=np.float64)
        self._own_precision = np.array([prior.sd**-2 for prior in of_own], dtype=np.float64)
        self._blocks = []
        at = n_free
        for effect, hypers in zip(common.effects, hyper_space(common, priors).terms, strict=True):
            size = effect.size if effect.kind == "bym2" else effect.n_coordinates
            self._blocks.append(PriorBlock(effect, hypers, slice(at, at + size), times=self._width))
            at += size
        half = np.random.default_rng(0).standard_normal(
            (_PAIRS if self.n_coordinates >= _MANY else 0, self.n_coordinates)
        )
        self._probes = np.concatenate([half, -half])
        self._start = np.zeros(self.n_coordinates)
        self._start[self.n_coordinates - self._n_own :] = self._own_mean

    @property
    def n_coordinates(self) -> int:
        """Number of independent numbers that the latents are made of."""
        return self._n_vectors * self._width + self._n_own

    def mode(self, hypers: Floats, near: CategoricalMode | None = None) -> CategoricalMode:
        """Find the most probable latents; see `mrp.laplace.conditional.Conditional.mode`.

        Raises
        ------
        SamplingError
            If Newton's method does not get there.
        """
        mode, root = self._climb(hypers, near)
        if not self._probes.size:
            return mode
        _, log_ratio = self._draw(hypers, mode, root, self._probes)
        return replace(mode, log_likelihood=float(logsumexp(log_ratio) - np.log(len(self._probes))))

    def slope(self, hypers: Floats, near: CategoricalMode | None = None) -> tuple[CategoricalMode, Floats]:
        """The mode, and the gradient of its log likelihood by the natural values, shape (parameter,).

        It is that of the expected log prior density, as `mrp.laplace.conditional.Conditional.slope` explains.
        """
        mode, root = self._climb(hypers, near)
        covariance, shift = self._moments(mode, root)
        n, shape = self._n_vectors * self._width, (self._n_vectors, self._width)
        away, moved = mode.point[:n].reshape(shape), shift[:n].reshape(shape)
        second = np.einsum("aibi->ab", covariance[:n, :n].reshape(*shape, *shape))
        second = second + away @ away.T + away @ moved.T + moved @ away.T
        gradient = np.zeros_like(hypers)
        for block in self._blocks:
            block.add_slope(gradient, hypers, second)
        return mode, gradient

    def draw(self, hypers: Floats, near: CategoricalMode, noise: Floats) -> tuple[Floats, Floats]:
        """Draw latents from the normal distribution around their shifted mode.

        Returns
        -------
        latents
            In the order of `CategoricalDesign.latent_names`, shape (draw, latent).
        log_ratio
            Log of the exact p(y, latents | hypers) over the normal density of the draw, up to the same constant as
            `CategoricalMode.log_likelihood`, shape (draw,).
        """
        points, log_ratio = self._draw(hypers, *self._climb(hypers, near), noise)
        return self.latents(points), log_ratio

    def latents(self, points: Floats) -> Floats:
        """Latents in the order of the design from coordinates, shapes (..., coordinate) and (..., latent)."""
        n = self._n_vectors * self._width
        vectors = points[..., :n].reshape(-1, self._n_vectors, self._width)
        by_option = np.stack([(self._basis @ one) @ self._options for one in vectors])
        return np.concatenate([by_option.reshape(*points.shape[:-1], -1), points[..., n:]], axis=-1)

    def points(self, latents: Floats) -> Floats:
        """The inverse of `latents`."""
        n = latents.shape[-1] - self._n_own
        vectors = latents[..., :n].reshape(-1, self._basis.shape[0], self._n_options)
        coordinates = self._inverse @ (vectors @ self._options.T)
        return np.concatenate([coordinates.reshape(*latents.shape[:-1], -1), latents[..., n:]], axis=-1)

    def log_joint(self, latents: Floats, hypers: Floats) -> Floats:
        """Exact log p(y, latents | hypers) of each row of ``latents``, up to the constant of the log likelihood."""
        precision, normaliser = self.prior(hypers)
        return np.array([self._log_density(one, precision) + normaliser for one in self.points(latents)])

    def information(self, point: Floats) -> tuple[Floats, Floats]:
        """Gradient and negative Hessian of the log likelihood alone, in the coordinates."""
        _, gradient, information = kernels.curvature(point, self._data)
        return gradient, information

    def prior(self, hypers: Floats) -> tuple[Floats, float]:
        """Precision matrix of one direction over options, log normaliser of all coordinates."""
        precision = np.zeros((self._n_vectors, self._n_vectors))
        n_free = self._fixed.size
        precision[np.arange(n_free), np.arange(n_free)] = self._fixed
        log_det = self._width * float(np.log(self._fixed).sum()) + float(np.log(self._own_precision).sum())
        for block in self._blocks:
            log_det += block.fill(precision, hypers)
        return precision, 0.5 * log_det

    def _pull(self, point: Floats, precision: Floats) -> Floats:
        """Precision times the distance from the prior mean, shape (coordinate,)."""
        n = self._n_vectors * self._width
        vectors = precision @ point[:n].reshape(self._n_vectors, self._width)
        return np.concatenate([vectors.ravel(), self._own_precision * (point[n:] - self._own_mean)])

    def _log_density(self, point: Floats, precision: Floats) -> float:
        away = point - self._start
        return float(kernels.log_likelihood(point, self._data) - 0.5 * away @ self._pull(point, precision))

    def _climb(self, hypers: Floats, near: CategoricalMode | None) -> tuple[CategoricalMode, Floats]:
        """The mode, and the lower Cholesky factor of the negative Hessian there."""
        precision, normaliser = self.prior(hypers)
        prior = np.zeros((self.n_coordinates, self.n_coordinates))
        n = self._n_vectors * self._width
        for i in range(self._width):
            prior[i : n : self._width, i : n : self._width] = precision
        own = np.arange(n, self.n_coordinates)
        prior[own, own] = self._own_precision
        point = (near.point if near else self._start).copy()
        for steps in range(1, _MAX_STEPS + 1):
            value, gradient, hessian = kernels.curvature(point, self._data)
            pull = self._pull(point, precision)
            value -= 0.5 * (point - self._start) @ pull
            gradient -= pull
            hessian += prior
            try:
                root = linalg.cholesky(hessian, lower=True, overwrite_a=True, check_finite=False)
            except linalg.LinAlgError:
                break
            step = linalg.cho_solve((root, True), gradient, check_finite=False)
            gain = float(gradient @ step)
            if not np.isfinite(gain):
                break
            if gain < _TOLERANCE:
                log_det = float(np.log(np.diag(root)).sum())
                return CategoricalMode(point, float(value + normaliser - log_det), steps), root
            for halving in range(_MAX_HALVINGS):
                moved = point + 0.5**halving * step
                if gain < 1e-3 or self._log_density(moved, precision) > value:
                    break
            point = moved
        raise SamplingError(
            f"Newton's method did not find the mode of the latents in {_MAX_STEPS} steps at standard deviations "
            f"{np.array2string(hypers, precision=3)}; fit with NUTS"
        )

    def _moments(self, mode: CategoricalMode, root: Floats) -> tuple[Floats, Floats]:
        """Covariance of the coordinates, and the error of the mode as their mean, to third order."""
        # As potri gives it: half the work of solving for every column.
        covariance, _ = linalg.lapack.dpotri(root, lower=True)
        covariance = np.tril(covariance) + np.tril(covariance, -1).T
        return covariance, -covariance @ kernels.third_order(mode.point, covariance, self._data)

    def _draw(self, hypers: Floats, mode: CategoricalMode, root: Floats, noise: Floats) -> tuple[Floats, Floats]:
        precision, normaliser = self.prior(hypers)
        _, shift = self._moments(mode, root)
        spread = linalg.solve_triangular(root, noise.T, lower=True, trans="T", check_finite=False)
        points = mode.point + shift + spread.T
        log_normal = float(np.log(np.diag(root)).sum()) - 0.5 * (noise**2).sum(axis=1)
        exact = np.array([self._log_density(one, precision) for one in points]) + normaliser
        return points, exact - log_normal
