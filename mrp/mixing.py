r"""The prior of how much of the districts' variance is alike between neighbours: phi of bym2, from 0 to 1.

At phi = 0 the effects are independent. The prior penalises distance from there: with ``m = s - 1``, ``s`` the positive
eigenvalues of the scaled map (`mrp.spatial`),

    d(phi)^2 = 2 KLD = sum_j [ phi m_j - log(1 + phi m_j) ],       d ~ exponential with a rate, cut at d(1),

and the rate is such that P(phi < upper) = probability. Where that asks for more of the map than the same density at
all distances would give, the rate is below zero.

The eigenvalues that are zero, levels of components, are left out: they belong to the intercept, and with them the
distance of phi = 1 would be infinite. The prior would then have a tail towards 1 so long that it puts a tenth of its
mass, for a map of 50 districts, where phi is above 0.9997 and nothing depends on it any more. So cut, the prior is
normalised exactly, and finite from 0 to 1.

References
----------
Simpson, Rue, Riebler, Martins and Sorbye (2017), "Penalising model component complexity: a principled, practical
approach to constructing priors", Statistical Science 32(1), 1-28.
Riebler, Sorbye, Simpson and Rue (2016), Statistical Methods in Medical Research 25(4), 1145-1165, section 3.3.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MixingPrior", "log_density_expression", "mixing_prior"]

type Floats = NDArray[np.float64]

# Up to here the series is exact to the last digits, and beyond it the difference that it stands for.
_SMALL = 1e-3
_MOST_RATE = 1e5
_FLAT = 1e-9


@dataclass(frozen=True, slots=True)
class MixingPrior:
    """The penalised-complexity prior of one map."""

    excess: Floats
    """Positive eigenvalues of the map less 1, shape (direction,)."""
    rate: float
    """Of the exponential distribution of the distance."""
    log_constant: float
    """Of the density of the distance: log density at distance 0."""

    def distance(self, phi: Any) -> Floats:
        """d(phi), of the shape of ``phi``."""
        return np.asarray(phi * np.sqrt(self._curvature(np.asarray(phi))))

    def log_density(self, phi: Any) -> Floats:
        """Log density by phi, of the shape of ``phi``, which is from 0 to 1."""
        phi = np.asarray(phi)
        root = np.sqrt(self._curvature(phi))
        # d'(phi) = sum m^2 / (1 + phi m) over 2 d / phi, which does not vanish at 0.
        by_phi = 0.5 * (self.excess**2 / (1 + phi[..., None] * self.excess)).sum(axis=-1) / root
        return np.asarray(self.log_constant - self.rate * phi * root + np.log(by_phi))

    def slope(self, phi: float) -> float:
        """Derivative of the log density by phi."""
        inside = 1 + phi * self.excess
        first, second = (self.excess**2 / inside).sum(), (self.excess**3 / inside**2).sum()
        curvature = float(self._curvature(np.asarray(phi)))
        by_phi = 0.5 * first / np.sqrt(curvature)
        return float(-second / first - 0.5 * (first / curvature - 2) / phi - self.rate * by_phi)

    def _curvature(self, phi: Floats) -> Floats:
        """(d / phi)^2, of the shape of ``phi``."""
        moved = phi[..., None] * self.excess
        small = np.abs(moved) < _SMALL
        safe = np.where(small, 1.0, moved)
        exact = (safe - np.log1p(safe)) / safe**2
        return np.asarray((self.excess**2 * np.where(small, _series(moved), exact)).sum(axis=-1))

    def log_density_expression(self, phi: Any) -> Any:
        """As `log_density`, of a symbolic ``phi``."""
        return log_density_expression(phi, self.excess, self.rate, self.log_constant)

    def draw(self, rng: np.random.Generator, size: Any) -> Floats:
        """Draws of phi."""
        return self.quantile(rng.random(size))

    def quantile(self, share: Any) -> Floats:
        """Below which phi is with a probability, of the shape of ``share``."""
        grid = np.linspace(0, 1, 2001)
        distance = self.distance(grid)
        if abs(self.rate) * distance[-1] < 1e-8:
            return np.asarray(np.interp(share * distance[-1], distance, grid))
        drawn = -np.log1p(share * np.expm1(-self.rate * distance[-1])) / self.rate
        return np.asarray(np.interp(drawn, distance, grid))


def log_density_expression(phi: Any, excess: Any, rate: Any, log_constant: Any) -> Any:
    """Log density by phi as an expression, of a `MixingPrior` whose numbers may be symbolic too."""
    import pytensor.tensor as pt

    moved = phi * excess
    small = pt.abs(moved) < _SMALL
    safe = pt.switch(small, 1.0, moved)
    exact = (safe - pt.log1p(safe)) / safe**2
    root = pt.sqrt(pt.sum(excess**2 * pt.switch(small, _series(moved), exact)))
    by_phi = 0.5 * pt.sum(excess**2 / (1 + moved)) / root
    return log_constant - rate * phi * root + pt.log(by_phi)


def mixing_prior(values: Floats, upper: float, probability: float) -> MixingPrior:
    """The prior that puts phi below ``upper`` with ``probability``.

    Parameters
    ----------
    values
        Eigenvalues of the scaled map, as `mrp.spatial.map_directions` gives them.
    upper, probability
        Both above 0 and below 1.
    """
    from scipy import optimize

    # Islands have no part in it: their effect is the same for every phi.
    excess = values[(values > 0) & (np.abs(values - 1) > 1e-12)] - 1
    free = MixingPrior(excess, 0.0, 0.0)
    most = float(free.distance(1.0))
    share = float(free.distance(upper)) / most
    # In units of the greatest distance.
    rate = float(optimize.brentq(lambda x: _below(x, share) - probability, -_MOST_RATE, _MOST_RATE, xtol=1e-12))
    constant = -np.log(most) if abs(rate) < _FLAT else np.log(rate / -np.expm1(-rate) / most)
    return MixingPrior(excess, rate / most, float(constant))


def _below(rate: float, share: float) -> float:
    """P(d < share) of an exponential distribution cut at 1."""
    if abs(rate) < _FLAT:
        return share
    if rate > 0:
        return float(np.expm1(-rate * share) / np.expm1(-rate))
    return float(np.exp(rate * (1 - share)) * np.expm1(rate * share) / np.expm1(rate))


def _series(x: Any) -> Any:
    """(x - log(1 + x)) / x^2 near 0."""
    return 0.5 + x * (-1 / 3 + x * (0.25 + x * (-0.2 + x / 6)))
