"""Known totals are met in what is served, and the error that polls share is a second interval, labelled."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

from api.cli import cli
from api.misreport import words_of
from api.page.asking import ask_release
from api.report import make_report
from jobs.misreport import declared_misreport
from jobs.turnout import turnout_of
from mrp.grouping import Grouping
from mrp.poststratification import area_draws
from mrp.turnout import Turnout, voter_draws_many
from polling.store import fits, releases
from tests.api.conftest import _world
from tests.api.totals import BASIS, ERROR, FRIENDS, KNOWN, TOTALS, declare
from tests.api.world import SURVEY, World, change_survey, wave_csv

RAIL, TAX = (f"/v1/surveys/{SURVEY}/questions/{question}" for question in ("rail", "tax"))


@pytest.fixture(scope="module")
def both(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Polls share an error. Of the rail line the districts' totals are known, of the tax nothing is."""
    for world in _world(_sqlite_template, tmp_path_factory.mktemp("both")):
        declare(world, ERROR, TOTALS, FRIENDS)
        world.release(content=wave_csv(questions=("rail", "tax")))
        yield world


def ask(world: World, what: str, *, question: str = "tax", **parameters: Any) -> dict[str, Any]:
    reply = world.get(f"/v1/surveys/{SURVEY}/questions/{question}/{what}", params=parameters)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def loaded(world: World, question: str = "rail") -> Any:
    with world.store.read() as session:
        release = releases.current_release(session, SURVEY, question)
    assert release is not None
    return world.services.releases.load(release.id)


def test_estimates_meet_known_totals_with_and_without_the_error(both: World):
    answer = ask(both, "estimates", question="rail", level="district")

    for row in answer["estimates"]:
        total = KNOWN[row["area"]]
        for field in ("share", "low", "high", "total_low", "total_high"):
            assert row[field] == pytest.approx(total, abs=3e-6), (row["area"], field)
        # What does not vary is not told by rounding.
        assert (row["sd"], row["total_sd"], row["n_equivalent"]) == (
            pytest.approx(0, abs=1e-12),
            pytest.approx(0, abs=1e-12),
            None,
        )
        assert "known-total" in row["flags"]
    (nation,) = ask(both, "estimates", question="rail", by="gender", districts="D1")["estimates"][:1]
    assert "known-total" not in nation["flags"]


def test_every_draw_of_both_kinds_meets_them(both: World):
    release = loaded(both)
    for one in (release, release.with_error):
        drawn = area_draws(one.latents, one.design, one.electorate, by=("district",))
        totals = [KNOWN[code] for code in drawn.areas["district"]]
        assert_allclose(drawn.draws, np.tile(totals, (drawn.draws.shape[0], 1)), atol=3e-6)  # of single precision


def test_every_district_is_less_certain_with_the_error_than_without(both: World):
    for row in ask(both, "estimates", level="district")["estimates"]:
        assert row["total_high"] - row["total_low"] > row["high"] - row["low"]
        assert row["total_sd"] > row["sd"]


def test_the_second_interval_is_of_draws_that_err_as_declared(both: World):
    (row,) = ask(both, "estimates")["estimates"]
    second = loaded(both, "tax").with_error

    drawn = area_draws(second.latents, second.design, second.electorate).draws[:, 0]
    assert_allclose([row["total_low"], row["total_high"]], np.quantile(drawn, [0.05, 0.95]), atol=1e-6)
    people = second.electorate.frame.group_by("district").agg(n=pl.col("n_people").sum())
    of = dict(people.iter_rows())
    weight = np.array([of[code] for code in second.electorate.codes])
    error = second.latents.draws[:, -weight.size :] @ (weight / weight.sum())
    # Of a share of one half the slope is 1/4. 200 draws know a standard deviation to 5%.
    assert error.std() / 4 == pytest.approx(0.15, rel=3.5 / np.sqrt(2 * 200))


def test_the_head_says_what_intervals_hold_and_where_the_scale_comes_from(both: World):
    answer = ask(both, "estimates")

    assert answer["uncertainty"] == "model"
    assert answer["systematic_error"]["national_sd"] == 0.15
    assert answer["systematic_error"]["correlation"] == 0.6
    assert answer["systematic_error"]["basis"] == BASIS
    assert "15 points" in answer["uncertainty_meaning"]
    assert "total_low and total_high" in answer["uncertainty_meaning"]


