r"""Explore the posterior of the parameters of the priors: standard deviations and correlations.

The exact log density log p(y | h) + log p(h) costs milliseconds a point. So: find the mode, evaluate a spread of
points around it, fit a surrogate, draw from the *surrogate*, evaluate some of those draws exactly, and repeat until
weighted draws of a round would serve nearly as well as draws from the exact posterior. A last, larger round is kept,
with the importance weights exact over surrogate, which remove what error is left. All draws are from the surrogate
raised to a power below 1: its wider tails are where a surrogate is wrong first, and importance sampling is hurt only
by too narrow ones.

Every fit starts anew. Starting from the last release was tried on cces2018 and marriage2005 with a tenth of the
interviews new: from the mean and covariance that the last fit found, as many evaluations as without them (650-870
either way), since the shape of the density has to be learnt and not its place, which the gradient finds in a fiftieth
of the time; from its whole surrogate, 800 points to store with each release, a quarter fewer, a tenth fewer once the
interviews doubled. That would save 0.2 s of 1.6, and the same interviews would no longer give the same fit.

Draws from a surrogate start from a multivariate t, resampled by importance, and are then moved by differential
evolution (ter Braak 2006), which needs no tuning.

References
----------
ter Braak (2006), "A Markov chain Monte Carlo version of the genetic algorithm Differential Evolution", Statistics and
Computing 16, 239-249.
Geweke (1989), "Bayesian inference in econometric models using Monte Carlo integration", Econometrica 57(6), 1317-1339.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize
from scipy.special import logsumexp

from mrp.errors import SamplingError
from mrp.laplace.interface import Given, ModeFound, ParameterSpace
from mrp.laplace.pareto import smoothed_weights
from mrp.laplace.surrogate import Surrogate
from mrp.verdict import MAX_K_HAT

__all__ = ["Exploration", "explore", "most_probable"]

type Floats = NDArray[np.float64]

_DEGREES = 6.0
_WALKERS = 400
_CANDIDATES = 3000
_MOVES = 30
_MAX_ROUNDS = 8
# Efficiency of a round, ESS over points, from which its surrogate is good enough for the last round.
_ENOUGH = 0.85
# Of the last round, below which it is repeated: some point showed the surrogate to be wrong, and is known by then.
_TOLERABLE = 0.65
_MAX_LAST_ROUNDS = 3
# Times the points of the last round, if the tail of its weights seems too heavy.
_SECOND_LOOK = 4
# Powers: of seven normal dimensions, 0.7 costs a quarter of the effective points, 0.85 a twelfth.
_EXPLORING, _KEPT = 0.7, 0.85


@dataclass(frozen=True, slots=True)
class Exploration[Mode: ModeFound]:
    """Weighted draws of the parameters."""

    hypers: Floats
    """Natural values, see `mrp.hyper.HyperSpace`; shape (point, parameter)."""
    log_weight: Floats
    """Log of exact over surrogate density, not normalised, shape (point,)."""
    log_density: Floats
    """Log posterior density of the working values but for a constant, shape (point,)."""
    modes: tuple[Mode, ...]
    """Of the latents at each point."""
    n_evaluations: int
    n_newton_steps: int


def explore[Mode: ModeFound](
    conditional: Given[Mode],
    space: ParameterSpace,
    *,
    n_points: int,
    rng: np.random.Generator,
    threads: ThreadPoolExecutor,
    report: Callable[[float], None],
) -> Exploration[Mode]:
    """Draw the parameters of the priors from their posterior.

    Parameters
    ----------
    conditional
        Gives the exact likelihood.
    space
        The parameters and their priors.
    n_points
        Points of the last round; four times as many come back if the tail of their weights seemed too heavy.
    rng
        Source of all draws.
    threads
        Exact values are computed in these.
    report
        Called with the share done, in [0, 1]. If it raises, the exploration is stopped.

    Raises
    ------
    SamplingError
        If Newton's method fails at some point.
    """
    if not space.size:
        mode = conditional.mode(np.empty(0))
        return Exploration(np.empty((1, 0)), np.zeros(1), np.zeros(1), (mode,), 1, mode.n_steps)
    known = _Known(conditional, space, threads)
    centre, spread = known.find_mode()
    known.offset = 0.3 * centre[: space.n_sds]
    report(0.1)
    n_features = (space.size + 1) * (space.size + 2) // 2
    unit = np.concatenate([centre[: space.n_sds], np.ones(space.size - space.n_sds)])
    centre = np.concatenate([1.15 * centre[: space.n_sds], centre[space.n_sds :]])
    near = centre, np.diag(unit) @ spread @ np.diag(unit) + np.diag((0.35 * unit) ** 2)
    known.add(_draw_t(rng, space, *near, max(60, 3 * n_features)))
    for round_ in range(_MAX_ROUNDS):
        report(0.2 + 0.3 * round_ / _MAX_ROUNDS)
        surrogate = known.surrogate()
        walkers = _draw_surrogate(rng, space, known.log_density(surrogate, _EXPLORING), near=near, n=_WALKERS)
        near = walkers.mean(axis=0), 1.3 * np.cov(walkers, rowvar=False).reshape(space.size, space.size)
        some = walkers[: max(60, 2 * n_features)]
        if _efficiency(known.add(some) - surrogate(known.coordinates(some))) >= _ENOUGH:
            break
    n_last = n_points
    for attempt in range(_MAX_LAST_ROUNDS):
        left = 0.5 ** (attempt + 1)  # half of it goes to this round, since few need another
        proposal = known.log_density(known.surrogate(), _KEPT)
        drawn = _draw_surrogate(rng, space, proposal, near=near, n=max(_WALKERS, 2 * n_last))[:n_last]
        value = known.add(drawn, report=partial(_within, report, 1 - left, 1 - left / 2))
        log_density = value + space.log_prior(drawn)
        log_weight = log_density - proposal(drawn)
        heavy = smoothed_weights(log_weight)[1] > MAX_K_HAT
        if n_last > n_points or (_efficiency(log_weight) >= _TOLERABLE and not heavy):
            break
        # Of 400 points the shape of the tail is told by 60, so its error is about 0.2: the look that decides has more,
        # from a surrogate that knows the points with large weights.
        n_last = _SECOND_LOOK * n_points if heavy else n_points
    return Exploration(
        hypers=space.natural(drawn),
        log_weight=log_weight,
        log_density=log_density,
        modes=tuple(known.modes[-len(drawn) :]),
        n_evaluations=known.n_evaluations,
        n_newton_steps=known.n_newton_steps,
    )


def most_probable[Mode: ModeFound](conditional: Given[Mode], space: ParameterSpace) -> Floats:
    """Natural values of the most probable parameters, on the free scale."""
    if not space.size:
        return np.empty(0)
    with ThreadPoolExecutor(1) as threads:
        return space.natural(_Known(conditional, space, threads).find_mode()[0])


class _Known[Mode: ModeFound]:
    """The exact values so far, at working values of the parameters."""

    def __init__(self, conditional: Given[Mode], space: ParameterSpace, threads: ThreadPoolExecutor) -> None:
        self._conditional, self._space, self._threads = conditional, space, threads
        self.points = np.empty((0, space.size))
        self.value = np.empty(0)
        self.modes: list[Mode] = []
        self.offset = space.scale
        self.n_evaluations = self.n_newton_steps = 0
        self._last: Mode | None = None

    def coordinates(self, working: Floats) -> Floats:
        """Where the surrogate is smooth: log(sd + offset), atanh of correlations."""
        n = self._space.n_sds
        return np.concatenate([np.log(working[:, :n] + self.offset), working[:, n:]], axis=1)

    def log_density(self, surrogate: Surrogate, power: float) -> Callable[[Floats], Floats]:
        """Log posterior density by a surrogate, times ``power``."""
        return lambda working: power * (surrogate(self.coordinates(working)) + self._space.log_prior(working))

    def find_mode(self) -> tuple[Floats, Floats]:
        """Most probable parameters on the free scale, as working values, and their covariance there."""
        space = self._space

        def minus_log_density(free: Floats) -> tuple[float, Floats]:
            working = space.working(free)
            self._last, slope = self._conditional.slope(space.natural(working), self._last)
            self._count([self._last])
            value = self._last.log_likelihood + space.log_prior(working) + space.log_volume(working)
            return -float(value), -space.gradient(working, slope)

        found = optimize.minimize(minus_log_density, space.start(), jac=True, method="BFGS", options={"gtol": 3e-2})
        spread = np.asarray(found.hess_inv)
        # A direction in which BFGS has not learnt the curvature keeps the identity it started with: cut it.
        values, vectors = linalg.eigh((spread + spread.T) / 2)
        return space.working(found.x), (vectors * np.clip(values, 1e-3, 1.0)) @ vectors.T

    def add(self, points: Floats, report: Callable[[float], None] = lambda _: None) -> Floats:
        """Evaluate the rows of ``points``, each from the mode of the nearest known; returns log likelihoods."""
        starts: Sequence[Mode | None] = [self._last] * len(points)
        if len(self.modes):
            x, known = self.coordinates(points), self.coordinates(self.points)
            starts = [self.modes[int(np.argmin(((known - row) ** 2).sum(axis=1)))] for row in x]
        natural = self._space.natural(points)
        modes: list[Mode] = []
        for at in range(0, len(points), 50):  # in portions, so that a request to stop is heard
            modes += self._threads.map(self._conditional.mode, natural[at : at + 50], starts[at : at + 50])
            report(min(1.0, (at + 50) / len(points)))
        value = np.array([mode.log_likelihood for mode in modes])
        self.points, self.value = np.concatenate([self.points, points]), np.concatenate([self.value, value])
        self.modes += modes
        self._count(modes)
        return value

    def surrogate(self) -> Surrogate:
        relevance = self.value + self._space.log_prior(self.points)
        return Surrogate(self.coordinates(self.points), self.value, relevance=relevance)

    def _count(self, modes: Sequence[Mode]) -> None:
        self.n_evaluations += len(modes)
        self.n_newton_steps += sum(mode.n_steps for mode in modes)


def _within(report: Callable[[float], None], begin: float, end: float, share: float) -> None:
    report(begin + (end - begin) * share)


def _efficiency(log_weight: Floats) -> float:
    """Effective over actual number of weighted draws."""
    weight = np.exp(log_weight - logsumexp(log_weight))
    return float(1 / np.sum(weight**2) / len(weight))


def _draw_t(rng: np.random.Generator, space: ParameterSpace, centre: Floats, covariance: Floats, n: int) -> Floats:
    """Draws of a multivariate t, those out of bounds thrown away."""
    root = linalg.cholesky(covariance, lower=True)
    kept: list[Floats] = []
    while sum(map(len, kept)) < n:
        spread = np.sqrt(_DEGREES / rng.chisquare(_DEGREES, 2 * n))
        draws = centre + (rng.standard_normal((2 * n, len(centre))) @ root.T) * spread[:, None]
        kept.append(draws[space.inside(draws)])
    return np.concatenate(kept)[:n]


def _draw_surrogate(
    rng: np.random.Generator,
    space: ParameterSpace,
    log_density: Callable[[Floats], Floats],
    *,
    near: tuple[Floats, Floats],
    n: int,
) -> Floats:
    """About ``n`` nearly independent draws of working values in random order; ``near`` a mean and covariance."""
    centre, covariance = near
    candidates = _draw_t(rng, space, centre, covariance, max(_CANDIDATES, 4 * n))
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
