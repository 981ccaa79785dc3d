"""What people did, where what they report is wrong at declared rates: by choice, labelled, in every answer and form."""

import csv
import io
import json
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

from api.cli import cli
from api.client.questions import Asked as Question
from api.client.questions import query_of
from api.estimates import _cut
from api.measured import Measured
from api.page.words import percent
from mrp.misreport import Misreport
from mrp.poststratification import AreaDraws, cell_shares
from polling.store import releases, surveys
from tests.api.conftest import _world
from tests.api.totals import ERROR, FRIENDS, KNOWN, TOTALS, declare
from tests.api.world import SURVEY, World, change_survey, wave_csv
from tests.polling.test_frame_draws import two

TOLD = Misreport(sensitivity=0.9, specificity=0.92)
RATES = TOTALS.replace(
    "sensitivity = 1, specificity = 1", f"sensitivity = {TOLD.sensitivity}, specificity = {TOLD.specificity}"
)
RAIL = f"/v1/surveys/{SURVEY}/questions/rail"


@pytest.fixture(scope="module")
def told(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Who is for the rail line was counted by district, and is reported wrongly at times.

    Polls share an error, and there are two frames, with each of which the totals are met.
    """
    for world in _world(_sqlite_template, tmp_path_factory.mktemp("told")):
        two(0.8).rename({"n_people": "count"}).write_csv(world.settings.data_dir / SURVEY / "draws.csv")
        change_survey(world, "survey.toml", 'count = "count"', 'count = "count"\ndate = "2021"\ndraws = "draws.csv"')
        change_survey(
            world, "survey.toml", 'model = "gender + (1|district)"', 'model = "gender + (1|age) + (1|district)"'
        )
        declare(world, ERROR, RATES, FRIENDS)
        world.release(content=wave_csv(questions=("rail", "tax")))
        yield world


def ask(world: World, what: str = "estimates", **parameters: Any) -> dict[str, Any]:
    reply = world.get(f"{RAIL}/{what}", params=parameters)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def refusal(world: World, what: str, *, question: str = "rail", **parameters: Any) -> str:
    reply = world.get(f"/v1/surveys/{SURVEY}/questions/{question}/{what}", params=parameters)
    assert reply.status_code == 422, reply.text
    return str(reply.json()["detail"])


def test_districts_have_the_totals_that_are_known_and_reports_what_then_is_reported(told: World):
    reports, truth = (ask(told, level="district", estimand=of)["estimates"] for of in ("reports", "truth"))

    for said, did in zip(reports, truth, strict=True):
        total = KNOWN[did["area"]]
        for field in ("share", "low", "high", "total_low", "total_high"):
            assert did[field] == pytest.approx(total, abs=3e-6), field
            assert said[field] == pytest.approx(TOLD.reported(total), abs=3e-6), field
        assert "known-total" in did["flags"]


def test_groups_are_turned_back_with_their_intervals_and_what_is_data_stays(told: World):
    reports, truth = (ask(told, by="gender", estimand=of)["estimates"] for of in ("reports", "truth"))

    for said, did in zip(reports, truth, strict=True):
        for field in ("share", "low", "high", "total_low", "total_high"):
            assert TOLD.reported(did[field]) == pytest.approx(said[field], abs=1e-6), field
        for field in ("sd", "total_sd", "mc_error"):
            assert did[field] * TOLD.slope == pytest.approx(said[field], rel=1e-4), field
        for field in ("n_interviews", "n_effective", "n_equivalent", "pooling"):
            assert did[field] == pytest.approx(said[field], rel=1e-3), field


def test_draws_are_those_of_the_release_turned_back_each_with_its_frame(told: World):
    with told.store.read() as session:
        release = releases.current_release(session, SURVEY, "rail")
    assert release is not None
    loaded = told.services.releases.load(release.id)
    assert loaded.frames is not None
    shares = cell_shares(loaded.latents, loaded.design, loaded.frames.cells)
    old, in_d1 = (
        (loaded.frames.cells[column] == level).to_numpy() for column, level in (("age", "old"), ("district", "D1"))
    )
    of_old, of_d1 = (
        np.array(
            [
                share[of] @ loaded.frames.n_people[s % 2, of] / loaded.frames.n_people[s % 2, of].sum()
                for s, share in enumerate(shares)
            ]
        )
        for of in (old, in_d1)
    )

    (row,) = ask(told, where="age:old", estimand="truth")["estimates"]
    assert_allclose([row["low"], row["high"]], np.quantile((of_old - 0.08) / 0.82, [0.05, 0.95]), atol=1e-6)
    assert_allclose(of_d1, TOLD.reported(KNOWN["D1"]), atol=3e-6)


def test_both_options_filters_and_merged_levels_add_up(told: World):
    yes, no = (ask(told, by="age", option=one, estimand="truth")["estimates"] for one in ("yes", "no"))
    for first, second in zip(yes, no, strict=True):
        assert first["share"] + second["share"] == pytest.approx(1)

    whole = ask(told, where="age:old", estimand="truth")["estimates"][0]
    parts = ask(told, where="age:old", by="gender", estimand="truth")["estimates"]
    people = np.array([one["n_people"] for one in parts])
    assert whole["share"] == pytest.approx(np.average([one["share"] for one in parts], weights=people), abs=1e-6)


def test_the_head_says_which_and_at_which_rates(told: World):
    plain, reports, truth = ask(told), ask(told, estimand="reports"), ask(told, estimand="truth")

    assert plain["estimates"] == reports["estimates"]
    assert [(one["estimand"], one["of_reports"]) for one in (plain, reports, truth)] == [
        ("reports", True),
        ("reports", True),
        ("truth", False),
    ]
    for one in (plain, reports):
        assert any(
            "not of what they did: 90% of those who did it say so, and 92%" in note for note in one["data_notes"]
        )
    (note,) = (note for note in truth["data_notes"] if "of what people did" in note)
    assert "as far as the declared rates are right" in note
    assert "An error of the rates is in no interval" in note
    assert "of what people did 1.22 times as large" in note
    assert not any("not of what they did" in note for note in truth["data_notes"])


def test_totals_far_from_the_frame_are_told_of_in_releases_and_by_the_check(told: World):
    far = "known totals of rail are of 2025-10-05, and the frame of 2021, 3.8 years apart"
    for of in ("reports", "truth"):
        assert any(far in one for one in ask(told, estimand=of)["warnings"])
    checked = CliRunner().invoke(cli, ["survey", "check", str(told.settings.data_dir / SURVEY), "--json"])
    assert any(far in one for one in json.loads(checked.output)["warnings"])


def test_every_row_of_a_table_says_which(told: World):
    for of in ("reports", "truth"):
        reply = told.get(f"{RAIL}/estimates", params={"level": "district", "estimand": of, "format": "csv"})
        rows = list(csv.DictReader(io.StringIO(reply.text)))
        assert {row["estimand"] for row in rows} == {of}
        json_rows = ask(told, level="district", estimand=of)["estimates"]
        assert [float(row["share"]) for row in rows] == pytest.approx([row["share"] for row in json_rows])


def test_chances_are_of_what_is_asked_for(told: World):
    truth = ask(told, "probability", by="gender", threshold=0.5, estimand="truth")
    reports = ask(told, "probability", by="gender", threshold=TOLD.reported(0.5))
    assert [row["probability"] for row in truth["probabilities"]] == pytest.approx(
        [row["probability"] for row in reports["probabilities"]], abs=0.01
    )
    # D2 and D3 were won by what people did; D5 has one half.
    seats = {one["option"]: one["seats"] for one in ask(told, "seats", estimand="truth")["options"]}
    assert seats["yes"] == pytest.approx(2, abs=1)
    (one,) = ask(told, "contrast", first="gender:woman", second="gender:man", estimand="truth")["contrasts"]
    (said,) = ask(told, "contrast", first="gender:woman", second="gender:man")["contrasts"]
    assert one["difference"] * TOLD.slope == pytest.approx(said["difference"], rel=1e-4)


@pytest.mark.parametrize("what", ["rank", "battleground", "districts/D2"])
def test_everything_that_follows_from_shares_is_of_them(told: World, what: str):
    level = {"level": "district"} if what == "rank" else {}
    truth, reports = (ask(told, what, estimand=of, uncertainty="model", **level) for of in ("truth", "reports"))

    assert (truth["estimand"], reports["estimand"]) == ("truth", "reports")
    rows = {"rank": "ranks", "battleground": "districts", "districts/D2": "groups"}[what]
    said = {(row["area"], *row["groups"].values()): row["share"] for row in reports[rows]}
    assert said
    for row in truth[rows]:
        assert TOLD.reported(row["share"]) == pytest.approx(said[row["area"], *row["groups"].values()], abs=1e-5)


def test_a_row_of_which_more_than_one_draw_in_a_hundred_was_cut_says_so():
    draws = np.full((200, 3), 0.4)
    draws[:3, 0], draws[:2, 1] = 0, 1
    table = pl.DataFrame({"district": ["A", "B", "C"], "n_people": [1e3] * 3})
    areas = AreaDraws(table, draws)

    assert _cut(Measured(areas, TOLD.answer_variance(areas))) == [("cut-to-possible",), (), ()]
    assert _cut(Measured(areas)) == [()] * 3


def test_a_population_that_is_told_by_reports_is_of_those_who_belong_to_it(told: World):
    reply = told.get(f"/v1/surveys/{SURVEY}/questions/tax/estimates", params={"population": "friends"})
    answer = reply.json()
    with told.store.read() as session:
        frame = surveys.get_survey(session, SURVEY).bundle.frame
    people = dict(frame.group_by("district").agg(pl.col("n_people").sum()).iter_rows())

    friends = sum(KNOWN[code] * n for code, n in people.items())
    # How many people there are the two frames do not agree on.
    assert answer["population"]["n_people"] == pytest.approx(friends, rel=1e-4)
    turned = "is turned back from what respondents report, which is right of 90%"
    assert any(turned in one for one in answer["data_notes"])


def test_what_has_no_other_truth_is_refused_in_words(told: World):
    assert "knows of no reports that are wrong" in refusal(told, "estimates", question="tax", estimand="truth")
    assert ask(told, estimand="reports")["estimand"] == "reports"
    assert "Interviews are of what people report" in refusal(told, "methods", estimand="truth")
    assert "the same of what is reported and of the truth" in refusal(told, "whom-to-ask", estimand="truth")
    assert "truth" in refusal(told, "estimates", estimand="truht")


def test_the_command_line_and_the_client_take_the_choice(told: World):
    place = {"HUSTINGS_DATA_DIR": str(told.settings.data_dir), "HUSTINGS_SECRETS_FILE": str(told.settings.secrets_file)}
    place["HUSTINGS_DATABASE_URL"] = f"sqlite:///{told.store.path}"
    asked = ["estimates", SURVEY, "rail", "--estimand", "truth"]
    printed = CliRunner().invoke(cli, asked, env=place)
    assert printed.exit_code == 0, printed.output
    assert "Estimates are of what people did" in printed.output
    answer = json.loads(CliRunner().invoke(cli, [*asked, "--json"], env=place).output)
    assert answer["estimates"] == ask(told, estimand="truth")["estimates"]
    refused = CliRunner().invoke(cli, ["estimates", SURVEY, "tax", "--estimand", "truth"], env=place)
    assert "knows of no reports that are wrong" in refused.output

    assert query_of(Question(estimand="truth")) == {"estimand": "truth"}


def test_pages_say_what_people_did_and_the_table_takes_the_choice(told: World):
    place = f"/surveys/{SURVEY}/questions/rail"
    (truth,) = ask(told, estimand="truth")["estimates"]
    first = unescape(told.page(place).text)
    assert "The share that would be reported" in first
    turned = "What people did, turned back from what they report as far as the declared rates are right"
    assert f"{turned}: yes {percent(truth['share'])}" in first

    of_reports, of_truth = (
        unescape(told.page(f"{place}/crosstab?rows=age{more}").text) for more in ("", "&estimand=truth")
    )
    assert "of what people report" in of_reports
    reported = "Shares are of what people report of themselves, not of what they did."
    assert [reported in text for text in (first, of_reports, of_truth)] == [True, True, False]
    assert all(
        reported in unescape(told.page(f"{place}/{page}").text) for page in ("districts", "seats", "districts/D2")
    )
    assert "“yes”, as people report it" in unescape(told.page(f"/surveys/{SURVEY}").text)
    assert "of what people did" in of_truth
    assert '<option value="truth" selected>' in of_truth
    for row in ask(told, by="age", estimand="truth")["estimates"]:
        assert percent(row["share"]) in of_truth
    assert told.page(f"{place}/crosstab?rows=age&estimand=truht").status_code == 422
    assert "Of what people" not in unescape(told.page(f"/surveys/{SURVEY}/questions/tax/crosstab").text)