def test_a_part_of_the_population_has_both_intervals_too(both: World):
    (row,) = ask(both, "estimates", population="friends")["estimates"]
    release, telling = loaded(both, "tax"), loaded(both)
    turnout = [Turnout(telling.latents, telling.design)]

    for prefix, one in (("", release), ("total_", release.with_error)):
        (found,) = voter_draws_many(one.latents, one.design, one.electorate, turnout, [Grouping()])
        ends = np.quantile(found.drawn.draws[:, 0, 0], [0.05, 0.95])
        assert_allclose([row[f"{prefix}low"], row[f"{prefix}high"]], ends, atol=1e-6)
    assert ask(both, "probability", population="friends")["uncertainty"] == "total"


def test_every_interval_that_was_asked_for_has_its_second(both: World):
    (row,) = ask(both, "estimates", interval="0.5,0.9")["estimates"]

    assert [one["interval"] for one in row["total_intervals"]] == [0.5, 0.9]
    assert row["total_intervals"][0]["low"] == row["total_low"]
    assert row["total_intervals"][1]["low"] < row["total_low"]


@pytest.mark.parametrize(
    ("what", "parameters"),
    [
        ("probability", {"level": "district", "threshold": "0.52"}),
        ("rank", {"level": "district"}),
        ("seats", {}),
        ("battleground", {}),
        ("districts/D2", {}),
        ("contrast", {"first": "district:D1", "second": "district:D4"}),
    ],
)
def test_answers_that_give_one_probability_have_the_error_unless_asked_otherwise(
    both: World, what: str, parameters: dict[str, str]
):
    total, plain = ask(both, what, **parameters), ask(both, what, **parameters, uncertainty="model")

    assert (total["uncertainty"], plain["uncertainty"]) == ("total", "model")
    assert ask(both, what, **parameters, uncertainty="total") == total
    assert "with the systematic error" in total["uncertainty_meaning"]
    assert "not the systematic error" in plain["uncertainty_meaning"]
    apart = {"uncertainty", "uncertainty_meaning"}
    assert {name: value for name, value in total.items() if name not in apart} != {
        name: value for name, value in plain.items() if name not in apart
    }


def test_chances_are_nearer_to_a_half_with_the_error(both: World):
    what = {"level": "nation", "threshold": "0.5"}
    (total,) = ask(both, "probability", **what)["probabilities"]
    (plain,) = ask(both, "probability", **what, uncertainty="model")["probabilities"]

    assert abs(total["probability"] - 0.5) <= abs(plain["probability"] - 0.5)
    assert total["high"] - total["low"] > plain["high"] - plain["low"]


def test_estimates_give_both_and_take_no_choice(both: World):
    reply = both.get(f"{TAX}/estimates", params={"uncertainty": "total"})

    assert reply.status_code == 422
    assert "estimates give both intervals" in reply.json()["detail"]
    assert both.get(f"{TAX}/rank", params={"uncertainty": "totl"}).json()["nearest"] == "total"


def test_tables_have_both_intervals_and_say_which_uncertainty_the_answer_has(both: World):
    table = both.get(f"{TAX}/estimates", params={"level": "district", "format": "csv"}).text
    (row, *_) = csv.DictReader(io.StringIO(table))

    assert float(row["total_low"]) < float(row["low"])
    assert row["uncertainty"] == "model"
    ranks = both.get(f"{TAX}/rank", params={"level": "district", "format": "csv"}).text
    assert {one["uncertainty"] for one in csv.DictReader(io.StringIO(ranks))} == {"total"}


def test_without_a_declaration_everything_is_as_before_and_says_so(served: World):
    answer = ask(served, "estimates", question="rail", level="district")

    assert answer["systematic_error"] is None
    assert "is not included" in answer["uncertainty_meaning"]
    assert {row["total_low"] for row in answer["estimates"]} == {None}
    assert ask(served, "rank", question="rail", level="district")["uncertainty"] == "model"
    reply = served.get(f"{RAIL}/rank", params={"level": "district", "uncertainty": "total"})
    assert reply.status_code == 422
    assert "No systematic error is declared" in reply.json()["detail"]


