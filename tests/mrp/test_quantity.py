import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from mrp.quantity import central_intervals, probabilities, quantities
from mrp.summary import effective_draws
from tests.mrp.answers import estimate_of
from tests.mrp.test_summary import autoregressive


def test_a_number_known_through_draws_by_hand():
    values = np.linspace(0, 1, 101)[:, None]
    (one,) = quantities(values, estimate_of(values), interval=0.9)
    assert (one.mean, one.low, one.high) == pytest.approx((0.5, 0.05, 0.95))
    assert one.sd == pytest.approx(values.std())


def test_further_intervals_by_hand():
    values = np.column_stack([np.linspace(0, 1, 101), np.linspace(0, 2, 101)])
    numbers = quantities(values, estimate_of(values, names=["a", "b"]), interval=0.9, also=(0.5, 0.8))
    assert_allclose(numbers[0].further, [(0.25, 0.75), (0.1, 0.9)])
    assert_allclose(numbers[1].further, [(0.5, 1.5), (0.2, 1.8)])
    assert_allclose(central_intervals(values, (0.5,)), [[[0.25, 0.5], [0.75, 1.5]]])
    assert central_intervals(np.array([[1.0], [2], [3], [4]]), (0.5,), whole=True).tolist() == [[[1], [4]]]
    with pytest.raises(ValueError, match=r"got 1\.5"):
        quantities(values, estimate_of(values, names=["a", "b"]), also=(1.5,))


def test_the_error_of_a_number_follows_the_dependence_of_its_draws():
    values = np.repeat(np.random.default_rng(1).normal(size=200), 10)[:, None]
    points = np.repeat(np.arange(200, dtype=np.int32), 10)
    (alone,) = quantities(values, estimate_of(values, points=np.arange(2000, dtype=np.int32)))
    (shared,) = quantities(values, estimate_of(values, points=points))
    assert shared.mc_error == pytest.approx(alone.mc_error * np.sqrt(10), rel=0.05)


def test_the_error_of_a_probability_is_that_of_its_effective_draws():
    draws = autoregressive(4, 500, 0.8, n_areas=3, seed=2)
    events = (draws > 0.5).astype(float)
    source = estimate_of(draws, n_chains=4)
    for column, p in enumerate(probabilities(events, source)):
        n = effective_draws(events, n_chains=4)[column]
        assert p.mc_error == pytest.approx(np.sqrt(p.value * (1 - p.value) / n), rel=0.02)


def test_stated_errors_of_probabilities_are_the_errors_made():
    """300 chains of dependent draws, P(x > 1) known: the sum of squared standardised errors, by chance and 10%."""
    draws = autoregressive(4, 500, 0.6, n_areas=300, seed=3)
    truth = stats.norm.sf(1)
    found = probabilities((draws > 1).astype(float), estimate_of(draws, names=[*map(str, range(300))], n_chains=4))
    z = np.array([(p.value - truth) / p.mc_error for p in found])
    low, high = stats.chi2.interval(0.999, 300)
    assert low * 0.9 < np.square(z).sum() < high * 1.1


def test_what_happened_in_every_draw_is_not_certain():
    (always,) = probabilities(np.ones((100, 1)), estimate_of(np.ones((100, 1))))
    assert always.value == 1
    assert always.mc_error == pytest.approx(np.sqrt(0.5 / 101 * (1 - 0.5 / 101) / 100))


def test_an_event_in_every_draw_is_as_certain_as_the_number_behind_it():
    values = np.repeat(np.random.default_rng(1).normal(10, 1, size=20), 10)[:, None]
    source = estimate_of(values, points=np.repeat(np.arange(20, dtype=np.int32), 10))
    (blind,) = probabilities(np.ones_like(values), source)
    (informed,) = probabilities(np.ones_like(values), source, behind=values)
    assert informed.mc_error > 5 * blind.mc_error


def test_nothing_asked_nothing_said():
    nothing = np.empty((10, 0))
    assert quantities(nothing, estimate_of(nothing)) == ()
    assert probabilities(nothing, estimate_of(nothing)) == ()


@pytest.mark.parametrize("interval", [0, 1, 90])
def test_an_interval_is_a_probability(interval):
    with pytest.raises(ValueError, match=r"write 0\.9 for 90%"):
        quantities(np.ones((3, 1)), estimate_of(np.ones((3, 1))), interval=interval)


def test_probabilities_of_an_event_and_its_opposite_have_one_error():
    events = (np.random.default_rng(4).random((400, 5)) < 0.3).astype(float)
    for one, other in zip(
        probabilities(events, estimate_of(events)), probabilities(1 - events, estimate_of(events)), strict=True
    ):
        assert_allclose([one.value, one.mc_error], [1 - other.value, other.mc_error])
