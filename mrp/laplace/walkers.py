r"""Draws of the parameters of the priors from a density that is cheap to compute.

They start from a multivariate t, resampled by importance, and are then moved by differential evolution (ter Braak
2006), which needs no tuning. Where few draws of the t carry all the weight, as of a dozen parameters, walkers would
start from these few and never leave them, since they move by their differences. Then the t turns into the density in
steps, each as large as leaves half of the walkers their weight (Del Moral, Doucet and Jasra 2006):

    p_s = t^(1-s) density^s,    s from 0 to 1

References
----------
Del Moral, Doucet and Jasra (2006), "Sequential Monte Carlo samplers", Journal of the Royal Statistical Society B 68(3),
411-436.
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
_MOVES, _MOVES_A_STEP = 30, 10
_SHORTEST = 1e-4
"""Of a step: from a density that is farther away, walkers are taken as they are."""


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
    root = linalg.cholesky(covariance, lower=True)

    def log_t(working: Floats) -> Floats:
        away = linalg.solve_triangular(root, (working - centre).T, lower=True)
        value: Floats = -0.5 * (_DEGREES + len(centre)) * np.log1p((away**2).sum(axis=0) / _DEGREES)
        return value

    n += n % 2
    x = draw_t(rng, space, centre, covariance, max(_CANDIDATES, 4 * n))
    share = 0.0
    while share < 1:
        gain = log_density(x) - log_t(x)
        # A density may be nothing somewhere, but not everywhere.
        if not (gain < np.inf).all() or np.isneginf(gain).all():
            raise SamplingError("the surrogate of the standard deviations is not finite; fit with NUTS")
        step = _step(gain, 1 - share, effective=n / 2)
        share += step
        pick = np.searchsorted(np.cumsum(_weights(step * gain)), (rng.random() + np.arange(n)) / n)
        pick = rng.permutation(np.minimum(pick, len(x) - 1))

        def on_the_way(working: Floats, share: float = share) -> Floats:
            return share * log_density(working) + ((1 - share) * log_t(working) if share < 1 else 0.0)

        x = _moved(rng, space, on_the_way, x[pick], n_moves=_MOVES if share == 1 else _MOVES_A_STEP)
    return x[rng.permutation(n)]


def _step(gain: Floats, rest: float, *, effective: float) -> float:
    """The largest step to the density of which the weights leave so many effective walkers; ``rest`` if all do."""

    def too_long(step: float) -> bool:
        return bool(1 / np.sum(_weights(step * gain) ** 2) < effective)

    if not too_long(rest):
        return rest
    low, high = 0.0, rest
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if too_long(middle) else (middle, high)
    return min(rest, max(low, _SHORTEST))


def _weights(log_weight: Floats) -> Floats:
    weight: Floats = np.exp(log_weight - logsumexp(log_weight))
    return weight


def _moved(
    rng: np.random.Generator, space: ParameterSpace, log_density: Callable[[Floats], Floats], x: Floats, *, n_moves: int
) -> Floats:
    """Walkers after moves that leave a density as it is; an even number."""
    # Walkers move on the free scale, where a step cannot leave the positive numbers; hence the Jacobian.
    current = log_density(x) + space.log_volume(x)
    x = space.free(x)
    low, high = space.free(np.stack(space.bounds))
    half = len(x) // 2
    for _ in range(n_moves):
        for first in (0, half):
            others = half - first
            own = slice(first, first + half)
            one, two = rng.integers(0, half, (2, half)) + others
            step = 2.38 / np.sqrt(2 * x.shape[1]) * rng.uniform(0.3, 1.1, half)
            moved = x[own] + step[:, None] * (x[one] - x[two]) + 1e-4 * rng.standard_normal((half, x.shape[1]))
            inside = ((moved > low) & (moved < high)).all(axis=1)
            working = space.working(moved)
            new = np.where(inside, log_density(working) + space.log_volume(working), -np.inf)
            accepted = np.log(rng.random(half)) < new - current[own]
            x[own][accepted] = moved[accepted]
            current[own][accepted] = new[accepted]
    return space.working(x)