def test_a_changed_total_asks_for_a_refit_and_is_a_cause_of_the_revision(world: World):
    declare(world, TOTALS)
    first = world.release()
    change_survey(world, "districts.csv", "0.42", "0.52")
    world.work()

    with world.store.read() as session:
        second = releases.current_release(session, SURVEY, "rail")
        assert second is not None
        before, after = (fits.get_fit(session, one.fit_id).inputs["known_totals"] for one in (first, second))
    assert before["sha256"] != after["sha256"]
    assert before["source"] == "The returning officer's count"
    told = ask(world, "revision", question="rail", before=first.id)
    assert any("known totals" in reason for reason in told["reasons"])


def test_pages_show_both_intervals_with_a_legend_and_say_what_the_second_is(both: World):
    page = both.page(f"/surveys/{SURVEY}/questions/tax")
    (row,) = ask(both, "estimates")["estimates"]

    assert page.status_code == 200
    low, high = (round(100 * row[end]) for end in ("total_low", "total_high"))
    assert f"({low} to {high}%)" in page.text
    assert "With the error that polls share" in page.text  # of the chart
    assert BASIS.rstrip(".") in page.text
    assert f"{low} to {high}% with the systematic error" in page.text  # for screen readers


@pytest.mark.parametrize("place", ["seats", "districts", "districts/D2", "crosstab"])
def test_other_pages_say_it_too(both: World, place: str):
    page = both.page(f"/surveys/{SURVEY}/questions/tax/{place}")

    assert page.status_code == 200
    assert BASIS.rstrip(".") in page.text


def test_crosstabs_and_maps_have_both_intervals(both: World):
    (row, *_) = ask(both, "estimates", by="gender")["estimates"]
    low, high = (round(100 * row[end]) for end in ("total_low", "total_high"))
    page = both.page(f"/surveys/{SURVEY}/questions/tax/crosstab?rows=gender&columns=-")
    assert f'<span class="range total">({low} to {high}%)</span>' in page.text

    (district, *_) = ask(both, "estimates", level="district")["estimates"]
    low, high = (round(100 * district[end]) for end in ("total_low", "total_high"))
    page = both.page(f"/surveys/{SURVEY}/questions/tax/districts")
    assert f"{low} to {high}% with the systematic error" in page.text
    assert "90% interval of the model" in page.text  # by which the map is coloured
    home = both.page(f"/surveys/{SURVEY}")
    assert "with the error that polls share)" in home.text


def test_both_intervals_are_scored_and_never_pooled(both: World):
    truth = b"geography,option,share\nall,yes,0.5\n" + b"".join(b"%s,yes,0.5\n" % d.encode() for d in KNOWN)
    fields = {"date": "2026-03-01", "source": "the count"}
    place = f"/v1/surveys/{SURVEY}/questions/tax/known-results"
    added = both.client.post(place, headers=both.bearer("analyst"), data=fields, files={"file": ("t.csv", truth)})
    assert added.status_code == 201, added.text
    both.work()
    told = ask(both, "track-record")

    second = "mrp_with_systematic_error"
    rows = {row["method"]: row for row in told["scores"] if row["level"] == "district"}
    districts = ask(both, "estimates", level="district")["estimates"]
    for method, prefix in (("mrp", ""), (second, "total_")):
        ends = np.array([[row[f"{prefix}low"], row[f"{prefix}high"]] for row in districts])
        low, high = ends.T
        missed = np.maximum(low - 0.5, 0) + np.maximum(0.5 - high, 0)
        assert rows[method]["mean_width"] == pytest.approx((high - low).mean(), abs=1e-6)
        assert rows[method]["interval_score"] == pytest.approx((high - low + 20 * missed).mean(), abs=1e-5)
        covered = ((low <= 0.5) & (high >= 0.5)).mean()
        pooled = [
            one["observed"]
            for one in told["calibration"]
            if (one["method"], one["level"], one["interval"], one["of"]) == (method, "district", 0.9, "all")
        ]
        assert (rows[method]["coverage_90"], pooled) == (pytest.approx(covered), [pytest.approx(covered)])
    assert {one["n_intervals"] for one in told["calibration"] if one["level"] == "district"} == {6}
    assert any("never pooled" in note for note in told["notes"])
    page = both.page(f"/surveys/{SURVEY}/questions/tax/track-record")
    assert "intervals of the model alone that should hold" in page.text
    assert "intervals with the error that polls share that should hold" in page.text
    assert "mrp with systematic error" in page.text


