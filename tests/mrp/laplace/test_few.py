"""Looks choose the coordinates in which a likelihood is smooth."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from mrp.hyper import HyperSpace
from mrp.laplace import few
from mrp.laplace.interface import Look
from mrp.laplace.search import Found

type Floats = NDArray[np.float64]

CENTRE = np.array([0.1, 0.3, 0.5])
SPACE = HyperSpace((), np.ones(3), np.empty((0, 2)))


@dataclass(frozen=True)
class Place:
    log_likelihood: float
    n_steps: int = 1


class Quadratic:
    """A likelihood that is quadratic in -(sd + offset) to the power -0.6."""

    n_coordinates, cost, part = 1, 2.0, None

    def __init__(self, times: float) -> None:
        self.offset = times * CENTRE
        self.top = -((CENTRE + self.offset) ** -0.6)

    def look(self, hypers: Floats, near: Place, noise: Floats, *, steep: bool = True) -> Look[Place]:
        away = -((hypers + self.offset) ** -0.6) - self.top
        slope = -4 * away * 0.6 * (hypers + self.offset) ** -1.6
        gradient = slope if steep else np.full(3, np.nan)
        return Look(Place(float(-2 * (away**2).sum())), gradient, np.empty((0, 1)), np.empty(0))

    def between(self, modes: list[Place], shares: Floats) -> list[Place]:
        return [modes[0]] * len(shares)


@pytest.mark.parametrize("times", few._OFFSETS)
@pytest.mark.parametrize("flat", [0, 10])
def test_looks_choose_the_offset_that_makes_the_likelihood_quadratic(times: float, flat: int):
    rng = np.random.default_rng(1)
    points = CENTRE * np.exp(0.5 * rng.standard_normal((30, 3)))
    with ThreadPoolExecutor(1) as threads:
        looks = few._Looks(Quadratic(times), SPACE, threads, Found(CENTRE, np.eye(3), Place(0.0), 0, 0))
        looks.add(points)
        if flat:
            looks.add(CENTRE * np.exp(0.5 * rng.standard_normal((flat, 3))), steep=False)
        surrogate = looks.surrogate()
        asked = CENTRE * np.exp(0.4 * rng.standard_normal((50, 3)))
        true = [Quadratic(times).look(one, Place(0.0), np.empty(0)).mode.log_likelihood for one in asked]
    np.testing.assert_allclose(looks._offset, times * CENTRE)
    np.testing.assert_allclose(surrogate(looks.coordinates(asked)), true, atol=0.1)
