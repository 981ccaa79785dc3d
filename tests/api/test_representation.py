"""The representation of a release: what is told of its sample, what is not, and in which words."""

import io
from typing import Any

import polars as pl
import pytest
from sqlalchemy import text

from api.representation_payloads import LevelBalance
from api.representation_words import sentences_of
from api.sample_balance import balance_sample
from mrp.electorate import Electorate
from polling.disclosure import DisclosureRules
from tests.api.world import AGES, DISTRICTS, GENDERS, SILENT, SURVEY, World, frame_table, wave_csv

RULES = DisclosureRules()
COMPARED = ("The sample has ", "Among the demographics that can be compared, ")
"""How a summary begins; which it is follows from counts with noise in them."""


def url_of(world: World) -> str:
    releases = world.get(f"/v1/surveys/{SURVEY}/questions/rail/releases").json()["releases"]
    return f"{releases[0]['url']}/representation"


def ask(world: World, **parameters: Any) -> dict[str, Any]:
    reply = world.get(url_of(world), "reader", params=parameters)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def test_every_level_is_compared_with_the_frame(served: World):
    told = ask(served)
    people = frame_table()
    total = people["n_people"].sum()

    assert [one["column"] for one in told["columns"]] == ["gender", "age", "region", "district"]
    assert [one["level"] for one in told["levels"]] == [*GENDERS, *AGES, "North", "South", *DISTRICTS]
    for one in told["levels"]:
        if one["column"] in people.columns:
            assert one["frame_share"] == pytest.approx(
                people.filter(pl.col(one["column"]) == one["level"])["n_people"].sum() / total
            )
    for column in ("gender", "age", "region"):
        shares = [one["sample_share"] for one in told["levels"] if one["column"] == column]
        assert sum(shares) == pytest.approx(1)


def test_interviews_are_those_that_estimates_tell(served: World):
    told = {one["level"]: one["n_interviews"] for one in ask(served)["levels"]}

    for one in served.estimates(level="district")["estimates"]:
        assert told[one["area"]] == one["n_interviews"]
    for one in served.estimates(by="age")["estimates"]:
        assert told[one["groups"]["age"]] == one["n_interviews"]


def test_few_are_told_without_a_number_and_nobody_of_areas_alone(served: World):
    standing = {one["level"]: one for one in ask(served)["levels"]}

    assert standing[SILENT]["standing"] == "nobody"
    assert standing["D6"]["standing"] == "few"
    for level in (SILENT, "D6"):
        for number in ("n_interviews", "sample_share", "ratio", "difference", "difference_sd"):
            assert standing[level][number] is None
        assert standing[level]["width"] > 0
    assert [one["area"] for one in ask(served)["missing"]["areas"]] == [SILENT]


def test_a_level_of_a_demographic_without_interviews_has_few(world: World):
    lines = wave_csv(400).decode().splitlines()
    world.release(content=("\n".join(line for line in lines if ",old," not in line) + "\n").encode())
    told = ask(world)

    (old,) = [one for one in told["levels"] if one["level"] == "old"]
    assert (old["standing"], old["n_interviews"]) == ("few", None)
    assert {"gender": "man", "age": "old"} in [one["groups"] for one in told["missing"]["groups"]]
    assert any("sizeable groups such as woman/old, man/old" in one for one in told["summary"])


def test_widths_are_those_of_the_estimates(served: World):
    told = ask(served, interval="0.5")
    widths = {
        one["area"]: one["high"] - one["low"] for one in served.estimates(level="district", interval="0.5")["estimates"]
    }

    for one in told["levels"]:
        if one["column"] == "district":
            assert one["width"] == pytest.approx(widths[one["level"]])
            assert one["width_ratio"] == pytest.approx(widths[one["level"]] / min(widths.values()))
    spread = told["district_widths"]
    assert (spread["narrowest"], spread["widest"]) == pytest.approx((min(widths.values()), max(widths.values())))
    assert spread["n_districts"] == 6


