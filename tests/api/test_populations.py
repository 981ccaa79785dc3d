"""Estimates about a part of the population that another question tells: whom, how many, by which release."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

from api.answer_payloads import EstimatesPayload, MeansPayload
from api.charts.measures import measure_of
from api.cli import cli
from api.page.asking import ask_release
from api.report import make_report
from api.served import find_served
from mrp.grouping import Grouping
from mrp.turnout import Turnout, voter_draws_many
from polling.store import erasure, queue, releases
from tests.api import totals
from tests.api.conftest import _world
from tests.api.kinds import KINDS, PARTIES, SCORES, kinds_csv
from tests.api.totals import ERROR, KNOWN, TOTALS
from tests.api.world import AGES, DISTRICTS, GENDERS, SILENT, SURVEY, WEEKS, World, change_survey, wave_csv

POPULATIONS = """
[questions.turnout]
text = "Did you vote?"
kind = "binary"
options = ["voted", "did not"]
model = "(1|age) + (1|district)"
[questions.listed]
text = "Are you registered?"
kind = "binary"
options = ["listed", "not listed"]
model = "gender"
[populations.registered]
people = "registered people"
question = "listed"
validated = true
[populations.voters]
people = "likely voters"
question = "turnout"
within = "registered"
"""


def turnout_csv(n: int = 300, *, start: int = 50_000, columns: tuple[str, ...] = ("turnout", "listed")) -> bytes:
    """A wave that asks nothing else, as records of another source do."""
    asked = [district for district in DISTRICTS if district != SILENT]
    rows = [
        (
            f"v{start + i}",
            asked[i % 5],
            GENDERS[i // 5 % 2],
            AGES[i // 10 % 3],
            "voted" if (i * 3 + i // 10) % 5 < 1 + i // 10 % 3 else "did not",
            "listed" if i % 7 else "not listed",
        )
        for i in range(n)
    ]
    names = ["id", "district", "gender", "age", "turnout", "listed"]
    return pl.DataFrame(rows, schema=names, orient="row").select(*names[:4], *columns).write_csv().encode()


def declare(world: World, text: str = POPULATIONS + KINDS) -> None:
    change_survey(world, "survey.toml", "[questions.rail]", text + "[questions.rail]")


@pytest.fixture(scope="module")
def parts(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service whose questions can be asked among voters; tests only read from it."""
    for world in _world(_sqlite_template, tmp_path_factory.mktemp("parts")):
        declare(world)
        assert world.push("records", turnout_csv(), pollster="Beta", role="admin").status_code == 202
        world.work()
        assert world.push("kinds", kinds_csv()).status_code == 202
        world.release()
        yield world


def ask(world: World, path: str = "rail/estimates", status: int = 200, **parameters: Any) -> dict[str, Any]:
    reply = world.get(f"/v1/surveys/{SURVEY}/questions/{path}", params=parameters or None)
    assert reply.status_code == status, reply.text
    body: dict[str, Any] = reply.json()
    return body


def expected(world: World, question: str, names: tuple[str, ...], grouping: Grouping) -> Any:
    """What the estimator says, from the stored draws."""
    cache = world.services.releases
    with world.store.read() as session:
        asked, *told = [releases.current_release(session, SURVEY, one) for one in (question, *names)]
    loaded = cache.load(asked.id)
    turnout = [Turnout(one.latents, one.design) for one in (cache.load(release.id) for release in told)]
    return voter_draws_many(loaded.latents, loaded.design, loaded.electorate, turnout, [grouping])[0]


def test_estimates_among_voters_are_those_of_the_draws_of_both_questions(parts: World):
    body = ask(parts, level="district", by="gender", population="registered")
    found = expected(parts, "rail", ("listed",), Grouping(("district", "gender")))
    shares = [row["share"] for row in body["estimates"]]
    assert_allclose(shares, found.drawn.draws[:, :, 0].mean(axis=0), atol=1e-6)
    low = [row["low"] for row in body["estimates"]]
    assert_allclose(low, np.quantile(found.drawn.draws[:, :, 0], 0.05, axis=0), atol=1e-6)
    # Who may be told of is decided by the people of the frame.
    assert [row["n_people"] for row in body["estimates"]] == found.drawn.areas["n_people"].to_list()
    assert {row["area_name"] for row in ask(parts, population="registered")["estimates"]} == {"registered people"}
    everybody = ask(parts, level="district", by="gender")
    assert [row["share"] for row in everybody["estimates"]] != shares
    assert [row["n_interviews"] for row in everybody["estimates"]] == [r["n_interviews"] for r in body["estimates"]]


