r"""The latents given the parameters of their prior, and the likelihood of those parameters.

    log p(y | h) ~ max_z [ log p(y | z) + log p(z | h) ] - 1/2 log det H,       H: negative Hessian at the mode

up to a constant: the Laplace approximation. What belongs to one district, or to one level of another grouping, is a
block of latents that is independent of the other blocks given the rest; blocks are eliminated before the rest is solved
for (see `mrp.laplace.elimination`). The parameters ``h`` are standard deviations, then correlations, then
mixings (`mrp.hyper`).

Latents are drawn from Normal(mean, H^-1), the mean being the mode corrected by its error to third order. That costs
less than a Newton step, and sparse data need it: of 2,000 draws on cces2018, effective draws rose from 1,950 to 1,991
with 5,000 interviews, from 1,109 to 1,521 with 100, from 373 to 1,479 with 300 of one opinion, and from 32 (k-hat 1.0,
which fails) to 256 (k-hat 0.6) with an opinion of 4% and wide priors.

Of a thousand latents and more the formula is not good enough: its error grows with the number of districts, and is
another for other standard deviations. With 2,000 districts of four interviews it changed by 4 between ones that the
data hardly tell apart, and 16 of 2,000 draws were effective; corrected, 1,164. There the likelihood that
`Conditional.mode` gives is corrected by the mean ratio of exact density to normal density at a few fixed draws, the
same for all parameters, so that it stays smooth; what they leave the last weights remove as ever.

The gradient of log p(y | h), by the formula, takes the error to third order into account and is exact. With it the mode
search takes 0.03, 0.09 and 0.17 s for 7, 12 and 20 parameters on cces2018; with differences it takes 0.14, 0.61 and 1.9
s (`make bench` has the figures of the day).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import linalg
from scipy.special import logsumexp

from mrp.design import Design
from mrp.errors import SamplingError
from mrp.laplace import kernels
from mrp.laplace.block_kernels import log_determinant
from mrp.laplace.blocks import PriorBlock
from mrp.laplace.elimination import choose_elimination
from mrp.linear import LinearModel, linear_model
from mrp.priors import Priors

__all__ = ["Conditional", "Mode"]

type Floats = NDArray[np.float64]
type _Factors = tuple[Floats, Floats, Floats]
type _Prior = tuple[Floats, Floats, float]
"""Precision matrix of rest, that of a block of own, log normaliser of both."""

_MAX_STEPS = 60
# Gain of the last Newton step: the mode is then within a thousandth of a posterior sd, and log p(y | sd) within 1e-4.
_TOLERANCE = 1e-6
# Coordinates from which the Laplace formula is corrected, and by how many pairs of draws on both sides of the mean.
_MANY, _PAIRS = 1000, 2


@dataclass(frozen=True, slots=True)
class Mode:
    """The most probable latents given the standard deviations."""

    rest: Floats
    own: Floats
    """Coordinates of what is eliminated, in the order (block, number in block)."""
    log_likelihood: float
    """log p(y | sd), up to a constant that is the same for all, nearly; see the module."""
    n_steps: int


class Conditional:
    """Latents given standard deviations, for one set of counts. Safe to use from several threads.

    Parameters
    ----------
    design, counts, priors
        As for `mrp.model.build_model`, of which this is the density. `of` takes any other linear model.
    """

    def __init__(self, design: Design, counts: pl.DataFrame, priors: Priors) -> None:
        self._prepare(linear_model(design, counts, priors))

    @classmethod
    def of(cls, model: LinearModel) -> "Conditional":
        """Latents of a model that is given in numbers, such as that of several questions."""
        made = cls.__new__(cls)
        made._prepare(model)
        return made

    def _prepare(self, model: LinearModel) -> None:
        effects, n_free = model.effects, model.n_free
        own = choose_elimination(effects, n_free)
        # A mixed map keeps its effects for coordinates: a dense precision is made once for a set of parameters, where
        # to carry the curvature over to directions takes as long at every step.
        bases = {
            k: basis
            for k, effect in enumerate(effects)
            if k not in own.terms and effect.kind != "bym2" and (basis := effect.basis) is not None
        }
        # Coordinates of structured effects come last; see `mrp.laplace.kernels`.
        rest = sorted((k for k in range(len(effects)) if k not in own.terms), key=lambda k: k in bases)
        sizes = [effects[k].size for k in rest]
        widths = [bases[k].shape[1] if k in bases else effects[k].size for k in rest]
        starts = n_free + np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        at = n_free + np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
        self.n_rest = int(at[-1])
        self.n_own = own.n_groups * own.width
        self._own = own
        self._basis = np.ascontiguousarray(linalg.block_diag(*(bases[k] for k in rest if k in bases)))
        if not bases:
            self._basis = np.empty((0, 0))
        self._first = self.n_rest - self._basis.shape[1]
        terms = model.space.terms
        self._blocks = [
            PriorBlock(effects[k], terms[k], slice(int(start), int(start + width)))
            for k, start, width in zip(rest, at, widths, strict=False)
        ]
        self._own_blocks = [
            PriorBlock(effects[k], terms[k], at_own, times=own.n_groups)
            for k, at_own in zip(own.terms, own.at, strict=True)
        ]
        # Where each latent of the model is found in (rest, own), both with effects for coordinates.
        place = np.arange(model.n_latents)
        for k, start in zip(rest, starts, strict=False):
            place[model.offsets[k] : model.offsets[k] + effects[k].size] = start + np.arange(effects[k].size)
        for k, at_effects in zip(own.terms, own.place, strict=True):
            place[model.offsets[k] : model.offsets[k] + effects[k].size] = starts[-1] + at_effects
        self._place = place
        self._n_rest_effects = int(starts[-1])
        self._mean = np.zeros(self.n_rest)
        self._mean[:n_free] = model.mean
        self._fixed = model.sd**-2.0

        index, weight = _entries(model, rest, place)
        own_index, own_weight = _entries(model, own.terms, place - self._n_rest_effects)
        # Cells of one block together: its part of the Hessian stays in the processor's cache.
        order = np.argsort(own_index[:, 0], kind="stable") if own_index.shape[1] else np.arange(len(own_index))
        self._data = (
            np.ascontiguousarray(model.x[order]),
            np.ascontiguousarray(index[order]),
            np.ascontiguousarray(weight[order]),
            np.ascontiguousarray(own_index[order]),
            np.ascontiguousarray(own_weight[order]),
            model.n[order],
            model.y[order],
            self._basis,
            own.basis,
        )
        half = np.random.default_rng(0).standard_normal(
            (_PAIRS if self.n_coordinates >= _MANY else 0, self.n_coordinates)
        )
        self._probes = np.concatenate([half, -half])
        self._start = self._mean.copy()
        self._start[:n_free] = model.start

    @property
    def n_coordinates(self) -> int:
        """Number of independent numbers that the latents are made of."""
        return self.n_rest + self.n_own

    def mode(self, hypers: Floats, near: Mode | None = None) -> Mode:
        """Find the most probable latents.

        Parameters
        ----------
        hypers
            Natural values of the parameters of the prior, as in `mrp.hyper.HyperSpace`: the standard deviation of each
            varying term, > 0, then the correlations and mixings; shape (parameter,).
        near
            Where to start: the mode for other standard deviations.

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
        better = float(logsumexp(log_ratio) - np.log(len(self._probes)))
        return replace(mode, log_likelihood=better)

    def between(self, modes: Sequence[Mode], shares: Floats) -> list[Mode]:
        """Where to start, made of several modes: one start for each row of ``shares``, which adds up to 1."""
        rest, own = (shares @ np.stack(parts) for parts in zip(*((mode.rest, mode.own) for mode in modes), strict=True))
        return [replace(modes[0], rest=r, own=o) for r, o in zip(rest, own, strict=True)]

    def latents(self, mode: Mode) -> Floats:
        """A mode in the order of `mrp.design.Design.latent_names`, shape (latent,)."""
        return np.asarray(self._ordered(mode.rest[None], mode.own[None])[0])

    def slope(self, hypers: Floats, near: Mode | None = None) -> tuple[Mode, Floats]:
        """The mode, and the gradient of its log likelihood.

        The log likelihood depends on the parameters through the prior alone, at the mode and through the determinant of
        H: together that is the gradient of the expected log prior density, when latents have the covariance H^-1 and
        the mean shifted from the mode by the third-order term, which is how the mode's own move changes H.

        Parameters
        ----------
        hypers, near
            As for `mode`.

        Returns
        -------
        mode
            As `mode` returns it.
        gradient
            By the natural values, shape (parameter,).
        """
        mode, factors = self._climb(hypers, self._prior(hypers), near)
        shift, shift_own, second, own_second = kernels.third_order((mode.rest, mode.own), factors, self._data)
        away = mode.rest - self._mean
        second += np.outer(away, away) + np.outer(away, shift) + np.outer(shift, away)
        away, shift = (part.reshape(-1, self._own.width) for part in (mode.own, shift_own))
        own_second += away.T @ away + away.T @ shift + shift.T @ away
        gradient = np.zeros_like(hypers)
        for block in self._blocks:
            block.add_slope(gradient, hypers, second)
        for block in self._own_blocks:
            block.add_slope(gradient, hypers, own_second)
        return mode, gradient

    def draw(self, hypers: Floats, near: Mode, noise: Floats) -> tuple[Floats, Floats]:
        """Draw latents from the normal distribution around their mean, which is the mode shifted to third order.

        Parameters
        ----------
        hypers, near
            As for `mode`.
        noise
            Standard normal numbers, shape (draw, coordinate).

        Returns
        -------
        latents
            In the order of `mrp.design.Design.latent_names`, shape (draw, latent).
        log_ratio
            Log of the exact p(y, latents | hypers) over the normal density of the draw, up to the same constant as
            `Mode.log_likelihood`, shape (draw,).
        """
        prior = self._prior(hypers)
        return self._draw(prior, *self._climb(hypers, prior, near), noise)

    def _draw(self, prior: _Prior, mode: Mode, factors: _Factors, noise: Floats) -> tuple[Floats, Floats]:
        shift, shift_own, _, _ = kernels.third_order((mode.rest, mode.own), factors, self._data)
        precision, own_precision, normaliser = prior
        rest = np.empty((len(noise), self.n_rest))
        own = np.empty((len(noise), self.n_own))
        log_ratio = kernels.draw(
            (mode.rest + shift, mode.own + shift_own),
            factors,
            (np.ascontiguousarray(noise[:, : self.n_rest]), np.ascontiguousarray(noise[:, self.n_rest :])),
            (self._mean, precision, own_precision),
            self._data,
            (rest, own),
        )
        return self._ordered(rest, own), log_ratio + normaliser

    def log_joint(self, latents: Floats, hypers: Floats) -> Floats:
        """Exact log p(y, latents | hypers) of each row of ``latents``, up to the constant of `Mode.log_likelihood`."""
        precision, own_precision, normaliser = self._prior(hypers)
        ordered = np.empty_like(latents)
        ordered[:, self._place] = latents
        rest = ordered[:, : self._first]
        if self._basis.size:
            structured = ordered[:, self._first : self._n_rest_effects]
            rest = np.concatenate([rest, linalg.lstsq(self._basis, structured.T)[0].T], axis=1)
        own = ordered[:, self._n_rest_effects :]
        if self._own.basis.size:
            by_block = own.reshape(-1, self._own.height)
            own = (by_block @ linalg.pinv(self._own.basis).T).reshape(len(latents), self.n_own)
        prior = (self._mean, precision, own_precision)
        return normaliser + np.array(
            [
                kernels.log_joint(np.ascontiguousarray(r), np.ascontiguousarray(o), prior, self._data)
                for r, o in zip(rest, own, strict=True)
            ]
        )

    def _ordered(self, rest: Floats, own: Floats) -> Floats:
        structured = rest[:, self._first :] @ self._basis.T
        if self._own.basis.size:
            own = (own.reshape(-1, self._own.width) @ self._own.basis.T).reshape(len(own), -1)
        return np.concatenate([rest[:, : self._first], structured, own], axis=1)[:, self._place]

    def _prior(self, hypers: Floats) -> _Prior:
        """Precision matrix of rest, that of a block of own, log normaliser of both."""
        precision = np.zeros((self.n_rest, self.n_rest))
        own_precision = np.zeros((self._own.width, self._own.width))
        n_free = self._fixed.size
        precision[np.arange(n_free), np.arange(n_free)] = self._fixed
        log_det = float(np.log(self._fixed).sum())
        for block in self._blocks:
            log_det += block.fill(precision, hypers)
        for block in self._own_blocks:
            log_det += block.fill(own_precision, hypers)
        return precision, own_precision, 0.5 * log_det

    def _climb(self, hypers: Floats, prior: _Prior, near: Mode | None) -> tuple[Mode, _Factors]:
        precision, own_precision, normaliser = prior
        start = (near.rest, near.own) if near else (self._start, np.zeros(self.n_own))
        given = (self._mean, precision, own_precision)
        rest, own, value, factors, steps = kernels.climb(*start, given, self._data, _TOLERANCE, _MAX_STEPS)
        if steps > _MAX_STEPS or not np.isfinite(value):
            raise SamplingError(
                f"Newton's method did not find the mode of the latents in {_MAX_STEPS} steps at standard deviations "
                f"{np.array2string(hypers, precision=3)}; fit with NUTS"
            )
        log_det = log_determinant(factors)
        mode = Mode(rest=rest, own=own, log_likelihood=float(value + normaliser - log_det), n_steps=steps)
        return mode, factors


def _entries(
    model: LinearModel, terms: Sequence[int], place: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Positions and weights of a cell's effects of some terms, those that it has first, shape (cell, entry).

    What is left over stands for the last of them with the weight 0: positions go on ascending, within one block.
    """
    columns = [entry for k in terms for entry, of in enumerate(model.effect_of) if of == k]
    index, weight = place[model.index[:, columns]].astype(np.int64), model.weight[:, columns]
    if model.present is None:
        return index, weight
    present = model.present[:, columns]
    n_present = present.sum(axis=1)
    order = np.argsort(~present, axis=1, kind="stable")[:, : n_present.max(initial=0)]
    if not order.shape[1]:
        return np.empty((len(index), 0), dtype=np.int64), np.empty((len(index), 0))
    index, weight = np.take_along_axis(index, order, axis=1), np.take_along_axis(weight, order, axis=1)
    last = np.where(n_present > 0, index[np.arange(len(index)), np.maximum(n_present - 1, 0)], 0)
    over = np.arange(order.shape[1]) >= n_present[:, None]
    return np.where(over, last[:, None], index), np.where(over, 0.0, weight)