def test_weighting_costs_what_it_costs_in_the_methods(served: World):
    sample = ask(served)["sample"]
    weighting = served.get(f"/v1/surveys/{SURVEY}/questions/rail/methods").json()["weighting"]

    for name in ("raked_to", "converged", "design_effect", "n_effective"):
        assert sample[name] == weighting[name]


def test_the_summary_is_four_to_eight_sentences_of_what_a_layperson_asks(served: World):
    summary = ask(served)["summary"]

    assert 4 <= len(summary) <= 8
    assert summary[0].startswith(COMPARED)
    assert "Nobody was interviewed in District 5" in summary[1]
    assert any("design effect" in one for one in summary)
    assert any("counts each as often as it lives there" in one for one in summary)
    assert "be careful" in summary[-1]


def test_fewer_interviews_than_may_be_told_tell_nothing(world: World):
    world.release(content=wave_csv(12))
    told = ask(world)

    assert told["sample"]["n_interviews"] is None
    assert told["sample"]["design_effect"] is None
    assert told["missing"]["share_in_cells_without"] is None
    assert told["missing"]["groups"] == []
    assert all(one["sample_share"] is None for one in told["levels"])
    assert all(one["dissimilarity"] is None for one in told["columns"])
    assert told["summary"][0].startswith("Fewer than 30 interviews")
    assert 4 <= len(told["summary"]) <= 8


def test_a_release_whose_draws_are_gone_says_so_and_its_statement_still_compares(world: World):
    world.release()
    url = url_of(world)
    with world.store.write() as session:
        session.execute(text("DELETE FROM fit_draws"))
    gone = world.get(url)
    statement = world.get(url.replace("representation", "disclosure")).json()
    (section,) = [one for one in statement["sections"] if one["id"] == "representation"]

    assert gone.status_code == 410
    assert section["text"][0].startswith(COMPARED)
    assert [row[:2] for row in section["tables"][0]["rows"]] == [
        *(["gender", one] for one in GENDERS),
        *(["age", one] for one in AGES),
    ]


def test_a_statement_without_counts_says_that_nothing_can_be_compared(world: World):
    world.release()
    url = url_of(world).replace("representation", "disclosure")
    with world.store.write() as session:
        session.execute(text("UPDATE fit SET counts = NULL"))
    (section,) = [one for one in world.get(url).json()["sections"] if one["id"] == "representation"]

    assert "are deleted" in section["text"][0]
    assert section["tables"] == []


def test_where_it_is_known_what_happened_errors_are_told_by_group(world: World):
    world.release()
    before = ask(world)
    rows = ["all,yes,0.99,", "all,yes,0.6,young", "all,yes,0.55,old", *(f"{one},yes,0.5{one[1]}," for one in DISTRICTS)]
    content = "\n".join(["geography,option,share,age", *rows]).encode()
    reply = world.client.post(
        f"/v1/surveys/{SURVEY}/questions/rail/known-results",
        headers=world.bearer("analyst"),
        data={"date": "2026-03-01", "source": "the electoral office"},
        files={"file": ("truth.csv", content)},
    )
    assert reply.status_code == 201, reply.text
    told = ask(world)

    assert before["accuracy"] == []
    assert all(one["known_share"] is None for one in before["levels"])
    by_level = {one["level"]: one for one in told["levels"]}
    (young,) = [one for one in world.estimates(by="age")["estimates"] if one["groups"]["age"] == "young"]
    assert by_level["young"]["known_share"] == 0.6
    assert by_level["young"]["error"] == pytest.approx(young["share"] - 0.6)
    assert by_level["young"]["held"] is (young["low"] <= 0.6 <= young["high"])
    assert (by_level["middle"]["known_share"], by_level["middle"]["held"]) == (None, None)
    districts = [by_level[one] for one in DISTRICTS]
    (accuracy,) = [one for one in told["accuracy"] if one["column"] == "district"]
    assert accuracy["n_levels"] == 6
    assert accuracy["mean_error"] == pytest.approx(sum(one["error"] for one in districts) / 6)
    assert accuracy["mean_absolute_error"] == pytest.approx(sum(abs(one["error"]) for one in districts) / 6)
    assert accuracy["coverage"] == pytest.approx(sum(one["held"] for one in districts) / 6)
    assert any("What happened on 2026-03-01 is known for 6 levels of district" in one for one in told["summary"])
    assert 4 <= len(told["summary"]) <= 8
    other = {one["level"]: one for one in ask(world, option="no")["levels"]}
    (old,) = [one for one in world.estimates(by="age", option="no")["estimates"] if one["groups"]["age"] == "old"]
    assert other["old"]["error"] == pytest.approx(old["share"] - 0.45)


