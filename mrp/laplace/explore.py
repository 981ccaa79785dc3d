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

References
----------
Geweke (1989), "Bayesian inference in econometric models using Monte Carlo integration", Econometrica 57(6), 1317-1339.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mrp.laplace.few import explore_few
from mrp.laplace.foretold import Foretelling
from mrp.laplace.interface import Costly, Exploration, Given, ModeFound, ParameterSpace
from mrp.laplace.pareto import efficiency, smoothed_weights
from mrp.laplace.search import Found, find_mode
from mrp.laplace.surrogate import Surrogate
from mrp.laplace.walkers import draw_surrogate, draw_t
from mrp.verdict import MAX_K_HAT

__all__ = ["explore"]

type Floats = NDArray[np.float64]

_WALKERS = 400
# Points between two reports of progress, and between two forecasts of modes; and modes that each forecast knows.
_PORTION, _TOLD_BY = 50, 150
# Points of the last round where each takes long: fewer the longer, down to a part of the points, or so many.
_FEWER, _FEWEST = 4, 50
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


def explore[Mode: ModeFound](
    conditional: Given[Mode],
    space: ParameterSpace,
    *,
    n_points: int,
    n_draws: int,
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
        Points of the last round; four times as many come back if the tail of their weights seemed too heavy. Of a model
        that takes long fewer, down to a quarter, see `mrp.laplace.few`.
    n_draws
        Draws of the latents that will be wanted at all points together.
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
    if isinstance(conditional, Costly) and conditional.cost > 1:
        few = max(_FEWEST, int(n_points / min(conditional.cost, _FEWER)))
        return explore_few(conditional, space, n_points=few, n_draws=n_draws, rng=rng, threads=threads, report=report)
    start = find_mode(conditional, space)
    known = _Known(conditional, space, threads, start)
    centre, spread = start.centre, start.spread
    report(0.1)
    n_features = (space.size + 1) * (space.size + 2) // 2
    unit = np.concatenate([centre[: space.n_sds], np.ones(space.size - space.n_sds)])
    centre = np.concatenate([1.15 * centre[: space.n_sds], centre[space.n_sds :]])
    near = centre, np.diag(unit) @ spread @ np.diag(unit) + np.diag((0.35 * unit) ** 2)
    known.add(draw_t(rng, space, *near, max(60, 3 * n_features)))
    for round_ in range(_MAX_ROUNDS):
        report(0.2 + 0.3 * round_ / _MAX_ROUNDS)
        surrogate = known.surrogate()
        walkers = draw_surrogate(rng, space, known.log_density(surrogate, _EXPLORING), near=near, n=_WALKERS)
        near = walkers.mean(axis=0), 1.3 * np.cov(walkers, rowvar=False).reshape(space.size, space.size)
        some = walkers[: max(60, 2 * n_features)]
        if efficiency(known.add(some) - surrogate(known.coordinates(some))) >= _ENOUGH:
            break
    n_last = n_points
    for attempt in range(_MAX_LAST_ROUNDS):
        left = 0.5 ** (attempt + 1)  # half of it goes to this round, since few need another
        proposal = known.log_density(known.surrogate(), _KEPT)
        drawn = draw_surrogate(rng, space, proposal, near=near, n=max(_WALKERS, 2 * n_last))[:n_last]
        value = known.add(drawn, report=partial(_within, report, 1 - left, 1 - left / 2))
        log_density = value + space.log_prior(drawn)
        log_weight = log_density - proposal(drawn)
        heavy = smoothed_weights(log_weight)[1] > MAX_K_HAT
        if n_last > n_points or (efficiency(log_weight) >= _TOLERABLE and not heavy):
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


class _Known[Mode: ModeFound]:
    """The exact values so far, at working values of the parameters."""

    def __init__(
        self, conditional: Given[Mode], space: ParameterSpace, threads: ThreadPoolExecutor, start: Found[Mode]
    ) -> None:
        self._conditional, self._space, self._threads = conditional, space, threads
        self.points = np.empty((0, space.size))
        self.value = np.empty(0)
        self.modes: list[Mode] = []
        self._offset = 0.3 * start.centre[: space.n_sds]
        self.n_evaluations, self.n_newton_steps = start.n_evaluations, start.n_newton_steps
        self._first = start.mode

    def coordinates(self, working: Floats) -> Floats:
        """Where the surrogate is smooth: log(sd + offset), atanh of correlations."""
        n = self._space.n_sds
        return np.concatenate([np.log(working[:, :n] + self._offset), working[:, n:]], axis=1)

    def log_density(self, surrogate: Surrogate, power: float) -> Callable[[Floats], Floats]:
        """Log posterior density by a surrogate, times ``power``."""
        return lambda working: power * (surrogate(self.coordinates(working)) + self._space.log_prior(working))

    def add(self, points: Floats, report: Callable[[float], None] = lambda _: None) -> Floats:
        """Evaluate the rows of ``points``, each from where its mode is foretold to be; returns log likelihoods."""
        natural, n_before = self._space.natural(points), len(self.modes)
        for at in range(0, len(points), _PORTION):
            part = slice(at, at + _PORTION)
            modes = list(self._threads.map(self._conditional.mode, natural[part], self._foretold(points[part])))
            self.points = np.concatenate([self.points, points[part]])
            self.value = np.concatenate([self.value, [mode.log_likelihood for mode in modes]])
            self.modes += modes
            report(min(1.0, (at + _PORTION) / len(points)))
        self.n_evaluations += len(points)
        self.n_newton_steps += sum(mode.n_steps for mode in self.modes[n_before:])
        return self.value[n_before:]

    def _foretold(self, points: Floats) -> Sequence[Mode]:
        if len(self.modes) < 2 * (self._space.size + 1):
            return [self._first] * len(points)
        modes = self.modes[-_TOLD_BY:]
        shares = Foretelling(self.coordinates(self.points[-_TOLD_BY:]))(self.coordinates(points))
        return self._conditional.between(modes, shares)

    def surrogate(self) -> Surrogate:
        relevance = self.value + self._space.log_prior(self.points)
        return Surrogate(self.coordinates(self.points), self.value, relevance=relevance)


def _within(report: Callable[[float], None], begin: float, end: float, share: float) -> None:
    report(begin + (end - begin) * share)
