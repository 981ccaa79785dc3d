r"""The latents given the standard deviations, and the likelihood of the standard deviations.

    log p(y | sd) ~ max_z [ log p(y | z) + log p(z | sd) ] - 1/2 log det H,       H: negative Hessian at the mode

up to a constant: the Laplace approximation. The largest varying term is kept apart from the rest, because its levels
are independent of each other given the rest (see `mrp.laplace.kernels`).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.design import Design
from mrp.errors import SamplingError
from mrp.laplace import kernels
from mrp.priors import Priors

__all__ = ["Conditional", "Mode"]

type Floats = NDArray[np.float64]

_MAX_STEPS = 60
# Gain of the last Newton step: the mode is then within a thousandth of a posterior sd, and log p(y | sd) within 1e-4.
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Mode:
    """The most probable latents given the standard deviations."""

    rest: Floats
    own: Floats
    """Levels of the largest varying term."""
    log_likelihood: float
    """log p(y | sd), up to a constant that is the same for all."""
    n_steps: int


class Conditional:
    """Latents given standard deviations, for one set of counts. Safe to use from several threads.

    Parameters
    ----------
    design, counts, priors
        As for `mrp.model.build_model`, of which this is the density.
    """

    def __init__(self, design: Design, counts: pl.DataFrame, priors: Priors) -> None:
        rows = design.rows(counts)
        sizes = [effect.size for effect in design.effects]
        largest = int(np.argmax(sizes)) if sizes else None
        rest = [k for k in range(len(sizes)) if k != largest]
        n_free = 1 + rows.x.shape[1]
        starts = n_free + np.concatenate([[0], np.cumsum([sizes[k] for k in rest])]).astype(np.int64)
        self.n_terms = len(sizes)
        self.n_rest = int(starts[-1])
        self.n_own = sizes[largest] if largest is not None else 0
        self._largest = largest
        # Where each latent of the design is found in (rest, own).
        place = np.arange(design.n_latents)
        for k, start in zip(rest, starts, strict=False):
            place[design.offsets[k] : design.offsets[k] + sizes[k]] = start + np.arange(sizes[k])
        if largest is not None:
            at = design.offsets[largest]
            place[at : at + self.n_own] = self.n_rest + np.arange(self.n_own)
        self._place = place
        # One entry per latent of rest: the term whose sd it has, -1 for those with a prior of their own.
        self._term = np.full(self.n_rest, -1)
        for k, start in zip(rest, starts, strict=False):
            self._term[start : start + sizes[k]] = k
        own_prior = [priors.for_predictor(p.name) for p in design.predictors for _ in p.coefficients]
        self._mean = np.zeros(self.n_rest)
        self._mean[:n_free] = [priors.intercept.mean, *(p.mean for p in own_prior)]
        self._fixed = np.zeros(self.n_rest)
        self._fixed[:n_free] = [priors.intercept.sd**-2, *(p.sd**-2 for p in own_prior)]

        own_index = place[rows.index[:, largest]] - self.n_rest if largest is not None else np.zeros(counts.height, int)
        # Cells of one district together: its part of the Hessian stays in the processor's cache.
        order = np.argsort(own_index, kind="stable")
        n, y = (counts[name].cast(pl.Float64).to_numpy()[order] for name in ("n", "y"))
        self._data = (
            np.ascontiguousarray(np.column_stack([np.ones(counts.height), rows.x])[order]),
            np.ascontiguousarray(place[rows.index[:, rest]][order].astype(np.int64)),
            np.ascontiguousarray(own_index[order].astype(np.int64)),
            n,
            y,
        )
        share = (y.sum() + 1) / (n.sum() + 2)
        self._start = self._mean.copy()
        self._start[0] = np.log(share / (1 - share))

    def mode(self, sd: Floats, near: Mode | None = None) -> Mode:
        """Find the most probable latents.

        Parameters
        ----------
        sd
            Standard deviation of each varying term, > 0, shape (varying term,).
        near
            Where to start: the mode for other standard deviations.

        Raises
        ------
        SamplingError
            If Newton's method does not get there.
        """
        return self._climb(sd, near)[0]

    def draw(self, sd: Floats, near: Mode, noise: Floats) -> tuple[Floats, Floats]:
        """Draw latents from the normal distribution around the mode.

        Parameters
        ----------
        sd, near
            As for `mode`.
        noise
            Standard normal numbers, shape (draw, latent).

        Returns
        -------
        latents
            In the order of `mrp.design.Design.latent_names`, shape (draw, latent).
        log_ratio
            Log of the exact p(y, latents | sd) over the normal density of the draw, up to the same constant as
            `Mode.log_likelihood`, shape (draw,).
        """
        mode, factor, b, d = self._climb(sd, near)
        precision, own_precision, normaliser = self._prior(sd)
        rest = np.empty((len(noise), self.n_rest))
        own = np.empty((len(noise), self.n_own))
        log_ratio = kernels.draw(
            (mode.rest, mode.own),
            (factor, b, d),
            (np.ascontiguousarray(noise[:, : self.n_rest]), np.ascontiguousarray(noise[:, self.n_rest :])),
            (self._mean, precision, own_precision),
            self._data,
            (rest, own),
        )
        return np.concatenate([rest, own], axis=1)[:, self._place], log_ratio + normaliser

    def log_joint(self, latents: Floats, sd: Floats) -> Floats:
        """Exact log p(y, latents | sd) of each row of ``latents``, up to the constant of `Mode.log_likelihood`."""
        precision, own_precision, normaliser = self._prior(sd)
        ordered = np.empty_like(latents)
        ordered[:, self._place] = latents
        return normaliser + np.array(
            [
                kernels.log_joint(
                    row[: self.n_rest], row[self.n_rest :], self._mean, precision, own_precision, *self._data
                )
                for row in ordered
            ]
        )

    def _prior(self, sd: Floats) -> tuple[Floats, float, float]:
        """Precision of rest (its diagonal), precision of own, log normaliser of both."""
        precision = self._fixed.copy()
        varying = self._term >= 0
        precision[varying] = sd[self._term[varying]] ** -2.0
        own = float(sd[self._largest] ** -2.0) if self._largest is not None else 1.0
        return precision, own, 0.5 * float(np.log(precision).sum() + self.n_own * np.log(own))

    def _climb(self, sd: Floats, near: Mode | None) -> tuple[Mode, Floats, Floats, Floats]:
        precision, own_precision, normaliser = self._prior(sd)
        start = (near.rest, near.own) if near else (self._start, np.zeros(self.n_own))
        prior = (self._mean, precision, own_precision)
        rest, own, value, factor, b, d, steps = kernels.climb(*start, prior, self._data, _TOLERANCE, _MAX_STEPS)
        if steps > _MAX_STEPS or not np.isfinite(value):
            raise SamplingError(
                f"Newton's method did not find the mode of the latents in {_MAX_STEPS} steps at standard deviations "
                f"{np.array2string(sd, precision=3)}; fit with NUTS"
            )
        log_det = np.log(np.diag(factor)).sum() + 0.5 * np.log(d).sum()
        mode = Mode(rest=rest, own=own, log_likelihood=float(value + normaliser - log_det), n_steps=steps)
        return mode, factor, b, d