def test_the_head_says_whom_it_is_about_how_many_and_what_tells_it(parts: World):
    everybody = ask(parts)["population"]
    n_people = parts.services.releases.load(ask(parts)["release_id"]).electorate.frame["n_people"].sum()
    assert everybody == {
        "id": "everybody",
        "people": "Adults of the town",
        "n_people": n_people,
        "low": n_people,
        "high": n_people,
        "told_by": [],
    }
    assert ask(parts, population="everybody")["population"] == everybody
    body = ask(parts, population="voters", interval="0.8")
    told = body["population"]
    share = expected(parts, "rail", ("listed", "turnout"), Grouping()).turnout.draws[:, 0]
    assert (told["id"], told["people"]) == ("voters", "likely voters")
    assert told["n_people"] == pytest.approx(n_people * share.mean(), rel=1e-6)
    assert [told["low"], told["high"]] == pytest.approx(list(n_people * np.quantile(share, [0.1, 0.9])), rel=1e-6)
    assert [(one["question"], one["release_number"], one["newest_number"]) for one in told["told_by"]] == [
        ("listed", 1, 1),
        ("turnout", 1, 1),
    ]
    # Registration is known from records, turnout is what people say.
    (warning,) = body["warnings"]
    assert warning.startswith("who the likely voters are is what respondents say of themselves in answer to 'turnout'")
    assert ask(parts, population="registered")["warnings"] == ask(parts)["warnings"] == []


@pytest.mark.parametrize(
    ("path", "rows", "number"),
    [
        ("rail/rank?level=district", "ranks", "rank"),
        ("rail/probability?level=district&threshold=0.55", "probabilities", "probability"),
        ("rail/contrast?first=age:old&second=age:young", "contrasts", "difference"),
        ("rail/contrast?versus=no&level=district", "contrasts", "difference"),
        ("party/estimates?level=region", "estimates", "share"),
        ("party/battleground", "districts", "lead"),
        ("agree/means?by=age", "means", "mean"),
        ("minutes/means?level=district", "means", "mean"),
        ("rail/districts/D1", "groups", "share"),
    ],
)
def test_everything_that_is_asked_of_shares_and_means_is_asked_among_voters(
    parts: World, path: str, rows: str, number: str
):
    joined = "&" if "?" in path else "?"
    everybody, voters = (ask(parts, f"{path}{joined}population={one}") for one in ("everybody", "voters"))
    assert len(everybody[rows]) == len(voters[rows]) > 0
    assert [row[number] for row in everybody[rows]] != [row[number] for row in voters[rows]]
    assert voters["population"]["id"] == "voters"


def test_seats_are_counted_among_voters(parts: World):
    voters = ask(parts, "party/seats", population="voters")
    assert voters["population"]["id"] == "voters"
    assert sum(row["seats"] for row in voters["options"]) == pytest.approx(voters["n_seats"])


def test_all_options_and_means_are_those_of_the_draws_of_both(parts: World):
    found = expected(parts, "party", ("listed", "turnout"), Grouping(("region",))).drawn.draws.mean(axis=0)
    rows = ask(parts, "party/estimates", level="region", population="voters")["estimates"]
    assert [row["option"] for row in rows] == [*PARTIES, *PARTIES]
    assert_allclose([row["share"] for row in rows], found.ravel(), atol=1e-6)
    means = ask(parts, "minutes/means", by="age", population="voters")["means"]
    found = expected(parts, "minutes", ("listed", "turnout"), Grouping(("age",))).drawn.draws.mean(axis=0)
    assert_allclose([row["mean"] for row in means], found.ravel(), rtol=1e-6)


@pytest.mark.parametrize(("question", "asked"), [("minutes", {}), ("agree", {"measure": "mean"})])
def test_means_are_ranked_among_voters(parts: World, question: str, asked: dict[str, str]):
    found = expected(parts, question, ("listed", "turnout"), Grouping(("district",))).drawn.draws
    draws = found @ np.array(SCORES) if question == "agree" else found[:, :, 0]
    body = ask(parts, f"{question}/rank", level="district", population="voters", **asked)

    assert body["measure"] == "mean"
    assert_allclose([row["mean"] for row in body["ranks"]], draws.mean(axis=0), rtol=1e-5, atol=1e-6)
    place = 1 + (draws[:, :, None] < draws[:, None, :]).sum(axis=2).mean(axis=0)
    assert_allclose([row["rank"] for row in body["ranks"]], place, atol=1e-9)


