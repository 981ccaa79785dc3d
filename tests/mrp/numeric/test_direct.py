"""Raw and weighted means from counts: by hand, covered as often as they say, and what a wave that is off looks like."""

from functools import cache

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from mrp import Priors
from mrp.errors import CountsError, DrawsError
from mrp.laplace.engine import LaplaceSettings
from mrp.numeric import NumericFit, collapse_numeric, direct_means, fit_numeric, numeric_surprise
from mrp.surprise import PollingError
from tests.mrp.numeric.thermometer import RESIDUAL, WORLD, counted, design, poll, predictor

DESIGN = design()
POLL = poll(DESIGN, n=1500, seed=31)


@cache
def fitted() -> NumericFit:
    few = LaplaceSettings(points=200, draws=1000)
    counts = counted(DESIGN, POLL.interviews)
    return fit_numeric(DESIGN, WORLD, counts, Priors(), engine="laplace", seed=1, laplace=few)


def test_a_raw_mean_has_the_interval_of_a_common_variance():
    answers = pl.DataFrame({"g": ["a", "a", "a", "b"], "y": [10.0, 20.0, 30.0, 70.0]})
    table = direct_means(collapse_numeric(answers, by=("g",), answer="y"), by=("g",), interval=0.9)

    # Squares about the means of areas: 200, of 3 - 1 degrees of freedom.
    half = stats.t.ppf(0.95, 2) * 10
    assert_allclose(table.row(0)[1:], [3, 3, 1, 20, 20 - half / np.sqrt(3), 20 + half / np.sqrt(3)])
    assert_allclose(table.row(1)[1:], [1, 1, 1, 70, 70 - half, 70 + half])


def test_a_weighted_mean_is_worth_fewer_interviews():
    answers = pl.DataFrame({"y": [0.0, 10.0, 40.0], "w": [2.0, 1.0, 1.0]})
    row = direct_means(collapse_numeric(answers, by=(), answer="y", weight="w")).row(0, named=True)

    # 4^2 / 6 interviews; the weighted squares of 12.5, 2.5 and 27.5 over 4 - 6 / 4.
    sd = np.sqrt((2 * 12.5**2 + 2.5**2 + 27.5**2) / 2.5)
    half = stats.t.ppf(0.95, 2) * sd / np.sqrt(16 / 6)
    assert_allclose([row[name] for name in ("n_effective", "mean", "high")], [16 / 6, 12.5, 12.5 + half])


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng, means, half = np.random.default_rng(5), [], []
    for _ in range(300):
        y = rng.normal(50, 20, 12)
        table = direct_means(collapse_numeric(pl.DataFrame({"y": y}), by=(), answer="y"))
        means.append(table["mean"][0])
        half.append(table["high"][0] - table["mean"][0])
    covered = np.abs(np.array(means) - 50) <= half
    least, most = stats.binom.interval(0.999, 300, 0.9)
    assert least <= covered.sum() <= most


def test_where_no_area_has_two_interviews_nothing_is_told():
    alone = pl.DataFrame({"g": ["a", "b"], "n": [1, 1], "mean": [1.0, 2.0], "ss": [0.0, 0.0]})
    with pytest.raises(CountsError, match="no area has two interviews"):
        direct_means(alone, by=("g",))
    assert direct_means(alone)["n_interviews"].to_list() == [2]


def wave(*, seed: int, n: int = 400, moved: float = 0.0, turned: bool = False) -> pl.DataFrame:
    """Counts of a new wave of the same truth."""
    rng = np.random.default_rng(seed)
    people = WORLD.frame["n_people"].to_numpy()
    cell = rng.choice(people.size, n, p=people / people.sum())
    answers = POLL.truth[cell] + RESIDUAL * rng.standard_normal(n) + moved
    answers = 100 - answers if turned else answers
    return counted(DESIGN, WORLD.frame.drop("n_people")[cell].with_columns(warmth=pl.Series(answers)))


