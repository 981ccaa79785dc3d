"""Interviews that a fit has not seen: by hand, against loops, and calibrated by construction."""

import math

import numpy as np
import pytest
from scipy import stats

from mrp.errors import ScoreError, ShapeMismatch
from mrp.holdout import score_held_out, score_held_out_means, score_held_out_options


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


def test_several_options_are_scored_by_the_probability_of_the_one_given():
    # Means of three options 0.5, 0.3, 0.2; two chose the first, one the last.
    shares = np.array([[[0.4], [0.6]], [[0.4], [0.2]], [[0.2], [0.2]]])
    scores = score_held_out_options(shares, np.array([[2.0], [0.0], [1.0]]), np.array([0]))

    assert (scores.n_interviews, scores.n_groups) == (3, 1)
    assert scores.log_score == pytest.approx(-(2 * math.log(0.5) + math.log(0.2)) / 3)
    brier = 2 * (0.25 + 0.09 + 0.04) / 2 + (0.25 + 0.09 + 0.64) / 2
    assert scores.brier == pytest.approx(brier / 3)


def test_two_options_are_scored_as_one_share_is():
    rng = np.random.default_rng(4)
    share, n = rng.beta(4, 4, (400, 60)), rng.integers(1, 30, 60).astype(float)
    y, group = rng.binomial(n.astype(int), 0.5).astype(float), np.arange(60) // 2
    one = score_held_out(share, n, y, group)
    both = score_held_out_options(np.stack([share, 1 - share]), np.stack([y, n - y]), group)

    assert both.log_score == pytest.approx(one.log_score)
    assert both.brier == pytest.approx(one.brier)
    # The same up to the noise of 400 draws and of ties.
    assert both.coverage == pytest.approx(one.coverage, abs=0.1)


def test_options_of_a_calibrated_fit_cover_as_often_as_it_says():
    rng = np.random.default_rng(21)
    n_groups = 1000
    truth = rng.dirichlet([3, 2, 1], n_groups)
    n = rng.integers(1, 5, n_groups)
    y = rng.multinomial(n, truth).T.astype(float)
    draws = np.moveaxis(rng.dirichlet([3, 2, 1], (300, n_groups)), 2, 0)
    scores = score_held_out_options(draws, y, np.arange(n_groups), seed=1)
    for level, covered in scores.coverage.items():
        # Of three options of one group the third follows from the others: as of 2,000 that are independent.
        least, most = stats.binom.interval(0.999, 2 * n_groups, float(level))
        assert least / (2 * n_groups) - 0.01 <= covered <= most / (2 * n_groups) + 0.01


def test_an_option_that_does_not_stand_covers_nothing():
    shares = np.zeros((3, 50, 2))
    shares[:2] = 0.5
    scores = score_held_out_options(shares, np.array([[1.0, 2.0], [1.0, 0.0], [0.0, 0.0]]), np.array([0, 1]))
    assert scores.log_score == pytest.approx(math.log(2))


def test_numbers_are_scored_by_the_density_of_each():
    answers = {0: [1.0, 3.0], 1: [10.0]}
    n, mean, ss = np.array([2.0, 1.0]), np.array([2.0, 10.0]), np.array([2.0, 0.0])
    means, residual = np.array([[1.0, 8.0], [3.0, 10.0]]), np.array([2.0, 2.0])
    scores = score_held_out_means(means, residual, (n, mean, ss), np.array([0, 1]))

    # Means 2 and 9, variance 1 over draws and 4 of an answer.
    density = [stats.norm.logpdf(one, (2, 9)[cell], math.sqrt(5)) for cell, some in answers.items() for one in some]
    assert scores.log_score == pytest.approx(-np.mean(density))
    assert scores.rmse == pytest.approx(math.sqrt((1 + 1 + 1) / 3))
    assert scores.brier is None


def test_means_of_a_calibrated_fit_cover_as_often_as_it_says():
    rng = np.random.default_rng(22)
    n_groups, draws = 2000, 400
    n = rng.integers(1, 6, n_groups).astype(float)
    mean = 3 * rng.standard_normal(n_groups) + 2 * rng.standard_normal(n_groups) / np.sqrt(n)
    scores = score_held_out_means(
        3 * rng.standard_normal((draws, n_groups)),
        np.full(draws, 2.0),
        (n, mean, np.zeros(n_groups)),
        np.arange(n_groups),
    )
    for level, covered in scores.coverage.items():
        least, most = stats.binom.interval(0.999, n_groups, float(level))
        assert least - 0.01 * n_groups <= covered * n_groups <= most + 0.01 * n_groups


def test_what_does_not_line_up_of_options_and_numbers_is_refused():
    with pytest.raises(ShapeMismatch, match="y must"):
        score_held_out_options(np.full((2, 5, 3), 0.5), np.ones((2, 2)), np.arange(3))
    with pytest.raises(ScoreError, match="no interview"):
        score_held_out_options(np.full((2, 5, 3), 0.5), np.zeros((2, 3)), np.arange(3))
    with pytest.raises(ShapeMismatch, match="ss"):
        score_held_out_means(np.zeros((4, 2)), np.ones(4), (np.ones(2), np.ones(2), np.ones(3)), np.arange(2))
    with pytest.raises(ScoreError, match="no interview"):
        score_held_out_means(np.zeros((4, 2)), np.ones(4), (np.zeros(2), np.ones(2), np.ones(2)), np.arange(2))
