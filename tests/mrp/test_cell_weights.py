"""Weights of interviews that are known as counts of cells: by hand, and the same as weighting them one by one."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.cell_weights import cell_design_effect, rake_cells
from mrp.errors import CountsError, FrameError
from mrp.information import kish
from mrp.raking import rake

AGES, SEXES = ("young", "old"), ("f", "m")


def margin(column: str, **people: float) -> pl.DataFrame:
    return pl.DataFrame({column: list(people), "n_people": list(people.values())})


def cells(*n: float) -> pl.DataFrame:
    rows = [(age, sex, k) for (age, sex), k in zip([(a, s) for a in AGES for s in SEXES], n, strict=True)]
    return pl.DataFrame(rows, schema=["age", "sex", "n"], orient="row")


def test_one_margin_by_hand():
    # 8 young and 2 old for a population of halves: young weigh 5/8, old 5/2.
    weights = rake_cells(cells(5, 3, 2, 0), [margin("age", young=50, old=50)])

    assert_allclose(weights.weight, [0.625, 0.625, 2.5, 2.5])
    assert weights.converged
    assert weights.margins == ("age",)
    assert weights.unseen == ()
    # Ten times 8 interviews of 0.625 squared and 2 of 2.5 squared, by a hundred.
    assert cell_design_effect(weights.weight, np.array([5.0, 3, 2, 0])) == pytest.approx(1.5625)


def test_people_of_a_level_that_nobody_has_are_named_and_left_out_of_the_margin():
    poll = cells(5, 3, 0, 0)
    weights = rake_cells(poll, [margin("age", young=50, old=50), margin("sex", f=60, m=40)])

    assert [(one.column, one.level, one.frame_share) for one in weights.unseen] == [("age", "old", 0.5)]
    assert weights.converged
    assert_allclose(weights.weight, [8 * 0.6 / 5, 8 * 0.4 / 3, 0, 0])


def test_a_level_without_people_is_not_missed():
    weights = rake_cells(cells(5, 3, 0, 0), [margin("age", young=50, old=0)])

    assert weights.unseen == ()


COUNTS = st.lists(st.integers(0, 30), min_size=4, max_size=4).filter(lambda n: sum(n) > 0)
PEOPLE = st.tuples(*[st.floats(1, 100)] * 4)


@settings(deadline=None, max_examples=60)
@given(n=COUNTS, people=PEOPLE)
def test_cells_weigh_what_their_interviews_weigh_one_by_one(n: list[int], people: tuple[float, ...]):
    margins = [
        margin("age", young=people[0], old=people[1]),
        margin("sex", f=people[2], m=people[3]),
    ]
    poll = cells(*n)
    weights = rake_cells(poll, margins)
    counts = np.array(n, dtype=float)

    assert weights.weight @ counts == pytest.approx(counts.sum())
    assert cell_design_effect(weights.weight, counts) >= 1 - 1e-9
    interviews = pl.concat([poll.slice(i, 1).drop("n") for i in range(4) for _ in range(n[i])])
    kept = [one.filter(pl.col(one.columns[0]).is_in(interviews[one.columns[0]].to_list())) for one in margins]
    one_by_one = rake(interviews, kept)
    if weights.converged and one_by_one.converged:
        assert_allclose(np.repeat(weights.weight, n), one_by_one.weight, rtol=1e-3)
        expected = counts.sum() / kish(one_by_one.weight)
        assert cell_design_effect(weights.weight, counts) == pytest.approx(expected, rel=1e-3)


def test_what_cannot_be_weighted_is_refused():
    with pytest.raises(CountsError, match="not all 0"):
        rake_cells(cells(0, 0, 0, 0), [margin("age", young=1, old=1)])
    both = margin("age", young=1, old=1).with_columns(sex=pl.lit("f")).select("age", "sex", "n_people")
    with pytest.raises(FrameError, match="one column and n_people, got age, sex, n_people"):
        rake_cells(cells(1, 1, 1, 1), [both])


def test_no_interviews_cost_nothing():
    assert cell_design_effect(np.array([1.0]), np.array([0.0])) == 1
