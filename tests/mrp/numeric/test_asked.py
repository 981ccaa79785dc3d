"""What is asked of means: above a threshold, ranks, contrasts, changes, how much is data; in words and units."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

from mrp.chances import above, ranks
from mrp.change import change_between_fits, change_between_periods
from mrp.contrast import contrast, lead
from mrp.errors import CountsError, DrawsError
from mrp.information import information
from mrp.poststratification import AreaDraws
from mrp.summary import summarise

AREAS = pl.DataFrame({"state": ["A", "B"], "n_people": [10.0, 20.0]})


def means(*columns: tuple[float, float], n: int = 4000, seed: int = 1) -> AreaDraws:
    """Normal draws of given means and sds."""
    rng = np.random.default_rng(seed)
    draws = np.stack([rng.normal(mean, sd, n) for mean, sd in columns], axis=1)
    return AreaDraws(AREAS, draws, kind="mean")


ESTIMATE = means((48.0, 2.0), (55.0, 1.0))


def test_a_threshold_is_in_the_unit_of_the_question():
    one, two = above(ESTIMATE, 50.0)
    # P(N(48, 2) > 50) = 0.1587; 4,000 draws know it to 0.006.
    assert one.value == pytest.approx(0.1587, abs=0.025)
    assert two.value == 1.0
    with pytest.raises(ValueError, match="threshold must be a finite number, got nan"):
        above(ESTIMATE, float("nan"))
    with pytest.raises(ValueError, match="threshold must be a share"):
        above(replace(ESTIMATE, kind="share"), 50.0)


def test_ranks_and_contrasts_are_of_means():
    assert [rank.rank.mean for rank in ranks(ESTIMATE)] == pytest.approx([2.0, 1.0], abs=0.01)
    difference = contrast(ESTIMATE, {"state": "B"}, {"state": "A"}).difference
    assert difference.mean == pytest.approx(7, abs=4 * np.sqrt(5 / 4000))
    with pytest.raises(DrawsError, match="only shares have a complement"):
        lead(ESTIMATE)


def test_a_change_is_told_in_the_unit_of_the_question():
    after = replace(ESTIMATE, draws=ESTIMATE.draws + np.array([3.0, -0.04]))
    rise, fall = change_between_periods(ESTIMATE, after)
    assert rise.sentence == "rise: +3.0 (90% interval +3.0 to +3.0), P(rise) 1.00"
    assert fall.direction == "fall"
    again = means((1051.0, 400.0), (55.0, 1.0), seed=2)
    unclear, _ = change_between_fits(ESTIMATE, again, waves_before=["1"], waves_after=["2"])
    assert unclear.sentence.startswith("rise: +1,0") or unclear.sentence.startswith("rise: +9")
    assert "points" not in unclear.sentence


def test_a_summary_calls_a_mean_a_mean():
    table = summarise(ESTIMATE)
    assert "share" not in table.columns
    assert_allclose(table["mean"], [48, 55], atol=0.2)


def test_a_mean_is_worth_as_many_interviews_as_would_be_as_precise():
    # Answers that vary by 20 and an sd of 2: (20 / 2)^2 interviews; of an sd of 1 400. Of 50 own ones half is pooled.
    a, b = information(ESTIMATE, [50, 0], answer_variance=[400.0, 400.0])
    assert a.n_equivalent == pytest.approx(100, rel=0.1)
    assert a.pooling == pytest.approx(0.5, abs=0.06)
    assert b.n_equivalent == pytest.approx(400, rel=0.1)
    assert b.pooling == 1.0
    with pytest.raises(CountsError, match=r"the estimate is of means; give answer_variance, mrp.numeric.answer_v"):
        information(ESTIMATE, [50, 0])
    with pytest.raises(CountsError, match="variances of one answer must be finite and > 0"):
        information(ESTIMATE, [50, 0], answer_variance=[1.0, 0.0])