def test_reports_that_are_all_right_are_the_truth(both: World):
    fit = loaded(both).fit
    assert declared_misreport(fit) is None
    assert words_of(fit) == []
    answer = ask(both, "estimates", question="rail")
    assert (answer["estimand"], answer["of_reports"]) == (None, False)

    known = fit.inputs["known_totals"] | {"reported": {"sensitivity": 0.9, "specificity": 0.92}}
    misreported = replace(fit, inputs=fit.inputs | {"known_totals": known})
    assert declared_misreport(misreported) is not None
    # A question that moves along is of what it asks.
    assert declared_misreport(replace(misreported, question_id="tax")) is None


def test_what_tells_of_voters_errs_in_the_second_score_where_that_is_declared(both: World):
    tax, rail = loaded(both, "tax"), loaded(both)
    questions = tuple(replace(one, population="friends") for one in tax.declaration.questions)
    declaration = replace(tax.declaration, questions=questions)

    with both.store.read() as session:
        (plain,) = turnout_of(session, tax.release, declaration)
        (erring,) = turnout_of(session, tax.release, declaration, erring=tax.electorate)
    assert_allclose(plain.latents.draws, rail.latents.draws)
    assert_allclose(erring.latents.draws, rail.with_error.latents.draws)
    assert erring.design.n_latents == rail.with_error.design.n_latents > plain.design.n_latents


@pytest.mark.slow
def test_the_report_says_it_too(both: World):
    text = unescape(make_report(ask_release(both.services, SURVEY, "tax", None)))

    assert BASIS.rstrip(".") in text
    assert "With the error that polls share" in text


def test_the_command_line_prints_both_intervals_and_takes_a_choice(both: World):
    place = {"HUSTINGS_DATA_DIR": str(both.settings.data_dir), "HUSTINGS_SECRETS_FILE": str(both.settings.secrets_file)}
    place["HUSTINGS_DATABASE_URL"] = f"sqlite:///{both.store.path}"

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(cli, arguments, env=place)
        assert result.exit_code == 0, result.output
        return result.output

    printed = run("estimates", SURVEY, "tax")
    assert "total low" in printed
    assert BASIS.rstrip(".") in printed
    (one,) = ask(both, "probability", uncertainty="model")["probabilities"]
    told = json.loads(run("ask", "probability", SURVEY, "tax", "--uncertainty", "model", "--json"))
    assert told["uncertainty"] == "model"
    assert told["probabilities"][0]["probability"] == one["probability"]


def test_pages_of_a_survey_that_declares_none_are_as_before(served: World):
    page = served.page(f"/surveys/{SURVEY}/questions/rail")

    assert "polls share" not in page.text


def test_the_statement_tells_scale_basis_and_totals_or_that_nothing_is_included(both: World, served: World):
    told = []
    for world in (both, served):
        place = f"/v1/surveys/{SURVEY}/releases/{loaded(world).release.id}/disclosure"
        told.append({one["id"]: " ".join(one["text"]) for one in world.get(place).json()["sections"]})

    assert BASIS.rstrip(".") in told[0]["systematic_error"]
    assert "second interval" in told[0]["systematic_error"]
    assert "The returning officer's count, of 2025-10-05" in told[0]["known_totals"]
    assert "Every report of it is declared to be right" in told[0]["known_totals"]
    assert "is not included" in told[1]["systematic_error"]
    assert "known_totals" not in told[1]


@pytest.mark.parametrize(
    ("what", "parameters"),
    [
        ("probability", {"level": "district"}),
        ("rank", {"level": "district"}),
        ("seats", {}),
        ("battleground", {}),
        ("districts/D2", {}),
        ("contrast", {"first": "district:D1", "second": "district:D4"}),
        ("methods", {"level": "district"}),
        ("whom-to-ask", {}),
    ],
)
def test_every_question_is_answered_where_totals_are_known(both: World, what: str, parameters: dict[str, str]):
    told = ask(both, what, question="rail", **parameters)

    assert "NaN" not in json.dumps(told)
    if what == "rank":  # nothing is left to chance
        assert [row["p_first"] for row in told["ranks"]] == [0, 0, 1, 0, 0, 0]
    if what == "seats":
        assert next(one["seats"] for one in told["options"]) == pytest.approx(2, abs=0.5)  # D5 has one half


