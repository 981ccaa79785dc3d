"""Interviews that a fit has not seen: by hand, against loops, and calibrated by construction."""

import math

import numpy as np
import pytest
from scipy import stats

from mrp.errors import ScoreError, ShapeMismatch
from mrp.holdout import score_held_out


def test_scores_of_answers_by_hand():
    # Means 0.5 and 0.8; of the first cell 1 of 2 is for it, of the second 3 of 3.
    share = np.array([[0.4, 0.7], [0.6, 0.9]])
    scores = score_held_out(share, np.array([2.0, 3.0]), np.array([1.0, 3.0]), np.array([0, 1]))

    assert (scores.n_interviews, scores.n_groups) == (5, 2)
    assert scores.log_score == pytest.approx(-(2 * math.log(0.5) + 3 * math.log(0.8)) / 5)
    assert scores.brier == pytest.approx((0.25 + 0.25 + 3 * 0.04) / 5)


def test_groups_without_interviews_are_no_groups():
    share = np.full((50, 3), 0.5)
    scores = score_held_out(share, np.array([2.0, 0.0, 1.0]), np.array([1.0, 0.0, 1.0]), np.array([0, 1, 3]))
    assert scores.n_groups == 2


def test_a_calibrated_fit_covers_as_often_as_it_says_however_few_interviews_there_are():
    rng = np.random.default_rng(11)
    n_groups = 3000
    truth = rng.beta(8, 8, n_groups)
    n = rng.integers(1, 4, n_groups).astype(float)
    y = rng.binomial(n.astype(int), truth).astype(float)
    scores = score_held_out(rng.beta(8, 8, (300, n_groups)), n, y, np.arange(n_groups), seed=1)
    for level, covered in scores.coverage.items():
        least, most = stats.binom.interval(0.999, n_groups, float(level))
        # 300 draws leave an error of their own at the ends of the intervals, which is less than this.
        assert least - 0.01 * n_groups <= covered * n_groups <= most + 0.01 * n_groups


def test_a_fit_that_is_too_sure_covers_less():
    rng = np.random.default_rng(12)
    n = np.full(200, 100.0)
    y = rng.binomial(100, rng.beta(8, 8, 200)).astype(float)
    scores = score_held_out(np.full((300, 200), 0.5), n, y, np.arange(200))
    assert scores.coverage["0.9"] < 0.75


def test_what_does_not_line_up_is_refused():
    with pytest.raises(ShapeMismatch, match="group"):
        score_held_out(np.full((5, 2), 0.5), np.ones(2), np.ones(2), np.array([0]))
    with pytest.raises(ScoreError, match="no interview was held out"):
        score_held_out(np.full((5, 2), 0.5), np.zeros(2), np.zeros(2), np.array([0, 1]))
