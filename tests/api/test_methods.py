"""Raw, weighted and MRP shares side by side: from shown counts alone, refused where few, explained in words."""

import io
from typing import Any

import numpy as np
import polars as pl
import pytest

from api.group_query import EstimateQuery, Prepared, prepare_query
from api.methods_words import Composition, _explain, find_compositions, sentence_of
from mrp.perturbed_shares import perturbed_shares
from polling.disclosure import ANSWER_NOISE_VARIANCE, COUNT_NOISE_VARIANCE, perturb_counts
from polling.store import fits, releases
from tests.api.world import SURVEY, World

METHODS = f"/v1/surveys/{SURVEY}/questions/rail/methods"
CELL = ("district", "gender", "age")


def ask(world: World, **parameters: Any) -> dict[str, Any]:
    reply = world.get(METHODS, "reader", params=parameters)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def prepared_for(world: World, by: tuple[str, ...]) -> Prepared:
    served = world.services.memory.find_served(SURVEY, "rail")
    return prepare_query(world.services.releases, served, EstimateQuery(by=by), world.settings)


def shown_cells(world: World) -> pl.DataFrame:
    """The perturbed counts of the cells of the release, which nobody is told."""
    with world.store.read() as session:
        current = releases.current_release(session, SURVEY, "rail")
        assert current is not None
        counts = pl.read_parquet(io.BytesIO(fits.load_counts(session, current.fit_id)))
    return perturb_counts(counts, by=CELL, survey=SURVEY, question="rail", key=world.secrets.disclosure_key())


def test_raw_shares_are_those_of_the_shown_counts(served: World):
    cells = shown_cells(served)
    for row in ask(served, level="district", by="gender")["methods"]:
        inside = cells.filter(district=row["area"], gender=row["groups"]["gender"])
        n, y = inside["n"].sum(), inside["y"].sum()
        if n < 30:
            assert (row["raw"], row["weighted"], row["n_interviews"], row["apart"]) == (None, None, None, None)
            assert row["sentence"].startswith("Fewer than 30 interviews are shown")
        else:
            assert row["n_interviews"] == n
            assert row["raw"]["share"] == pytest.approx(min(max(y / n, 0), 1))
            assert row["raw"]["low"] <= row["raw"]["share"] <= row["raw"]["high"]


def test_the_interval_has_the_noise_in_it_and_no_count_of_cells_that_is_not_shown(served: World):
    cells = shown_cells(served)
    noisy = (cells["n"] > 0).cast(pl.Int64) + (cells["n"] == 1).cast(pl.Int64)
    noise = {"count_noise": COUNT_NOISE_VARIANCE, "answer_noise": ANSWER_NOISE_VARIANCE}
    expected = perturbed_shares(cells.with_columns(weight=1.0, noisy=noisy), **noise).row(0, named=True)
    (row,) = ask(served)["methods"]

    assert row["raw"]["n_effective"] == pytest.approx(expected["n_effective"])
    assert (row["raw"]["low"], row["raw"]["high"]) == pytest.approx((expected["low"], expected["high"]))
    assert row["raw"]["n_effective"] < row["n_interviews"]
    assert row["raw"]["design_effect"] == 1


def test_weighted_interviews_have_the_margins_of_the_frame(served: World):
    weighting = ask(served)["weighting"]
    sample = served.services.releases.load(ask(served)["release_id"]).raked(None, 30)
    assert sample is not None
    people = served.services.releases.load(ask(served)["release_id"]).electorate

    # D5 has no interviews and D6 few: districts are no margin, regions are.
    assert weighting["raked_to"] == ["region", "gender", "age"]
    assert weighting["converged"]
    assert weighting["design_effect"] > 1
    weight = sample.cells.with_columns(w=pl.col("weight") * pl.col("n"))
    frame = people.frame.join(people.districts, left_on="district", right_on="code")
    for column in weighting["raked_to"]:
        of_sample = weight.group_by(column).agg(pl.col("w").sum()).sort(column)["w"].to_numpy()
        of_frame = frame.group_by(column).agg(pl.col("n_people").sum()).sort(column)["n_people"].to_numpy()
        np.testing.assert_allclose(of_sample / of_sample.sum(), of_frame / of_frame.sum(), atol=2e-6)


def _apart(raw: dict[str, float], mrp: dict[str, float]) -> bool:
    """Whether the intervals, squared and added where they face each other, are less than the difference."""
    upper, lower = (raw, mrp) if raw["share"] > mrp["share"] else (mrp, raw)
    room = (upper["share"] - upper["low"]) ** 2 + (lower["high"] - lower["share"]) ** 2
    return (upper["share"] - lower["share"]) ** 2 > room


def test_estimates_are_those_of_the_estimates(served: World):
    asked = {"level": "region", "by": "age", "interval": "0.5,0.9", "where": "gender:woman"}
    rows = ask(served, **asked)["methods"]

    for row, estimate in zip(rows, served.estimates(**asked)["estimates"], strict=True):
        assert {name: estimate.get(name) for name in row["mrp"]} == row["mrp"]
        assert row["raw_minus_mrp"] == (row["raw"]["share"] - row["mrp"]["share"] if row["raw"] else None)
        assert row["apart"] is (None if row["raw"] is None else _apart(row["raw"], row["mrp"]))
        if row["raw"]:
            half, nine = row["raw"]["intervals"]
            assert half["high"] - half["low"] < nine["high"] - nine["low"]


