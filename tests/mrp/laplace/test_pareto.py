"""Smoothed weights against the library that has them too, and where it gives up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.laplace.pareto import smoothed_rows, smoothed_weights


@pytest.mark.parametrize("n", [60, 226, 400, 2000])
@pytest.mark.parametrize("spread", [0.2, 0.5, 1.0, 3.0])
def test_weights_and_shape_are_those_of_arviz(n: int, spread: float):
    from arviz_stats.base import array_stats

    log_weight = np.random.default_rng(1).normal(40, spread, n)
    # It takes log densities of what is left out, as in cross-validation, which are minus log weights.
    theirs, their_k_hat = array_stats.psislw(-log_weight)

    weight, k_hat = smoothed_weights(log_weight)
    assert_allclose(weight, np.exp(theirs), rtol=1e-9)
    assert_allclose(k_hat, their_k_hat, rtol=1e-9)


def test_equal_weights_need_no_smoothing():
    weight, k_hat = smoothed_weights(np.full(50, -3.0))
    assert_allclose(weight, 0.02)
    assert k_hat == -np.inf


def test_weights_that_hardly_differ_have_no_tail_to_be_judged():
    """Small cubes of normal draws, as a near normal density leaves them: all count alike, whatever the shape."""
    log_weight = 1e-4 * np.random.default_rng(2).standard_normal(2000) ** 3
    weight, k_hat = smoothed_weights(log_weight)
    assert_allclose(weight, np.exp(log_weight) / np.exp(log_weight).sum(), rtol=1e-12)
    assert k_hat == -np.inf
    log_weight[0] = 3.0
    assert smoothed_weights(log_weight)[1] > 0.7, "one that differs is seen"


@pytest.mark.parametrize("log_weight", [np.arange(20.0), np.r_[np.zeros(399), 50.0]], ids=["few draws", "one draw"])
def test_a_tail_that_says_nothing_is_not_trusted(log_weight: np.ndarray):
    weight, k_hat = smoothed_weights(log_weight)
    assert_allclose(weight.sum(), 1)
    assert k_hat == np.inf


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_draws=st.sampled_from([1, 4, 24, 25, 60, 200, 226, 400]),
    spreads=st.lists(st.sampled_from([0.0, 1e-6, 0.02, 0.3, 1.0, 4.0]), min_size=1, max_size=6),
)
def test_many_sets_side_by_side_are_as_one_after_the_other(seed: int, n_draws: int, spreads: list[float]):
    rng = np.random.default_rng(seed)
    log_weight = np.stack([rng.normal(-5, spread, n_draws) for spread in spreads])
    log_weight[0] = np.round(log_weight[0], 1)  # some of them equal

    weight, k_hat = smoothed_rows(log_weight)

    for row, own, shape in zip(log_weight, weight, k_hat, strict=True):
        expected, expected_shape = smoothed_weights(row)
        assert_allclose(own, expected, rtol=1e-9, atol=1e-15)
        assert_allclose(shape, expected_shape, rtol=1e-9)
