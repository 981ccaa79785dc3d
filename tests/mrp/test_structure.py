"""Structured priors: against matrices written by hand, and against the distributions they are to be."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mrp.structure import autoregressive_precision, correlation_root, walk_basis, walk_structure, zero_sum_basis


def test_a_first_order_walk_joins_neighbours():
    by_hand = [[1, -1, 0, 0], [-1, 2, -1, 0], [0, -1, 2, -1], [0, 0, -1, 1]]
    assert_allclose(walk_structure(4, 1), by_hand)


def test_a_second_order_walk_is_that_of_rue_and_held():
    by_hand = [[1, -2, 1, 0, 0], [-2, 5, -4, 1, 0], [1, -4, 6, -4, 1], [0, 1, -4, 5, -2], [0, 0, 1, -2, 1]]
    assert_allclose(walk_structure(5, 2), by_hand)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("n", [3, 4, 9, 30])
def test_a_walk_is_scaled_sums_to_zero_and_has_the_covariance_of_its_structure(n: int, order: int):
    basis = walk_basis(n, order)
    covariance = basis @ basis.T

    assert basis.shape == (n, n - order)
    assert np.exp(np.log(np.diag(covariance)).mean()) == pytest.approx(1)
    assert_allclose(basis.sum(axis=0), 0, atol=1e-9)
    if order == 2:  # and has no slope
        assert_allclose(np.arange(n) @ basis, 0, atol=1e-8)
    # The covariance is the generalised inverse of the structure, up to the scale.
    inverse = np.linalg.pinv(walk_structure(n, order), rcond=1e-9, hermitian=True)
    assert_allclose(covariance, inverse / np.exp(np.log(np.diag(inverse)).mean()), atol=1e-8)


def test_a_walk_over_two_levels_is_one_difference():
    assert_allclose(walk_basis(2, 1), [[-1], [1]])
    assert walk_basis(1, 1).shape == (1, 0)
    assert walk_basis(2, 2).shape == (2, 0)


@pytest.mark.parametrize("order", [1, 2])
def test_a_walk_does_not_know_its_direction(order: int):
    covariance = walk_basis(6, order) @ walk_basis(6, order).T
    assert_allclose(covariance, covariance[::-1, ::-1], atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_effects_that_sum_to_zero_are_independent_but_for_that(n: int):
    basis = zero_sum_basis(n)
    assert_allclose(basis @ basis.T, np.eye(n) - 1 / n, atol=1e-12)
    assert_allclose(basis.T @ basis, np.eye(n - 1), atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("autocorrelation", [-0.4, 0.0, 0.9])
def test_the_precision_of_an_autoregression_is_the_inverse_of_its_covariance(n: int, autocorrelation: float):
    steps = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    covariance = autocorrelation**steps
    assert_allclose(autoregressive_precision(n, autocorrelation) @ covariance, np.eye(n), atol=1e-12)


def test_partial_correlations_make_a_correlation_matrix():
    root = np.array(correlation_root([0.5, -0.3, 0.4], 3))
    matrix = root @ root.T

    assert_allclose(np.diag(matrix), 1)
    assert matrix[1, 0] == pytest.approx(0.5)
    assert matrix[2, 0] == pytest.approx(-0.3)
    # Correlation of 2 and 1 given 0, by its textbook formula.
    given = (matrix[2, 1] - matrix[2, 0] * matrix[1, 0]) / np.sqrt((1 - matrix[2, 0] ** 2) * (1 - matrix[1, 0] ** 2))
    assert given == pytest.approx(0.4)