def test_merged_and_filtered_groups_are_made_for_voters(parts: World):
    grouping = Grouping(("age",), where={"gender": ("man",)}, merge={"age": {"elder": ("middle", "old")}})
    found = expected(parts, "rail", ("listed", "turnout"), grouping).drawn.draws.mean(axis=0)
    asked = {"by": "age", "where": "gender:man", "merge": "age:middle|old=elder", "population": "voters"}
    assert_allclose([row["share"] for row in ask(parts, **asked)["estimates"]], found.ravel(), atol=1e-6)
    opposite = [row["share"] for row in ask(parts, **asked, option="no")["estimates"]]
    assert_allclose(opposite, 1 - found.ravel(), atol=1e-6)


def test_charts_say_whom_they_are_about(parts: World):
    for path, measure in (("rail/estimates", "Share answering “yes”"), ("minutes/means", "Mean, minutes")):
        kind = MeansPayload if path.endswith("means") else EstimatesPayload
        everybody, voters = (
            msgspec.convert(ask(parts, path, population=one), kind) for one in ("everybody", "registered")
        )
        assert (measure_of(everybody), measure_of(voters)) == (measure, f"{measure} among registered people")


def test_many_queries_in_one_request_may_ask_among_voters(parts: World):
    queries = [{"question": "rail", "kind": "estimates", "population": one} for one in ("voters", "everybody")]
    reply = parts.client.post(f"/v1/surveys/{SURVEY}/queries", json={"queries": queries}, headers=parts.bearer("admin"))
    assert reply.status_code == 200, reply.text
    told = [one["body"]["population"]["id"] for one in reply.json()["answers"]]
    assert told == ["voters", "everybody"]


def test_what_was_made_with_draws_that_are_gone_is_forgotten(world: World):
    declare(world, POPULATIONS.replace('within = "registered"\n', ""))
    assert world.push("records", turnout_csv(columns=("turnout",))).status_code == 202
    world.work()
    world.release()
    first = ask(world, population="voters")
    (told,) = first["population"]["told_by"]
    assert world.push("more", turnout_csv(start=60_000, columns=("turnout",))).status_code == 202
    world.work()
    with world.store.write() as session:
        erasure.forget_fits(session, [releases.get_release(session, told["release_id"]).fit_id])
    world.services.memory.look()

    loaded = world.services.releases.load(first["release_id"])
    assert loaded._parts.keys() == []
    again = ask(world, population="voters")
    assert [one["release_number"] for one in again["population"]["told_by"]] == [2]
    assert again["estimates"] != first["estimates"]


def test_what_cannot_be_asked_among_voters_says_why(parts: World):
    assert "'voters'" in ask(parts, status=422, population="votes")["detail"]
    assert "answered for everybody only" in ask(parts, "turnout/estimates", 422, population="voters")["detail"]
    assert ask(parts, "turnout/estimates")["population"]["id"] == "everybody"
    assert "not compared with estimates about a part" in ask(parts, "rail/methods", 422, population="voters")["detail"]
    assert ask(parts, "rail/methods")["population"]["id"] == "everybody"


def test_without_a_release_that_tells_who_they_are_it_is_refused_and_the_first_one_counts(world: World):
    declare(world, POPULATIONS)
    world.release()
    assert "told by question 'listed', which has no release" in ask(world, status=404, population="voters")["detail"]
    assert world.push("records", turnout_csv(columns=("listed",))).status_code == 202
    world.work()
    assert ask(world, population="registered")["population"]["told_by"][0]["release_number"] == 1
    assert "told by question 'turnout'" in ask(world, status=404, population="voters")["detail"]
    with world.store.read() as session:
        state = find_served(session, SURVEY, "rail").populations
    assert list(state.telling) == ["listed"]


def test_a_release_keeps_to_the_one_that_told_it_and_the_next_goes_on_to_the_newest(world: World):
    declare(world, POPULATIONS.replace('within = "registered"\n', ""))
    assert world.push("records", turnout_csv(columns=("turnout",))).status_code == 202
    world.work()
    first = world.release()
    before = ask(world, population="voters")
    assert world.push("more", turnout_csv(start=60_000, columns=("turnout",))).status_code == 202
    world.work()

    after = ask(world, population="voters")
    assert after["estimates"] == before["estimates"]
    (told,) = after["population"]["told_by"]
    assert (told["release_number"], told["newest_number"]) == (1, 2)

    world.release("w2", wave_csv(start=9000))
    newer = ask(world, population="voters")
    (told,) = newer["population"]["told_by"]
    assert (told["release_number"], told["newest_number"]) == (2, 2)
    assert ask(world, population="voters", release=first.id)["estimates"] == before["estimates"]
    revision = ask(world, "rail/revision", population="voters", before=first.id)
    assert any("turnout" in reason for reason in revision["reasons"])


