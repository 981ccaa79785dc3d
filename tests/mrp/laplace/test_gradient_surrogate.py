"""A surrogate learnt from values and gradients."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from mrp.laplace.gradient_surrogate import GradientSurrogate

type Floats = NDArray[np.float64]


def bent(x: Floats) -> Floats:
    """Quadratic with some third order, as of the likelihood of sds; the mode is near zero."""
    return -(x**2).sum(axis=1) + 0.15 * x[:, 0] ** 3 - 0.1 * x[:, 1] * x[:, 2] ** 2 + x[:, 0] * x[:, 1]


def gradient(x: Floats) -> Floats:
    a, b, c = x.T
    return np.column_stack([-2 * a + 0.45 * a**2 + b, -2 * b - 0.1 * c**2 + a, -2 * c - 0.2 * b * c])


def test_gradients_say_what_values_alone_cannot():
    """Ten values do not determine the ten coefficients of a quadratic and what bends it; with thirty slopes they do."""
    rng = np.random.default_rng(1)
    known, asked = rng.normal(size=(10, 3)), rng.normal(size=(200, 3))
    surrogate = GradientSurrogate(known, bent(known), gradient(known), relevance=bent(known))
    error = surrogate(asked) - bent(asked)
    assert np.sqrt(np.mean(error**2)) < 0.1 * bent(asked).std()
    wrong = GradientSurrogate(known, bent(known), -gradient(known), relevance=bent(known))
    assert np.sqrt(np.mean((wrong(asked) - bent(asked)) ** 2)) > 0.3 * bent(asked).std()


def test_it_goes_through_what_is_known_with_its_slope():
    rng = np.random.default_rng(2)
    known = rng.normal(size=(40, 3))
    surrogate = GradientSurrogate(known, bent(known), gradient(known), relevance=bent(known))
    best = known[np.argsort(-bent(known))[:5]]
    assert_allclose(surrogate(best), bent(best), atol=0.05)
    step = 1e-4
    for j in range(3):
        ahead, behind = (surrogate(best + sign * step * np.eye(3)[j]) for sign in (1, -1))
        assert_allclose((ahead - behind) / (2 * step), gradient(best)[:, j], atol=0.1)


@pytest.mark.parametrize("n", [5, 900])
def test_of_many_points_the_slopes_of_the_best_are_used(n):
    """With 900 points in three dimensions there are more numbers than it learns from."""
    rng = np.random.default_rng(3)
    known, asked = rng.normal(size=(n, 3)), rng.normal(size=(50, 3)) / 2
    surrogate = GradientSurrogate(known, bent(known), gradient(known), relevance=bent(known))
    assert np.isfinite(surrogate(asked)).all()
    if n > 5:
        assert_allclose(surrogate(asked), bent(asked), atol=0.05)


def test_the_evidence_tells_in_which_coordinates_a_likelihood_is_smooth():
    """Seen as x^3 a quadratic of x bends; the evidence of both is of the same values and gradients."""
    rng = np.random.default_rng(4)
    known = rng.normal(2.0, 0.3, size=(20, 3))
    value, slope = bent(known), gradient(known)
    straight = GradientSurrogate(known, value, slope, relevance=value).evidence
    cubed = GradientSurrogate(known**3, value, slope / (3 * known**2), relevance=value).evidence
    assert straight > cubed - np.log(3 * known**2).sum() + 10
    scaled = GradientSurrogate(1000 * known, value, slope / 1000, relevance=value).evidence
    assert_allclose(scaled - 60 * np.log(1000), straight, atol=1e-3)
