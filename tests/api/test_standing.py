"""An option where it does not stand: flagged, without an interval, left out of what compares groups, told in words."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from api.breakdown import Breakdown
from api.cli import cli
from api.group_facts import GroupFacts
from api.page.asking import ask_release
from api.standing import flags_of, part_standing
from mrp.grouping import Grouping
from tests.api.kinds import PARTIES
from tests.api.page.test_pages import words
from tests.api.test_kinds import URL, ask
from tests.api.world import DISTRICTS, REGIONS, SURVEY, World

AWAY = [code for code in DISTRICTS if REGIONS[code] == "North"]
HOME = [code for code in DISTRICTS if REGIONS[code] == "South"]
REASON = "'Isles' does not stand there."


def isles(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["option"] == "Isles"]


def by_hand(world: World, *columns: str) -> dict[Any, float]:
    """Part of the people of every group who live in the South, in plain loops."""
    loaded = ask_release(world.services, SURVEY, "party", None).loaded
    everybody: dict[Any, float] = {}
    there: dict[Any, float] = {}
    for row in loaded.electorate.frame.iter_rows(named=True):
        row |= {"region": REGIONS[row["district"]]}
        key = tuple(row[name] for name in columns)
        everybody[key] = everybody.get(key, 0) + row["n_people"]
        there[key] = there.get(key, 0) + row["n_people"] * (row["region"] == "South")
    return {key: there[key] / people for key, people in everybody.items() if people}


def test_an_estimate_says_that_the_option_does_not_stand_and_claims_no_interval(kinds: World):
    for row in isles(ask(kinds, "party", "estimates", level="district", interval="0.5,0.9")["estimates"]):
        assert ("does-not-stand" in row["flags"]) is (row["area"] in AWAY)
        assert "stands-in-part" not in row["flags"]
        if row["area"] in AWAY:
            claimed = [row[name] for name in ("share", "low", "high", "intervals", "sd", "n_equivalent", "pooling")]
            assert claimed == [0, None, None, [], None, None, None]
            assert row["part_standing"] == 0
        else:
            assert row["low"] < row["share"] < row["high"]
            assert len(row["intervals"]) == 2
            assert row["part_standing"] == 1


def test_options_that_stand_everywhere_are_as_they_were(kinds: World):
    for row in ask(kinds, "party", "estimates", level="district")["estimates"]:
        if row["option"] != "Isles":
            assert row["part_standing"] == 1
            assert row["low"] < row["share"] < row["high"]
    assert all(row["part_standing"] == 1 for row in ask(kinds, "agree", "estimates")["estimates"])


@pytest.mark.parametrize("by", ["", "gender", "age,gender"])
def test_a_group_tells_in_which_part_of_its_people_the_option_stands(kinds: World, by: str):
    names = [*filter(None, by.split(","))]
    part = by_hand(kinds, *names)
    rows = isles(ask(kinds, "party", "estimates", **({"by": by} if by else {}))["estimates"])

    assert rows
    for row in rows:
        assert row["part_standing"] == pytest.approx(part[tuple(row["groups"][name] for name in names)])
        assert "stands-in-part" in row["flags"]
        assert row["low"] < row["share"] < row["high"]


def test_merged_districts_and_filters_tell_their_part_too(kinds: World):
    people = dict.fromkeys(DISTRICTS, 0.0)
    frame = ask_release(kinds.services, SURVEY, "party", None).loaded.electorate.frame
    for row in frame.iter_rows(named=True):
        people[row["district"]] += row["n_people"]
    body = ask(kinds, "party", "estimates", level="district", merge="district:D3|D4=middle", option="Isles")
    rows = {row["area"]: row for row in body["estimates"]}

    assert rows["middle"]["part_standing"] == pytest.approx(people["D4"] / (people["D3"] + people["D4"]))
    (south,) = ask(kinds, "party", "estimates", where="region:South", option="Isles")["estimates"]
    assert south["part_standing"] == 1
    (north,) = ask(kinds, "party", "estimates", where="region:North", option="Isles")["estimates"]
    assert "does-not-stand" in north["flags"]


@pytest.mark.parametrize(
    ("route", "rows"),
    [("rank", "ranks"), ("probability", "probabilities"), ("methods", "methods"), ("battleground", "districts")],
)
def test_what_compares_groups_leaves_out_those_where_it_does_not_stand(kinds: World, route: str, rows: str):
    asked = {"option": "Isles"} if route == "battleground" else {"option": "Isles", "level": "district"}
    body = ask(kinds, "party", route, **asked)

    assert sorted(row["area"] for row in body[rows]) == HOME
    assert {row["area"]: row["reason"] for row in body["withheld"]} == dict.fromkeys(AWAY, REASON)
    assert route != "rank" or {row["n_ranked"] for row in body["ranks"]} == {len(HOME)}
    every = ask(kinds, "party", route, **(asked | {"option": "Rail"}))
    assert sorted(row["area"] for row in every[rows]) == list(DISTRICTS)
    assert every["withheld"] == []


def test_ranks_are_among_the_districts_where_it_stands(kinds: World):
    (row,) = ask(kinds, "party", "rank", option="Isles", level="district", districts="D4")["ranks"]
    draws = ask_release(kinds.services, SURVEY, "party", None).loaded.drawn(("district",))["Isles"].draws
    home = draws[:, [DISTRICTS.index(code) for code in HOME]]

    assert row["rank"] == pytest.approx(np.mean([1 + sum(draw[1:] > draw[0]) for draw in home]))


def test_leads_are_told_where_both_options_stand(kinds: World):
    body = ask(kinds, "party", "contrast", option="Rail", versus="Isles", level="district")
    groups = ask(kinds, "party", "contrast", option="Isles", level="district", first="age:young", second="age:old")

    for one in (body, groups):
        assert sorted(row["area"] for row in one["contrasts"]) == HOME
        assert {row["area"]: row["reason"] for row in one["withheld"]} == dict.fromkeys(AWAY, REASON)


def test_who_comes_next_is_one_that_stands(kinds: World):
    leaders = ask_release(kinds.services, SURVEY, "party", None).leaders(level="district").leaders
    assert all(row.second != "Isles" for row in leaders if row.area in AWAY)


def test_seats_have_no_option_that_stands_nowhere_among_the_districts(kinds: World):
    away = ask(kinds, "party", "seats", districts=",".join(AWAY))
    every = ask(kinds, "party", "seats")

    assert [one["option"] for one in away["options"]] == ["Rail", "Town"]
    assert [one["option"] for one in every["options"]] == list(PARTIES)


def test_a_profile_has_no_place_where_it_does_not_stand(kinds: World):
    body = ask(kinds, "party", "districts/D1", option="Isles")

    assert body["district"] is None
    assert [row["reason"] for row in body["withheld"]] == [REASON]
    assert all("does-not-stand" in row["flags"] for row in body["groups"])


def test_tables_say_it(kinds: World):
    asked = {"level": "district", "format": "csv"}
    table = pl.read_csv(kinds.get(f"{URL}/party/estimates", params=asked).content).filter(option="Isles")
    for row in table.iter_rows(named=True):
        assert ("does-not-stand" in (row["flags"] or "")) is (row["area"] in AWAY) is (row["low"] is None)
        assert row["part_standing"] == (row["area"] in HOME)
    ranks = pl.read_csv(kinds.get(f"{URL}/party/rank", params=asked | {"option": "Isles"}).content)
    assert set(ranks.filter(area="D1")["withheld"]) == {REASON}


def test_the_command_line_says_it(kinds: World):
    place = {
        "HUSTINGS_DATA_DIR": str(kinds.settings.data_dir),
        "HUSTINGS_SECRETS_FILE": str(kinds.settings.secrets_file),
        "HUSTINGS_DATABASE_URL": f"sqlite:///{kinds.store.path}",
    }

    def say(*asked: str) -> list[str]:
        result = CliRunner().invoke(cli, [*asked], env=place)
        assert result.exit_code == 0, result.output
        return result.output.splitlines()

    lines = say("estimates", SURVEY, "party", "--level", "district")
    assert [line.split()[0] for line in lines if "does not stand" in line] == AWAY
    (whole,) = [line for line in say("estimates", SURVEY, "party") if "Isles" in line]
    part = by_hand(kinds)[()]
    assert f"stands-in-part ({100 * part:.1f}% of the people)" in whole
    (chance,) = [line for line in say("ask", "probability", SURVEY, "party", "--option", "Isles") if "Adults" in line]
    assert f"stands-in-part ({100 * part:.1f}% of the people)" in chance
    assert any(f"3 groups are withheld; the first: {REASON}" in line for line in say(
        "ask", "rank", SURVEY, "party", "--level", "district", "--option", "Isles"
    ))  # fmt: skip


def test_pages_say_it(kinds: World):
    def said(more: str) -> str:
        return words(kinds.page(f"/surveys/{SURVEY}/questions/party{more}"))

    assert said("/districts").count("does not stand") >= len(AWAY)
    assert "Isles does not stand" in said("/districts/D1")
    assert "0% 0 to 0%" not in said("/districts/D1") + said("/districts") + said("") + said("/crosstab?columns=*")
    assert "does not stand" not in said("/districts/D4")
    part = round(100 * by_hand(kinds)[()])
    assert f"stands among {part}% of the people" in said("")
    assert "does not stand" in said("/crosstab?rows=region&columns=*")
    assert f"North {REASON}" in said("/methods?by=region&option=Isles")


def test_flags_of_groups_are_those_of_the_option():
    assert [flags_of(part) for part in (0, 0.4, 1)] == [("does-not-stand",), ("stands-in-part",), ()]
    facts = GroupFacts({}, 100.0, None, None, ("few-interviews",))

    assert facts.of_option(0.4).of_option(0).flags == ("few-interviews", "does-not-stand")
    assert facts.of_option(0).of_option(1.0) == facts


def test_a_question_of_another_kind_has_options_that_stand_everywhere(kinds: World):
    design = ask_release(kinds.services, SURVEY, "agree", None).loaded.design
    groups = pl.DataFrame({"age": ["young", "old"], "n_people": [1.0, 2.0]})
    breakdown = Breakdown(Grouping(("age",)), groups, groups, np.array([0, 1], dtype=np.int32))

    assert part_standing(design, breakdown, "yes").tolist() == [1, 1]


def test_the_disclosure_statement_says_it(kinds: World):
    release = ask(kinds, "party", "estimates")["release_id"]
    said = words(kinds.page(f"/surveys/{SURVEY}/releases/{release}/disclosure"))

    assert "Isles cannot be chosen everywhere." in said
    assert "Isles region South" in said
    assert "one standard deviation for all options" in said
