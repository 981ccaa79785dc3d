"""Pages of questions with several options, of a scale and of numbers: what they say is what the interface says."""

from typing import Any

import pytest

from api.charts.measures import number
from api.estimands import drawn_many
from api.page.asking import ask_release
from api.page.words import chance, ends, percent, points
from api.report import make_report, trust
from polling.store import releases
from polling.store.checks import add_check
from tests.api.drawn_fit import weekly_parties
from tests.api.kinds import PARTIES
from tests.api.page.test_pages import words
from tests.api.world import SURVEY, World

QUESTIONS = ("party", "agree", "minutes")
PAGES = (
    "",
    "/crosstab",
    "/crosstab?rows=age&columns=gender",
    "/districts",
    "/districts/D1",
    "/trend",
    "/seats",
    "/revision",
    "/releases",
    "/methods",
    "/methods?by=age",
    "/whom-to-ask",
    "/whom-to-ask?by=age&targets=nation&n=50",
    "/track-record",
)
OF_RELEASE = ("representation", "checks", "diagnostics", "disclosure")


def page(world: World, question: str, more: str = "") -> Any:
    return world.page(f"/surveys/{SURVEY}/questions/{question}{more}")


def asked(world: World, question: str, route: str, **parameters: Any) -> dict[str, Any]:
    reply = world.get(f"/v1/surveys/{SURVEY}/questions/{question}/{route}", params=parameters)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_page_answers_for_every_kind(kinds: World, question: str):
    release = asked(kinds, question, "means" if question != "party" else "estimates")["release_id"]
    paths = [f"/surveys/{SURVEY}/questions/{question}{more}" for more in PAGES]
    paths += [f"/surveys/{SURVEY}/releases/{release}/{more}" for more in OF_RELEASE]
    found = {path: kinds.page(path).status_code for path in (*paths, "/", f"/surveys/{SURVEY}")}

    assert {path for path, code in found.items() if code != 200} == set()


def test_the_first_screen_of_several_options_says_what_the_interface_says(kinds: World):
    said = words(page(kinds, "party"))

    rows = asked(kinds, "party", "estimates")["estimates"]
    for row in rows:
        assert f"{row['option']} {percent(row['share'])} {ends(row['low'], row['high'])}" in said
    largest = max(rows, key=lambda row: row["share"])["option"]
    p = asked(kinds, "party", "estimates", option=largest)["estimates"][0]
    assert p["option"] == largest
    assert f"“{largest}” is the most frequent answer with a probability of" in said


def test_a_district_of_several_options_has_them_all_beside_the_chance_to_lead(kinds: World):
    said = words(page(kinds, "party", "/districts/D5"))

    for option in PARTIES:
        told = asked(kinds, "party", "districts/D5", option=option)["district"]
        assert f"{option} {percent(told['share'])} {ends(told['low'], told['high'])}" in said
        assert chance(told["p_lead"]) in said
    assert "Nobody was interviewed there" in said


def test_the_map_shows_what_leads_or_one_option_by_choice(kinds: World):
    leads = page(kinds, "party").text
    assert "Which option leads: by district" in leads
    one = page(kinds, "party", "?option=Town").text
    assert "Town: by district" in one
    assert page(kinds, "party", "?option=Moon").status_code == 422
    assert "Mean score: by district" in page(kinds, "agree").text
    assert "Mean, minutes: by district" in page(kinds, "minutes").text


def test_a_crosstab_by_answer_adds_up(kinds: World):
    said = words(page(kinds, "party", "/crosstab?rows=age&columns=*"))

    assert "Age by answer" in said
    for row in asked(kinds, "party", "estimates", by="age")["estimates"]:
        assert f"{percent(row['share'])} {ends(row['low'], row['high'])}" in said
    assert kinds.page(f"/surveys/{SURVEY}/questions/rail/crosstab?columns=*").status_code in (404, 422)


def test_numbers_are_told_in_their_unit(kinds: World):
    said = words(page(kinds, "minutes"))
    (row,) = asked(kinds, "minutes", "means")["means"]

    assert f"Mean, minutes {number(row['mean'])} {number(row['low'])} to {number(row['high'])}" in said
    assert "This is the first release of the question." in said
    of_women = asked(kinds, "minutes", "means", by="gender", where="region:North")["means"][0]
    table = words(page(kinds, "minutes", "/crosstab?rows=gender&columns=-&where=region:North"))
    assert f"{number(of_women['mean'])} {number(of_women['low'])} to {number(of_women['high'])}" in table
    (methods,) = asked(kinds, "minutes", "methods")["methods"]
    shown = words(page(kinds, "minutes", "/methods"))
    for one in (methods["raw"], methods["weighted"], methods["mrp"]):
        assert f"{number(one['mean'])} {number(one['low'])} to {number(one['high'])}" in shown
    assert methods["sentence"] in shown
    profile = asked(kinds, "minutes", "districts/D2")
    there = words(page(kinds, "minutes", "/districts/D2"))
    assert f"Of 6 districts it stands at place {profile['district']['rank_low']:.0f} to" in there
    group = profile["groups"][0]
    assert f"{number(group['mean'])} {number(group['low'])} to {number(group['high'])}" in there


