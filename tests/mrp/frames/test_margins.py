"""Cells from margins: raked by hand and by loops, what is refused, and what is told of what no margin says."""

from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.errors import FrameError
from mrp.frames import rake_cells, seed_cells

LEVELS = {"district": ("N", "S"), "age": ("old", "young"), "education": ("degree", "none")}


def table(columns: str, rows: Mapping[tuple[str, ...], float]) -> pl.DataFrame:
    names = columns.split()
    return pl.DataFrame([(*levels, n) for levels, n in rows.items()], schema=[*names, "n_people"], orient="row")


AGE = table("district age", {("N", "old"): 30, ("N", "young"): 70, ("S", "old"): 120, ("S", "young"): 80})
EDUCATION = table(
    "district education", {("N", "degree"): 40, ("N", "none"): 60, ("S", "degree"): 50, ("S", "none"): 150}
)


def people(cells: pl.DataFrame) -> dict[tuple[str, ...], float]:
    return {row[:-1]: row[-1] for row in cells.iter_rows()}


def test_two_margins_of_a_district_by_hand():
    raked = rake_cells(seed_cells(LEVELS), {"age": AGE, "education": EDUCATION})
    found = people(raked.built.cells)
    # Without association in the seed each cell is the product of the district's shares.
    assert found["N", "old", "degree"] == pytest.approx(30 * 40 / 100)
    assert found["N", "young", "none"] == pytest.approx(70 * 60 / 100)
    assert found["S", "old", "none"] == pytest.approx(120 * 150 / 200)
    assert [gap.margin for gap in raked.gaps] == ["age", "education"]
    assert all(gap.people < 1e-6 for gap in raked.gaps)


def test_what_no_margin_has_together_is_told():
    raked = rake_cells(seed_cells(LEVELS), {"age": AGE, "education": EDUCATION})
    (assumption,) = raked.built.assumptions
    assert assumption.startswith("No margin has age and education together: their association is that of the seed,")
    together = table("age education", {("old", "degree"): 25, ("old", "none"): 125, ("young", "degree"): 65,
                                       ("young", "none"): 85})  # fmt: skip
    raked = rake_cells(seed_cells(LEVELS), {"age": AGE, "education": EDUCATION, "joint": together})
    (assumption,) = raked.built.assumptions
    assert "district, age, education together" in assumption


def test_the_odds_ratios_that_no_margin_has_are_those_of_the_seed():
    association = table(
        "age education", {("old", "degree"): 1, ("old", "none"): 6, ("young", "degree"): 3, ("young", "none"): 2}
    )
    raked = rake_cells(seed_cells(LEVELS, association), {"age": AGE, "education": EDUCATION})
    found = people(raked.built.cells)
    for district in LEVELS["district"]:
        odds = found[district, "old", "degree"] * found[district, "young", "none"]
        odds /= found[district, "old", "none"] * found[district, "young", "degree"]
        assert odds == pytest.approx(1 * 2 / (6 * 3))


def reference(seed: pl.DataFrame, margins: Mapping[str, pl.DataFrame], n_rounds: int) -> list[float]:
    """Raking in loops over cells."""
    rows = [dict(row) for row in seed.to_dicts()]
    for _ in range(n_rounds):
        for margin in margins.values():
            columns = [c for c in margin.columns if c != "n_people"]
            for *levels, n in margin.select(*columns, "n_people").iter_rows():
                members = [row for row in rows if [row[c] for c in columns] == levels]
                now = sum(row["n_people"] for row in members)
                for row in members:
                    row["n_people"] *= n / now if now else 0
    return [row["n_people"] for row in rows]


positive = st.floats(0.5, 50)


@settings(deadline=None, max_examples=15)
@given(st.lists(positive, min_size=8, max_size=8), st.lists(positive, min_size=8, max_size=8))
def test_agrees_with_the_reference_and_has_its_margins(start: list[float], truth: list[float]):
    seed = seed_cells(LEVELS).with_columns(n_people=pl.Series(start))
    true = seed.with_columns(n_people=pl.Series(truth))
    margins = {
        name: true.group_by(name.split()).agg(pl.col("n_people").sum())
        for name in ("district age", "district education", "age education")
    }
    raked = rake_cells(seed, margins, rounding=0)
    # Of cells both by now agree with the limit, where raking of the loops goes on for longer.
    assert_allclose(raked.built.cells["n_people"], reference(seed, margins, 150), rtol=1e-4, atol=1e-6)
    for name, margin in margins.items():
        got = raked.built.cells.group_by(name.split()).agg(pl.col("n_people").sum()).sort(name.split())
        assert_allclose(got["n_people"], margin.sort(name.split())["n_people"], atol=1e-5)


def test_a_frame_that_has_its_margins_is_left_as_it_is():
    cells = rake_cells(seed_cells(LEVELS), {"age": AGE, "education": EDUCATION}).built.cells
    again = rake_cells(cells, {"age": AGE})
    assert again.n_rounds == 1
    assert_allclose(again.built.cells["n_people"], cells["n_people"], rtol=1e-7)