def test_rows_come_as_a_table(served: World):
    table = pl.read_csv(io.BytesIO(served.get(url_of(served), params={"format": "csv"}).content))

    assert table.height == 13
    assert table.columns[:6] == ["area", "area_name", "gender", "age", "column", "level"]
    assert table.filter(pl.col("level") == "old")["age"].to_list() == ["old"]


ELECTORATE = Electorate(
    frame=pl.DataFrame(
        {"place": ["A", "A", "B", "B"], "age": ["young", "old"] * 2, "n_people": [300.0, 200, 300, 200]}
    ),
    districts=pl.DataFrame({"code": ["A", "B"], "name": ["Aton", "Bton"]}),
    district="place",
    demographics={"age": ("young", "old")},
)


def counts(*n: int) -> pl.DataFrame:
    cells = ELECTORATE.frame.select("place", "age").with_columns(n=pl.Series(n), y=pl.Series([0] * 4))
    return cells.filter(pl.col("n") >= 0)


def test_what_is_told_follows_from_shown_counts():
    told = balance_sample(counts(100, 50, 50, -1), ELECTORATE, RULES, universe="all")

    by_level = {one.level: one for one in told.levels}
    assert (by_level["young"].n_interviews, by_level["young"].sample_share) == (150, 0.75)
    assert by_level["young"].standing == "over"
    assert by_level["old"].standing == "under"
    assert by_level["A"].sample_share == 0.75
    assert told.missing.share_in_cells_without == 0.2
    assert told.missing.areas == []
    assert told.columns[0].dissimilarity == pytest.approx(0.15)
    # A cell that is shown empty, though somebody is in it, is not told from one that is empty.
    assert balance_sample(counts(100, 50, 50, 0), ELECTORATE, RULES, universe="all").missing == told.missing


def test_a_frame_without_demographics_is_compared_by_place():
    frame = ELECTORATE.frame.group_by("place").agg(pl.col("n_people").sum())
    places = Electorate(frame=frame, districts=ELECTORATE.districts, district="place", demographics={})
    told = balance_sample(counts(100, 50, 50, 30).drop("age"), places, RULES, universe="all")

    assert [one.level for one in told.levels] == ["A", "B"]
    assert told.missing.groups == []
    assert told.sample.dissimilarity is None
    assert told.sample.raked_to == ["place"]


def test_words_name_the_widest_and_the_furthest():
    def level(name: str, standing: Any, sample: float, width: float) -> LevelBalance:
        return LevelBalance(
            "all", "all", {"age": name}, "age", name, 100.0, 0.25, 50, sample, sample / 0.25, sample - 0.25, 0.01,
            standing, 0.05, None, width, width / 0.1, None, None, None,
        )  # fmt: skip

    balance = balance_sample(counts(100, 50, 50, 30), ELECTORATE, RULES, universe="all")
    told = sentences_of(balance, [level("young", "over", 0.6, 0.1), level("old", "under", 0.1, 0.3)], rules=RULES)

    assert told[0] == (
        "The sample has too many of age young (60% against 25% of the people), and too few of age old (10% against 25% "
        "of the people)."
    )
    assert any("least sure for age old: ±15.0 points, 3.0 times as wide" in one for one in told)
