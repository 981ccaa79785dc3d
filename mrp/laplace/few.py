r"""Explore the parameters of the priors where each look takes most of a second: few looks, of which each tells more.

Of a national survey with several options a Newton step passes a hundred thousand cells and solves for thousands of
latents. So each look gives the gradient with the likelihood, which costs a third more and says as much as a look for
every parameter (`mrp.laplace.gradient_surrogate`), starts from what the modes of all looks before foretell, so that it
needs one or two steps, and, in the last round, draws the latents while it has the factors at hand and leaves the
gradient out: how far the mean of the latents is from their mode is foretold then, too. Else it is the way
of `mrp.laplace.explore`: find the mode, look around it, draw from a surrogate until draws would serve nearly as well
as those of the exact posterior, and weight the draws of a last round by exact over surrogate density.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrp.laplace.foretold import Foretelling
from mrp.laplace.gradient_surrogate import GradientSurrogate
from mrp.laplace.interface import Costly, Exploration, Look, ModeFound, ParameterSpace
from mrp.laplace.pareto import efficiency, smoothed_weights
from mrp.laplace.search import Found, find_mode
from mrp.laplace.walkers import draw_surrogate, draw_t
from mrp.verdict import MAX_K_HAT

__all__ = ["explore_few"]

type Floats = NDArray[np.float64]

_WALKERS = 400
_PORTION = 16
"""Looks between two reports of progress, and between two forecasts of modes."""
_FIRST, _MORE = 3, 2
"""Looks of the first round and of each that follows, times the number of parameters."""
_MAX_ROUNDS = 6
_ENOUGH, _TOLERABLE = 0.65, 0.6
"""Efficiency of a round from which its surrogate, which learns of it too, is good enough; and of the last below which
it is repeated."""
_MAX_LAST_ROUNDS = 3
_EXPLORING, _KEPT = 0.8, 0.9
"""Powers of the surrogate, as in `mrp.laplace.explore`; there are more parameters, which pay for each tail."""
_BEND = 0.6
"""Sds are seen as -(sd + offset) to the power -0.6. The likelihood of an sd falls steeply towards zero and slowly
beyond its mode: in this coordinate forty looks foretell others with half the error that they have in the logarithm."""
_OFFSETS = (0.3, 0.6, 1.0, 1.7)
"""Of which one is chosen, in most probable sds: the small one where interviews tell all sds well from zero, a large one
where they do not. Of forty looks at a thinned survey of a country the error is 3 with the smallest, 1 with the third;
at the whole one 0.2 and 0.7."""
_CHOOSING = 1500
"""Numbers in gradients up to which looks choose: of more it would take seconds."""


def explore_few[Mode: ModeFound](
    conditional: Costly[Mode],
    space: ParameterSpace,
    *,
    n_points: int,
    n_draws: int,
    rng: np.random.Generator,
    threads: ThreadPoolExecutor,
    report: Callable[[float], None],
) -> Exploration[Mode]:
    """Draw the parameters of the priors, and latents with them; as `mrp.laplace.explore.explore`."""
    start = find_mode(conditional, space)
    report(0.2)
    looks = _Looks(conditional, space, threads, start)
    unit = np.concatenate([start.centre[: space.n_sds], np.ones(space.size - space.n_sds)])
    near = start.centre, 1.5 * np.diag(unit) @ start.spread @ np.diag(unit)
    n_first = max(30, _FIRST * space.size)
    looks.add(draw_t(rng, space, *near, n_first), report=partial(_within, report, 0.2, 0.35))
    for round_ in range(_MAX_ROUNDS):
        surrogate = looks.surrogate()
        walkers = draw_surrogate(rng, space, looks.log_density(surrogate, _EXPLORING), near=near, n=_WALKERS)
        near = walkers.mean(axis=0), 1.3 * np.cov(walkers, rowvar=False).reshape(space.size, space.size)
        some = walkers[: max(20, _MORE * space.size)]
        found = looks.add(some)
        report(0.35 + 0.15 * (round_ + 1) / _MAX_ROUNDS)
        if efficiency(_values(found) - surrogate(looks.coordinates(some))) >= _ENOUGH:
            break
    n_each = -(-n_draws // n_points)
    for attempt in range(_MAX_LAST_ROUNDS):
        left = 0.5 ** (attempt + 1)
        proposal = looks.log_density(looks.surrogate(), _KEPT)
        drawn = draw_surrogate(rng, space, proposal, near=near, n=max(_WALKERS, 2 * n_points))[:n_points]
        noise = [rng.standard_normal((n_each, conditional.n_coordinates)) for _ in drawn]
        told = partial(_within, report, 1 - left, 1 - left / 2)
        found = looks.add(drawn, noise, steep=False, report=told)
        log_density = _values(found) + space.log_prior(drawn)
        log_weight = log_density - proposal(drawn)
        if efficiency(log_weight) >= _TOLERABLE and smoothed_weights(log_weight)[1] <= MAX_K_HAT:
            break
    return Exploration(
        hypers=space.natural(drawn),
        log_weight=log_weight,
        log_density=log_density,
        modes=tuple(look.mode for look in found),
        n_evaluations=looks.n_evaluations,
        n_newton_steps=looks.n_newton_steps,
        drawn=(np.stack([look.latents for look in found]), np.stack([look.log_ratio for look in found])),
    )


class _Looks[Mode: ModeFound]:
    """What was seen so far, at working values of the parameters."""

    def __init__(
        self, conditional: Costly[Mode], space: ParameterSpace, threads: ThreadPoolExecutor, start: Found[Mode]
    ) -> None:
        self._conditional, self._space, self._threads = conditional, space, threads
        self._centre = start.centre[: space.n_sds]
        self._offset = _OFFSETS[0] * self._centre
        self._points = np.empty((0, space.size))
        self._gradients = np.empty((0, space.size))
        self._values = np.empty(0)
        self._modes: list[Mode] = [start.mode]
        self.n_evaluations, self.n_newton_steps = start.n_evaluations, start.n_newton_steps

    def coordinates(self, working: Floats) -> Floats:
        """Where the surrogate is smooth."""
        n = self._space.n_sds
        return np.concatenate([-((working[:, :n] + self._offset) ** -_BEND), working[:, n:]], axis=1)

    def log_density(self, surrogate: GradientSurrogate, power: float) -> Callable[[Floats], Floats]:
        """Log posterior density by a surrogate, times ``power``."""
        return lambda working: power * (surrogate(self.coordinates(working)) + self._space.log_prior(working))

    def surrogate(self) -> GradientSurrogate:
        """Learnt from all looks, in the coordinates in which they are likeliest; few looks choose these."""
        if self._points.size > _CHOOSING:
            return self._surrogate()
        tried: list[tuple[float, Floats, GradientSurrogate]] = []
        steep = np.isfinite(self._gradients).all(axis=1)
        for times in _OFFSETS:
            self._offset = times * self._centre
            made = self._surrogate()
            volume = float(np.log(self._natural_by_coordinate(self._points[steep])).sum())
            tried.append((made.evidence + volume, self._offset, made))
        _, self._offset, best = max(tried, key=lambda one: one[0])
        return best

    def _surrogate(self) -> GradientSurrogate:
        relevance = self._values + self._space.log_prior(self._points)
        slopes = self._gradients * self._natural_by_coordinate(self._points)
        return GradientSurrogate(self.coordinates(self._points), self._values, slopes, relevance=relevance)

    def add(
        self,
        points: Floats,
        noise: list[Floats] | None = None,
        *,
        steep: bool = True,
        report: Callable[[float], None] = lambda _: None,
    ) -> list[Look[Mode]]:
        """Look at the rows of ``points``, with draws of latents from ``noise``; with gradients if ``steep``."""
        nothing = np.empty((0, self._conditional.n_coordinates))
        noise = noise or [nothing] * len(points)
        natural = self._space.natural(points)
        found: list[Look[Mode]] = []
        for at in range(0, len(points), _PORTION):
            part = slice(at, at + _PORTION)
            starts = self._foretold(points[part])
            look = partial(self._conditional.look, steep=steep)
            new = list(self._threads.map(look, natural[part], starts, noise[part]))
            self._points = np.concatenate([self._points, points[part]])
            self._values = np.concatenate([self._values, _values(new)])
            self._gradients = np.concatenate([self._gradients, [look.gradient for look in new]])
            self._modes += [look.mode for look in new]
            self.n_evaluations += len(new)
            self.n_newton_steps += sum(look.mode.n_steps for look in new)
            found += new
            report(min(1.0, (at + _PORTION) / len(points)))
        return found

    def _natural_by_coordinate(self, working: Floats) -> Floats:
        """Derivatives of the natural values by the coordinates, shape (point, parameter)."""
        n = self._space.n_sds
        of_sds = (working[:, :n] + self._offset) ** (1 + _BEND) / _BEND
        # A step in the imaginary direction differentiates to the last digit.
        stepped: Any = working + 1e-30j
        others = np.asarray(self._space.natural(stepped)[:, n:].imag) * 1e30
        return np.concatenate([of_sds, others], axis=1)

    def _foretold(self, points: Floats) -> Sequence[Mode]:
        """Where to start at the rows of ``points``: a linear trend of the modes and what is near."""
        modes = self._modes[1:]
        if len(modes) < 2 * (self._space.size + 1):
            return [self._modes[0]] * len(points)
        shares = Foretelling(self.coordinates(self._points))(self.coordinates(points))
        return self._conditional.between(modes, shares)


def _within(report: Callable[[float], None], begin: float, end: float, share: float) -> None:
    report(begin + (end - begin) * share)


def _values[Mode: ModeFound](looks: list[Look[Mode]]) -> Floats:
    return np.array([look.mode.log_likelihood for look in looks])
