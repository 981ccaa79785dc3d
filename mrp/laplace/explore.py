r"""Explore the posterior of the standard deviations.

The exact log density log p(y | sd) + log p(sd) costs milliseconds a point. So: find the mode, evaluate a spread of
points around it, fit a surrogate, draw from the *surrogate*, evaluate some of those draws exactly, and repeat until
weighted draws of a round would serve nearly as well as draws from the exact posterior. A last, larger round is kept,
with the importance weights exact over surrogate, which remove what error is left. All draws are from the surrogate
raised to a power below 1: its wider tails are where a surrogate is wrong first, and importance sampling is hurt only
by too narrow ones.

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
from mrp.laplace.conditional import Conditional, Mode
from mrp.laplace.surrogate import Surrogate

__all__ = ["Exploration", "explore"]

type Floats = NDArray[np.float64]

_LOG_SD_BOUNDS = (np.log(1e-3), np.log(20.0))
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
# Powers: of seven normal dimensions, 0.7 costs a quarter of the effective points, 0.85 a twelfth.
_EXPLORING, _KEPT = 0.7, 0.85


@dataclass(frozen=True, slots=True)
class Exploration:
    """Weighted draws of the standard deviations."""

    sd: Floats
    """Shape (point, term)."""
    log_weight: Floats
    """Log of exact over surrogate density, not normalised, shape (point,)."""
    modes: tuple[Mode, ...]
    """Of the latents at each point."""
    n_evaluations: int
    n_newton_steps: int


def explore(
    conditional: Conditional,
    scale: Floats,
    *,
    n_points: int,
    rng: np.random.Generator,
    threads: ThreadPoolExecutor,
    report: Callable[[float], None],
) -> Exploration:
    """Draw standard deviations from their posterior.

    Parameters
    ----------
    conditional
        Gives the exact likelihood.
    scale
        Scale of the half-normal prior of each standard deviation, shape (term,).
    n_points
        Points of the last round.
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
    if not scale.size:
        mode = conditional.mode(scale)
        return Exploration(np.empty((1, 0)), np.zeros(1), (mode,), 1, mode.n_steps)
    known = _Known(conditional, scale, threads)
    centre, spread = known.find_mode()
    known.offset = 0.3 * centre
    report(0.1)
    n_features = (scale.size + 1) * (scale.size + 2) // 2
    centre, covariance = 1.15 * centre, np.diag(centre) @ spread @ np.diag(centre) + np.diag((0.35 * centre) ** 2)
    known.add(_draw_t(rng, centre, covariance, max(60, 3 * n_features)))
    for round_ in range(_MAX_ROUNDS):
        report(0.2 + 0.3 * round_ / _MAX_ROUNDS)
        surrogate = known.surrogate()
        sd = _draw_surrogate(rng, known.log_density(surrogate, _EXPLORING), centre, covariance, _WALKERS)
        centre, covariance = sd.mean(axis=0), 1.3 * np.cov(sd, rowvar=False).reshape(scale.size, scale.size)
        some = sd[: max(60, 2 * n_features)]
        if _efficiency(known.add(some) - surrogate(some)) >= _ENOUGH:
            break
    for attempt in range(_MAX_LAST_ROUNDS):
        left = 0.5 ** (attempt + 1)  # half of it goes to this round, since few need another
        proposal = known.log_density(known.surrogate(), _KEPT)
        sd = _draw_surrogate(rng, proposal, centre, covariance, max(_WALKERS, 2 * n_points))[:n_points]
        value = known.add(sd, report=partial(_within, report, 1 - left, 1 - left / 2))
        log_weight = value + known.log_prior(sd) - proposal(sd)
        if _efficiency(log_weight) >= _TOLERABLE:
            break
    return Exploration(
        sd=sd,
        log_weight=log_weight,
        modes=tuple(known.modes[-n_points:]),
        n_evaluations=known.n_evaluations,
        n_newton_steps=known.n_newton_steps,
    )


