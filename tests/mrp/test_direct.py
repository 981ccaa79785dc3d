import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from mrp.direct import direct_estimates, side_by_side
from mrp.errors import CountsError, FrameError
from mrp.raking import rake
from tests.mrp.answers import estimate_of

INTERVIEWS = pl.DataFrame(
    {
        "district": ["A", "A", "A", "B", "B"],
        "vote": ["yes", "no", "yes", "no", None],
    }
)


def test_raw_and_weighted_shares_by_hand():
    raw = direct_estimates(INTERVIEWS, by=("district",), answer="vote", option="yes")
    assert raw.select("district", "n_interviews").rows() == [("A", 3), ("B", 1)]
    assert_allclose(raw["share"], [2 / 3, 0])
    assert_allclose(raw["design_effect"], [1, 1])

    weighted = direct_estimates(
        INTERVIEWS, by=("district",), answer="vote", option="yes", weight=np.array([1.0, 3.0, 0.0, 2.0, 9.0])
    )
    listed = direct_estimates(INTERVIEWS, by=("district",), answer="vote", option="yes", weight=[1, 3, 0, 2, 9])
    assert listed.equals(weighted)
    assert_allclose(weighted["share"], [0.25, 0])
    assert_allclose(weighted["n_effective"], [16 / 10, 1])
    assert_allclose(weighted["design_effect"], [30 / 16, 1])


@pytest.mark.parametrize("interval", [0.5, 0.9, 0.95])
def test_the_interval_of_equal_weights_is_wilsons(interval):
    y = pl.DataFrame({"vote": ["yes"] * 7 + ["no"] * 13})
    found = direct_estimates(y, answer="vote", option="yes", interval=interval)
    expected = stats.binomtest(7, 20).proportion_ci(interval, method="wilson")
    assert_allclose([found["low"][0], found["high"][0]], [expected.low, expected.high])


def test_answers_that_are_all_the_same_have_an_interval():
    found = direct_estimates(pl.DataFrame({"vote": ["yes"] * 5}), answer="vote", option="yes")
    assert found["share"][0] == 1
    assert found["high"][0] == pytest.approx(1)
    assert 0.4 < found["low"][0] < 0.9


def test_intervals_of_weighted_shares_cover():
    """1,500 polls of 200 with weights unrelated to the answer, 90% intervals; by a binomial at 1 in 1,000, and 1%."""
    rng = np.random.default_rng(1)
    polls, n = 1500, 200
    interviews = pl.DataFrame(
        {"poll": np.repeat(np.arange(polls), n), "vote": np.where(rng.random(polls * n) < 0.35, "yes", "no")}
    )
    found = direct_estimates(
        interviews, by=("poll",), answer="vote", option="yes", weight=rng.lognormal(0, 0.6, polls * n)
    )
    covered = ((found["low"] <= 0.35) & (found["high"] >= 0.35)).sum()
    low, high = stats.binom.interval(0.999, polls, 0.9)
    assert low - 0.01 * polls <= covered <= high + 0.01 * polls


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("AB"), st.booleans(), st.floats(0.01, 100)), min_size=1, max_size=20))
def test_agrees_with_loops_whatever_the_scale_of_weights(rows):
    interviews = pl.DataFrame({"district": [r[0] for r in rows], "vote": ["yes" if r[1] else "no" for r in rows]})
    weight = np.array([r[2] for r in rows])
    found = direct_estimates(interviews, by=("district",), answer="vote", option="yes", weight=weight)
    again = direct_estimates(interviews[::-1], by=("district",), answer="vote", option="yes", weight=weight[::-1] * 10)
    other = direct_estimates(interviews, by=("district",), answer="vote", option="no", weight=weight)
    for row in found.iter_rows(named=True):
        mine = [(yes, w) for district, yes, w in rows if district == row["district"]]
        total = sum(w for _, w in mine)
        assert row["share"] == pytest.approx(sum(w for yes, w in mine if yes) / total)
        assert row["n_effective"] == pytest.approx(total**2 / sum(w**2 for _, w in mine))
        assert row["n_interviews"] == len(mine)
    numbers = found.columns[1:]
    assert_allclose(again.select(numbers).to_numpy(), found.select(numbers).to_numpy(), atol=1e-12)
    assert_allclose(other["share"], 1 - found["share"], atol=1e-12)
    assert_allclose(other["low"], 1 - found["high"], atol=1e-12)


def test_raw_weighted_and_model_side_by_side():
    estimate = estimate_of([[0.4, 0.5, 0.6], [0.5, 0.6, 0.7]])  # A, B and C, where nobody was asked
    table = side_by_side(estimate, INTERVIEWS, answer="vote", option="yes", weight=np.array([1.0, 3.0, 0, 2.0, 9.0]))
    assert table["district"].to_list() == ["A", "B", "C"]
    assert table["n_interviews"].to_list() == [3, 1, 0]
    assert_allclose(table["raw"].to_list()[:2], [2 / 3, 0])
    assert_allclose(table["weighted"].to_list()[:2], [0.25, 0])
    assert table["raw"][2] is None
    assert_allclose(table["mrp"], [0.45, 0.55, 0.65])
    assert table.columns[-3:] == ["mrp", "mrp_low", "mrp_high"]


def test_the_whole_population_side_by_side():
    whole = estimate_of([[0.4], [0.5]])
    whole = type(whole)(whole.areas.select("n_people"), whole.draws)
    table = side_by_side(whole, INTERVIEWS, answer="vote", option="yes", weight=np.ones(5))
    assert (table["n_interviews"][0], table["raw"][0]) == (4, 0.5)
    empty = side_by_side(whole, INTERVIEWS[4:], answer="vote", option="yes", weight=np.ones(1))
    assert (empty.height, empty["n_interviews"][0], empty["raw"][0]) == (1, 0, None)


def test_raking_undoes_a_sample_of_the_wrong_people():
    """The old answer twice as often and think otherwise: raw is off by 0.1, weighted by chance only."""
    rng = np.random.default_rng(2)
    n = 20_000
    old = rng.random(n) < 2 / 3
    yes = rng.random(n) < np.where(old, 0.8, 0.2)
    interviews = pl.DataFrame({"age": np.where(old, "old", "young"), "vote": np.where(yes, "yes", "no")})
    raked = rake(interviews, [pl.DataFrame({"age": ["old", "young"], "n_people": [1, 1]})])
    raw = direct_estimates(interviews, answer="vote", option="yes")["share"][0]
    weighted = direct_estimates(interviews, answer="vote", option="yes", weight=raked.weight)
    assert raw == pytest.approx(0.6, abs=4 * 0.5 / np.sqrt(n))
    assert weighted["share"][0] == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(weighted["n_effective"][0]))


def test_estimates_that_cannot_be_made_are_refused():
    with pytest.raises(CountsError, match="no column 'town'"):
        direct_estimates(INTERVIEWS, by=("town",), answer="vote", option="yes")
    with pytest.raises(CountsError, match="need as many weights"):
        direct_estimates(INTERVIEWS, answer="vote", option="yes", weight=np.ones(4))
    with pytest.raises(ValueError, match=r"write 0\.9 for 90%"):
        direct_estimates(INTERVIEWS, answer="vote", option="yes", interval=90)
    with pytest.raises(FrameError, match="no column 'town'"):
        side_by_side(estimate_of([[0.4]], by="town"), INTERVIEWS, answer="vote", option="yes", weight=np.ones(5))
