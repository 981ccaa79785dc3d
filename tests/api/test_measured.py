"""Means are asked for like shares: ranks, chances, contrasts, changes, trends, methods, a district, representation."""

import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

from api.charts.measures import number
from api.cli import cli
from api.release_cache import LoadedRelease
from mrp.grouping import Grouping
from mrp.outcomes import draws_many
from polling.disclosure import COUNT_NOISE_VARIANCE, OPTION_NOISE_VARIANCE
from polling.perturbed_totals import total_noise_variance
from polling.store.engine import open_store
from tests.api.kinds import AGREE, KINDS, SCORES, kinds_csv
from tests.api.world import DISTRICTS, REGIONS, SURVEY, World, change_survey, frame_table, make_world

URL = f"/v1/surveys/{SURVEY}/questions"
WEEKS = ("2026-W07", "2026-W08")
MEANS = {"agree": {"measure": "mean"}, "minutes": {}}
"""Question -> how its mean is asked for."""


@pytest.fixture(scope="module")
def timed(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Releases of a scale and of numbers whose models have periods, on interviews in two weeks."""
    folder = tmp_path_factory.mktemp("timed")
    database = folder / "hustings.db"
    database.write_bytes(_sqlite_template.read_bytes())
    store = open_store(f"sqlite:///{database}")
    world = make_world(store, folder)
    with world.client:
        asked = KINDS.replace('model = "gender', 'model = "(1|period) + gender')
        change_survey(world, "survey.toml", "[questions.rail]", asked + "[questions.rail]")
        for number, end in enumerate(("2026-02-11", "2026-02-18")):
            days = {"fieldwork_start": "2026-02-09", "fieldwork_end": end}
            assert world.push(f"w{number}", kinds_csv(240, start=1000 * number), **days).status_code == 202
        world.work()
        yield world
    store.close()


def ask(world: World, question: str, what: str, **asked: Any) -> dict[str, Any]:
    reply = world.get(f"{URL}/{question}/{what}", params=MEANS[question] | asked)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    assert body["measure"] == "mean"
    assert body["unit"] == ("minutes" if question == "minutes" else "points on the scale −1 to 1")
    assert body["option"] is None
    return body


def load(world: World, question: str) -> LoadedRelease:
    release_id = world.get(f"{URL}/{question}/releases").json()["releases"][0]["id"]
    return world.services.releases.load(release_id)


def stored(
    world: World, question: str, *by: str, where: dict[str, tuple[str, ...]] | None = None, week: str | None = None
) -> np.ndarray:
    """Draws of means straight from the estimator, shape (draw, area)."""
    loaded = load(world, question)
    at = {} if week is None else {"period": week}
    (drawn,) = draws_many(loaded.latents, loaded.design, loaded.electorate, [Grouping(by, where or {})], at=at)
    if question == "minutes":
        return drawn.draws[:, :, 0]
    assert drawn.options == AGREE
    return drawn.draws @ np.array(SCORES)


def check(row: dict[str, Any], draws: np.ndarray, interval: float = 0.9) -> None:
    assert row["share"] is None
    assert_allclose(row["mean"], draws.mean(), atol=1e-5)
    assert_allclose([row["low"], row["high"]], np.quantile(draws, [(1 - interval) / 2, (1 + interval) / 2]), atol=1e-5)


@pytest.mark.parametrize("question", MEANS)
def test_districts_are_ranked_by_their_mean_in_every_draw(kinds: World, question: str):
    ranks = ask(kinds, question, "rank", level="district")["ranks"]
    draws = stored(kinds, question, "district")

    above = (draws[:, :, None] < draws[:, None, :]).sum(axis=2)
    for d, row in enumerate(ranks):
        check(row, draws[:, d])
        assert (row["area"], row["option"], row["n_ranked"]) == (DISTRICTS[d], None, len(DISTRICTS))
        assert_allclose(row["rank"], 1 + above[:, d].mean(), atol=1e-9)
        assert_allclose(row["p_first"], (above[:, d] == 0).mean(), atol=1e-9)


@pytest.mark.parametrize(("question", "threshold"), [("agree", 0.1), ("minutes", 24.5)])
def test_a_threshold_is_in_the_unit_of_the_question(kinds: World, question: str, threshold: float):
    body = ask(kinds, question, "probability", level="region", by="gender", threshold=threshold)
    draws = stored(kinds, question, "region", "gender")

    assert body["threshold"] == threshold
    for d, row in enumerate(body["probabilities"]):
        check(row, draws[:, d])
        assert_allclose(row["probability"], (draws[:, d] > threshold).mean(), atol=1e-9)
    assert any(0 < row["probability"] < 1 for row in body["probabilities"])


@pytest.mark.parametrize("question", MEANS)
def test_two_groups_are_compared_in_the_unit(kinds: World, question: str):
    body = ask(kinds, question, "contrast", first="gender:man", second="gender:woman", level="region", interval=0.5)
    men, women = (stored(kinds, question, "region", where={"gender": (one,)}) for one in ("man", "woman"))

    for d, row in enumerate(body["contrasts"]):
        check(row["first"], men[:, d], 0.5)
        check(row["second"], women[:, d], 0.5)
        difference = men[:, d] - women[:, d]
        assert_allclose(row["difference"], difference.mean(), atol=1e-5)
        assert_allclose(row["p_larger"], (difference > 0).mean(), atol=1e-9)
        assert f" {body['unit']} (50% interval" in row["sentence"]
        assert "%" not in row["sentence"].replace("50% interval", "")


@pytest.mark.parametrize("question", MEANS)
def test_a_change_between_periods_is_one_of_means(timed: World, question: str):
    (row,) = ask(timed, question, "change")["changes"]
    before, after = (stored(timed, question, week=week)[:, 0] for week in WEEKS)

    check(row["before"], before)
    check(row["after"], after)
    assert_allclose(row["difference"], (after - before).mean(), atol=1e-5)
    assert_allclose(row["p_rise"], (after > before).mean(), atol=1e-9)
    assert ask(timed, question, "means")["unit"] in row["sentence"]
    assert row["mix_and_mind_reason"] == "A swing is split for shares of two options only."


@pytest.mark.parametrize("question", MEANS)
def test_a_trend_has_the_mean_of_every_period(timed: World, question: str):
    body = ask(timed, question, "trend", level="region", by="gender")

    assert body["periods"] == list(WEEKS)
    draws = {week: stored(timed, question, "region", "gender", week=week) for week in WEEKS}
    assert len(body["points"]) == 2 * draws[WEEKS[0]].shape[1]
    for at, point in enumerate(body["points"]):
        check(point, draws[WEEKS[at % 2]][:, at // 2])


def test_a_revision_says_means_in_the_unit(world: World):
    change_survey(world, "survey.toml", "[questions.rail]", KINDS + "[questions.rail]")
    for at in range(2):
        assert world.push(f"k{at}", kinds_csv(240, start=1000 * at)).status_code == 202
        world.work()
    for question, unit in (("minutes", "minutes"), ("agree", "points on the scale −1 to 1")):
        (row,) = ask(world, question, "revision")["revisions"]
        assert_allclose(row["difference"], row["after"]["mean"] - row["before"]["mean"], atol=1e-9)
        assert f" {unit}, " in row["sentence"]


def test_numbers_are_those_of_loops_over_the_cells(kinds: World):
    loaded = load(kinds, "minutes")
    unit, names = loaded.design.require_unit(), list(loaded.design.latent_names)
    draws = loaded.latents.draws.astype(float)
    total, square, people = 0.0, 0.0, 0.0
    for district, gender, age, n in frame_table().iter_rows():
        if REGIONS[district] != "North" or age == "old":
            continue
        eta = draws[:, 0] + (-0.5 if gender == "woman" else 0.5) * draws[:, 1]
        eta = eta + draws[:, names.index(f"(1|district)[{district}]")]
        total, square, people = total + n * eta, square + n * eta**2, people + n
    eta = total / people

    where = "region:North,age:young,age:middle"
    (row,) = ask(kinds, "minutes", "means", where=where)["means"]
    assert_allclose(row["mean"], unit.centre + unit.scale * eta.mean(), rtol=1e-6)
    # One answer differs from another by the residual, and by the cells that they are in.
    variance = (draws[:, -1] ** 2 + square / people - eta**2).mean()
    assert_allclose(row["n_equivalent"], variance / eta.var(), rtol=1e-5)
    (again,) = ask(kinds, "minutes", "probability", where=where, threshold=20)["probabilities"]
    assert {name: again[name] for name in row.keys() & again.keys()} == {name: row[name] for name in row.keys() & again}


def test_scores_are_worth_the_interviews_that_their_variance_says(kinds: World):
    loaded = load(kinds, "agree")
    (drawn,) = draws_many(loaded.latents, loaded.design, loaded.electorate, [Grouping(("district",))])
    for d, row in enumerate(ask(kinds, "agree", "means", level="district")["means"]):
        shares = drawn.draws[:, d]
        mean = shares @ np.array(SCORES)
        variance = (shares @ np.array(SCORES) ** 2 - mean**2).mean()
        assert_allclose(row["n_equivalent"], variance / mean.var(), rtol=1e-3)
        if row["n_interviews"] is not None:
            assert_allclose(row["pooling"], np.clip(1 - row["n_effective"] / row["n_equivalent"], 0, 1), rtol=1e-6)


def test_raw_numbers_rest_on_perturbed_sums_and_their_interval_has_the_noise(kinds: World):
    shown = load(kinds, "minutes").counts
    (row,) = ask(kinds, "minutes", "methods")["methods"]
    mean = 30 + shown["total"].sum() / shown["n"].sum()

    assert_allclose(row["raw"]["mean"], mean)
    assert_allclose(row["raw_minus_mrp"], mean - row["mrp"]["mean"])
    n = shown["n"].sum()
    occupied = (shown["n"] > 0).sum() + (shown["n"] == 1).sum()
    noise = occupied * (total_noise_variance((0, 60)) + (mean - 30) ** 2 * COUNT_NOISE_VARIANCE)
    variance = row["mrp"]["n_equivalent"] * row["mrp"]["sd"] ** 2
    assert_allclose(row["raw"]["n_effective"], n**2 / (n + noise / variance), rtol=1e-6)
    half = 1.6448536 * math.sqrt(variance / row["raw"]["n_effective"])
    assert_allclose([row["raw"]["low"], row["raw"]["high"]], [mean - half, mean + half], rtol=1e-6)
    true = float(pl.read_csv(kinds_csv())["minutes"].to_numpy().mean())
    # Nearer than six standard deviations: the noise is that of a key of this service alone.
    assert abs(mean - true) < 6 * half / 1.6448536


def test_raw_scores_rest_on_the_perturbed_counts_of_the_options(kinds: World):
    shown = load(kinds, "agree").counts
    (row,) = ask(kinds, "agree", "methods")["methods"]
    n = shown["n"].sum()
    mean = (shown["y[yes]"].sum() - shown["y[no]"].sum()) / n

    assert_allclose(row["raw"]["mean"], mean)
    occupied = (shown["n"] > 0).sum() + (shown["n"] == 1).sum()
    noise = occupied * (2 * OPTION_NOISE_VARIANCE + mean**2 * COUNT_NOISE_VARIANCE)
    variance = row["mrp"]["n_equivalent"] * row["mrp"]["sd"] ** 2
    assert_allclose(row["raw"]["n_effective"], n**2 / (n + noise / variance), rtol=1e-4)
    assert row["raw"]["design_effect"] == 1 < row["weighted"]["design_effect"]


@pytest.mark.parametrize("question", MEANS)
def test_methods_say_in_the_unit_how_they_differ_and_tell_nothing_of_few(kinds: World, question: str):
    rows = ask(kinds, question, "methods", level="district", by="age")["methods"]

    assert {row["raw"] is None for row in rows} == {True, False}
    for row in rows:
        assert (row["raw"] is None) == (row["n_interviews"] is None)
        assert "%" not in row["sentence"].partition("Among")[0]
        if row["apart"]:
            size = row["sentence"].partition(" is ")[2]
            assert f" {ask(kinds, question, 'means')['unit']} " in size


@pytest.mark.parametrize("question", MEANS)
def test_a_district_has_its_mean_its_rank_and_no_chance_to_lead(kinds: World, question: str):
    body = ask(kinds, question, "districts/D2")
    draws = stored(kinds, question, "district")[:, 1]

    check(body["district"], draws)
    assert (body["district"]["p_lead"], body["district"]["p_lead_mc_error"]) == (None, None)
    assert [row["groups"] for row in body["groups"][:2]] == [{"gender": "woman"}, {"gender": "man"}]
    inside = stored(kinds, question, "gender", where={"district": ("D2",)})
    check(body["groups"][0], inside[:, 0])


@pytest.mark.parametrize("question", MEANS)
def test_widths_are_those_of_means(kinds: World, question: str):
    release_id = load(kinds, question).release.id
    reply = kinds.get(f"/v1/surveys/{SURVEY}/releases/{release_id}/representation", params=MEANS[question])
    assert reply.status_code == 200, reply.text
    body = reply.json()
    means = {row["area"]: row for row in ask(kinds, question, "means", level="district")["means"]}

    found = [one for one in body["levels"] if one["column"] == "district"]
    assert len(found) == len(means)
    for one in found:
        row = means[one["level"]]
        assert_allclose(one["width"], row["high"] - row["low"], rtol=1e-9)
        assert_allclose(one["mean_sd"], row["sd"], rtol=1e-9)
        assert one["share_sd"] is None
    said = " ".join(body["summary"])
    assert f" {body['unit']}" in said


@pytest.mark.parametrize("question", MEANS)
@pytest.mark.parametrize("what", ["rank", "trend", "methods", "contrast"])
def test_tables_say_what_their_numbers_are(timed: World, question: str, what: str):
    asked = {"first": "gender:man", "second": "gender:woman"} if what == "contrast" else {"by": "gender"}
    told = timed.get(f"{URL}/{question}/{what}", params=MEANS[question] | asked | {"format": "csv"})
    assert told.status_code == 200, told.text
    table = pl.read_csv(told.content)

    assert set(table["measure"]) == {"mean"}
    assert set(table["unit"]) == {"minutes" if question == "minutes" else "points on the scale −1 to 1"}
    place = {"methods": "mrp_", "contrast": "first_"}.get(what, "")
    assert table[f"{place}mean"].null_count() == 0
    assert table[f"{place}share"].null_count() == table.height
    assert_allclose(table[f"{place}low"].to_numpy() < table[f"{place}mean"].to_numpy(), True)


@pytest.mark.parametrize("question", MEANS)
def test_the_command_line_says_what_http_says(timed: World, question: str):
    place = {
        "HUSTINGS_DATA_DIR": str(timed.settings.data_dir),
        "HUSTINGS_SECRETS_FILE": str(timed.settings.secrets_file),
        "HUSTINGS_DATABASE_URL": f"sqlite:///{timed.store.path}",
    }
    mean = [part for name, value in MEANS[question].items() for part in (f"--{name}", value)]
    for what, asked in (
        ("rank", {"level": "district"}),
        ("probability", {"threshold": "0.5"}),
        ("contrast", {"first": "gender:man", "second": "gender:woman"}),
        ("change", {}),
        ("trend", {}),
        ("methods", {}),
    ):
        options = [part for name, value in asked.items() for part in (f"--{name}", value)]
        line = ["ask", what, SURVEY, question, *mean, *options]
        told = CliRunner().invoke(cli, [*line, "--json"], env=place)
        assert json.loads(told.output) == ask(timed, question, what, **asked), told.output
        table = CliRunner().invoke(cli, line, env=place).output
        assert ("minutes" if question == "minutes" else "points on the scale −1 to 1") in table, table
        assert "mean" in table.lower()


@pytest.mark.parametrize("question", MEANS)
def test_pages_show_means_over_time_in_the_unit(timed: World, question: str):
    trend = timed.page(f"/surveys/{SURVEY}/questions/{question}/trend", params=MEANS[question] | {"by": "gender"}).text
    unit = "minutes" if question == "minutes" else "points on the scale −1 to 1"

    assert f"Mean, {unit} with 90% interval" in trend
    for point in ask(timed, question, "trend", by="gender")["points"]:
        assert f">{number(point['mean'])}</strong>" in trend
    if question == "minutes":
        (change,) = ask(timed, question, "change")["changes"]
        first = timed.page(f"/surveys/{SURVEY}/questions/{question}").text
        sign = "+" if change["difference"] > 0 else ""
        assert f"<strong>{sign}{number(change['difference'])} minutes</strong> from 2026-W07 to 2026-W08" in first
        assert ">Trend</a>" in first
    else:
        (change,) = ask(timed, question, "change")["changes"]
        first = timed.page(f"/surveys/{SURVEY}/questions/{question}").text
        sign = "+" if change["difference"] > 0 else ""
        assert f"Mean score: <strong>{sign}{number(change['difference'])} points on the scale −1 to 1</strong>" in first


@pytest.mark.parametrize("question", MEANS)
def test_an_analyst_computes_the_means_from_the_draws(timed: World, question: str):
    url = timed.get(f"{URL}/{question}/releases").json()["releases"][0]["url"] + "/draws"
    content = {name: timed.get(url, "analyst", params={"table": name}).content for name in ("draws", "design", "cells")}
    draws, design, cells = (pl.read_parquet(io.BytesIO(one)) for one in content.values())
    about = json.loads(pl.read_parquet_metadata(io.BytesIO(content["draws"]))["hustings"])
    latents = draws.drop(".draw", ".chain", ".point").to_numpy().astype(float)
    weight = np.zeros((design[".row"].max() + 1, latents.shape[1]))
    weight[design[".row"], design[".latent"]] = design["weight"]
    eta = (latents @ weight.T)[:, cells[".row"]]
    if question == "minutes":
        assert (about["unit"], about["option"]) == ("minutes", None)
        answers = about["centre"] + about["scale"] * eta
    else:
        cuts = np.exp(latents[:, -(len(AGREE) - 2) :]) @ np.array(about["spacing"]).T
        above = 1 / (1 + np.exp(cuts[:, None] - eta[:, :, None]))
        shares = -np.diff(above, axis=2, prepend=1, append=0)
        assert about["options"] == list(AGREE)
        answers = shares @ np.array(about["scores"])

    for row in ask(timed, question, "means", level="region", by="gender")["means"]:
        inside = ((cells["region"] == row["area"]) & (cells["gender"] == row["groups"]["gender"])).to_numpy()
        mean = np.average(answers[:, inside], axis=1, weights=cells["n_people"].to_numpy()[inside])
        assert_allclose(row["mean"], mean.mean(), atol=1e-5)
        assert_allclose([row["low"], row["high"]], np.quantile(mean, [0.05, 0.95]), atol=1e-5)


def test_numbers_without_a_range_have_no_raw_means(world: World):
    asked = KINDS.replace("range = [0, 60]\n", "")
    change_survey(world, "survey.toml", "[questions.rail]", asked + "[questions.rail]")
    assert world.push("k", kinds_csv(240)).status_code == 202
    world.work()
    (row,) = ask(world, "minutes", "methods")["methods"]

    assert (row["raw"], row["weighted"], row["apart"]) == (None, None, None)
    assert "it declares no range" in row["sentence"]
    assert ask(world, "minutes", "probability", threshold=-5)["probabilities"][0]["probability"] == 1
