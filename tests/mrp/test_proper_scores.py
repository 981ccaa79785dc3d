"""Scores of distributions and of calls, by hand and against plain loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.proper_scores import Calls, call_scores, crps, interval_score, leader_scores, pit, pit_counts
from mrp.scoring import score


def column(*values: float) -> np.ndarray:
    return np.array(values)[:, None]


def test_the_ranked_probability_score_by_hand():
    # Draws 0.2 and 0.6: mean distance to 0.5 is (0.3 + 0.1) / 2; half of the mean distance of pairs is 0.4 / 4.
    assert crps(column(0.2, 0.6), np.array([0.5])) == pytest.approx([0.2 - 0.1])
    # One point: the absolute error.
    assert crps(column(0.3, 0.3, 0.3), np.array([0.5])) == pytest.approx([0.2])


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_ranked_probability_score_agrees_with_loops(n_draws: int, n: int, seed: int):
    rng = np.random.default_rng(seed)
    draws, truth = rng.random((n_draws, n)), rng.random(n)
    slow = []
    for district in range(n):
        away = sum(abs(x - truth[district]) for x in draws[:, district]) / n_draws
        apart = sum(abs(x - z) for x in draws[:, district] for z in draws[:, district]) / n_draws**2
        slow.append(away - apart / 2)
    assert_allclose(crps(draws, truth), slow, atol=1e-12)


def test_the_ranked_probability_score_of_a_normal_is_the_known_one():
    # Of N(0, 1) at 0: 2 phi(0) - 1 / sqrt(pi) (Gneiting and Raftery 2007, equation 21).
    from scipy.stats import norm

    draws = column(*norm.ppf((np.arange(20_000) + 0.5) / 20_000))
    assert crps(draws, np.array([0.0]))[0] == pytest.approx(2 * norm.pdf(0) - 1 / math.sqrt(math.pi), abs=1e-4)


def test_calls_by_hand():
    # Of four draws three are above, in the second district one is above and one on the threshold.
    draws = np.array([[0.6, 0.4], [0.7, 0.5], [0.4, 0.6], [0.55, 0.3]])
    first, second = (3 + 0.5) / 5, (1.5 + 0.5) / 5

    calls = call_scores(draws, np.array([0.52, 0.51]))

    assert (calls.n, calls.n_right) == (2, 1)
    assert calls.brier == pytest.approx(((1 - first) ** 2 + (1 - second) ** 2) / 2)
    assert calls.log_score == pytest.approx(-(math.log(first) + math.log(second)) / 2)


def test_a_sure_call_that_was_wrong_has_a_finite_score():
    calls = call_scores(np.full((99, 1), 0.9), np.array([0.1]))

    assert calls.n_right == 0
    assert calls.log_score == pytest.approx(math.log(200))


def test_a_result_on_the_threshold_is_no_call():
    calls = call_scores(np.full((9, 2), 0.9), np.array([0.5, 0.5]))
    assert (calls.n, calls.brier, calls.log_score) == (0, None, None)
    assert call_scores(np.full((9, 2), 0.9), np.array([0.5, 0.6]), threshold=0.6).n == 1


def test_transforms_by_hand():
    draws = column(0.1, 0.2, 0.3, 0.4)
    assert pit(draws, np.array([0.25])) == pytest.approx([0.5])
    assert pit(draws, np.array([0.2])) == pytest.approx([1.5 / 4])
    assert pit(draws, np.array([0.9])) == pytest.approx([1.0])
    assert pit_counts(np.array([0.0, 0.05, 0.1, 0.999, 1.0])) == (2, 1, 0, 0, 0, 0, 0, 0, 0, 2)


def test_scores_hold_what_is_computed_here():
    rng = np.random.default_rng(3)
    draws, truth = rng.random((200, 5)), rng.random(5)
    scores = score(draws, truth)
    calls = call_scores(draws, truth)

    assert scores.crps == pytest.approx(crps(draws, truth).mean())
    assert (scores.n_calls, scores.n_right_calls, scores.brier) == (calls.n, calls.n_right, calls.brier)
    assert sum(scores.pit) == 5
    assert scores.to_json()["pit"] == list(pit_counts(pit(draws, truth)))


def test_the_score_of_an_interval_by_hand():
    # The central 50% interval of 0, 1, 2, 3, 4 is [1, 3]. Inside it costs its width; half below it 2 / 0.5 * 0.5 more.
    draws = np.tile(np.arange(5.0)[:, None], 3)
    np.testing.assert_allclose(interval_score(draws, np.array([2.0, 0.5, 4.0]), interval=0.5), [2, 4, 6])


def test_the_probability_of_who_leads_is_counted_over_draws():
    # In the first district option 0 leads in 2 of 3 draws, in the second the truth has no one leader.
    draws = np.array([[[0.5, 0.3, 0.2], [1, 0, 0]], [[0.4, 0.35, 0.25], [1, 0, 0]], [[0.1, 0.2, 0.7], [1, 0, 0]]])
    calls = leader_scores(draws, np.array([[0.4, 0.3, 0.3], [0.4, 0.4, 0.2]]))

    p = (np.array([2, 0, 1]) + 1 / 3) / 4
    assert (calls.n, calls.n_right) == (1, 1)
    assert calls.log_score == pytest.approx(-np.log(p[0]))
    assert calls.brier == pytest.approx(((p[0] - 1) ** 2 + p[1] ** 2 + p[2] ** 2) / 2)
    assert leader_scores(draws[:, 1:], np.array([[0.4, 0.4, 0.2]])) == Calls(0, 0, None, None)


def test_of_two_options_who_leads_is_the_call_of_one():
    rng = np.random.default_rng(5)
    share, truth = rng.beta(3, 3, (200, 30)), rng.beta(3, 3, 30)
    one = call_scores(share, truth)
    both = leader_scores(np.stack([share, 1 - share], axis=2), np.column_stack([truth, 1 - truth]))

    assert (both.n, both.n_right) == (one.n, one.n_right)
    assert both.brier == pytest.approx(one.brier)
    assert both.log_score == pytest.approx(one.log_score)
