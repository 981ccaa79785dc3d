import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mrp.errors import CountsError, ShapeMismatch
from mrp.information import information, kish
from tests.mrp.answers import estimate_of


def test_effective_interviews_by_hand():
    assert kish(np.array([1.0, 1.0, 1.0])) == pytest.approx(3)
    assert kish(np.array([1.0, 3.0])) == pytest.approx(16 / 10)
    assert kish([1, 3]) == pytest.approx(16 / 10)
    assert kish(np.array([])) == kish(np.zeros(3)) == 0


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_weights_ten_times_as_large_are_worth_the_same(weights):
    weight = np.array(weights)
    assert kish(weight * 10) == pytest.approx(kish(weight))
    assert kish(weight) <= weight.size + 1e-9


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_weights_of_any_size_have_squares(scale):
    assert kish(np.array([1.0, 3.0]) * scale) == pytest.approx(1.6)


def test_a_posterior_of_interviews_alone_is_worth_them_and_pools_nothing():
    """Beta(y + 1/2, n - y + 1/2) of 400 interviews is worth about 401; its share of pooling is about 0."""
    draws = np.random.default_rng(1).beta(200.5, 200.5, (4000, 200))
    found = information(estimate_of(draws, names=[*map(str, range(200))]), np.full(200, 400.0))
    z = np.array([(one.n_equivalent - 402) / one.n_equivalent_mc_error for one in found])
    low, high = stats.chi2.interval(0.999, 200)
    assert low * 0.85 < np.square(z).sum() < high * 1.15
    assert np.mean([one.pooling for one in found]) < 0.03
    for one in found[:5]:
        assert one.pooling_mc_error == pytest.approx(one.n_equivalent_mc_error / 400, rel=0.3)


def test_pooling_by_hand():
    # Mean 0.5, variance 0.01: worth 25 interviews. Of its own it has 0, 10, 25, 50.
    draws = np.tile([[0.4], [0.6]], (1, 4))
    found = information(estimate_of(draws), np.array([0.0, 10.0, 25.0, 50.0]))
    assert [one.n_equivalent for one in found] == pytest.approx([25] * 4)
    assert [one.pooling for one in found] == pytest.approx([1, 0.6, 0, 0])
    assert found[0].area == {"district": "A"}


def test_a_share_without_variance_is_worth_infinitely_many_interviews():
    (one,) = information(estimate_of(np.full((10, 1), 0.3)), np.array([5.0]))
    assert (one.n_equivalent, one.pooling) == (np.inf, 1)
    assert (one.n_equivalent_mc_error, one.pooling_mc_error) == (0, 0)


def test_numbers_that_are_no_numbers_of_interviews_are_refused():
    estimate = estimate_of([[0.4], [0.6]])
    with pytest.raises(ShapeMismatch, match=r"n_effective must have shape \(1,\)"):
        information(estimate, np.ones(2))
    with pytest.raises(CountsError, match="finite and >= 0"):
        information(estimate, np.array([-1.0]))
    with pytest.raises(CountsError, match="finite and >= 0"):
        kish(np.array([1.0, np.nan]))
    assert information(estimate_of(np.empty((3, 0))), np.empty(0)) == ()