@pytest.mark.parametrize("place", ["", "/seats", "/districts", "/districts/D2", "/crosstab", "/methods"])
def test_pages_of_known_totals_are_whole(both: World, place: str):
    page = both.page(f"/surveys/{SURVEY}/questions/rail{place}")

    assert page.status_code == 200
    assert "nan" not in page.text.lower().replace("finan", "")


def test_series_have_both_intervals_and_changes_say_that_the_error_cancels(world: World):
    declare(world, ERROR)
    world.weekly_release()
    points = ask(world, "trend", question="rail")["points"]
    change = ask(world, "change", question="rail")

    assert len(points) > 1
    for point in points:
        assert point["total_high"] - point["total_low"] > point["high"] - point["low"]
    assert change["uncertainty"] == "model"
    assert "taken to cancel" in change["uncertainty_meaning"]
    page = world.page(f"/surveys/{SURVEY}/questions/rail/trend").text
    low, high = (round(100 * points[-1][end]) for end in ("total_low", "total_high"))
    assert f'<span class="range total">({low} to {high}%)</span>' in page
    assert f"{low} to {high}% with the systematic error" in page
    assert "With the error that polls share" in page  # of the chart


def test_whom_to_ask_is_of_the_interval_with_the_error_which_interviews_do_not_narrow(both: World):
    def told(query: str = "", question: str = "tax") -> dict[str, Any]:
        reply = both.get(
            f"/v1/surveys/{SURVEY}/questions/{question}/whom-to-ask?level=district&n=200{query}", "analyst"
        )
        assert reply.status_code == 200, reply.text
        body: dict[str, Any] = reply.json()
        return body

    total, model = told("&targets=nation"), told("&targets=nation&uncertainty=model")
    assert (total["uncertainty"], model["uncertainty"]) == ("total", "model")
    assert told("&targets=nation&uncertainty=total") == total
    assert "which no interview narrows" in total["uncertainty_meaning"]
    release = loaded(both, "tax")
    sd, sd_total = (
        area_draws(one.latents, one.design, one.electorate).draws.std() for one in (release, release.with_error)
    )
    narrower = {row["area"]: row["narrower"] for row in model["groups"]}
    assert len(total["groups"]) == 6
    for row in total["groups"]:
        gained = sd**2 * (1 - (1 - narrower[row["area"]]) ** 2)
        assert row["narrower"] == pytest.approx(1 - np.sqrt(1 - gained / sd_total**2), rel=1e-5, abs=1e-9)
        assert row["narrower"] < narrower[row["area"]]
        assert "with the error that polls share by " in row["sentence"]
        assert row["sentence"].endswith("That error itself does not shrink with interviews.")
    assert "polls share" not in model["groups"][0]["sentence"]
    page = both.page(f"/surveys/{SURVEY}/questions/tax/whom-to-ask")
    assert "That error itself does not shrink with interviews." in page.text
    assert ", with the error that polls share," in page.text


def test_the_second_draws_are_downloaded_too(both: World):
    url = f"/v1/surveys/{SURVEY}/releases/{loaded(both, 'tax').release.id}/draws"

    def table(name: str, uncertainty: str) -> tuple[pl.DataFrame, dict[str, Any]]:
        reply = both.get(url, "analyst", params={"table": name, "uncertainty": uncertainty})
        assert reply.status_code == 200, reply.text
        told = pl.read_parquet_metadata(io.BytesIO(reply.content))["hustings"]
        return pl.read_parquet(io.BytesIO(reply.content)), json.loads(told)

    for uncertainty, low in (("model", "low"), ("total", "total_low")):
        draws, told = table("draws", uncertainty)
        assert told["uncertainty"] == uncertainty
        cells, design = (table(name, uncertainty)[0] for name in ("cells", "design"))
        weight = np.zeros((design[".row"].max() + 1, draws.width - 3))
        weight[design[".row"], design[".latent"]] = design["weight"]
        share = 1 / (1 + np.exp(-draws[:, 3:].to_numpy().astype(float) @ weight.T))[:, cells[".row"]]
        people = cells["n_people"].to_numpy()
        for row in ask(both, "estimates", level="district")["estimates"]:
            there = (cells["district"] == row["area"]).to_numpy()
            district = share[:, there] @ people[there] / people[there].sum()
            assert np.quantile(district, 0.05) == pytest.approx(row[low], abs=2e-6)
    refused = both.get(url, "analyst", params={"uncertainty": "totl"})
    assert (refused.status_code, refused.json()["nearest"]) == (422, "total")
