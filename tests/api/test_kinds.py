"""Questions of several options, of a scale and of numbers: every answer is right, or is refused in words."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

from api.cli import cli
from api.page.asking import ask_release
from mrp.grouping import Grouping
from mrp.outcomes import draws_many
from tests.api.kinds import AGREE, PARTIES, SCORES
from tests.api.world import DISTRICTS, REGIONS, SURVEY, World

URL = f"/v1/surveys/{SURVEY}/questions"


def ask(world: World, question: str, what: str, **asked: Any) -> dict[str, Any]:
    reply = world.get(f"{URL}/{question}/{what}", params=asked)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def stored(world: World, question: str, *by: str) -> dict[str, np.ndarray]:
    """Draws of every estimand from what is stored, straight from the estimator; shape (draw, area)."""
    release_id = world.get(f"{URL}/{question}/releases").json()["releases"][0]["id"]
    loaded = world.services.releases.load(release_id)
    (drawn,) = draws_many(loaded.latents, loaded.design, loaded.electorate, [Grouping(by=by)])
    return {name: drawn.draws[:, :, i] for i, name in enumerate(drawn.options)}


def test_the_shares_of_all_options_are_those_of_the_estimator_and_sum_to_one(kinds: World):
    body = ask(kinds, "party", "estimates", level="district", interval=0.8)

    assert body["option"] is None
    assert [row["option"] for row in body["estimates"][:4]] == [*PARTIES, "Rail"]
    draws = stored(kinds, "party", "district")
    for row in body["estimates"]:
        own = draws[row["option"]][:, DISTRICTS.index(row["area"])]
        assert_allclose(row["share"], own.mean(), atol=1e-6)
        if row["part_standing"]:
            assert_allclose([row["low"], row["high"]], np.quantile(own, [0.1, 0.9]), atol=1e-6)
    for code in DISTRICTS:
        assert_allclose(sum(row["share"] for row in body["estimates"] if row["area"] == code), 1, atol=1e-5)
    away = [row for row in body["estimates"] if row["option"] == "Isles" and REGIONS[row["area"]] == "North"]
    assert len(away) == 3
    assert all((row["share"], row["high"]) == (0, None) for row in away)


@pytest.mark.parametrize("asked", [{"by": "gender,age"}, {"level": "region", "by": "age"}, {"where": "age:young"}])
def test_one_option_is_that_of_all(kinds: World, asked: dict[str, str]):
    every = ask(kinds, "party", "estimates", **asked)["estimates"]
    for option in PARTIES:
        body = ask(kinds, "party", "estimates", option=option, **asked)
        assert body["option"] == option
        assert body["estimates"] == [row for row in every if row["option"] == option]


def test_a_scale_has_shares_and_the_mean_of_its_scores(kinds: World):
    shares = ask(kinds, "agree", "estimates", level="district")["estimates"]
    body = ask(kinds, "agree", "means", level="district")

    assert body["scores"] == dict(zip(AGREE, SCORES, strict=True))
    assert body["option"] is None
    draws = stored(kinds, "agree", "district")
    score = sum(value * draws[option] for option, value in zip(AGREE, SCORES, strict=True))
    for d, row in enumerate(body["means"]):
        own = [one["share"] for one in shares if one["area"] == row["area"]]
        assert_allclose(row["mean"], np.dot(own, SCORES), atol=1e-6)
        assert_allclose([row["low"], row["high"]], np.quantile(score[:, d], [0.05, 0.95]), atol=1e-6)


def test_numbers_have_means_in_their_unit(kinds: World):
    body = ask(kinds, "minutes", "means", level="district", interval="0.9,0.5")

    assert (body["unit"], body["scores"]) == ("minutes", {})
    draws = stored(kinds, "minutes", "district")["mean"]
    for d, row in enumerate(body["means"]):
        assert_allclose(row["mean"], draws[:, d].mean(), rtol=1e-6)
        assert_allclose(row["sd"], draws[:, d].std(), rtol=1e-6)
        assert row["low"] < row["intervals"][1]["low"] < row["mean"] < row["intervals"][1]["high"] < row["high"]
        assert 5 < row["mean"] < 60


def test_two_options_are_compared_draw_by_draw(kinds: World):
    (row,) = ask(kinds, "party", "contrast", option="Rail", versus="Town")["contrasts"]

    draws = stored(kinds, "party")
    assert_allclose(row["difference"], (draws["Rail"] - draws["Town"]).mean(), atol=1e-6)
    assert_allclose(row["sd"], (draws["Rail"] - draws["Town"]).std(), atol=1e-6)


def test_seats_of_several_options_are_those_of_the_largest_share_in_every_draw(kinds: World):
    body = ask(kinds, "party", "seats")
    draws = np.stack([stored(kinds, "party", "district")[option] for option in PARTIES])
    won = draws.argmax(axis=0)
    assert [one["option"] for one in body["options"]] == list(PARTIES)
    for i, one in enumerate(body["options"]):
        assert_allclose(one["seats"], (won == i).sum(axis=1).mean(), atol=1e-9)
    assert_allclose(sum(one["seats"] for one in body["options"]), len(DISTRICTS))

    close = ask(kinds, "party", "battleground", option="Isles")
    assert close["versus"] is None
    for row in close["districts"]:
        d = DISTRICTS.index(row["area"])
        lead = draws[2, :, d] - draws[:2, :, d].max(axis=0)
        assert_allclose(row["lead"], lead.mean(), atol=1e-6)
        assert_allclose(row["p_win"], (lead > 0).mean(), atol=1e-6)
    profile = ask(kinds, "party", "districts/D4", option="Isles")["district"]
    row = next(one for one in close["districts"] if one["area"] == "D4")
    assert_allclose(profile["p_lead"], row["p_win"])


def test_raw_shares_rest_on_the_perturbed_counts_of_the_option(kinds: World):
    shown = kinds.services.releases.load(kinds.get(f"{URL}/party/releases").json()["releases"][0]["id"]).counts
    for option in PARTIES:
        (row,) = ask(kinds, "party", "methods", option=option)["methods"]
        # What is shown of it where it does not stand is nothing but noise.
        where = shown.filter(region="South") if option == "Isles" else shown
        assert_allclose(row["raw"]["share"], where[f"y[{option}]"].sum() / shown["n"].sum())
        assert row["raw"]["low"] < row["raw"]["share"] < row["raw"]["high"]


@pytest.mark.parametrize(
    ("question", "what", "words"),
    [
        ("party", "means", "it has shares of its options and no mean. Ask for its /estimates"),
        ("rail", "means", "404"),
        ("minutes", "estimates", "it has no options, and no shares of them. Ask for its /means"),
        *(
            ("minutes", what, "Ask for its /means")
            for what in ("contrast?versus=a", "seats", "battleground", "rank?level=district&measure=share")
        ),
        ("minutes", "probability", "Name a number of minutes from 0 to 60 in threshold"),
        ("minutes", "probability?threshold=61", "threshold must be a number of minutes from 0 to 60"),
        ("agree", "probability?measure=mean&threshold=2", "threshold must be a score from -1 to 1"),
        ("agree", "rank?level=district&measure=mean&option=yes", "A mean is of all answers to agree. Leave option out"),
        ("agree", "contrast?measure=mean&option=yes&versus=no", "Leave measure=mean out"),
        ("party", "rank?level=district&measure=mean", "it has shares of its options and no mean"),
        ("party", "seats?measure=mean", "Seats are of shares of options. Leave measure=mean out"),
        ("agree", "estimates?measure=mean", "Estimates are of shares of options. Leave measure=mean out, or ask"),
        ("agree", "means?measure=share", "Means are no shares. Leave measure=share out"),
        ("agree", "rank?level=district&measure=meen", "Did you mean 'mean'"),
        ("minutes", "means?option=moon", "A mean is of all answers to minutes. Leave option out"),
        ("agree", "seats", "points of a scale"),
        ("party", "estimates?option=Rial", "Did you mean|Allowed: Rail, Town, Isles"),
    ],
)
def test_what_a_question_has_not_is_refused_in_words(kinds: World, question: str, what: str, words: str):
    reply = kinds.get(f"{URL}/{question}/{what}")
    if words == "404":
        assert reply.status_code == 404
        return
    assert reply.status_code == 422, reply.text
    assert any(word in reply.json()["detail"] for word in words.split("|"))


@pytest.mark.parametrize("question", ["party", "agree", "minutes"])
def test_everything_else_of_a_release_answers_or_says_why_not(kinds: World, question: str):
    url = kinds.get(f"{URL}/{question}/releases").json()["releases"][0]["url"]
    for what in ("", "/diagnostics", "/disclosure", "/representation", "/draws", "/figures", "/checks", "/datatree"):
        reply = kinds.get(url + what)
        assert reply.status_code == (422 if what == "/draws" and question == "party" else 200), (what, reply.text)
    names = [one["name"] for one in kinds.get(f"{url}/figures").json()["figures"]]
    assert "variation" in names
    assert kinds.get(f"{url}/figures/variation").status_code == 200


def test_a_table_has_a_row_for_every_option(kinds: World):
    reply = kinds.get(f"{URL}/party/estimates", params={"level": "district", "format": "csv"})
    table = pl.read_csv(reply.content)
    assert table.height == len(DISTRICTS) * len(PARTIES)
    assert set(table["option"]) == set(PARTIES)
    means = pl.read_csv(kinds.get(f"{URL}/agree/means", params={"level": "region", "format": "csv"}).content)
    assert means["area"].to_list() == ["North", "South"]


def test_the_command_line_gives_the_same_means_and_shares(kinds: World):
    place = {
        "HUSTINGS_DATA_DIR": str(kinds.settings.data_dir),
        "HUSTINGS_SECRETS_FILE": str(kinds.settings.secrets_file),
        "HUSTINGS_DATABASE_URL": f"sqlite:///{kinds.store.path}",
    }
    for command, question, what in (
        (["ask", "means"], "minutes", "means"),
        (["ask", "means"], "agree", "means"),
        (["estimates"], "party", "estimates"),
    ):
        asked = [*command, SURVEY, question, "--level", "region"]
        told = ask(kinds, question, what, level="region")
        result = CliRunner().invoke(cli, [*asked, "--json"], env=place)
        assert result.exit_code == 0, result.output
        assert json.loads(result.output) == told
        table = CliRunner().invoke(cli, asked, env=place).output
        assert "North" in table
        assert all(option in table for option in (PARTIES if question == "party" else ()))


@pytest.mark.parametrize(("question", "options"), [("party", PARTIES), ("agree", AGREE)])
def test_what_leads_on_a_map_is_what_leads_in_most_draws(kinds: World, question: str, options: tuple[str, ...]):
    found = ask_release(kinds.services, SURVEY, question, None).leaders(level="district").leaders

    drawn = stored(kinds, question, "district")
    assert [row.area for row in found] == list(DISTRICTS)
    for column, row in enumerate(found):
        wins = dict.fromkeys(options, 0.0)
        n_draws = len(drawn[options[0]])
        for draw in range(n_draws):
            shares = {option: drawn[option][draw, column] for option in options}
            best = [option for option, share in shares.items() if share == max(shares.values())]
            for option in best:
                wins[option] += 1 / len(best) / n_draws
        first, second = sorted(options, key=lambda option: -wins[option])[:2]
        assert (row.option, row.second) == (first, second)
        assert row.p_leads == pytest.approx(wins[first])
        assert row.share == pytest.approx(drawn[first][:, column].mean())
