"""Draws of the parameters of the priors from a density that is cheap to compute.

They start from a multivariate t, resampled by importance, and are then moved by differential evolution (ter Braak
2006), which needs no tuning.

References
----------
ter Braak (2006), "A Markov chain Monte Carlo version of the genetic algorithm Differential Evolution", Statistics and
Computing 16, 239-249.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.special import logsumexp

from mrp.errors import SamplingError
from mrp.laplace.interface import ParameterSpace

__all__ = ["draw_surrogate", "draw_t"]

type Floats = NDArray[np.float64]

_DEGREES = 6.0
_CANDIDATES = 3000
_MOVES = 30


def draw_t(rng: np.random.Generator, space: ParameterSpace, centre: Floats, covariance: Floats, n: int) -> Floats:
    """Draws of a multivariate t, those out of bounds thrown away."""
    root = linalg.cholesky(covariance, lower=True)
    kept: list[Floats] = []
    while sum(map(len, kept)) < n:
        spread = np.sqrt(_DEGREES / rng.chisquare(_DEGREES, 2 * n))
        draws = centre + (rng.standard_normal((2 * n, len(centre))) @ root.T) * spread[:, None]
        kept.append(draws[space.inside(draws)])
    return np.concatenate(kept)[:n]


def draw_surrogate(
    rng: np.random.Generator,
    space: ParameterSpace,
    log_density: Callable[[Floats], Floats],
    *,
    near: tuple[Floats, Floats],
    n: int,
) -> Floats:
    """About ``n`` nearly independent draws of working values in random order; ``near`` a mean and covariance."""
    centre, covariance = near
    candidates = draw_t(rng, space, centre, covariance, max(_CANDIDATES, 4 * n))
    value = log_density(candidates)
    away = linalg.solve_triangular(linalg.cholesky(covariance, lower=True), (candidates - centre).T, lower=True)
    log_t = -0.5 * (_DEGREES + len(centre)) * np.log1p((away**2).sum(axis=0) / _DEGREES)
    weight = np.exp(value - log_t - logsumexp(value - log_t))
    n += n % 2
    pick = np.searchsorted(np.cumsum(weight), (rng.random() + np.arange(n)) / n)
    pick = rng.permutation(np.minimum(pick, len(weight) - 1))
    x = space.free(candidates[pick])
    # Walkers move on the free scale, where a step cannot leave the positive numbers; hence the Jacobian.
    current = value[pick] + space.log_volume(candidates[pick])
    low, high = space.free(np.stack(space.bounds))
    half = n // 2
    for _ in range(_MOVES):
        for first in (0, half):
            others = half - first
            own = slice(first, first + half)
            one, two = rng.integers(0, half, (2, half)) + others
            step = 2.38 / np.sqrt(2 * len(centre)) * rng.uniform(0.3, 1.1, half)
            moved = x[own] + step[:, None] * (x[one] - x[two]) + 1e-4 * rng.standard_normal((half, len(centre)))
            inside = ((moved > low) & (moved < high)).all(axis=1)
            working = space.working(moved)
            new = np.where(inside, log_density(working) + space.log_volume(working), -np.inf)
            accepted = np.log(rng.random(half)) < new - current[own]
            x[own][accepted] = moved[accepted]
            current[own][accepted] = new[accepted]
    if not np.isfinite(x).all():
        raise SamplingError("the surrogate of the standard deviations is not finite; fit with NUTS")
    return space.working(x[rng.permutation(n)])