def test_of_a_wave_that_asks_both_turnout_is_refitted_first(world: World):
    declare(world, POPULATIONS.replace('within = "registered"\n', ""))
    content = (
        wave_csv(questions=("rail", "turnout")).decode().replace(",yes\n", ",voted\n").replace(",no\n", ",did not\n")
    )
    assert world.push("both", content.encode()).status_code == 202
    with world.store.read() as session:
        due = {job.question_id: job.run_after for job in queue.list_jobs(session, SURVEY)}
    assert due["turnout"] < due["rail"]
    world.work()
    assert [one["question"] for one in ask(world, population="voters")["population"]["told_by"]] == ["turnout"]


def test_a_question_can_be_about_voters_unless_somebody_asks_for_everybody(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    declare(world, POPULATIONS.replace('within = "registered"\n', ""))
    change_survey(world, "survey.toml", "[questions.rail]\n", '[questions.rail]\npopulation = "voters"\n')
    assert world.push("records", turnout_csv(columns=("turnout",))).status_code == 202
    world.work()
    world.release()
    assert ask(world) == ask(world, population="voters")
    assert ask(world)["population"]["id"] == "voters"
    assert ask(world, population="everybody")["population"]["id"] == "everybody"
    # What is compared with interviews stays about everybody who could be asked.
    assert ask(world, "rail/methods")["population"]["id"] == "everybody"
    page = world.page(f"/surveys/{SURVEY}/questions/rail")
    assert "Among likely voters:" in page.text
    assert "Among Adults of the town: yes" in page.text
    assert "is what respondents say of themselves" in page.text
    assert "Among likely voters:" not in world.page(f"/surveys/{SURVEY}/questions/rail/methods").text
    statement = world.get(f"/v1/surveys/{SURVEY}/releases/{ask(world)['release_id']}/disclosure")
    assert "Estimates are about likely voters unless another population is asked for" in statement.text
    monkeypatch.setattr("api.report.trust.figure_of", lambda *_: "<svg></svg>")
    document = make_report(ask_release(world.services, SURVEY, "rail", None))
    assert "Among likely voters:" in document
    assert document.count("is what respondents say of themselves") >= 1
    assert world.get(f"/v1/surveys/{SURVEY}").json()["populations"][1] == {
        "id": "voters",
        "people": "likely voters",
        "question": "turnout",
        "within": None,
        "validated": False,
    }
    assert world.get(f"/v1/surveys/{SURVEY}/questions/rail").json()["population"] == "voters"
    report = world.get(f"/v1/surveys/{SURVEY}/releases/{ask(world)['release_id']}/representation")
    assert report.json()["population"]["id"] == "everybody"


@pytest.fixture(scope="module")
def weekly_parts(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A question with an effect of every week that can be asked among voters; tests only read from it."""
    for world in _world(_sqlite_template, tmp_path_factory.mktemp("weekly_parts")):
        declare(world, POPULATIONS.replace('within = "registered"\n', ""))
        assert world.push("records", turnout_csv(columns=("turnout",))).status_code == 202
        world.work()
        world.weekly_release()
        yield world


def test_a_question_about_people_whom_nothing_tells_yet_does_not_keep_others_from_being_listed(world: World):
    declare(world, POPULATIONS)
    change_survey(world, "survey.toml", "[questions.rail]\n", '[questions.rail]\npopulation = "voters"\n')
    world.release()
    assert "told by question 'listed', which has no release" in ask(world, status=404)["detail"]
    for page in ("/", f"/surveys/{SURVEY}"):
        assert "told by question &#39;listed&#39;" in world.page(page).text
    assert "told by question &#39;listed&#39;" in world.page(f"/surveys/{SURVEY}/questions/rail").text


def test_change_and_trend_are_those_of_the_same_voters_in_every_period(weekly_parts: World):
    body = ask(weekly_parts, "rail/change", since="2026-W07", period="2026-W09", population="voters")
    cache = weekly_parts.services.releases
    with weekly_parts.store.read() as session:
        asked, told = (releases.current_release(session, SURVEY, one) for one in ("rail", "turnout"))
    assert asked is not None
    assert told is not None
    rail, turnout = cache.load(asked.id), cache.load(told.id)
    shares = [
        voter_draws_many(
            rail.latents,
            rail.design,
            rail.electorate,
            [Turnout(turnout.latents, turnout.design)],
            [Grouping()],
            at={"period": period},
        )[0].drawn.draws[:, 0, 0]
        for period in WEEKS
    ]
    (row,) = body["changes"]
    assert_allclose(row["difference"], (shares[2] - shares[0]).mean(), atol=1e-6)
    assert_allclose(row["p_rise"], (shares[2] > shares[0]).mean(), atol=1e-9)
    points = ask(weekly_parts, "rail/trend", population="voters")["points"]
    assert_allclose([point["share"] for point in points], [one.mean() for one in shares], atol=1e-6)


def test_a_change_between_releases_is_that_of_the_people_whom_the_later_one_knows(world: World):
    declare(world, POPULATIONS.replace('within = "registered"\n', ""))
    first = world.release("early", wave_csv(200))
    assert world.push("records", turnout_csv(columns=("turnout",))).status_code == 202
    world.work()
    listed = world.get(f"/v1/surveys/{SURVEY}/waves").json()["waves"]
    (early,) = [wave["id"] for wave in listed if wave["reference"] == "early"]
    reply = world.client.post(
        f"/v1/surveys/{SURVEY}/waves/{early}/withdraw", json={"reason": "old"}, headers=world.bearer("admin")
    )
    assert reply.status_code < 300, reply.text
    world.release("late", wave_csv(200, start=5000))
    assert world.push("more", turnout_csv(start=60_000, columns=("turnout",))).status_code == 202
    world.work()
    body = ask(world, "rail/change", before=first.id, population="voters")
    assert [one["release_number"] for one in body["population"]["told_by"]] == [1]
    (row,) = body["changes"]
    alone = ask(world, population="voters", release=first.id)["estimates"][0]
    assert row["before"]["share"] == pytest.approx(alone["share"])


def test_the_command_line_says_whom_it_is_about(parts: World):
    place = {
        "HUSTINGS_DATA_DIR": str(parts.settings.data_dir),
        "HUSTINGS_SECRETS_FILE": str(parts.settings.secrets_file),
        "HUSTINGS_DATABASE_URL": f"sqlite:///{parts.store.path}",
    }
    asked = ["ask", "probability", SURVEY, "rail", "--population", "voters"]
    told = CliRunner().invoke(cli, asked, env=place)
    assert told.exit_code == 0, told.output
    assert "Among likely voters: " in told.output
    assert "told by release 1 of listed and release 1 of turnout." in told.output
    body = json.loads(CliRunner().invoke(cli, [*asked, "--json"], env=place).output)
    assert body["probabilities"] == ask(parts, "rail/probability", population="voters")["probabilities"]


def test_turnout_that_meets_known_totals_is_believed_and_errors_that_polls_share_are_in_the_second_interval(
    world: World,
):
    declare(world, POPULATIONS.replace('within = "registered"\n', ""))
    known = TOTALS.replace("questions.rail", "questions.turnout").replace("yes =", "voted =")
    totals.declare(world, ERROR, known)
    assert world.push("records", turnout_csv(columns=("turnout",))).status_code == 202
    world.work()
    world.release()
    body = ask(world, level="district", population="voters")

    with world.store.read() as session:
        asked, told = (releases.current_release(session, SURVEY, one) for one in ("rail", "turnout"))
    assert asked is not None
    assert told is not None
    rail, turnout = world.services.releases.load(asked.id), world.services.releases.load(told.id)
    people = dict(rail.electorate.frame.group_by("district").agg(pl.col("n_people").sum()).iter_rows())
    voters = sum(people[code] * share for code, share in KNOWN.items())
    size = body["population"]
    assert [size["n_people"], size["low"], size["high"]] == pytest.approx([voters] * 3, rel=1e-4)
    assert not any("what respondents say of themselves" in one for one in body["warnings"])

    assert rail.with_error is not None
    assert turnout.with_error is not None
    for one, of, low in ((rail, turnout, "low"), (rail.with_error, turnout.with_error, "total_low")):
        (found,) = voter_draws_many(
            one.latents, one.design, one.electorate, [Turnout(of.latents, of.design)], [Grouping(("district",))]
        )
        wanted = np.quantile(found.drawn.draws[:, :, 0], 0.05, axis=0)
        assert_allclose([row[low] for row in body["estimates"]], wanted, atol=1e-6)
        assert_allclose(found.turnout.draws.mean(axis=0), list(KNOWN.values()), atol=1e-4)
    statement = world.get(f"/v1/surveys/{SURVEY}/releases/{asked.id}/disclosure").text
    assert "Estimates are about likely voters where that is asked for" in statement
    assert "who the likely voters are is what respondents say" not in statement
