r"""The latents of several options given the parameters of their prior, and the likelihood of those parameters.

    log p(y | h) ~ max_z [ log p(y | z) + log p(z | h) ] - 1/2 log det H,       H: negative Hessian at the mode

as in `mrp.laplace.conditional`, with the full Hessian of the softmax. Coordinates ``z`` are those of the binary model,
each with the K - 1 directions of an orthonormal zero-sum basis over options, of which `mrp.categorical.blocks` has the
prior. Draws are centred at the mode shifted by its error to third order.

What belongs to one district, or to one level of another grouping, is eliminated first: without the rest it falls into
blocks, which have K - 1 coordinates where those of the binary model have one (see `mrp.laplace.elimination`). So a step
costs the cube of what is left only, and districts can be many.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import linalg
from scipy.special import logsumexp

from mrp.categorical import kernels
from mrp.categorical.blocks import OptionBlock
from mrp.categorical.counts import count_name
from mrp.categorical.design import CategoricalDesign
from mrp.categorical.hyper import option_space
from mrp.errors import SamplingError
from mrp.laplace.block_kernels import log_determinant
from mrp.laplace.elimination import choose_elimination, step_cost
from mrp.laplace.interface import Look
from mrp.priors import Priors
from mrp.structure import zero_sum_basis

__all__ = ["CategoricalConditional", "CategoricalMode"]

type Floats = NDArray[np.float64]
type _Factors = tuple[Floats, Floats, Floats]
type _Around = tuple[Floats, Floats, Floats, Floats]
"""What `mrp.categorical.kernels.third_order` returns."""
type _Prior = tuple[Floats, Floats, float]
"""Precision matrix of rest, that of a block, log normaliser of both."""

_MAX_STEPS = 60
# Gain of the last Newton step: the mode is then within a thousandth of a posterior sd.
_TOLERANCE = 1e-6
# Where each step takes long and the likelihood is corrected, the mode is not polished: draws around it are weighted by
# their exact density anyway. From where modes are foretold one step is then enough, after which the log likelihood of
# 100,000 interviews is wrong by 0.002.
_ROUGH_TOLERANCE = 0.5
# But a search needs values that go with their gradient.
_SEARCH_TOLERANCE = 1e-2
# Multiplications of a step that take about a fiftieth of a second.
_FIFTIETH = 5e7
# Of many cells every so-manieth is a part that tells nearly where all of them lead.
_PART, _OF_CELLS = 8, 20_000
# Coordinates from which the Laplace formula is corrected, and by how many pairs of draws on both sides of the mean.
_MANY, _PAIRS = 1000, 2


@dataclass(frozen=True, slots=True)
class CategoricalMode:
    """The most probable latents given the parameters."""

    point: Floats
    """Coordinates: those of rest, then those that are eliminated, block by block; shape (coordinate,)."""
    log_likelihood: float
    """log p(y | parameters), up to a constant that is the same for all, nearly."""
    n_steps: int
    shift: Floats | None = None
    """How far the mean of the latents is from the point, shape (coordinate,), where that was asked for."""


class CategoricalConditional:
    """Latents given parameters, for one set of counts. Safe to use from several threads.

    Parameters
    ----------
    design, counts, priors
        As for `mrp.categorical.model.build_categorical_model`, of which this is the density; counts as
        `mrp.categorical.counts.coarsest_options` makes them.
    """

    def __init__(self, design: CategoricalDesign, counts: pl.DataFrame, priors: Priors) -> None:
        self._made_of = design, counts, priors
        common, rows, effects = design.common, design.rows(counts), design.common.effects
        self._width, self._n_own = design.n_options - 1, len(design.own)
        over_options = zero_sum_basis(design.n_options)
        self._options = np.ascontiguousarray(over_options.T)
        n_free = 1 + len(common.coefficient_names)
        apart = choose_elimination(effects, n_free)
        # A mixed map keeps its effects for coordinates, as in `mrp.laplace.conditional`.
        bases = {
            k: basis
            for k, effect in enumerate(effects)
            if k not in apart.terms and effect.kind != "bym2" and (basis := effect.basis) is not None
        }
        rest = sorted((k for k in range(len(effects)) if k not in apart.terms), key=lambda k: k in bases)
        sizes = [effects[k].size for k in rest]
        widths = [bases[k].shape[1] if k in bases else effects[k].size for k in rest]
        # Vectors over options: effects, and coordinates of effects.
        starts = n_free + np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        at = n_free + np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
        self._n_effects = int(starts[-1])
        self._n_rest = self._n_own + int(at[-1]) * self._width
        self._n_block = apart.n_groups * apart.width * self._width if apart.terms else 0
        self._block_size = apart.width * self._width
        self._n_block_effects = apart.n_groups * apart.height * self._width if apart.terms else 0
        eye = np.eye(self._width)
        structured = linalg.block_diag(*(bases[k] for k in rest if k in bases)) if bases else np.empty((0, 0))
        self._basis = np.ascontiguousarray(np.kron(structured, eye))
        self._block_basis = np.ascontiguousarray(np.kron(apart.basis, eye))
        self._blocks, self._apart_blocks = [], []
        space = option_space(design, priors)
        for k, start, n in zip(rest, at, widths, strict=False):
            where = slice(int(start), int(start + n))
            self._blocks.append(OptionBlock(effects[k], space.terms[k], where, over_options, first=self._n_own))
        for k, where in zip(apart.terms, apart.at, strict=True):
            self._apart_blocks.append(
                OptionBlock(effects[k], space.terms[k], where, over_options, times=apart.n_groups)
            )
        place = np.arange(common.n_latents)
        for k, start in zip(rest, starts, strict=False):
            place[common.offsets[k] : common.offsets[k] + effects[k].size] = start + np.arange(effects[k].size)
        for k, at_effects in zip(apart.terms, apart.place, strict=True):
            place[common.offsets[k] : common.offsets[k] + effects[k].size] = self._n_effects + at_effects
        self._place = place
        entries = np.cumsum([0, *(len(effect.columns) for effect in effects)])
        columns, apart_columns = (
            [entry for k in terms for entry in range(entries[k], entries[k + 1])] for terms in (rest, apart.terms)
        )
        block_index = place[rows.common.index[:, apart_columns]].astype(np.int64) - self._n_effects
        # Cells of one block together: its part of the Hessian stays in the processor's cache.
        order = np.arange(counts.height) if not apart.terms else np.argsort(block_index[:, 0], kind="stable")
        free = np.broadcast_to(np.arange(n_free), (counts.height, n_free))
        coded = np.column_stack([np.ones(counts.height), rows.common.x])
        y = counts.select(map(count_name, design.options)).to_numpy()
        index = np.column_stack([free, place[rows.common.index[:, columns]]])[order].astype(np.int64)
        weight = np.column_stack([coded, rows.common.weight[:, columns]])[order]
        _, first, of_cell = np.unique(np.column_stack([index, weight]), axis=0, return_index=True, return_inverse=True)
        self._data = (
            np.ascontiguousarray(of_cell.reshape(-1).astype(np.int64)),
            np.ascontiguousarray(index[first]),
            np.ascontiguousarray(weight[first]),
            np.ascontiguousarray(block_index[order]),
            np.ascontiguousarray(rows.common.weight[:, apart_columns][order]),
            np.ascontiguousarray(rows.own[order]),
            np.ascontiguousarray(rows.offset[order]),
            counts["n"].cast(pl.Float64).to_numpy()[order],
            np.ascontiguousarray(y[order], dtype=np.float64),
            self._options,
            self._basis,
            self._block_basis,
        )
        coefficients = [priors.for_predictor(p.name).sd for p in common.predictors for _ in p.coefficients]
        of_own = [priors.for_predictor(predictor.term) for predictor in design.own]
        free_precision = np.repeat(np.array([priors.intercept.sd, *coefficients]) ** -2.0, self._width)
        self._fixed = np.concatenate([np.array([prior.sd**-2.0 for prior in of_own]), free_precision])
        self._mean = np.zeros(self._n_rest)
        self._mean[: self._n_own] = [prior.mean for prior in of_own]
        half = np.random.default_rng(0).standard_normal(
            (_PAIRS if self.n_coordinates >= _MANY else 0, self.n_coordinates)
        )
        self._probes = np.concatenate([half, -half])

    @property
    def cost(self) -> float:
        """What a Newton step takes, in fiftieths of a second, roughly."""
        n_cells, n_entries = len(self._data[0]), self._data[1].shape[1] + 1
        of_cells = n_cells * (n_entries * self._width) ** 2 / 2
        n_blocks = self._n_block // self._block_size if self._n_block else 0
        algebra = step_cost(self._n_rest, self._n_block, self._block_size if n_blocks else 1)
        return float(of_cells + algebra) / _FIFTIETH

    @property
    def part(self) -> "CategoricalConditional | None":
        """The same latents given an eighth of the cells; None of few cells."""
        design, counts, priors = self._made_of
        if counts.height < _OF_CELLS:
            return None
        return CategoricalConditional(design, counts.gather_every(_PART), priors)

    @property
    def n_coordinates(self) -> int:
        """Number of independent numbers that the latents are made of."""
        return self._n_rest + self._n_block

    def mode(self, hypers: Floats, near: CategoricalMode | None = None) -> CategoricalMode:
        """Find the most probable latents; see `mrp.laplace.conditional.Conditional.mode`.

        Raises
        ------
        SamplingError
            If Newton's method does not get there.
        """
        prior = self._prior(hypers)
        mode, factors = self._climb(hypers, prior, near)
        if not self._probes.size:
            return mode
        _, log_ratio = self._draw(prior, mode, factors, self._probes)
        return replace(mode, log_likelihood=float(logsumexp(log_ratio) - np.log(len(self._probes))))

    def slope(self, hypers: Floats, near: CategoricalMode | None = None) -> tuple[CategoricalMode, Floats]:
        """The mode, and the gradient of its log likelihood by the natural values, shape (parameter,).

        It is that of the expected log prior density, as `mrp.laplace.conditional.Conditional.slope` explains.
        """
        mode, factors = self._climb(hypers, self._prior(hypers), near, rough=_SEARCH_TOLERANCE)
        return mode, self._gradient(hypers, mode, kernels.third_order(self._parts(mode.point), factors, self._data))

    def look(
        self, hypers: Floats, near: CategoricalMode, noise: Floats, *, steep: bool = True
    ) -> Look[CategoricalMode]:
        """`mode`, `slope` and `draw` at once; the gradient is that of `slope`, of the likelihood before correction.

        If not ``steep`` there is no gradient, and the mean of the draws is as far from the mode as at ``near``.
        """
        prior = self._prior(hypers)
        mode, factors = self._climb(hypers, prior, near)
        shift = near.shift
        gradient = np.full(len(hypers), np.nan)
        if steep or shift is None:
            around = kernels.third_order(self._parts(mode.point), factors, self._data)
            gradient, shift = self._gradient(hypers, mode, around), np.concatenate(around[:2])
        points, log_ratio = self._draw_around(prior, mode, factors, shift, np.concatenate([self._probes, noise]))
        n = len(self._probes)
        likelihood = float(logsumexp(log_ratio[:n]) - np.log(n)) if n else mode.log_likelihood
        mode = replace(mode, log_likelihood=likelihood, shift=shift)
        return Look(mode, gradient, self.latents(points[n:]), log_ratio[n:])

    def between(self, modes: Sequence[CategoricalMode], shares: Floats) -> list[CategoricalMode]:
        """Where to start, made of several modes: one start for each row of ``shares``, which adds up to 1."""
        starts = [
            replace(modes[0], point=point, shift=None) for point in shares @ np.stack([one.point for one in modes])
        ]
        shifts = [one.shift for one in modes if one.shift is not None]
        if len(shifts) < len(modes):
            return starts
        return [replace(one, shift=shift) for one, shift in zip(starts, shares @ np.stack(shifts), strict=True)]

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
        prior = self._prior(hypers)
        points, log_ratio = self._draw(prior, *self._climb(hypers, prior, near), noise)
        return self.latents(points), log_ratio

    def latents(self, points: Floats) -> Floats:
        """Latents in the order of the design from coordinates, shapes (draw, coordinate) and (draw, latent)."""
        first = self._n_rest - self._basis.shape[1]
        rest, block = points[:, : self._n_rest], points[:, self._n_rest :]
        if self._basis.size:
            rest = np.concatenate([rest[:, :first], rest[:, first:] @ self._basis.T], axis=1)
        if self._block_basis.size:
            block = (block.reshape(-1, self._block_size) @ self._block_basis.T).reshape(
                len(points), self._n_block_effects
            )
        vectors = np.concatenate([rest[:, self._n_own :], block], axis=1)
        ordered = vectors.reshape(len(points), vectors.shape[1] // self._width, self._width)[:, self._place]
        by_option = (ordered @ self._options).reshape(len(points), len(self._place) * (self._width + 1))
        return np.concatenate([by_option, rest[:, : self._n_own]], axis=1)

    def points(self, latents: Floats) -> Floats:
        """The inverse of `latents`."""
        n, k = latents.shape[1] - self._n_own, self._width + 1
        vectors = np.empty((len(latents), len(self._place), self._width))
        vectors[:, self._place] = latents[:, :n].reshape(len(latents), -1, k) @ self._options.T
        own, rest, block = latents[:, n:], vectors[:, : self._n_effects], vectors[:, self._n_effects :]
        rest, block = rest.reshape(len(latents), -1), block.reshape(len(latents), -1)
        if self._basis.size:
            first = rest.shape[1] - len(self._basis)
            rest = np.concatenate([rest[:, :first], rest[:, first:] @ linalg.pinv(self._basis).T], axis=1)
        if self._block_basis.size:
            block = (block.reshape(-1, len(self._block_basis)) @ linalg.pinv(self._block_basis).T).reshape(
                len(latents), -1
            )
        return np.concatenate([own, rest, block], axis=1)

    def log_joint(self, latents: Floats, hypers: Floats) -> Floats:
        """Exact log p(y, latents | hypers) of each row of ``latents``, up to the constant of the log likelihood."""
        precision, block_precision, normaliser = self._prior(hypers)
        prior = (self._mean, precision, block_precision)
        points = (self._parts(one) for one in self.points(latents))
        return normaliser + np.array([kernels.log_joint(*point, prior, self._data) for point in points])

    def information(self, point: Floats) -> tuple[Floats, Floats]:
        """Gradient and negative Hessian of the log likelihood alone, in the coordinates."""
        nothing = (self._mean, np.zeros((self._n_rest,) * 2), np.zeros((self._block_size,) * 2))
        g, g_block, a, b, d = kernels.derivatives(*self._parts(point), nothing, self._data)
        blocks = d.reshape(-1, d.shape[1], d.shape[1]) if self._n_block else np.empty((0, 0, 0))
        blocks = np.tril(blocks) + np.tril(blocks, -1).transpose(0, 2, 1)
        if self._block_basis.size:
            blocks = self._block_basis.T @ blocks @ self._block_basis
        n = self._n_rest
        whole = np.zeros((self.n_coordinates, self.n_coordinates))
        whole[:n, :n] = np.tril(a) + np.tril(a, -1).T
        if self._n_block:
            whole[n:, :n], whole[:n, n:] = b, b.T
            whole[n:, n:] = linalg.block_diag(*blocks)
        return np.concatenate([g, g_block]), whole

    def _parts(self, point: Floats) -> tuple[Floats, Floats]:
        return point[: self._n_rest], point[self._n_rest :]

    def _prior(self, hypers: Floats) -> _Prior:
        precision = np.zeros((self._n_rest, self._n_rest))
        block_precision = np.zeros((self._block_size, self._block_size))
        n_fixed = self._fixed.size
        precision[np.arange(n_fixed), np.arange(n_fixed)] = self._fixed
        log_det = float(np.log(self._fixed).sum())
        for one in self._blocks:
            log_det += one.fill(precision, hypers)
        for one in self._apart_blocks:
            log_det += one.fill(block_precision, hypers)
        return precision, block_precision, 0.5 * log_det

    def _climb(
        self, hypers: Floats, prior: _Prior, near: CategoricalMode | None, *, rough: float = _ROUGH_TOLERANCE
    ) -> tuple[CategoricalMode, _Factors]:
        """The mode, and the factors of the negative Hessian, of the point before the last step."""
        precision, block_precision, normaliser = prior
        given = (self._mean, precision, block_precision)
        tolerance = rough if self._probes.size and self.cost > 1 else _TOLERANCE
        start = near.point if near else np.concatenate([self._mean, np.zeros(self._n_block)])
        rest, block = self._parts(start)
        value = kernels.log_joint(rest, block, given, self._data)
        for steps in range(1, _MAX_STEPS + 1):
            try:
                step, step_block, gain, factors = kernels.newton_step(rest, block, given, self._data)
            except np.linalg.LinAlgError:
                break
            if not np.isfinite(gain):
                break
            length = 1.0
            while True:
                moved = rest + length * step, block + length * step_block
                new_value = kernels.log_joint(*moved, given, self._data)
                if new_value >= value + 0.1 * length * gain or length < 1e-3 or gain < tolerance:
                    break
                length *= 0.5
            (rest, block), value = moved, new_value
            if gain < tolerance:
                log_likelihood = float(value + normaliser - log_determinant(factors))
                return CategoricalMode(np.concatenate([rest, block]), log_likelihood, steps), factors
        raise SamplingError(
            f"Newton's method did not find the mode of the latents in {_MAX_STEPS} steps at standard deviations "
            f"{np.array2string(hypers, precision=3)}; fit with NUTS"
        )

    def _gradient(self, hypers: Floats, mode: CategoricalMode, around: _Around) -> Floats:
        shift, shift_block, covariance, block_covariance = around
        rest, block = self._parts(mode.point)
        away = rest - self._mean
        second = covariance + np.outer(away, away) + np.outer(away, shift) + np.outer(shift, away)
        gradient = np.zeros_like(hypers)
        for one in self._blocks:
            one.add_slope(gradient, hypers, second)
        if self._n_block:
            away, shift = (part.reshape(-1, self._block_size) for part in (block, shift_block))
            block_second = block_covariance + away.T @ away + away.T @ shift + shift.T @ away
            for one in self._apart_blocks:
                one.add_slope(gradient, hypers, block_second)
        return gradient

    def _draw(self, prior: _Prior, mode: CategoricalMode, factors: _Factors, noise: Floats) -> tuple[Floats, Floats]:
        shift, shift_block, _, _ = kernels.third_order(self._parts(mode.point), factors, self._data)
        return self._draw_around(prior, mode, factors, np.concatenate([shift, shift_block]), noise)

    def _draw_around(
        self, prior: _Prior, mode: CategoricalMode, factors: _Factors, shift: Floats, noise: Floats
    ) -> tuple[Floats, Floats]:
        precision, block_precision, normaliser = prior
        mean = self._parts(mode.point + shift)
        n = self._n_rest
        out = np.empty((len(noise), n)), np.empty((len(noise), self._n_block))
        log_ratio = kernels.draw(
            mean,
            factors,
            (np.ascontiguousarray(noise[:, :n]), np.ascontiguousarray(noise[:, n:])),
            (self._mean, precision, block_precision),
            self._data,
            out,
        )
        return np.concatenate(out, axis=1), log_ratio + normaliser
