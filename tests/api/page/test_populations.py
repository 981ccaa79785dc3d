"""Pages are about the population that is chosen, say what is to be known of it, and lead to pages about the same."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from api.charts.measures import number
from api.page.words import ends, percent
from tests.api import totals
from tests.api.conftest import _world
from tests.api.kinds import kinds_csv
from tests.api.page.test_pages import words
from tests.api.test_populations import POPULATIONS, ask, declare, turnout_csv
from tests.api.totals import ERROR
from tests.api.world import SURVEY, World, change_survey

QUESTION = f"/surveys/{SURVEY}/questions"
PAGES = ("", "/crosstab", "/districts", "/districts/D1", "/seats", "/revision", "/whom-to-ask")
DOUBT = "Who the likely voters are is what respondents say of themselves"


@pytest.fixture(scope="module")
def parts(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Questions of all kinds about everybody, registered people or likely voters, whose polls share an error."""
    for world in _world(_sqlite_template, tmp_path_factory.mktemp("parts")):
        declare(world)
        totals.declare(world, ERROR)
        assert world.push("records", turnout_csv(), pollster="Beta", role="admin").status_code == 202
        world.work()
        assert world.push("kinds", kinds_csv()).status_code == 202
        world.release()
        yield world


def opened(world: World, path: str, **parameters: Any) -> Any:
    reply = world.page(f"{QUESTION}/{path}", params=parameters)
    assert reply.status_code == 200, reply.text
    return reply


def links(reply: Any) -> list[str]:
    return [unescape(one) for one in re.findall(r'href="(/surveys/[^"]*/questions/[^"]*)"', reply.text)]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_a_question_is_about_whom_is_chosen(parts: World, page: str):
    voters = opened(parts, f"party{page}", population="voters")
    said = words(voters)

    assert "Among likely voters: " in said
    assert "told by release 1 of listed and release 1 of turnout." in said
    assert said.count(DOUBT) == 1
    # The first page tells of the others too, each with what is to be known of it.
    assert (DOUBT in words(opened(parts, f"party{page}", population="registered"))) == (page == "")
    # All three can be chosen; the one that is shown is marked, and is no link.
    assert '<strong aria-current="true">Likely voters</strong>' in voters.text
    chosen = {one.partition("population=")[2].partition("&")[0] for one in links(voters) if "population=" in one}
    assert chosen == {"registered", "voters"}
    assert '<strong aria-current="true">Adults of the town</strong>' in opened(parts, f"party{page}").text


def test_numbers_of_a_page_are_those_that_the_interface_gives_of_the_same_people(parts: World):
    for population in ("everybody", "registered", "voters"):
        said = words(opened(parts, "rail/districts", population=population))
        for row in ask(parts, "rail/estimates", level="district", population=population)["estimates"]:
            both = f"{ends(row['low'], row['high'])} ({ends(row['total_low'], row['total_high'])})"
            assert f"{row['area_name']} {percent(row['share'])} {both}" in said


def test_pages_lead_to_pages_about_the_same_people_except_where_interviews_are_compared(parts: World):
    found = links(opened(parts, "rail", population="voters"))
    same = [one for one in found if "/districts" in one or "/crosstab" in one or "/seats" in one]
    assert len(same) > 10
    assert {one for one in same if "population=voters" not in one} == set()
    assert [one for one in found if "/methods" in one] == [f"{QUESTION}/rail/methods"]
    form = opened(parts, "rail/crosstab", population="voters").text
    assert '<input type="hidden" name="population" value="voters">' in form
    added = parts.page(f"{QUESTION}/rail/crosstab?only=age:old&population=voters", follow_redirects=False)
    assert "population=voters" in added.headers["location"]


def test_another_population_is_chosen_for_the_very_table_that_is_shown(parts: World):
    asked = {"rows": "gender", "columns": "age", "where": "age:old", "population": "voters", "option": "no"}
    (link,) = (one for one in links(opened(parts, "rail/crosstab", **asked)) if "population=registered" in one)
    for told in ("rows=gender", "columns=age", "where=age%3Aold", "option=no"):
        assert told in link
    assert "Among registered people: " in words(parts.page(link))


def test_a_first_page_says_of_each_other_population_what_is_to_be_known_of_it(parts: World):
    said = words(opened(parts, "rail"))
    voters, registered = (said.index(f"Among {one}: yes") for one in ("likely voters", "registered people"))
    assert said.index(DOUBT) > voters > registered
    assert said.count(DOUBT) == 1


def test_a_population_that_there_is_not_is_refused_and_one_that_nothing_tells_cannot_be_chosen(
    parts: World, world: World
):
    reply = parts.page(f"{QUESTION}/rail", params={"population": "votes"})
    assert reply.status_code == 422
    assert "votes" in reply.text
    declare(world)
    world.release()
    assert 'class="about populations"' not in opened(world, "rail").text


@pytest.mark.parametrize("question", ["rail", "party", "agree", "minutes"])
def test_the_page_of_a_district_has_both_intervals_of_it_and_of_groups_there(parts: World, question: str):
    what = "means" if question == "minutes" else "estimates"
    said = words(opened(parts, f"{question}/districts/D1", population="registered"))
    rows = [
        row
        for by in ({}, {"by": "age"}, {"by": "gender"})
        for row in ask(parts, f"{question}/{what}", level="district", districts="D1", population="registered", **by)[
            what
        ]
    ]
    assert len(rows) > 3
    for row in rows:
        if what == "means":  # polls of numbers have no such error declared
            assert f"{number(row['mean'])} {number(row['low'])} to {number(row['high'])} " in said
        elif row["low"] is not None:
            both = f"{ends(row['low'], row['high'])} ({ends(row['total_low'], row['total_high'])})"
            assert f"{percent(row['share'])} {both}" in said, row
    assert ("the one in brackets" in said) == (what == "estimates")
    assert "All intervals on this page" not in said


def test_the_page_of_a_survey_says_whom_a_headline_is_about(world: World):
    declare(world, POPULATIONS.replace('within = "registered"\n', ""))
    change_survey(world, "survey.toml", "[questions.rail]\n", '[questions.rail]\npopulation = "voters"\n')
    assert world.push("records", turnout_csv(columns=("turnout",))).status_code == 202
    world.work()
    world.release()
    assert "“yes” among likely voters" in words(world.page(f"/surveys/{SURVEY}"))
    everybody = opened(world, "rail", population="everybody")
    assert '<strong aria-current="true">Adults of the town</strong>' in everybody.text
    assert DOUBT not in words(everybody).partition("Among likely voters: yes")[0]
