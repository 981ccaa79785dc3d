"""Operations on frames: nobody is lost or made, what is refused, and what is told."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.errors import FrameError
from mrp.frames import (
    check_association,
    complete_cells,
    count_people,
    cross_districts,
    grow_to_totals,
    interpolate_frames,
    merge_levels,
    product_joint,
    split_level,
)

CELLS = pl.DataFrame(
    {
        "district": ["N", "N", "N", "S", "S", "S"],
        "age": ["18-29", "30-64", "65+"] * 2,
        "n_people": [10.0, 20.0, 30.0, 0.0, 40.0, 8.0],
    }
)
AGES = ("18-29", "30-64", "65+")


def people(cells: pl.DataFrame) -> dict[tuple[str, ...], float]:
    return {row[:-1]: row[-1] for row in cells.iter_rows()}


# Records


def test_records_are_added_up_with_what_cells_rest_on():
    records = pl.DataFrame(
        {"district": ["N", "N", "N", "S"], "age": ["old", "old", "young", "old"], "w": [1.0, 3.0, 2.0, 5.0]}
    )
    counted = count_people(records, ["district", "age"], weight="w", thin=1.5)
    assert people(counted.built.cells) == {("N", "old"): 4, ("N", "young"): 2, ("S", "old"): 5}
    # Weights 1 and 3 are worth 16 / 10 equal ones.
    assert counted.by_cell["n_effective"].to_list() == pytest.approx([1.6, 1, 1])
    assert counted.by_district["n_effective"].to_list() == pytest.approx([36 / 14, 1])
    districts, cells = counted.built.warnings
    assert "1 of 2 districts, with 45.5% of the people" in districts
    assert "S (1.0)" in districts
    assert "2 of 3 cells" in cells


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (pl.col("w") * 0, "weight of record 1 is 0.0"),
        (pl.col("age").replace("old", None), "2 records have no age"),
    ],
)
def test_records_that_cannot_be_counted_are_refused(change: pl.Expr, told: str):
    records = pl.DataFrame({"district": ["N", "S"], "age": ["old", "old"], "w": [1.0, 3.0]})
    with pytest.raises(FrameError, match=told):
        count_people(records.with_columns(change), ["district", "age"], weight="w")
    with pytest.raises(FrameError, match="no column 'sex'"):
        count_people(records, ["district", "sex"])
    with pytest.raises(FrameError, match="no records"):
        count_people(records[:0], ["district"])


def test_a_frame_is_completed_with_empty_cells():
    built = complete_cells(CELLS[:5], {"age": AGES, "district": ("N", "S")})
    assert built.cells.columns == ["age", "district", "n_people"]
    assert people(built.cells)["65+", "S"] == 0
    assert built.told == ("1 cells that no table has were created with 0 people.",)
    with pytest.raises(FrameError, match=r"'65\+', which is not one of"):
        complete_cells(CELLS, {"district": ("N", "S"), "age": AGES[:2]})


# Joints


def test_a_product_is_independent_within_what_is_shared():
    education = pl.DataFrame(
        {"district": ["N", "N", "S", "S"], "degree": ["no", "yes"] * 2, "n_people": [45.0, 15.0, 24.0, 24.0]}
    )
    built = product_joint(CELLS, education, names=("ages", "degrees"))
    found = people(built.cells)
    assert found["N", "65+", "yes"] == pytest.approx(30 * 15 / 60)
    assert found["S", "30-64", "no"] == pytest.approx(20)
    assert built.assumptions == ("age and degree are independent given district.",)
    assert built.cells["n_people"].sum() == pytest.approx(CELLS["n_people"].sum(), rel=1e-15)


def test_a_product_that_loses_people_or_contradicts_is_refused():
    education = pl.DataFrame({"district": ["N", "S"], "degree": ["no", "no"], "n_people": [60.0, 52.0]})
    with pytest.raises(FrameError, match=r"contradict each other in S: 48\.0 and 52\.0"):
        product_joint(CELLS, education)
    by_age = pl.DataFrame({"age": ["18-29", "30-64", "65+"], "degree": "no", "n_people": [10.0, 60.0, 38.0]})
    assert product_joint(CELLS, by_age).cells.height == 6
    with pytest.raises(FrameError, match="contradict each other in 18-29"):
        product_joint(CELLS, by_age[1:])
    with pytest.raises(FrameError, match="shared and a further column"):
        product_joint(CELLS, CELLS)


# Levels


def test_levels_are_merged_by_hand():
    built = merge_levels(CELLS, "age", {"18-64": ["18-29", "30-64"]})
    assert people(built.cells) == {("N", "18-64"): 30, ("N", "65+"): 30, ("S", "18-64"): 40, ("S", "65+"): 8}


@pytest.mark.parametrize(
    ("into", "told"),
    [
        ({"x": ["18-30"]}, "no level '18-30'"),
        ({"x": ["65+"], "y": ["65+"]}, "into 'x' and into 'y'"),
        ({"65+": ["18-29"]}, "level of its own"),
        ({"x": "65+"}, "must be a list"),
    ],
)
def test_mergers_that_mean_nothing_are_refused(into: dict[str, list[str]], told: str):
    with pytest.raises(FrameError, match=told.replace("+", r"\+")):
        merge_levels(CELLS, "age", into)


def test_a_level_is_split_by_shares_that_may_differ_by_place():
    shares = pl.DataFrame(
        {"district": ["N", "N", "S", "S"], "age": ["30-44", "45-64"] * 2, "share": [0.25, 0.75, 0.5, 0.5]}
    )
    built = split_level(CELLS, "age", "30-64", shares)
    found = people(built.cells)
    assert (found["N", "30-44"], found["N", "45-64"], found["S", "30-44"]) == (5, 15, 20)
    everywhere = split_level(CELLS, "age", "30-64", shares[:2].drop("district"))
    assert people(everywhere.cells)["S", "45-64"] == 30
    with pytest.raises(FrameError, match="say nothing of district S"):
        split_level(CELLS, "age", "30-64", shares[:2])
    with pytest.raises(FrameError, match=r"sum to 0\.75"):
        split_level(CELLS, "age", "30-64", shares[1:])
    with pytest.raises(FrameError, match=r"a level '65\+' already"):
        split_level(CELLS, "age", "30-64", pl.DataFrame({"age": ["65+", "x"], "share": [0.5, 0.5]}))


# Districts

WALK = pl.DataFrame({"old": ["N", "N", "S"], "new": ["A", "B", "B"], "weight": [0.25, 0.75, 1.0]})


def test_districts_are_crossed_by_hand():
    built = cross_districts(CELLS, WALK, district="district")
    found = people(built.cells)
    assert found["A", "65+"] == 7.5
    assert found["B", "65+"] == 22.5 + 8
    assert built.told[0] == "2 districts became 2; 1 of the old ones were divided."
    assert built.assumptions


@pytest.mark.parametrize(
    ("walk", "told"),
    [
        (WALK[:2], "where the people of S go"),
        (WALK[1:], "weights of N sum to 0.75"),
        (WALK.with_columns(weight=pl.Series([-0.25, 1.25, 1])), "weight of N in A is -0.25"),
        (pl.concat([WALK, WALK[:1]]), "N to A twice"),
        (WALK.with_columns(new=pl.Series(["A", None, "B"])), "1 rows have no new"),
        (WALK.drop("weight"), "no column 'weight'"),
    ],
)
def test_a_crosswalk_with_gaps_is_refused(walk: pl.DataFrame, told: str):
    with pytest.raises(FrameError, match=told):
        cross_districts(CELLS, walk, district="district")


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_nobody_is_lost_or_made(data: st.DataObject):
    """Numbers of people and weights are such that sums are exact."""
    n = data.draw(st.lists(st.integers(0, 10**6), min_size=6, max_size=6).filter(any))
    cells = CELLS.with_columns(n_people=pl.Series(n, dtype=pl.Float64))
    quarters = {old: data.draw(st.integers(0, 4)) / 4 for old in ("N", "S")}
    walk = pl.DataFrame(
        [(old, new, w) for old, q in quarters.items() for new, w in (("A", q), ("B", 1 - q))],
        schema=["old", "new", "weight"],
        orient="row",
    )
    half = data.draw(st.integers(0, 8)) / 8
    shares = pl.DataFrame({"age": ["65-74", "75+"], "share": [half, 1 - half]})
    crossed = cross_districts(cells, walk, district="district").cells
    split = split_level(crossed, "age", "65+", shares).cells
    merged = merge_levels(split, "age", {"65+": ["65-74", "75+"]}).cells
    assert split["n_people"].sum() == cells["n_people"].sum() == merged["n_people"].sum()
    was, is_now = (t.group_by("age").agg(pl.col("n_people").sum()).sort("age") for t in (cells, merged))
    assert was.equals(is_now)


# Growth


def test_districts_grow_to_their_totals_with_their_cells_alike():
    totals = pl.DataFrame({"district": ["N", "S"], "n_people": [120.0, 24.0]})
    grown = grow_to_totals(CELLS, {"2024": totals})
    assert_allclose(grown.built.cells["n_people"], [20, 40, 60, 0, 20, 4])
    assert any("from 108 to 144 (+33.33%)" in said for said in grown.built.told)
    with pytest.raises(FrameError, match="says nothing of district S"):
        grow_to_totals(CELLS, {"2024": totals[:1]})


LATER = CELLS.with_columns(n_people=pl.Series([20.0, 20.0, 60.0, 8.0, 10.0, 8.0]))
DATES = (dt.date(2011, 1, 1), dt.date(2021, 1, 1))


def test_between_two_frames_growth_is_linear_or_by_a_rate():
    half = dt.date(2011, 1, 1) + (DATES[1] - DATES[0]) / 2
    linear = interpolate_frames(CELLS, LATER, dates=DATES, at=half)
    assert_allclose(linear.cells["n_people"], [15, 20, 45, 4, 25, 8], rtol=1e-3)
    rate = interpolate_frames(CELLS, LATER, dates=DATES, at=half, how="exponential")
    assert_allclose(rate.cells["n_people"], [np.sqrt(200), 20, np.sqrt(1800), 4, np.sqrt(400), 8], rtol=1e-3)
    assert "1 cells that are empty in one" in rate.told[1]
    for how in ("linear", "exponential"):
        for date, cells in zip(DATES, (CELLS, LATER), strict=True):
            at_end = interpolate_frames(CELLS, LATER, dates=DATES, at=date, how=how)  # type: ignore[arg-type]
            assert_allclose(at_end.cells["n_people"], cells["n_people"])
            assert not at_end.warnings


def test_beyond_the_two_frames_is_told_and_negative_people_are_refused():
    built = interpolate_frames(CELLS, LATER, dates=DATES, at=dt.date(2022, 1, 1))
    assert built.cells["n_people"][0] == pytest.approx(21, rel=1e-3)
    assert "not between" in built.warnings[0]
    with pytest.raises(FrameError, match="fewer than 0 people on 2041-01-01"):
        interpolate_frames(CELLS, LATER, dates=DATES, at=dt.date(2041, 1, 1))
    with pytest.raises(FrameError, match="in their order"):
        interpolate_frames(CELLS, LATER, dates=(DATES[1], DATES[0]), at=DATES[0])
    with pytest.raises(FrameError, match="merge or split first"):
        interpolate_frames(CELLS, LATER.rename({"age": "band"}), dates=DATES, at=DATES[0])


# Association


def test_an_association_is_measured_by_hand():
    frame = pl.DataFrame({"a": ["x", "x", "y", "y"], "b": ["p", "q"] * 2, "n_people": [500.0, 500, 500, 500]})
    table = frame.with_columns(n_people=pl.Series([30.0, 20, 20, 30]))
    found = check_association(frame, table)
    # 25 are expected in each cell, so that 5 of 100 are misplaced twice over.
    assert found.misplaced == pytest.approx(0.1)
    assert found.g2 == pytest.approx(2 * (2 * 30 * np.log(30 / 25) + 2 * 20 * np.log(20 / 25)))
    assert found.degrees == 1
    assert found.p_value == pytest.approx(0.0446, abs=2e-4)  # chi-squared of 4.03 on 1 degree
    assert found.warning is None
    many = check_association(frame, table, n_effective=1000)
    assert many.g2 == pytest.approx(10 * found.g2)
    assert many.warning is not None
    assert "10.0% of the people" in many.warning


def test_only_association_counts_and_not_composition():
    frame = pl.DataFrame({"a": ["x", "x", "y", "y"], "b": ["p", "q"] * 2, "n_people": [5.0, 5, 5, 5]})
    table = frame.with_columns(n_people=pl.Series([900.0, 90, 10, 1]))
    assert check_association(frame, table).g2 == pytest.approx(0, abs=1e-6)


def test_an_association_needs_two_columns_of_the_frame():
    with pytest.raises(FrameError, match="only one column"):
        check_association(CELLS, CELLS.group_by("age").agg(pl.col("n_people").sum()))
    with pytest.raises(FrameError, match="'sex' that the frame has not"):
        check_association(CELLS, CELLS.rename({"age": "sex"}))
    with pytest.raises(FrameError, match="where the frame has nobody"):
        check_association(CELLS, CELLS.with_columns(n_people=1))


def test_the_warning_is_as_rare_as_it_says_where_the_frame_is_right():
    frame = pl.DataFrame({"a": ["x", "x", "y", "y"], "b": ["p", "q"] * 2, "n_people": [300.0, 100, 200, 400]})
    rng = np.random.default_rng(8)
    drawn = rng.multinomial(400, frame["n_people"].to_numpy() / 1000, size=200)
    small = sum(check_association(frame, frame.with_columns(n_people=pl.Series(row))).p_value < 0.1 for row in drawn)
    # Binomial(200, 0.1): mean 20, sd 4.2; 3.3 sds.
    assert 7 <= small <= 34