class _Known:
    """The exact values so far."""

    def __init__(self, conditional: Conditional, scale: Floats, threads: ThreadPoolExecutor) -> None:
        self._conditional, self._scale, self._threads = conditional, scale, threads
        self.sd = np.empty((0, scale.size))
        self.value = np.empty(0)
        self.modes: list[Mode] = []
        self.offset = scale
        self.n_evaluations = self.n_newton_steps = 0
        self._last: Mode | None = None

    def log_prior(self, sd: Floats) -> Floats:
        result: Floats = -0.5 * ((sd / self._scale) ** 2).sum(axis=-1)
        return result

    def log_density(self, surrogate: Surrogate, power: float) -> Callable[[Floats], Floats]:
        """Log posterior density by a surrogate, times ``power``."""
        return lambda sd: power * (surrogate(sd) + self.log_prior(sd))

    def find_mode(self) -> tuple[Floats, Floats]:
        """Most probable standard deviations on the log scale, and the covariance of their logs there."""

        def minus_log_density(log_sd: Floats) -> float:
            sd = np.exp(np.clip(log_sd, *_LOG_SD_BOUNDS))
            self._last = self._evaluate(sd, self._last)
            return -float(self._last.log_likelihood + self.log_prior(sd) + log_sd.sum())

        found = optimize.minimize(
            minus_log_density, np.log(0.5 * self._scale), method="BFGS", options={"gtol": 3e-2, "eps": 1e-3}
        )
        spread = np.asarray(found.hess_inv)
        # A direction in which BFGS has not learnt the curvature keeps the identity it started with: cut it.
        values, vectors = linalg.eigh((spread + spread.T) / 2)
        return np.exp(np.clip(found.x, *_LOG_SD_BOUNDS)), (vectors * np.clip(values, 1e-3, 1.0)) @ vectors.T

    def add(self, sd: Floats, report: Callable[[float], None] = lambda _: None) -> Floats:
        """Evaluate the rows of ``sd``, each from the mode of the nearest point known; returns log likelihoods."""
        starts: Sequence[Mode | None] = [self._last] * len(sd)
        if len(self.modes):
            x, known = np.log(sd + self.offset), np.log(self.sd + self.offset)
            starts = [self.modes[int(np.argmin(((known - row) ** 2).sum(axis=1)))] for row in x]
        modes: list[Mode] = []
        for at in range(0, len(sd), 50):  # in portions, so that a request to stop is heard
            modes += self._threads.map(self._conditional.mode, sd[at : at + 50], starts[at : at + 50])
            report(min(1.0, (at + 50) / len(sd)))
        value = np.array([mode.log_likelihood for mode in modes])
        self.sd, self.value = np.concatenate([self.sd, sd]), np.concatenate([self.value, value])
        self.modes += modes
        self.n_evaluations += len(sd)
        self.n_newton_steps += sum(mode.n_steps for mode in modes)
        return value

    def surrogate(self) -> Surrogate:
        return Surrogate(self.sd, self.value, relevance=self.value + self.log_prior(self.sd), offset=self.offset)

    def _evaluate(self, sd: Floats, near: Mode | None) -> Mode:
        mode = self._conditional.mode(sd, near)
        self.n_evaluations += 1
        self.n_newton_steps += mode.n_steps
        return mode


def _within(report: Callable[[float], None], begin: float, end: float, share: float) -> None:
    report(begin + (end - begin) * share)


def _efficiency(log_weight: Floats) -> float:
    """Effective over actual number of weighted draws."""
    weight = np.exp(log_weight - logsumexp(log_weight))
    return float(1 / np.sum(weight**2) / len(weight))


def _draw_t(rng: np.random.Generator, centre: Floats, covariance: Floats, n: int) -> Floats:
    """Draws of a multivariate t, those with a negative component thrown away."""
    low, high = np.exp(_LOG_SD_BOUNDS)
    root = linalg.cholesky(covariance, lower=True)
    kept: list[Floats] = []
    while sum(map(len, kept)) < n:
        spread = np.sqrt(_DEGREES / rng.chisquare(_DEGREES, 2 * n))
        draws = centre + (rng.standard_normal((2 * n, len(centre))) @ root.T) * spread[:, None]
        kept.append(draws[((draws > low) & (draws < high)).all(axis=1)])
    return np.concatenate(kept)[:n]


def _draw_surrogate(
    rng: np.random.Generator, log_density: Callable[[Floats], Floats], centre: Floats, covariance: Floats, n: int
) -> Floats:
    """About ``n`` nearly independent draws from ``log_density`` over standard deviations, in random order."""
    candidates = _draw_t(rng, centre, covariance, max(_CANDIDATES, 4 * n))
    value = log_density(candidates)
    away = linalg.solve_triangular(linalg.cholesky(covariance, lower=True), (candidates - centre).T, lower=True)
    log_t = -0.5 * (_DEGREES + len(centre)) * np.log1p((away**2).sum(axis=0) / _DEGREES)
    weight = np.exp(value - log_t - logsumexp(value - log_t))
    n += n % 2
    pick = np.searchsorted(np.cumsum(weight), (rng.random() + np.arange(n)) / n)
    pick = rng.permutation(np.minimum(pick, len(weight) - 1))
    x = np.log(candidates[pick])
    # Walkers move on the log scale, where a step cannot leave the positive numbers; hence the Jacobian.
    current = value[pick] + x.sum(axis=1)
    half = n // 2
    for _ in range(_MOVES):
        for first in (0, half):
            others = half - first
            own = slice(first, first + half)
            one, two = rng.integers(0, half, (2, half)) + others
            step = 2.38 / np.sqrt(2 * len(centre)) * rng.uniform(0.3, 1.1, half)
            moved = x[own] + step[:, None] * (x[one] - x[two]) + 1e-4 * rng.standard_normal((half, len(centre)))
            inside = ((moved > _LOG_SD_BOUNDS[0]) & (moved < _LOG_SD_BOUNDS[1])).all(axis=1)
            new = np.where(inside, log_density(np.exp(np.clip(moved, *_LOG_SD_BOUNDS))) + moved.sum(axis=1), -np.inf)
            accepted = np.log(rng.random(half)) < new - current[own]
            x[own][accepted] = moved[accepted]
            current[own][accepted] = new[accepted]
    if not np.isfinite(x).all():
        raise SamplingError("the surrogate of the standard deviations is not finite; fit with NUTS")
    return np.exp(x[rng.permutation(n)])
