"""The most probable parameters of the priors, found by their gradient."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from mrp.laplace.interface import Given, ModeFound, ParameterSpace

__all__ = ["Found", "find_mode", "most_probable"]

type Floats = NDArray[np.float64]


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
    """Search from `mrp.hyper.HyperSpace.start`, of one parameter or more."""
    modes: list[Mode] = []

    def minus_log_density(free: Floats) -> tuple[float, Floats]:
        working = space.working(free)
        mode, slope = conditional.slope(space.natural(working), modes[-1] if modes else None)
        modes.append(mode)
        value = mode.log_likelihood + space.log_prior(working) + space.log_volume(working)
        return -float(value), -space.gradient(working, slope)

    found = optimize.minimize(minus_log_density, space.start(), jac=True, method="BFGS", options={"gtol": 3e-2})
    spread = np.asarray(found.hess_inv)
    # A direction in which BFGS has not learnt the curvature keeps the identity it started with: cut it.
    values, vectors = linalg.eigh((spread + spread.T) / 2)
    return Found(
        space.working(found.x),
        (vectors * np.clip(values, 1e-3, 1.0)) @ vectors.T,
        modes[-1],
        len(modes),
        sum(mode.n_steps for mode in modes),
    )


def most_probable[Mode: ModeFound](conditional: Given[Mode], space: ParameterSpace) -> Floats:
    """Natural values of the most probable parameters, on the free scale."""
    return space.natural(find_mode(conditional, space).centre) if space.size else np.empty(0)