@pytest.mark.parametrize("more", ["/crosstab?rows=gender&columns=age", "/methods?by=gender", "/methods"])
def test_the_score_of_a_scale_is_shown_where_it_is_chosen(kinds: World, more: str):
    shown = words(page(kinds, "agree", f"{more}{'&' if '?' in more else '?'}measure=mean"))
    query = {"by": "gender"} if "gender" in more else {}

    assert "Mean, points on the scale −1 to 1" in shown
    for row in asked(kinds, "agree", "means", **query)["means"]:
        assert f"{number(row['mean'])} {number(row['low'])} to {number(row['high'])}" in shown
    assert "Share of “no”" in words(page(kinds, "agree", more))


def test_districts_are_listed_by_the_mean_score(kinds: World):
    rows = asked(kinds, "agree", "rank", level="district", measure="mean")["ranks"]
    said = words(page(kinds, "agree", "/districts?order=highest"))
    ordered = sorted(rows, key=lambda row: (-row["mean"], row["area"]))
    places = [said.rindex(f"{row['area_name']} {number(row['mean'])}") for row in ordered]

    assert places == sorted(places)
    assert "Mean, points on the scale −1 to 1" in said
    assert "of “no”" not in said
    assert "Which option leads" not in page(kinds, "agree", "/districts?order=closest&option=no").text
    there = words(page(kinds, "agree", "/districts/D3"))
    row = rows[2]
    assert f"Mean, points on the scale −1 to 1: {number(row['mean'])} {number(row['low'])} to" in there
    assert f"at place {row['rank_low']:.0f} to {row['rank_high']:.0f} of 6 districts" in there


def test_seats_of_several_options(kinds: World):
    said = words(page(kinds, "party", "/seats?option=Town"))

    for row in asked(kinds, "party", "seats", option="Town")["options"]:
        assert f"{row['option']} {row['seats']:.0f} {row['low']:.0f} to {row['high']:.0f} of 6" in said
    assert "Lead of “Town” over the strongest other option" in said
    assert "nobody wins seats" in words(page(kinds, "agree", "/seats"))


def test_the_first_page_tells_of_every_kind(kinds: World):
    said = words(kinds.page(f"/surveys/{SURVEY}"))

    (mean,) = asked(kinds, "minutes", "means")["means"]
    assert f"{number(mean['mean'])} minutes" in said
    largest = max(asked(kinds, "party", "estimates")["estimates"], key=lambda row: row["share"])
    assert f"{percent(largest['share'])} “{largest['option']}”" in said


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_report_tells_of_every_kind(kinds: World, question: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trust, "figure_kinds", lambda *_: [])  # pictures of fits take seconds, and are tested elsewhere
    text = make_report(ask_release(kinds.services, SURVEY, question, None))

    assert ("Shares of all options by district" in text) == (question != "minutes")
    assert ("Mean, minutes" in text) == (question == "minutes")
    assert "Raw, weighted and estimated" in text
    assert "Whom the interviews represent" in text
    assert ("Districts won" in text) == (question == "party")
    assert "<script" not in text


def test_checks_are_told_option_by_option_and_of_means_only_whether_they_fit(kinds: World):
    group = {"levels": ["old"], "n_interviews": 120, "observed": 0.7, "predicted": 0.5, "low": 0.4, "high": 0.6}
    group |= {"residual": 3.0, "off": True}
    told = {
        "party": {"option": "Town", "columns": ["age"], "found": "misfit", "groups": [group]},
        "minutes": {"columns": ["age"], "found": "misfit", "groups": []},
    }
    said = {}
    for question, margin in told.items():
        with kinds.store.write() as session:
            release = releases.current_release(session, SURVEY, question)
            assert release is not None
            content = {"interval": 0.9, "margins": [margin]}
            add_check(session, release, kind="posterior-predictive", content=content, concerns=[], now=kinds.now)
        said[question] = words(kinds.page(f"/surveys/{SURVEY}/releases/{release.id}/checks"))

    assert "Town, age: does not fit" in said["party"]
    assert "old off 120 70% 50% 40 to 60%" in said["party"]
    assert "Means of groups are not told" in said["minutes"]
    assert "Its groups are not told one by one" in said["minutes"]


def test_over_time_every_option_has_a_line_and_its_change(world: World):
    weekly_parties(world)

    shown = page(world, "party", "/trend")
    said = words(shown)
    for option in PARTIES:
        for point in asked(world, "party", "trend", option=option)["points"]:
            assert f"{percent(point['share'])} {ends(point['low'], point['high'])}" in said
    assert "Options over time" in shown.text
    assert "Town: over time" in page(world, "party", "/trend?option=Town").text
    first = words(page(world, "party"))
    for option in PARTIES:
        (row,) = asked(world, "party", "change", option=option)["changes"]
        assert f"“{option}”: {points(row['difference'])} , {row['words']}" in first


def test_the_first_screen_takes_two_passes_over_the_cells_whatever_the_options(
    kinds: World, monkeypatch: pytest.MonkeyPatch
):
    release_id = asked(kinds, "party", "estimates")["release_id"]
    kinds.services.releases._loaded.drop(release_id)
    kinds.forget_answers()
    passes: list[int] = []
    for where in ("api.margins.drawn_many", "api.release_cache.drawn_many", "api.breakdown.drawn_many"):
        monkeypatch.setattr(where, lambda *given, **more: passes.append(1) or drawn_many(*given, **more))
    monkeypatch.setattr("api.page.question.kept", lambda *given, **more: given[-1]())
    page(kinds, "party")

    # One for districts, from which larger areas and the whole follow, and one for groups.
    assert len(passes) == 2
