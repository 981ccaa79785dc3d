r"""The parameters of the priors of effects: standard deviations, (auto)correlations, and the mixing of a map.

Each is independent of the others a priori and has three faces:

    natural       sd > 0        correlation r in (-1, 1)      mixing phi in (0, 1)       in priors and models
    working       sd            atanh r                       atanh(2 phi - 1)           where draws are proposed
    free          log sd        atanh r                       atanh(2 phi - 1)           where no step leaves the range

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
from mrp.mixing import MixingPrior, mixing_prior
from mrp.priors import Priors

__all__ = ["HyperSpace", "TermHypers", "correlation_name", "hyper_space", "mixing_name", "sd_name"]

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


def mixing_name(term: str) -> str:
    """Name of the share of a term's variance that is alike between neighbours, e.g. "mixing bym2(state)"."""
    return f"mixing {term}"


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
    mixings: slice
    """None or one."""
    mixing: MixingPrior | None


@dataclass(frozen=True, slots=True)
class HyperSpace:
    """All parameters of a design: first the sds of every term, then the correlations, then the mixings."""

    terms: tuple[TermHypers, ...]
    scale: Floats
    """Of the half-normal prior of each sd, shape (sd,)."""
    shapes: Floats
    """Parameters of the beta priors, shape (correlation, 2)."""
    mixings: tuple[MixingPrior, ...] = ()
    """Prior of each mixing."""

    @property
    def n_sds(self) -> int:
        return self.scale.size

    @property
    def size(self) -> int:
        return self.scale.size + len(self.shapes) + len(self.mixings)

    @property
    def first_mixing(self) -> int:
        """Position of the first mixing, behind sds and correlations."""
        return self.scale.size + len(self.shapes)

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """Lowest and highest working values."""
        n = self.size - self.n_sds
        low = np.concatenate([np.full(self.n_sds, _SD_BOUNDS[0]), np.full(n, -_ATANH_BOUND)])
        high = np.concatenate([np.full(self.n_sds, _SD_BOUNDS[1]), np.full(n, _ATANH_BOUND)])
        return low, high

    def start(self) -> Floats:
        """Free values to start a search from: half the prior scale, the mean prior correlation, a mixing of a half."""
        middle = 2 * self.shapes[:, 0] / self.shapes.sum(axis=1) - 1
        return np.concatenate([np.log(0.5 * self.scale), np.arctanh(middle), np.zeros(len(self.mixings))])

    def natural(self, working: Floats) -> Floats:
        """Natural from working values, along the last axis."""
        tanh = np.tanh(working[..., self.n_sds :])
        tanh[..., len(self.shapes) :] = (1 + tanh[..., len(self.shapes) :]) / 2
        return np.asarray(np.concatenate([working[..., : self.n_sds], tanh], axis=-1))

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
        sd, r, phi = self._parts(self.natural(working))
        by_sd, by_r, by_phi = self._parts(natural_gradient)
        of_sd = by_sd * sd - (sd / self.scale) ** 2 + 1
        a, b = self.shapes.T
        of_r = by_r * (1 - r**2) + a * (1 - r) - b * (1 + r)
        slopes = np.array([prior.slope(float(one)) for prior, one in zip(self.mixings, phi, strict=True)])
        of_phi = (by_phi + slopes) * 2 * phi * (1 - phi) + 2 * (1 - 2 * phi)
        return np.concatenate([of_sd, of_r, of_phi])

    def inside(self, working: Floats) -> NDArray[np.bool_]:
        """Which rows are within the bounds."""
        low, high = self.bounds
        return np.asarray(((working >= low) & (working <= high)).all(axis=-1))

    def log_prior(self, working: Floats) -> Floats:
        """Log prior density of working values, up to a constant; sums over the last axis."""
        sd, r, phi = self._parts(self.natural(working))
        # (1 + r) and (1 - r) to the power a - 1 and b - 1, and the Jacobian (1 + r)(1 - r) of atanh.
        beta = self.shapes[:, 0] * np.log1p(r) + self.shapes[:, 1] * np.log1p(-r)
        mixed = np.zeros(phi.shape[:-1])
        for j, prior in enumerate(self.mixings):
            # With the Jacobian 2 phi (1 - phi) of atanh(2 phi - 1).
            mixed = mixed + prior.log_density(phi[..., j]) + np.log(phi[..., j]) + np.log1p(-phi[..., j])
        return np.asarray(-0.5 * ((sd / self.scale) ** 2).sum(axis=-1) + beta.sum(axis=-1) + mixed)

    def _parts(self, values: Floats) -> tuple[Floats, Floats, Floats]:
        """Sds, correlations and mixings, along the last axis."""
        at = self.first_mixing
        return values[..., : self.n_sds], values[..., self.n_sds : at], values[..., at:]

    def log_volume(self, working: Floats) -> Floats:
        """Log Jacobian of the working in the free values."""
        return np.asarray(np.log(working[..., : self.n_sds]).sum(axis=-1))


def hyper_space(design: Design, priors: Priors) -> HyperSpace:
    """The parameters of the priors of a design's effects."""
    sd_at, correlation_at = 0, sum(len(effect.columns) for effect in design.effects)
    mixing_at = correlation_at + sum(effect.n_correlations for effect in design.effects)
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
        mixing = None
        if effect.n_mixings:
            pc = priors.for_mixing(effect.term)
            mixing = mixing_prior(effect.directions, pc.upper, pc.probability)
        terms.append(
            TermHypers(
                term=effect.term,
                sds=slice(sd_at, sd_at + k),
                correlations=slice(correlation_at, correlation_at + n),
                scale=priors.for_sd(effect.term).scale,
                shapes=shapes,
                mixings=slice(mixing_at, mixing_at + effect.n_mixings),
                mixing=mixing,
            )
        )
        sd_at, correlation_at, mixing_at = sd_at + k, correlation_at + n, mixing_at + effect.n_mixings
    return HyperSpace(
        terms=tuple(terms),
        scale=np.array([term.scale for term in terms for _ in range(term.sds.stop - term.sds.start)], dtype=np.float64),
        shapes=np.array([shape for term in terms for shape in term.shapes], dtype=np.float64).reshape(-1, 2),
        mixings=tuple(term.mixing for term in terms if term.mixing is not None),
    )