def test_the_other_option_is_the_rest(served: World):
    for yes, no in zip(ask(served, by="age")["methods"], ask(served, by="age", option="no")["methods"], strict=True):
        for method in ("raw", "weighted"):
            assert yes[method]["share"] + no[method]["share"] == pytest.approx(1)
            assert yes[method]["low"] + no[method]["high"] == pytest.approx(1)
            assert yes[method]["n_effective"] == no[method]["n_effective"]
        assert (yes["apart"], yes["n_interviews"]) == (no["apart"], no["n_interviews"])


def test_what_explains_a_raw_share_follows_from_the_shown_counts(served: World):
    loaded = served.services.releases.load(ask(served)["release_id"])
    prepared = prepared_for(served, by=("gender",))
    sample = loaded.raked(None, 30)
    assert sample is not None
    groups: list[tuple[object, ...]] = [("woman",), ("man",)]
    why = find_compositions(prepared, sample, groups, [False, True], served.settings)

    assert why[0] is None
    assert why[1] is not None
    assert why[1].column in ("age", "region")
    men = sample.cells.filter(gender="man")
    inside = men.filter(pl.col(why[1].column) == why[1].level)["n"].sum()
    assert why[1].sample_share == pytest.approx(inside / men["n"].sum())
    frame = loaded.electorate.frame.join(loaded.electorate.districts, left_on="district", right_on="code")
    people = frame.filter(gender="man")
    of_level = people.filter(pl.col(why[1].column) == why[1].level)["n_people"].sum()
    assert why[1].frame_share == pytest.approx(of_level / people["n_people"].sum())
    assert why[1].is_told is (inside >= 30)


def test_an_explanation_by_hand(served: World):
    # Half are graduates, of whom 70% say yes, where 20% should be; of the others 40% do.
    told = _explain(
        "school",
        {"graduate": 50, "other": 50},
        {"graduate": 200, "other": 800},
        {"graduate": 0.7, "other": 0.4},
        served.settings,
    )

    assert told is not None
    assert told.moves == pytest.approx(0.3 * 0.7 - 0.3 * 0.4)
    assert (told.level, told.is_above, told.is_told) == ("graduate", True, True)
    # Both levels push the same way; the other one is the rest, seen from below.
    assert _explain("school", {"graduate": 9}, {"graduate": 9}, {"graduate": 0.7}, served.settings) is None


def test_interviews_are_those_of_the_period_that_is_looked_at(weekly: World):
    first = ask(weekly, period="2026-W07")["methods"][0]
    nobody = ask(weekly, period="2026-W08")
    points = weekly.get(f"/v1/surveys/{SURVEY}/questions/rail/trend").json()["points"]

    assert first["n_interviews"] == points[0]["n_interviews"]
    assert nobody["methods"][0]["raw"] is None
    assert nobody["methods"][0]["flags"] == ["no-interviews"]
    assert nobody["weighting"]["design_effect"] is None


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_it_comes_in_table_forms(served: World, form: str):
    reply = served.get(METHODS, "reader", params={"format": form, "level": "district"})

    assert reply.status_code == 200
    if form == "csv":
        table = pl.read_csv(io.BytesIO(reply.content))
        assert {"raw_share", "weighted_low", "mrp_share", "apart", "weighting_raked_to"} <= set(table.columns)
        assert table.height == 6


WHY = Composition("education", "graduate", 0.45, 0.30, is_told=True, moves=0.05, is_above=True)


def test_sentences_say_what_differs_and_why():
    told = sentence_of((0.56, 0.51, 0.50), WHY, is_apart=True, option="yes", min_interviews=30)
    assert told == (
        "The raw share is 6.0 points above the estimate. Among those interviewed are too many of education 'graduate', "
        "45% against 30% of the people, who choose 'yes' more often than others. Weighting leaves 1.0 points of it."
    )


def test_a_share_of_few_is_not_in_the_words_and_what_explains_nothing_is_not_named():
    few = Composition("age", "old", 0.01, 0.2, is_told=False, moves=-0.05, is_above=True)
    told = sentence_of((0.44, 0.47, 0.5), few, is_apart=True, option="yes", min_interviews=30)
    assert "too few of age 'old', who choose 'yes' more often" in told
    assert "1%" not in told
    # It would move the share the other way.
    other = sentence_of((0.56, 0.57, 0.5), few, is_apart=True, option="yes", min_interviews=30)
    assert "too few" not in other
    assert "Weighting does not bring it nearer" in other
    assert sentence_of((0.5, 0.5, 0.5), None, is_apart=False, option="yes", min_interviews=30).startswith("The raw")
    assert "stands alone" in sentence_of(None, None, is_apart=False, option="yes", min_interviews=30)
