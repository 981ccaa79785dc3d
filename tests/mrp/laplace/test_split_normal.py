"""Draws with two standard deviations: their density, their shares on both sides, and sds told by a known density."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.laplace.split_normal import sides, split_normal


@given(st.floats(0.3, 3), st.floats(0.3, 3))
def test_the_density_is_that_of_the_draws(below: float, above: float):
    """The normal numbers that are turned into these have the density of these times the derivative."""
    noise = np.linspace(-4, 4, 2001)
    value, log_density = split_normal(noise, below, above)

    assert (np.diff(value) > 0).all()
    slope = np.gradient(value, noise)
    inside = np.abs(value) > 0.02  # where the sd changes, so does the slope
    assert_allclose((log_density + np.log(slope) + 0.5 * noise**2)[inside][2:-2], 0, atol=2e-3)


def test_each_side_has_its_share_of_the_draws():
    value, _ = split_normal(np.random.default_rng(1).standard_normal(40_000), 1.0, 3.0)

    # A quarter of them below: 3.5 standard errors of a share of 40,000 are 0.0076.
    assert (value < 0).mean() == pytest.approx(0.25, abs=0.0076)
    assert np.sqrt((value[value < 0] ** 2).mean()) == pytest.approx(1.0, rel=0.03)
    assert np.sqrt((value[value >= 0] ** 2).mean()) == pytest.approx(3.0, rel=0.03)


def test_equal_sds_are_a_normal_density():
    noise = np.linspace(-5, 5, 11)
    value, log_density = split_normal(noise, 1.0, 1.0)
    assert_allclose(value, noise, atol=1e-12)
    assert_allclose(log_density, -0.5 * noise**2, atol=1e-12)


def test_sds_are_those_of_a_density_that_has_two_and_bounded_where_it_does_not_fall():
    def lopsided(far: float) -> float:
        return -0.5 * (far / (0.7 if far < 0 else 1.9)) ** 2

    assert_allclose(sides(lopsided), (0.7, 1.9))
    assert_allclose(sides(lambda far: min(far, 0.0)), (np.sqrt(7 / 2), 3.0))
    assert_allclose(sides(lambda far: -500 * far**2), (1 / 3, 1 / 3))
