"""Whom to ask next over HTTP, on the command line and with the client, of every kind of question."""

import re
from html import unescape
from io import BytesIO
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

from api.charts.chart import percent
from api.cli import cli
from mrp.grouping import Grouping
from mrp.numeric.poststratification import answer_variances
from mrp.poststratification import area_draws
from mrp.whom_to_ask import expected_narrowing
from polling.store import releases
from tests.api.world import DISTRICTS, SURVEY, World

BASE = f"/v1/surveys/{SURVEY}/questions"


def ask(world: World, question: str = "rail", query: str = "", role: str = "analyst") -> Any:
    return world.get(f"{BASE}/{question}/whom-to-ask{query}", role)


def loaded(world: World, question: str) -> Any:
    with world.store.read() as session:
        release = releases.current_release(session, SURVEY, question)
    assert release is not None
    return world.services.releases.load(release.id)


def test_the_answer_is_what_the_draws_say(served: World):
    told = ask(served, query="?level=district&by=gender&n=50&targets=age").json()
    release = loaded(served, "rail")
    groups, targets = (
        area_draws(release.latents, release.design, release.electorate, by=by)
        for by in (("district", "gender"), ("age",))
    )
    found = expected_narrowing(targets, groups, n=50)
    expected = {
        tuple(row): lost for row, lost in zip(groups.areas.drop("n_people").rows(), found.narrower, strict=True)
    }
    assert (told["n"], told["targets"], told["n_targets"], len(told["groups"])) == (50, ["age"], 3, 12)
    for one in told["groups"]:
        lost = expected[one["area"], one["groups"]["gender"]]
        assert_allclose([one["narrower"], one["most"]["narrower"]], [lost.mean(), lost.max()], rtol=1e-3, atol=1e-9)
        assert one["most"]["groups"]["age"] == targets.areas["age"][int(lost.argmax())]
        assert one["most"]["option"] == "yes"
    order = [one["narrower"] for one in told["groups"]]
    assert order == sorted(order, reverse=True)


def test_it_is_told_in_words(served: World):
    first = ask(served, query="?level=district&n=100").json()["groups"][0]
    most = first["most"]
    assert first["sentence"] == (
        f"100 further interviews in {first['area_name']} would narrow the 90% interval of “yes” in {most['area_name']} "
        f"by about {100 * most['narrower']:.0f}%, the most, and all 6 by about {100 * first['narrower']:.0f}% on "
        "average."
    )
    alone = ask(served, query="?targets=nation&interval=0.8").json()["groups"][0]
    assert "the 80% interval of “yes” in Adults of the town by about" in alone["sentence"]
    assert "the most" not in alone["sentence"]
    little = ask(served, query="?level=district&by=age&n=1").json()["groups"][-1]
    assert little["narrower"] < 0.01
    assert little["sentence"].endswith(", the most, and all 6 by less than 1% on average.")


def test_more_interviews_narrow_more_and_one_narrows_least(served: World):
    lost = [ask(served, query=f"?level=district&n={n}").json()["groups"] for n in (1, 30, 1000)]
    of = [{one["area"]: one["narrower"] for one in groups} for groups in lost]
    assert all(of[0][code] < of[1][code] < of[2][code] < 1 for code in DISTRICTS)


def test_small_groups_are_neither_asked_nor_targets(served: World):
    told = ask(served, query="?level=district&by=gender,age&targets=district,gender,age").json()
    assert len(told["groups"]) == told["n_targets"] == 35
    assert [(one["area"], one["groups"]["age"]) for one in told["withheld"]] == [("D6", "old")]
    assert not any(
        (one["most"]["area"], *one["most"]["groups"].values()) == ("D6", "man", "old") for one in told["groups"]
    )


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("?n=0", 422, "from 1 to 100,000"),
        ("?n=100001", 422, "from 1 to 100,000"),
        ("?targets=moon", 422, "There is no target 'moon'"),
        ("?targets=district,nation", 422, "names 2 levels"),
        ("?targets=age,age", 422, "names something twice"),
        ("?option=perhaps", 422, "There is no option"),
        ("?n=x", 400, ""),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(served: World, query: str, status: int, said: str):
    reply = ask(served, query=query)
    assert (reply.status_code, said in reply.json()["detail"]) == (status, True), reply.text


