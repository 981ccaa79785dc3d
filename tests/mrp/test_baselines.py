import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, stats

from mrp.baselines import last_result, national_mean, predictors_alone, raw_by_district, uniform_swing
from mrp.design import build_design
from mrp.electorate import Electorate
from mrp.errors import CountsError, ScoreError, ShapeMismatch
from mrp.priors import Priors
from mrp.scoring import score

FRAME = pl.DataFrame({"district": ["A", "B", "C"], "n_people": [100.0, 300.0, 600.0]})
DISTRICTS = pl.DataFrame({"code": ["C", "A", "B"], "name": ["C", "A", "B"], "lean": [0.7, 0.4, 0.5]})
WORLD = Electorate(FRAME, DISTRICTS, "district", {})
COUNTS = pl.DataFrame({"district": ["A", "A", "B"], "n": [10, 10, 40], "y": [3, 5, 10]})
RESULT = np.array([0.4, 0.5, 0.7])


def test_raw_is_the_share_of_each_district_that_was_interviewed():
    raw = raw_by_district(COUNTS, WORLD)

    assert raw.codes == ("A", "B")
    assert_allclose(raw.share, [8 / 20, 10 / 40])
    # Jeffreys: Beta(8.5, 12.5) for A.
    assert_allclose(np.quantile(raw.draws[:, 0], [0.05, 0.95]), stats.beta.ppf([0.05, 0.95], 8.5, 12.5), atol=1e-3)


def test_the_national_mean_is_the_same_everywhere():
    mean = national_mean(COUNTS, WORLD)

    assert mean.codes == ("A", "B", "C")
    assert_allclose(mean.share, 18 / 60)
    assert_allclose(mean.draws[:, 0], mean.draws[:, 2])


def test_predictors_alone_are_the_most_probable_coefficients():
    design = build_design("lean + (1|district)", WORLD)
    found = predictors_alone(COUNTS, WORLD, design=design, priors=Priors())

    x = design.predictors[0].values[:, 0]
    y, n = np.array([8, 10, 0]), np.array([20, 40, 0])

    def minus_log_density(beta: np.ndarray) -> float:
        eta = beta[0] + beta[1] * x
        log_likelihood = (y * eta - n * np.log1p(np.exp(eta))).sum()
        return -float(log_likelihood - 0.5 * (beta[0] / 1.5) ** 2 - 0.5 * beta[1] ** 2)

    best = optimize.minimize(minus_log_density, np.zeros(2), tol=1e-12).x
    assert_allclose(found.share, 1 / (1 + np.exp(-(best[0] + best[1] * x))), atol=1e-5)
    assert_allclose(np.median(found.draws, axis=0), found.share, atol=1e-9)


def test_last_result_says_that_nothing_changed():
    found = last_result(RESULT, WORLD)

    assert_allclose(found.share, RESULT)
    assert_allclose(found.draws.std(axis=0), 0.05, rtol=0.02)


def test_uniform_swing_moves_every_district_by_the_same():
    swung = uniform_swing(COUNTS, WORLD, result=RESULT)

    # National result: (100 * 0.4 + 300 * 0.5 + 600 * 0.7) / 1000 = 0.61; interviews: 0.30.
    assert_allclose(swung.share, RESULT + 0.30 - 0.61)


def test_baselines_are_scored_like_a_model_where_they_have_an_estimate():
    raw = raw_by_district(COUNTS, WORLD).at(("C", "B", "A"))

    assert raw.codes == ("B", "A")
    assert score(raw.draws, np.array([0.25, 0.5]), point=raw.share).rmse == pytest.approx(np.sqrt(0.01 / 2))


def test_a_last_result_must_be_a_share_of_every_district():
    with pytest.raises(ScoreError, match=r"write percent as a share, 0\.52 for 52%"):
        last_result(RESULT * 100, WORLD)
    with pytest.raises(ScoreError):
        uniform_swing(COUNTS, WORLD, result=np.array([0.4, np.nan, 0.5]))
    with pytest.raises(ShapeMismatch):
        last_result(RESULT[:2], WORLD)


def test_counts_without_the_district_are_refused():
    with pytest.raises(CountsError, match="collapse by the district too"):
        raw_by_district(COUNTS.drop("district"), WORLD)
