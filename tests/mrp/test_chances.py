import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose
from scipy import stats

from mrp.areas import complement
from mrp.chances import above, leads, ranks
from mrp.errors import DrawsError, FrameError
from tests.mrp.answers import contests, estimate_of, options_of, shares


def test_above_a_threshold_by_hand():
    found = above(estimate_of([[0.4, 0.6], [0.6, 0.7], [0.5, 0.8]]), 0.5)
    assert [p.value for p in found] == [0.5, 1.0]


@settings(deadline=None)
@given(shares())
def test_complement_is_above_the_complementary_threshold_as_often_as_the_option_is_not(draws):
    estimate = estimate_of(draws)
    for one, other in zip(above(estimate, 0.25), above(complement(estimate), 0.75), strict=True):
        assert one.value == pytest.approx(1 - other.value)


def test_chance_of_a_majority_is_what_was_planted():
    draws = np.random.default_rng(1).normal(0.52, 0.02, (4000, 20))
    for p in above(estimate_of(draws), 0.5):
        assert abs(p.value - stats.norm.cdf(1)) < 4 * p.mc_error


@settings(deadline=None)
@given(contests())
def test_leads_agree_with_loops_and_add_up(share):
    found = leads(options_of(share))
    n_options, n_draws, n_areas = share.shape
    for area in range(n_areas):
        expected = [0.0] * n_options
        for s in range(n_draws):
            best = [o for o in range(n_options) if share[o, s, area] == max(share[:, s, area])]
            for o in best:
                expected[o] += 1 / len(best) / n_draws
        assert_allclose([p[area].value for p in found.values()], expected, atol=1e-12)
        assert sum(expected) == pytest.approx(1)


@settings(deadline=None)
@given(shares())
def test_ranks_agree_with_loops(draws):
    estimate = estimate_of(draws)
    expected = np.empty_like(draws)
    for s, row in enumerate(draws):
        for a, share in enumerate(row):
            expected[s, a] = 1 + sum(other > share for other in row) + (sum(other == share for other in row) - 1) / 2
    for area, one in enumerate(ranks(estimate, interval=0.8)):
        assert one.rank.mean == pytest.approx(expected[:, area].mean())
        inside = (one.rank.low <= expected[:, area]) & (expected[:, area] <= one.rank.high)
        assert inside.mean() >= 0.8 - 1e-9
        assert {one.rank.low, one.rank.high} <= set(expected[:, area])
    n = draws.shape[1]
    assert sum(one.rank.mean for one in ranks(estimate)) == pytest.approx(n * (n + 1) / 2)
    assert sum(one.p_first.value for one in ranks(estimate)) == pytest.approx(1)


def test_ranks_by_hand():
    first, second, third = ranks(estimate_of([[0.9, 0.5, 0.1], [0.8, 0.6, 0.2], [0.5, 0.7, 0.1]]))
    assert first.rank.mean == pytest.approx(4 / 3)
    assert (first.rank.low, first.rank.high) == (1, 2)
    assert first.p_first.value == pytest.approx(2 / 3)
    assert (third.rank.mean, third.rank.low, third.rank.high, third.p_first.value) == (3, 3, 3, 0)
    assert second.area == {"district": "B"}


def test_no_areas_no_ranks():
    assert ranks(estimate_of(np.empty((5, 0)))) == ()


def test_questions_that_make_no_sense_are_refused():
    estimate = estimate_of([[0.4], [0.6]])
    with pytest.raises(ValueError, match=r"write 0\.5 for 50%"):
        above(estimate, 50)
    with pytest.raises(ValueError, match=r"write 0\.9 for 90%"):
        ranks(estimate, interval=90)
    with pytest.raises(FrameError, match="at least two, got yes"):
        leads({"yes": estimate})
    with pytest.raises(FrameError, match="same breakdown"):
        leads({"yes": estimate, "no": estimate_of(estimate.draws, names=["B"])})
    with pytest.raises(DrawsError, match="not joint"):
        leads({"yes": estimate, "no": estimate_of([[0.6]])})