def test_a_wave_of_the_same_truth_is_seldom_a_surprise_and_one_that_is_off_is():
    fit = fitted()
    chances = [numeric_surprise(fit.latents, fit.design, wave(seed=seed), seed=1).chance for seed in range(40)]
    # Below 0.05 at most one in twenty times; of 40 more than 6 with a chance of 0.003.
    assert sum(chance < 0.05 for chance in chances) <= 6

    total, slope, _ = numeric_surprise(fit.latents, fit.design, wave(seed=50, moved=12.0), seed=1).measures
    assert total.chance < 0.001
    assert total.observed - total.expected == pytest.approx(12, abs=5)
    assert slope.chance > 0.01
    turned = numeric_surprise(fit.latents, fit.design, wave(seed=51, turned=True, n=1500), seed=1)
    assert turned.measures[1].observed == pytest.approx(-1, abs=0.5)
    assert turned.chance < 0.001


def test_measures_are_those_of_plain_loops():
    fit = fitted()
    counts, unit = wave(seed=60), fit.design.require_unit()
    total, slope, _ = numeric_surprise(fit.latents, fit.design, counts, seed=1).measures
    m = np.mean([predictor(fit.design, z[:-1].astype(np.float64), counts) for z in fit.latents.draws[::20]], axis=0)
    n, mean = counts["n"].to_numpy(), counts["mean"].to_numpy()
    assert total.observed == pytest.approx(float(n @ mean / n.sum()))
    assert total.expected == pytest.approx(unit.centre + unit.scale * float(n @ m / n.sum()), abs=0.3)
    x = m - n @ m / n.sum()
    ours = 1 + float((n * x) @ ((mean - unit.centre) / unit.scale - m)) / float(n @ x**2)
    assert slope.observed == pytest.approx(ours, abs=0.1)


def test_the_spread_of_what_is_predicted_is_that_of_simulated_waves():
    fit, rng = fitted(), np.random.default_rng(8)
    counts, unit = wave(seed=61, n=60), fit.design.require_unit()
    none = PollingError(house_sd=0.0, error_sd=0.0, slope_sd=0.0)
    total, slope, cells = numeric_surprise(fit.latents, fit.design, counts, seed=1, error=none).measures

    draws, n = fit.latents.draws.astype(np.float64), counts["n"].to_numpy()
    eta = np.stack([predictor(fit.design, z[:-1], counts) for z in draws])
    simulated = eta + draws[:, -1:] / np.sqrt(n) * rng.standard_normal(eta.shape)
    m = eta.mean(axis=0)
    x = m - n @ m / n.sum()
    assert total.sd == pytest.approx(unit.scale * (simulated @ n / n.sum()).std(), rel=0.1)
    assert slope.sd == pytest.approx((((simulated - m) * n) @ x / (n @ x**2)).std(), rel=0.1)
    squares = (simulated - m) ** 2 @ n
    assert cells.sd == pytest.approx(squares.std() / squares.mean(), rel=0.15)


def test_cells_that_the_release_does_not_know_are_left_out_and_counted():
    fit = fitted()
    counts = wave(seed=70).with_columns(pl.col("district").replace({"D00": "D99"}))
    found = numeric_surprise(fit.latents, fit.design, counts, seed=1)
    n_unknown = counts.filter(pl.col("district") == "D99")["n"].sum()
    assert (found.n_left_out, found.n_interviews) == (n_unknown, 400 - n_unknown)
    nobody = numeric_surprise(fit.latents, fit.design, counts.filter(pl.col("district") == "D99"), seed=1)
    assert (nobody.measures, nobody.chance) == ((), 1.0)
    with pytest.raises(CountsError, match="the counts have no column 'ss'"):
        numeric_surprise(fit.latents, fit.design, counts.drop("ss"), seed=1)
    with pytest.raises(DrawsError, match="no unit before it is fitted"):
        numeric_surprise(fit.latents, DESIGN, counts, seed=1)
