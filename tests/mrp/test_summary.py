import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from mrp.errors import ShapeMismatch
from mrp.poststratification import AreaDraws
from mrp.summary import effective_draws, summarise

AREAS = pl.DataFrame({"region": ["North", "South"], "n_people": [400.0, 50.0]})


def autoregressive(n_chains: int, n: int, phi: float, *, n_areas: int, seed: int) -> np.ndarray:
    """Chains of a stationary AR(1) with variance 1, one after the other, shape (draw, area)."""
    rng = np.random.default_rng(seed)
    x = np.empty((n_chains, n, n_areas))
    x[:, 0] = rng.standard_normal((n_chains, n_areas))
    for t in range(1, n):
        x[:, t] = phi * x[:, t - 1] + np.sqrt(1 - phi**2) * rng.standard_normal((n_chains, n_areas))
    return x.reshape(n_chains * n, n_areas)


def test_mean_spread_and_central_interval_of_each_area():
    draws = np.column_stack([np.linspace(0, 1, 101), np.full(101, 0.25)])

    table = summarise(AreaDraws(AREAS, draws), interval=0.9)

    assert table.columns == ["region", "n_people", "share", "sd", "low", "high", "mc_error"]
    assert_allclose(table["share"], [0.5, 0.25])
    assert_allclose(table["low"], [0.05, 0.25])
    assert_allclose(table["high"], [0.95, 0.25])
    assert_allclose(table["sd"], [draws[:, 0].std(), 0], atol=1e-15)
    assert table["mc_error"][1] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("interval", [0.0, 1.0, 90, -0.5])
def test_an_interval_must_be_a_probability(interval: float):
    with pytest.raises(ValueError, match=r"write 0\.9 for 90%"):
        summarise(AreaDraws(AREAS, np.full((4, 2), 0.5)), interval=interval)


def test_wider_probability_gives_a_wider_interval():
    draws = np.random.default_rng(1).beta(3, 5, (1000, 2))
    narrow, wide = (summarise(AreaDraws(AREAS, draws), interval=i) for i in (0.5, 0.95))

    assert (wide["low"] < narrow["low"]).all()
    assert (wide["high"] > narrow["high"]).all()


def test_independent_draws_are_worth_what_they_are():
    draws = np.random.default_rng(2).standard_normal((4000, 50))
    assert effective_draws(draws, n_chains=4).mean() == pytest.approx(4000, rel=0.05)


@pytest.mark.parametrize("phi", [0.5, 0.8, -0.3])
def test_dependent_draws_are_worth_what_theory_says(phi: float):
    draws = autoregressive(4, 2000, phi, n_areas=40, seed=3)
    expected = 8000 * (1 - phi) / (1 + phi)
    assert effective_draws(draws, n_chains=4).mean() == pytest.approx(expected, rel=0.1)


def test_the_error_it_states_is_the_error_of_the_mean():
    """300 areas with a true mean of 0: standardised errors are normal, by their sum of squares."""
    draws = autoregressive(4, 500, 0.6, n_areas=300, seed=4)
    standardised = draws.mean(axis=0) / (draws.std(axis=0) / np.sqrt(effective_draws(draws, n_chains=4)))
    low, high = stats.chi2.interval(0.999, 300)
    assert low * 0.9 < np.square(standardised).sum() < high * 1.1


def test_chains_that_disagree_are_worth_little():
    draws = np.random.default_rng(5).standard_normal((4, 500)) + np.array([[-3], [3], [-3], [3]])
    assert effective_draws(draws.reshape(-1, 1), n_chains=4)[0] < 20


def test_agrees_with_arviz():
    from arviz_stats.base import array_stats

    draws = autoregressive(4, 251, 0.7, n_areas=3, seed=6)
    for area in range(3):
        expected = array_stats.ess(draws[:, area].reshape(4, 251), chain_axis=0, draw_axis=1, method="mean")
        assert effective_draws(draws, n_chains=4)[area] == pytest.approx(float(expected), rel=0.03)


def test_few_draws_and_equal_draws_count_as_they_are():
    assert_allclose(effective_draws(np.full((400, 2), 0.3), n_chains=4), 400)
    assert_allclose(effective_draws(np.array([[0.1], [0.2], [0.3]])), 3)


def test_draws_must_divide_into_chains():
    with pytest.raises(ShapeMismatch, match="multiple of 3 chains"):
        effective_draws(np.zeros((4, 1)), n_chains=3)


def test_no_area_gives_no_row():
    assert summarise(AreaDraws(AREAS[:0], np.empty((100, 0)))).height == 0
