"""The most probable parameters of the priors, found by their gradient."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from mrp.laplace.interface import Costly, Given, ModeFound, ParameterSpace

__all__ = ["Found", "find_mode", "most_probable"]

type Floats = NDArray[np.float64]

_GRADIENT = 3e-2
"""By free values, of log posterior density: where it is smaller the search ends."""
_ROUGH_GRADIENT = 0.3
"""Where a search of a part went before: the place is told to a fiftieth of a posterior sd."""
_TOLD_MORE = 0.5
"""Variances of all cells over those of a part: those that have levels in great number fall most."""


@dataclass(frozen=True, slots=True)
class Found[Mode: ModeFound]:
    """Where a search ended."""

    centre: Floats
    """Working values of the most probable parameters on the free scale, shape (parameter,)."""
    spread: Floats
    """Their covariance on that scale, shape (parameter, parameter)."""
    mode: Mode
    """Of the latents, at the last evaluation."""
    n_evaluations: int
    n_newton_steps: int


def find_mode[Mode: ModeFound](conditional: Given[Mode], space: ParameterSpace) -> Found[Mode]:
    """Search from `mrp.hyper.HyperSpace.start`, of one parameter or more.

    Where each evaluation takes long and there are many cells, the search begins with a part of them. What it learns of
    the curvature there is what all cells have, but for how much more they tell.
    """
    part = conditional.part if isinstance(conditional, Costly) and conditional.cost > 1 else None
    if part is None:
        return _search(conditional, space, space.start(), None)
    rough = _search(part, space, space.start(), None)
    return _search(conditional, space, space.free(rough.centre), rough)


def _search[Mode: ModeFound](
    conditional: Given[Mode], space: ParameterSpace, start: Floats, before: Found[Mode] | None
) -> Found[Mode]:
    modes: list[Mode] = [before.mode] if before else []

    def minus_log_density(free: Floats) -> tuple[float, Floats]:
        working = space.working(free)
        mode, slope = conditional.slope(space.natural(working), modes[-1] if modes else None)
        modes.append(mode)
        value = mode.log_likelihood + space.log_prior(working) + space.log_volume(working)
        return -float(value), -space.gradient(working, slope)

    options: dict[str, object] = {"gtol": _GRADIENT if before is None else _ROUGH_GRADIENT}
    if before is not None:
        options["hess_inv0"] = _TOLD_MORE / 2 * (before.spread + before.spread.T)  # to the last digit symmetric
    found = optimize.minimize(minus_log_density, start, jac=True, method="BFGS", options=options)
    spread = np.asarray(found.hess_inv)
    # A direction in which BFGS has not learnt the curvature keeps the identity it started with: cut it.
    values, vectors = linalg.eigh((spread + spread.T) / 2)
    looked_at = modes[1:] if before else modes
    return Found(
        space.working(found.x),
        (vectors * np.clip(values, 1e-3, 1.0)) @ vectors.T,
        modes[-1],
        len(looked_at) + (before.n_evaluations if before else 0),
        sum(mode.n_steps for mode in looked_at) + (before.n_newton_steps if before else 0),
    )


def most_probable[Mode: ModeFound](conditional: Given[Mode], space: ParameterSpace) -> Floats:
    """Natural values of the most probable parameters, on the free scale."""
    return space.natural(find_mode(conditional, space).centre) if space.size else np.empty(0)
