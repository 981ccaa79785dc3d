import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from mrp.errors import ScoreError, ShapeMismatch
from mrp.scoring import rank_correlation, score

# Quantiles of a uniform between 0.4 and 0.6: the 90% interval is 0.41 to 0.59.
UNIFORM = np.linspace(0.4, 0.6, 201)[:, None]


def test_point_scores_by_hand():
    draws = np.repeat([[0.5, 0.3, 0.7]], 10, axis=0)
    scores = score(draws, np.array([0.4, 0.3, 0.8]))

    assert scores.n_districts == 3
    assert scores.rmse == pytest.approx(np.sqrt(0.02 / 3))
    assert scores.mae == pytest.approx(0.2 / 3)
    assert scores.bias == pytest.approx(0)
    assert scores.correlation == pytest.approx(np.corrcoef([0.5, 0.3, 0.7], [0.4, 0.3, 0.8])[0, 1])


def test_interval_scores_by_hand():
    inside = score(UNIFORM, np.array([0.5]))
    below = score(UNIFORM, np.array([0.4]))

    assert inside.mean_width == pytest.approx(0.18)
    assert inside.interval_score == pytest.approx(0.18)
    # 0.41 - 0.40 missed, times 2 / 0.1.
    assert below.interval_score == pytest.approx(0.18 + 20 * 0.01)


def test_coverage_by_hand():
    # The 50% interval is 0.45 to 0.55, the 80% interval 0.42 to 0.58, and so on.
    truth = np.array([0.5, 0.44, 0.585, 0.5925, 0.61])
    scores = score(np.repeat(UNIFORM, 5, axis=1), truth)

    assert dict(scores.coverage) == {"0.5": 0.2, "0.8": 0.4, "0.9": 0.6, "0.95": 0.8}


def test_a_point_estimate_may_differ_from_the_mean_of_its_distribution():
    assert score(UNIFORM, np.array([0.5]), point=np.array([0.45])).bias == pytest.approx(-0.05)


def test_a_truth_with_an_error_widens_the_interval_and_not_the_point():
    draws = np.full((20_000, 2), 0.5)
    scores = score(draws, np.array([0.5, 0.6]), truth_se=np.array([0.05, 0.0]))

    width = 2 * 0.05 * stats.norm.ppf(0.95)
    assert scores.mean_width == pytest.approx((width + 0) / 2, rel=0.03)
    assert scores.rmse == pytest.approx(np.sqrt(0.01 / 2))
    assert scores == score(draws, np.array([0.5, 0.6]), truth_se=np.array([0.05, 0.0]))


def test_a_constant_has_no_correlation():
    assert score(np.repeat(UNIFORM, 4, axis=1), np.array([0.1, 0.2, 0.3, 0.4])).correlation is None


def test_scores_are_json():
    value = json.loads(json.dumps(score(UNIFORM, np.array([0.5])).to_json()))
    assert list(value["coverage"]) == ["0.5", "0.8", "0.9", "0.95"]
    assert value["correlation"] is None


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_agrees_with_loops_and_ignores_the_order_of_districts(n: int, seed: int):
    rng = np.random.default_rng(seed)
    draws, truth = rng.random((50, n)), rng.random(n)
    total = width = 0.0
    for district in range(n):
        low, high = np.quantile(draws[:, district], 0.05), np.quantile(draws[:, district], 0.95)
        width += high - low
        total += high - low
        if truth[district] < low:
            total += 20 * (low - truth[district])
        if truth[district] > high:
            total += 20 * (truth[district] - high)
    order = rng.permutation(n)

    scores, shuffled = score(draws, truth), score(draws[:, order], truth[order])

    assert_allclose([scores.interval_score, scores.mean_width], [total / n, width / n], rtol=1e-9)
    assert_allclose([shuffled.rmse, shuffled.interval_score], [scores.rmse, scores.interval_score], rtol=1e-9)


def test_calibrated_draws_are_covered_as_often_as_they_say():
    rng = np.random.default_rng(7)
    centre = rng.uniform(0.4, 0.6, 2000)
    scores = score(centre + rng.normal(0, 0.05, (400, 2000)), centre + rng.normal(0, 0.05, 2000))
    for level, covered in scores.coverage.items():
        least, most = stats.binom.interval(0.999, 2000, float(level))
        assert least <= covered * 2000 <= most


@pytest.mark.parametrize(
    ("draws", "truth", "error"),
    [
        (np.empty((10, 0)), np.empty(0), ScoreError),
        (np.full((10, 1), np.nan), np.array([0.5]), ScoreError),
        (np.full((10, 1), 0.5), np.array([np.nan]), ScoreError),
        (np.full((10, 2), 0.5), np.array([0.5]), ShapeMismatch),
    ],
)
def test_what_cannot_be_scored_is_refused(draws: np.ndarray, truth: np.ndarray, error: type[Exception]):
    with pytest.raises(error):
        score(draws, truth)


@pytest.mark.parametrize("truth", [50.0, -0.01, 1.001])
def test_a_truth_that_is_no_share_is_refused(truth: float):
    with pytest.raises(
        ScoreError, match=rf"a truth is {truth:g}; it must be a share in \[0, 1\]: divide percent by 100"
    ):
        score(np.full((10, 2), 0.5), np.array([0.5, truth]))


def test_a_standard_error_must_be_one():
    with pytest.raises(ScoreError, match="standard error"):
        score(UNIFORM, np.array([0.5]), truth_se=np.array([-0.1]))
    with pytest.raises(ShapeMismatch, match="truth_se"):
        score(UNIFORM, np.array([0.5]), truth_se=np.array([0.1, 0.1]))


def test_rank_correlation_sees_order_alone():
    assert rank_correlation(np.array([0.1, 0.2, 0.9]), np.array([1.0, 50.0, 60.0])) == pytest.approx(1)
    assert rank_correlation(np.array([0.1, 0.2, 0.9]), np.array([3.0, 2.0, 1.0])) == pytest.approx(-1)
    assert rank_correlation(np.array([0.1, 0.2]), np.array([3.0, 2.0])) is None
    with pytest.raises(ShapeMismatch):
        rank_correlation(np.array([0.1, 0.2]), np.array([3.0]))


def test_means_are_scored_in_their_unit_and_call_nobody():
    scores = score(np.array([[10.0, 30.0], [14.0, 34.0]]), np.array([11.0, -2.0]), threshold=None)

    assert scores.bias == pytest.approx((1 + 34) / 2)
    assert (scores.n_calls, scores.brier, scores.log_score) == (0, None, None)
