r"""The parameters of the priors of effects: standard deviations and (auto)correlations.

Each is independent of the others a priori and has three faces:

    natural       sd > 0                correlation r in (-1, 1)         what priors and models are written in
    working       sd                    atanh r                          where draws are proposed
    free          log sd                atanh r                          where a step cannot leave the range

Correlations of a term with slopes are canonical partial correlations: with independent beta priors on (r + 1) / 2, of
parameters eta + (k - 2 - j) / 2 for column ``j`` of ``k``, the correlation matrix has the LKJ(eta) distribution.

References
----------
Lewandowski, Kurowicka and Joe (2009), Journal of Multivariate Analysis 100(9), 1989-2001.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrp.design import Design
from mrp.priors import Priors

__all__ = ["HyperSpace", "TermHypers", "correlation_name", "hyper_space", "sd_name"]

type Floats = NDArray[np.float64]

_SD_BOUNDS = (1e-3, 20.0)
# Correlations closer to 1 than 0.9993 are the same as 1 to any survey.
_ATANH_BOUND = 4.0


def sd_name(term: str) -> str:
    """Name of the standard deviation of a term, e.g. "sd (1|state)"."""
    return f"sd {term}"


def correlation_name(term: str) -> str:
    """Name of the correlation or autocorrelation of a term, e.g. "correlation (1+gender|educ)"."""
    return f"{'autocorrelation' if term.startswith('ar1(') else 'correlation'} {term}"


@dataclass(frozen=True, slots=True)
class TermHypers:
    """The parameters of one term: where they are among all, and their priors."""

    term: str
    sds: slice
    correlations: slice
    scale: float
    """Of the half-normal prior of each sd."""
    shapes: tuple[tuple[float, float], ...]
    """For each correlation the parameters of the beta prior of (r + 1) / 2."""


@dataclass(frozen=True, slots=True)
class HyperSpace:
    """All parameters of a design: first the sds of every term, then the correlations."""

    terms: tuple[TermHypers, ...]
    scale: Floats
    """Of the half-normal prior of each sd, shape (sd,)."""
    shapes: Floats
    """Parameters of the beta priors, shape (correlation, 2)."""

    @property
    def n_sds(self) -> int:
        return self.scale.size

    @property
    def size(self) -> int:
        return self.scale.size + len(self.shapes)

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """Lowest and highest working values."""
        low = np.concatenate([np.full(self.n_sds, _SD_BOUNDS[0]), np.full(len(self.shapes), -_ATANH_BOUND)])
        high = np.concatenate([np.full(self.n_sds, _SD_BOUNDS[1]), np.full(len(self.shapes), _ATANH_BOUND)])
        return low, high

    def start(self) -> Floats:
        """Free values to start a search from: half the prior scale, the middle of the prior correlations."""
        middle = 2 * self.shapes[:, 0] / self.shapes.sum(axis=1) - 1
        return np.concatenate([np.log(0.5 * self.scale), np.arctanh(middle)])

    def natural(self, working: Floats) -> Floats:
        """Natural from working values, along the last axis."""
        return np.asarray(np.concatenate([working[..., : self.n_sds], np.tanh(working[..., self.n_sds :])], axis=-1))

    def free(self, working: Floats) -> Floats:
        """Free from working values, along the last axis."""
        return np.concatenate([np.log(working[..., : self.n_sds]), working[..., self.n_sds :]], axis=-1)

    def working(self, free: Floats) -> Floats:
        """Working from free values, those beyond the bounds cut."""
        inside = np.concatenate([np.exp(free[..., : self.n_sds]), free[..., self.n_sds :]], axis=-1)
        return np.asarray(np.clip(inside, *self.bounds))

    def gradient(self, working: Floats, natural_gradient: Floats) -> Floats:
        """Gradient by free values, of a function of which that by natural values is given plus the log prior density.

        The prior is that of free values: `log_prior` and `log_volume` together. Shapes (parameter,).
        """
        sd, r = working[: self.n_sds], np.tanh(working[self.n_sds :])
        of_sd = natural_gradient[: self.n_sds] * sd - (sd / self.scale) ** 2 + 1
        a, b = self.shapes.T
        of_r = natural_gradient[self.n_sds :] * (1 - r**2) + a * (1 - r) - b * (1 + r)
        return np.concatenate([of_sd, of_r])

    def inside(self, working: Floats) -> NDArray[np.bool_]:
        """Which rows are within the bounds."""
        low, high = self.bounds
        return np.asarray(((working >= low) & (working <= high)).all(axis=-1))

    def log_prior(self, working: Floats) -> Floats:
        """Log prior density of working values, up to a constant; sums over the last axis."""
        sd, r = working[..., : self.n_sds], np.tanh(working[..., self.n_sds :])
        # (1 + r) and (1 - r) to the power a - 1 and b - 1, and the Jacobian (1 + r)(1 - r) of atanh.
        beta = self.shapes[:, 0] * np.log1p(r) + self.shapes[:, 1] * np.log1p(-r)
        return np.asarray(-0.5 * ((sd / self.scale) ** 2).sum(axis=-1) + beta.sum(axis=-1))

    def log_volume(self, working: Floats) -> Floats:
        """Log Jacobian of the working in the free values."""
        return np.asarray(np.log(working[..., : self.n_sds]).sum(axis=-1))


def hyper_space(design: Design, priors: Priors) -> HyperSpace:
    """The parameters of the priors of a design's effects."""
    sd_at, correlation_at = 0, sum(len(effect.columns) for effect in design.effects)
    terms = []
    for effect in design.effects:
        n, k = effect.n_correlations, len(effect.columns)
        shapes: tuple[tuple[float, float], ...] = ()
        if effect.kind == "ar1":
            prior = priors.for_autocorrelation(effect.term)
            shapes = ((prior.a, prior.b),)
        elif n:
            eta = priors.for_correlation(effect.term).eta
            shapes = tuple((eta + (k - 2 - j) / 2,) * 2 for i in range(k) for j in range(i))
        terms.append(
            TermHypers(
                term=effect.term,
                sds=slice(sd_at, sd_at + k),
                correlations=slice(correlation_at, correlation_at + n),
                scale=priors.for_sd(effect.term).scale,
                shapes=shapes,
            )
        )
        sd_at, correlation_at = sd_at + k, correlation_at + n
    return HyperSpace(
        terms=tuple(terms),
        scale=np.array([term.scale for term in terms for _ in range(term.sds.stop - term.sds.start)], dtype=np.float64),
        shapes=np.array([shape for term in terms for shape in term.shapes], dtype=np.float64).reshape(-1, 2),
    )
