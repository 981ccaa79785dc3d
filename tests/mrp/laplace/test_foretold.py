"""Starts made of known modes: exact where modes move on a plane, and shares that add up to one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.laplace.foretold import Foretelling


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 6), spare=st.integers(2, 30))
def test_modes_on_a_plane_are_foretold_exactly(seed: int, n: int, spare: int):
    rng = np.random.default_rng(seed)
    known, points = rng.normal(1, 0.5, (n + 1 + spare, n)), rng.normal(1, 0.5, (5, n))
    level, slope = rng.normal(size=3), rng.normal(size=(n, 3))
    shares = Foretelling(known)(points)
    assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert_allclose(shares @ (level + known @ slope), level + points @ slope, atol=1e-5)


def test_a_smooth_curve_is_foretold_much_better_than_by_the_nearest():
    rng = np.random.default_rng(1)

    def modes(x: np.ndarray) -> np.ndarray:
        return np.column_stack([np.exp(-x[:, 0]) * x[:, 1], 1 / (1 + x[:, 0] ** 2)])

    known, points = rng.uniform(0, 1, (60, 2)), rng.uniform(0.1, 0.9, (40, 2))
    told = Foretelling(known)(points) @ modes(known)
    nearest = known[((points[:, None] - known) ** 2).sum(axis=2).argmin(axis=1)]
    error, of_nearest = (np.abs(found - modes(points)).max() for found in (told, modes(nearest)))
    assert error < of_nearest / 20