def test_a_zero_of_the_seed_stays_and_is_told():
    seed = seed_cells(LEVELS).with_columns(
        n_people=pl.when((pl.col("age") == "old") & (pl.col("education") == "degree")).then(0.0).otherwise(1.0)
    )
    raked = rake_cells(seed, {"age": AGE, "education": EDUCATION})
    found = people(raked.built.cells)
    assert found["N", "old", "degree"] == 0
    assert found["N", "young", "degree"] == pytest.approx(40)
    assert any("2 of 8 cells are 0 in the seed" in said and "N / old / degree" in said for said in raked.built.told)


def test_margins_that_the_zeros_do_not_allow_together_are_refused_with_both():
    """In S 120 of 200 are old and only the old may have no degree, but 150 have none."""
    seed = seed_cells(LEVELS).with_columns(
        n_people=pl.when((pl.col("age") == "young") & (pl.col("education") == "none")).then(0.0).otherwise(1.0)
    )
    third = table("district", {("N",): 100, ("S",): 200})
    with pytest.raises(FrameError, match=r"'(age|education)' cannot be had together with the margin '(age|education)'"):
        rake_cells(seed, {"third": third, "age": AGE, "education": EDUCATION})


def test_totals_that_contradict_are_refused_with_both_and_the_place():
    wrong = EDUCATION.with_columns(
        pl.when(pl.col("district") == "S").then(60.0).otherwise("n_people").alias("n_people")
    )
    with pytest.raises(FrameError, match=r"'age' and 'education' contradict .* in S: 200\.0 and 120\.0 people"):
        rake_cells(seed_cells(LEVELS), {"age": AGE, "education": wrong})


def test_totals_that_differ_as_rounding_may_are_raked_and_the_gap_told():
    close = EDUCATION.with_columns(pl.col("n_people") + pl.Series([1.0, 0, 0, 0]))
    raked = rake_cells(seed_cells(LEVELS), {"age": AGE, "education": close})
    assert 0.1 < raked.gaps[0].people < 1
    with pytest.raises(FrameError, match="contradict"):
        rake_cells(seed_cells(LEVELS), {"age": AGE, "education": close}, rounding=0.2)


def test_proportions_give_their_association_and_no_totals():
    sample = table("age education", {("old", "degree"): 5, ("old", "none"): 40, ("young", "degree"): 30,
                                     ("young", "none"): 25})  # fmt: skip
    raked = rake_cells(
        seed_cells(LEVELS), {"age": AGE, "education": EDUCATION, "sample": sample}, proportions=["sample"]
    )
    assert all(gap.people < 1e-4 for gap in raked.gaps)
    nation = raked.built.cells.group_by("age", "education").agg(pl.col("n_people").sum()).sort("age", "education")
    a, b, c, d = nation["n_people"]
    assert a * d / (b * c) == pytest.approx(5 * 25 / (40 * 30), rel=1e-4)
    assert a + b == pytest.approx(150)


def test_margins_need_say_nothing_of_cells_that_stay_empty():
    whole = rake_cells(seed_cells(LEVELS), {"age": AGE}).built.cells
    nobody = whole.with_columns(pl.when(pl.col("age") == "old").then(0.0).otherwise("n_people").alias("n_people"))
    young = AGE.filter(pl.col("age") == "young")
    assert people(rake_cells(nobody, {"young": young}).built.cells)["N", "young", "none"] == pytest.approx(35)


@pytest.mark.parametrize(
    ("margins", "told"),
    [
        ({}, "nothing to rake to"),
        ({"age": AGE.with_columns(n_people=pl.Series([30.0, -1, 2, 3]))}, r"'age': N / young has -1\.0 people"),
        ({"age": AGE.with_columns(n_people=pl.Series([30.0, None, 2, 3]))}, "N / young has None people"),
        ({"age": AGE.with_columns(n_people=0)}, "has nobody"),
        ({"age": AGE[:3]}, r"'age' says nothing of district / age S / young"),
        ({"age": pl.concat([AGE, AGE[:1]])}, "N / old occurs twice"),
        ({"sex": table("sex", {("f",): 1})}, r"'sex' has a column 'sex'; the cells have district, age, education"),
        ({"age": pl.concat([AGE, table("district age", {("N", "ancient"): 5})])}, "5 people at N / ancient"),
    ],
)
def test_margins_that_cannot_be_used_are_refused(margins: dict[str, pl.DataFrame], told: str):
    with pytest.raises(FrameError, match=told):
        rake_cells(seed_cells(LEVELS), margins)


def test_proportions_alone_are_no_people():
    with pytest.raises(FrameError, match="one has to say how many"):
        rake_cells(seed_cells(LEVELS), {"age": AGE}, proportions=["age"])
    with pytest.raises(FrameError, match="'sex' is to be scaled"):
        rake_cells(seed_cells(LEVELS), {"age": AGE}, proportions=["sex"])


def test_the_seed_of_an_association_needs_columns_of_the_cells():
    with pytest.raises(FrameError, match="column 'sex'"):
        seed_cells(LEVELS, table("sex", {("f",): 1}))


def test_a_large_table_is_raked_in_little_time():
    rng = np.random.default_rng(1)
    levels = {"district": [f"D{i}" for i in range(300)], "age": list("abcdef"), "education": list("xyz")}
    true = seed_cells(levels).with_columns(n_people=pl.Series(rng.gamma(2, 100, 300 * 18)))
    margins = {
        name: true.group_by(name.split()).agg(pl.col("n_people").sum()) for name in ("district age", "age education")
    }
    assert rake_cells(seed_cells(levels), margins, rounding=0).n_rounds < 20