def test_a_wrong_target_is_named_with_those_that_there_are(served: World):
    problem = ask(served, query="?targets=agee").json()
    assert (problem["parameter"], problem["nearest"]) == ("targets", "age")


def test_it_comes_as_a_table(served: World):
    table = pl.read_csv(BytesIO(ask(served, query="?level=district&format=csv").content))
    assert table.height == 6
    assert {"area", "narrower", "most_area", "most_narrower", "sentence", "n", "release_id"} <= set(table.columns)


def test_readers_are_not_told(served: World):
    assert ask(served, role="reader").status_code == 403


def test_of_several_options_all_are_looked_at_or_one(kinds: World):
    every = ask(kinds, "party", "?level=district").json()
    assert every["n_targets"] == 3 * 6 - 3  # one stands in the south alone
    assert {one["most"]["option"] for one in every["groups"]} <= {"Rail", "Town", "Isles"}
    one = ask(kinds, "party", "?level=district&option=Town").json()
    assert (one["n_targets"], one["option"]) == (6, "Town")
    assert {row["most"]["option"] for row in one["groups"]} == {"Town"}
    # Answers on all options tell at least as much of one as those on it alone, but for the noise that is taken off.
    assert max(row["narrower"] for row in one["groups"]) > 0


def test_of_a_scale_and_of_numbers_too(kinds: World):
    assert ask(kinds, "agree", "?level=district").json()["n_targets"] == 18
    told = ask(kinds, "minutes", "?level=district&n=20").json()
    release = loaded(kinds, "minutes")
    (variance,) = answer_variances(release.latents, release.design, release.electorate, [Grouping(("district",))])
    means = release.drawn(("district",))["mean"]
    found = expected_narrowing(means, means, n=20, answer_variance=variance)
    expected = dict(zip(DISTRICTS, found.narrower.mean(axis=1), strict=True))
    assert_allclose([one["narrower"] for one in told["groups"]], [expected[one["area"]] for one in told["groups"]])
    assert told["groups"][0]["most"]["option"] is None
    assert "the 90% interval in District" in told["groups"][0]["sentence"]
    assert np.all(found.narrower < 1)
    assert ask(kinds, "minutes", "?option=yes").status_code == 422
    scores = ask(kinds, "agree", "?level=district&measure=mean&n=20").json()
    assert (scores["n_targets"], scores["measure"], scores["groups"][0]["most"]["option"]) == (6, "mean", None)
    assert 0 < scores["groups"][0]["narrower"] < 1
    assert ask(kinds, "party", "?measure=mean").status_code == 422


def test_the_command_line_tells_the_same(served: World):
    place = {
        "HUSTINGS_DATA_DIR": str(served.settings.data_dir),
        "HUSTINGS_SECRETS_FILE": str(served.settings.secrets_file),
        "HUSTINGS_DATABASE_URL": f"sqlite:///{served.store.path}",
    }
    line = ["ask", "whom-to-ask", SURVEY, "rail", "--level", "district", "--n", "200", "--targets", "age"]
    done = CliRunner().invoke(cli, line, env=place)
    assert done.exit_code == 0, done.output
    first = ask(served, query="?level=district&n=200&targets=age").json()["groups"][0]
    assert first["sentence"] in done.output
    assert "What 200 further interviews would narrow, of 3 estimates (age)" in done.output


def test_the_page_says_what_the_interface_says(served: World):
    reply = served.page(f"/surveys/{SURVEY}/questions/rail/whom-to-ask?n=50", "analyst")
    assert reply.status_code == 200, reply.text
    groups = ask(served, query="?level=district&n=50").json()["groups"]
    assert unescape(reply.text).count(groups[0]["sentence"]) >= 1
    names = [f"{one['area_name']}: {percent(one['narrower'])} narrower" for one in groups]
    charts = re.findall(r"<svg.*?</svg>", reply.text, flags=re.DOTALL)
    assert sum(all(name in chart for name in names) for chart in charts) == 2  # the map and the bars
    assert "Whom to ask" in served.page(f"/surveys/{SURVEY}/questions/rail", "analyst").text
    assert "Whom to ask" not in served.page(f"/surveys/{SURVEY}/questions/rail", "reader").text
    by_age = served.page(f"/surveys/{SURVEY}/questions/rail/whom-to-ask?by=age&targets=gender", "analyst").text
    assert "further interviews in Adults of the town, " in unescape(by_age)
