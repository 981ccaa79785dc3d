import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mrp.change import change_between_fits, change_between_periods
from mrp.errors import DrawsError, FrameError
from tests.mrp.answers import estimate_of, shares

WAVES = {"waves_before": ("w1", "w2"), "waves_after": ("w3",)}


def normal(mean: float, sd: float, n: int, seed: int, **how):
    return estimate_of(np.random.default_rng(seed).normal(mean, sd, (n, 1)), **how)


def test_change_between_periods_by_hand():
    before, after = estimate_of([[0.4], [0.5], [0.6], [0.5]]), estimate_of([[0.5], [0.5], [0.5], [0.7]])
    (found,) = change_between_periods(before, after)
    assert found.difference.mean == pytest.approx(0.05)  # 0.1, 0, -0.1, 0.2
    assert found.p_rise.value == 2.5 / 4
    assert found.direction == "no clear change"
    assert found.area == {"district": "A"}
    assert found.sentence.startswith("no clear change: +5.0 points (90% interval -8.5 to +18.5), P(rise) 0.6")


@pytest.mark.parametrize(("step", "word"), [(0.1, "rise"), (-0.1, "fall"), (0.0, "no clear change")])
def test_the_words_follow_the_rule(step, word):
    before = normal(0.5, 0.02, 1000, 1)
    noise = np.random.default_rng(2).normal(0, 0.01, (1000, 1))
    (found,) = change_between_periods(before, estimate_of(before.draws + step + noise))
    assert found.direction == word
    assert found.sentence.startswith(word)


def test_the_limit_of_the_rule_is_the_callers():
    before = estimate_of(np.zeros((100, 1)))
    after = estimate_of(np.where(np.arange(100) < 90, 0.1, -0.1)[:, None])
    assert change_between_periods(before, after)[0].direction == "no clear change"
    assert change_between_periods(before, after, sure=0.9)[0].direction == "rise"
    with pytest.raises(ValueError, match=r"sure must be above 0\.5"):
        change_between_periods(before, after, sure=95)


def test_fits_without_a_common_interview_are_independent():
    """Two normals: difference, spread, interval and P(rise) known; 4,000 draws each, four standard errors."""
    before, after = normal(0.50, 0.02, 4000, 3), normal(0.53, 0.03, 4000, 4)
    (found,) = change_between_fits(before, after, **WAVES)
    sd = np.hypot(0.02, 0.03)
    truth = stats.norm.cdf(0.03 / sd)
    assert found.difference.mean == pytest.approx(0.03, abs=4 * sd / np.sqrt(4000))
    assert found.difference.mc_error == pytest.approx(sd / np.sqrt(4000), rel=0.2)
    assert found.difference.low == pytest.approx(0.03 - 1.645 * sd, abs=5 * sd / np.sqrt(4000))
    assert found.difference.high == pytest.approx(0.03 + 1.645 * sd, abs=5 * sd / np.sqrt(4000))
    assert abs(found.p_rise.value - truth) < 4 * found.p_rise.mc_error
    assert found.p_rise.mc_error < 0.01


def test_stated_errors_of_the_chance_of_a_rise_are_the_errors_made():
    """200 pairs of fits of 250 and 400 draws, by the sum of squared standardised errors."""
    truth = stats.norm.cdf(1 / np.sqrt(2))
    rng = np.random.default_rng(5)
    names = [*map(str, range(200))]
    found = change_between_fits(
        estimate_of(rng.normal(0, 1, (250, 200)), names=names),
        estimate_of(rng.normal(1, 1, (400, 200)), names=names),
        **WAVES,
    )
    z = np.array([(one.p_rise.value - truth) / one.p_rise.mc_error for one in found])
    low, high = stats.chi2.interval(0.999, 200)
    assert low * 0.85 < np.square(z).sum() < high * 1.15


@settings(deadline=None)
@given(st.data(), st.integers(1, 5))
def test_chance_of_a_rise_is_that_over_all_pairs(data, n_areas):
    x, y = data.draw(shares(n_areas=n_areas)), data.draw(shares(n_areas=n_areas))
    forth = change_between_fits(estimate_of(x), estimate_of(y), **WAVES)
    back = change_between_fits(estimate_of(y), estimate_of(x), waves_before=("a",), waves_after=("b",))
    for column, (one, other) in enumerate(zip(forth, back, strict=True)):
        pairs = [1.0 if b > a else 0.5 if a == b else 0.0 for a in x[:, column] for b in y[:, column]]
        assert one.p_rise.value == pytest.approx(sum(pairs) / len(pairs))
        assert other.p_rise.value == pytest.approx(1 - one.p_rise.value)
        assert other.difference.mean == pytest.approx(-one.difference.mean)
        assert other.difference.low == pytest.approx(-one.difference.high)
        assert one.p_rise.mc_error > 0


def test_fits_that_share_a_wave_have_no_chance_of_a_rise():
    with pytest.raises(DrawsError, match=r"have 1 wave\(s\) in common, such as w2, .* ask for their revision"):
        change_between_fits(
            normal(0.5, 0.1, 10, 1), normal(0.5, 0.1, 10, 2), waves_before={"w1", "w2"}, waves_after={"w2"}
        )


def test_one_id_in_place_of_several_is_not_compared_letter_by_letter():
    before, after = normal(0.5, 0.1, 10, 1), normal(0.5, 0.1, 10, 2)
    with pytest.raises(DrawsError, match=r"waves_before must be a list of ids, got 'abc'; write \['abc'\]"):
        change_between_fits(before, after, waves_before="abc", waves_after=["def"])
    with pytest.raises(DrawsError, match="waves_after must be a list"):
        change_between_fits(before, after, waves_before=["abc"], waves_after="def")


def test_draws_of_two_fits_are_not_two_periods():
    with pytest.raises(DrawsError, match="not joint draws of one fit"):
        change_between_periods(normal(0.5, 0.1, 10, 1), normal(0.5, 0.1, 20, 2))
    with pytest.raises(FrameError, match="same breakdown"):
        change_between_periods(normal(0.5, 0.1, 10, 1), normal(0.5, 0.1, 10, 2, names=["B"]))
    with pytest.raises(FrameError, match="same breakdown"):
        change_between_fits(normal(0.5, 0.1, 10, 1), normal(0.5, 0.1, 10, 2, names=["B"]), **WAVES)


def test_an_interval_of_a_change_is_a_probability():
    with pytest.raises(ValueError, match=r"write 0\.9 for 90%"):
        change_between_fits(normal(0.5, 0.1, 10, 1), normal(0.5, 0.1, 10, 2), **WAVES, interval=90)
