"""Simple methods for several options and for numbers: by hand, and against a general optimiser."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, stats

from mrp.baselines import last_result, predictors_alone, uniform_swing
from mrp.categorical.options import Options
from mrp.design import build_design
from mrp.electorate import Electorate
from mrp.errors import CountsError
from mrp.numeric.baselines import mean_by_district, mean_of_all, predictors_of_means
from mrp.numeric.design import build_numeric_design
from mrp.numeric.unit import Unit
from mrp.option_baselines import divided_swing, options_alone
from mrp.outcomes import CategoricalOutcome, NumericOutcome, OrdinalOutcome, simple_methods, stands_in
from mrp.priors import Priors, parse_priors

FRAME = pl.DataFrame({"district": ["A", "B", "C"], "n_people": [100.0, 300.0, 600.0]})
DISTRICTS = pl.DataFrame(
    {
        "code": ["C", "A", "B"],
        "name": ["C", "A", "B"],
        "lean": [0.7, 0.4, 0.5],
        "x_2020": [0.5, 0.3, 0.6],
        "y_2020": [0.4, 0.6, 0.4],
        "z_2020": [0.1, 0.1, 0.0],
    }
)
WORLD = Electorate(FRAME, DISTRICTS, "district", {})
COLUMNS = {"past": {"X": "x_2020", "Y": "y_2020", "Z": "z_2020"}}
PARTIES = CategoricalOutcome(Options(("X", "Y", "Z"), columns=COLUMNS, only_in={"Z": {"district": ("A", "C")}}))
COUNTS = pl.DataFrame(
    {"district": ["A", "A", "B"], "n": [10, 10, 40], "y[X]": [3, 5, 25], "y[Y]": [5, 3, 15], "y[Z]": [2, 2, 0]}
)


def test_options_alone_are_the_most_probable_of_offsets_own_columns_and_predictors():
    design = PARTIES.build("offset(log(past)) + own(past) + lean + (1|district)", WORLD)
    found = options_alone(COUNTS, WORLD, design=design, priors=Priors())

    lean, own = design.common.predictors[0].values[:, 0], design.own[0].values
    offset = design.offset
    y = np.array([[8.0, 8, 4], [25, 15, 0], [0, 0, 0]])

    def shares(values: np.ndarray) -> np.ndarray:
        intercept, slope = values[:3] - values[:3].mean(), values[3:6] - values[3:6].mean()
        weight = np.exp(offset + own * values[6] + intercept + lean[:, None] * slope)
        return weight / weight.sum(axis=1, keepdims=True)

    def minus_log_density(values: np.ndarray) -> float:
        p = np.where(y > 0, shares(values), 1.0)
        intercept, slope = values[:3] - values[:3].mean(), values[3:6] - values[3:6].mean()
        prior = (intercept**2).sum() / 1.5**2 + (slope**2).sum() + values[6] ** 2
        # What is the same for all options is seen by nothing; it is held at 0.
        loose = values[:3].mean() ** 2 + values[3:6].mean() ** 2
        return -float((y * np.log(p)).sum() - 0.5 * prior - loose)

    best = optimize.minimize(minus_log_density, np.zeros(7), tol=1e-12).x
    together = np.column_stack([found[option].share for option in "XYZ"])
    assert_allclose(together, shares(best), atol=1e-5)
    assert together[1, 2] == 0
    joint = np.stack([found[option].draws for option in "XYZ"], axis=2)
    assert_allclose(joint.sum(axis=2), 1)
    # Of the 20 interviews of A one part of them is its own: an sd near that of 20 to 60.
    assert 0.03 < joint[:, 0, 0].std() < 0.13


def test_two_options_are_the_binary_regression():
    two = CategoricalOutcome(Options(("X", "Y"))).build("lean + (1|district)", WORLD)
    counts = pl.DataFrame({"district": ["A", "B"], "n": [20, 40], "y[X]": [8, 10], "y[Y]": [12, 30]})
    found = options_alone(counts, WORLD, design=two, priors=Priors())["X"]

    # A vector (v, -v) / sqrt(2) has the prior of one number whose difference is sqrt(2) times as wide.
    binary = build_design("lean + (1|district)", WORLD)
    wide = parse_priors({"intercept": f"normal(0, {1.5 * np.sqrt(2)})", "coefficient": f"normal(0, {np.sqrt(2)})"})
    y = counts.select("district", "n", pl.col("y[X]").alias("y"))
    assert_allclose(found.share, predictors_alone(y, WORLD, design=binary, priors=wide).share, atol=1e-6)


def test_an_option_has_no_estimate_where_it_does_not_stand():
    design = PARTIES.build("own(past) + (1|district)", WORLD)
    found = simple_methods(COUNTS, WORLD, design, Priors())

    assert stands_in(design, WORLD, "Z").tolist() == [True, False, True]
    assert found["raw_by_district"]["Z"].codes == ("A",)
    assert_allclose(found["national_mean"]["Z"].share, 4 / 20)
    assert_allclose(found["national_mean"]["X"].share, 33 / 60)
    assert found["predictors_alone"]["Z"].codes == ("A", "C")


def test_a_scale_is_estimated_option_by_option_from_one_regression():
    design = OrdinalOutcome(("low", "middle", "high")).build("lean + (1|district)", WORLD)
    counts = COUNTS.rename({"y[X]": "y[low]", "y[Y]": "y[middle]", "y[Z]": "y[high]"})
    found = simple_methods(counts, WORLD, design, Priors())["predictors_alone"]

    assert_allclose(sum(of.share for of in found.values()), 1)


def test_a_result_where_an_option_does_not_stand_is_not_looked_at():
    result, stands = np.array([0.1, np.nan, 0.2]), np.array([True, False, True])
    before = last_result(result, WORLD, stands=stands)
    y = COUNTS.select("district", "n", pl.col("y[Z]").alias("y"))
    swung = uniform_swing(y, WORLD, result=result, stands=stands)

    assert before.codes == swung.codes == ("A", "C")
    assert_allclose(before.share, [0.1, 0.2])
    # 4 of 20 where it stands, (100 * 0.1 + 600 * 0.2) / 700 before.
    assert_allclose(swung.share, np.array([0.1, 0.2]) + 4 / 20 - 130 / 700)


def test_the_swing_of_options_with_one_result_is_divided_as_all_interviews_are():
    result, everywhere = np.array([0.9, 0.4, 0.5]), np.ones(3, dtype=bool)
    parts = [
        divided_swing(COUNTS, WORLD, option=one, together=("Y", "Z"), result=result, stands=everywhere) for one in "YZ"
    ]

    # 27 of 60 interviews chose one of the two, 510 of 1,000 people before; 23 of the 27 chose Y.
    joint = result + 27 / 60 - 0.51
    assert_allclose(parts[0].share, joint * 23 / 27)
    assert_allclose(sum(one.share for one in parts), joint)


NUMBERS = pl.DataFrame(
    {"district": ["A", "A", "B"], "n": [2, 3, 5], "mean": [10.0, 20.0, 40.0], "ss": [8.0, 0.0, 40.0]}
)


def test_means_of_districts_and_of_all():
    raw, flat = mean_by_district(NUMBERS, WORLD), mean_of_all(NUMBERS, WORLD)

    # A: (2 * 10 + 3 * 20) / 5 = 16, squares 8 + 2 * 36 + 3 * 16 = 128; with those of B 168 over 8 degrees.
    assert raw.codes == ("A", "B")
    assert_allclose(raw.share, [16, 40])
    se = np.sqrt(168 / 8 / 5)
    low, high = stats.t.interval(0.9, 8, 16, se)
    assert_allclose(np.quantile(raw.draws[:, 0], [0.05, 0.95]), [low, high], rtol=2e-3)
    assert_allclose(flat.share, 28)
    assert flat.codes == ("A", "B", "C")


def test_predictors_of_means_are_a_regression_in_the_unit():
    unit = Unit(20.0, 10.0)
    design = build_numeric_design("lean + (1|district)", WORLD, unit)
    found = predictors_of_means(NUMBERS, WORLD, design=design, priors=Priors())

    x = design.common.predictors[0].values[:, 0]
    mean, n, sd = np.array([-0.4, 2.0]), np.array([5, 5]), np.sqrt(21) / 10

    def minus_log_density(beta: np.ndarray) -> float:
        away = mean - beta[0] - beta[1] * x[:2]
        return float(0.5 * (n * away**2).sum() / sd**2 + 0.5 * (beta[0] / 1.5) ** 2 + 0.5 * beta[1] ** 2)

    best = optimize.minimize(minus_log_density, np.zeros(2), tol=1e-14).x
    assert_allclose(found.share, 20 + 10 * (best[0] + best[1] * x), atol=1e-3)
    same = simple_methods(NUMBERS, WORLD, design, Priors())["predictors_alone"]["mean"]
    assert_allclose(same.share, found.share)


def test_one_answer_in_each_district_is_too_little():
    counts = NumericOutcome((0.0, 10.0)).collapse(
        pl.DataFrame({"district": ["A", "B"], "q": [1.0, 2.0]}), by=("district",), answer="q"
    )
    with pytest.raises(CountsError, match="no district has two interviews"):
        mean_by_district(counts, WORLD)
