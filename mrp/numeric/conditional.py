r"""The latents given the parameters of their prior and the residual sd, and the likelihood of those: exact.

With a normal likelihood the latents ``z`` are normal given the parameters ``h``, and what the interviews say of them is
the same matrix for all ``h``. In deviations from the prior mean m, with the predictor A of the cells and s the residual
sd,

    G = A'NA,    b = A'N (mean - A m),    c = sum_j ss_j + n_j (mean_j - (A m)_j)^2,      N = diag(n)

    z - m | y, h ~ Normal(H^-1 b / s^2, H^-1),      H = P(h) + G / s^2

    log p(y | h) = -(sum n) log s - c / (2 s^2) + b'H^-1 b / (2 s^4) + 1/2 log det P - 1/2 log det H

so that there is nothing to iterate, nothing to correct, and no pass over cells: a point costs one Cholesky factor, of
which blocks such as those of a district each are taken apart, see `mrp.numeric.elimination`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import linalg, sparse

from mrp.errors import SamplingError
from mrp.hyper import hyper_space
from mrp.laplace.blocks import PriorBlock
from mrp.laplace.coordinates import incidence
from mrp.laplace.elimination import choose_elimination
from mrp.numeric.counts import in_unit
from mrp.numeric.design import NumericDesign
from mrp.numeric.elimination import Factor, Information, layout
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
        free_mean, free_sd = prior_means(common, priors), prior_sds(common, priors)
        self._fixed = free_sd**-2.0
        own = choose_elimination(common.effects, free_mean.size)
        self._basis, self._n_rest = layout(common.effects, free_mean.size, own)
        self._predictor = sparse.csr_array(incidence(common, cells) @ self._basis)
        self._n, mean, ss = (cells[name].cast(pl.Float64).to_numpy() for name in ("n", "mean", "ss"))
        self._mean = np.zeros(self.n_coordinates)
        self._mean[: free_mean.size] = free_mean
        self._away: Floats = mean - self._predictor @ self._mean
        self._within = float(ss.sum())
        weighted = self._predictor.multiply(self._n[:, None]).tocsr()
        self._information = Information.of(sparse.csr_array(self._predictor.T @ weighted), self._n_rest, own.width)
        self._pull: Floats = weighted.T @ self._away
        self._squares = self._within + float(self._n @ self._away**2)
        self._width, self._blocks, self._own_blocks = own.width, list[PriorBlock](), list[PriorBlock]()
        at, inside = self._fixed.size, dict(zip(own.terms, own.at, strict=True))
        for k, (effect, hypers) in enumerate(zip(common.effects, hyper_space(common, priors).terms, strict=True)):
            if k in inside:
                self._own_blocks.append(PriorBlock(effect, hypers, inside[k], times=own.n_groups))
                continue
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

    def between(self, modes: Sequence[NumericMode], shares: Floats) -> list[NumericMode]:
        """Any: there is no need of one to start from."""
        return [modes[0]] * len(shares)

    def slope(self, hypers: Floats, _near: NumericMode | None = None) -> tuple[NumericMode, Floats]:
        """The mode, and the gradient of its log likelihood by the natural values, shape (parameter,).

        It is that of the expected log density of answers and latents, by Fisher's identity.
        """
        mode, factor = self._solved(hypers)
        rest, own, _ = self._prior(hypers)
        second, own_second = factor.covariances()
        # The trace of G times the covariance is what that of the prior's precision leaves of the identity's.
        trace = self.n_coordinates - (rest * second).sum() - (own * own_second).sum() * bool(self._own_blocks)
        of_rest, of_own = mode.point[: self._n_rest], mode.point[self._n_rest :].reshape(-1, self._width)
        second = second + np.outer(of_rest, of_rest)
        own_second = own_second + of_own.T @ of_own
        gradient = np.zeros_like(hypers)
        for block in self._blocks:
            block.add_slope(gradient, hypers, second)
        for block in self._own_blocks:
            block.add_slope(gradient, hypers, own_second)
        s, at_mode = hypers[-1], self._away - self._predictor @ mode.point
        squares = self._within + self._n @ at_mode**2 + s**2 * trace
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
        mode, factor = self._solved(hypers)
        points = mode.point + factor.backwards(noise)
        log_normal = factor.half_log_det - 0.5 * (noise**2).sum(axis=1)
        latents = (self._basis @ (points + self._mean).T).T
        of_residual = np.full((len(latents), 1), hypers[-1])
        return np.concatenate([latents, of_residual], axis=1), self._log_joint(points, hypers) - log_normal

    def log_joint(self, latents: Floats, hypers: Floats) -> Floats:
        """Exact log p(y, latents | hypers) of each row, up to the constant of the log likelihood.

        Of the residual sd in the last column nothing is read: it is one of the parameters.
        """
        points: Floats = linalg.lstsq(self._basis.toarray(), latents[:, :-1].T)[0].T
        return self._log_joint(points - self._mean, hypers)

    def _log_joint(self, points: Floats, hypers: Floats) -> Floats:
        """Cell by cell, so that it checks the sums over cells that everything else is made of."""
        rest, own, normaliser = self._prior(hypers)
        s = hypers[-1]
        squares = self._within + ((self._away - (self._predictor @ points.T).T) ** 2) @ self._n
        of_rest, of_own = points[:, : self._n_rest], points[:, self._n_rest :].reshape(len(points), -1, self._width)
        pulled = (of_rest @ rest * of_rest).sum(axis=1) + (of_own @ own * of_own).sum(axis=(1, 2))
        return np.asarray(normaliser - 0.5 * pulled - self._n.sum() * np.log(s) - squares / (2 * s**2))

    def _prior(self, hypers: Floats) -> tuple[Floats, Floats, float]:
        """Precision of what is not eliminated, that of a block, and half the log determinant of both, of all blocks."""
        rest, own = np.zeros((self._n_rest, self._n_rest)), np.zeros((self._width, self._width))
        n_free = self._fixed.size
        rest[np.arange(n_free), np.arange(n_free)] = self._fixed
        log_det = float(np.log(self._fixed).sum())
        for block in self._blocks:
            log_det += block.fill(rest, hypers)
        for block in self._own_blocks:
            log_det += block.fill(own, hypers)
        return rest, own, 0.5 * log_det

    def _solved(self, hypers: Floats) -> tuple[NumericMode, Factor]:
        """The mode, and the Cholesky factor of the posterior precision."""
        rest, own, normaliser = self._prior(hypers)
        s = hypers[-1]
        try:
            factor = Factor(self._information, s**-2, rest, own)
        except np.linalg.LinAlgError as error:
            raise SamplingError(
                "the precision of the latents is not positive definite at standard deviations "
                f"{np.array2string(hypers, precision=3)}; fit with NUTS"
            ) from error
        half = factor.forwards(self._pull / s**2)
        value = normaliser - factor.half_log_det - self._n.sum() * np.log(s) - self._squares / (2 * s**2)
        value += 0.5 * float(half @ half)
        if not np.isfinite(value):
            raise SamplingError(
                f"the likelihood is not finite at {np.array2string(hypers, precision=3)}; fit with NUTS"
            )
        return NumericMode(factor.backwards(half[None])[0], float(value)), factor
