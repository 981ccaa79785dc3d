"""What checks of a release found, by HTTP and command line: all of it for analysts, what matters for readers."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from api.cli import cli
from jobs.check_ask import PREDICTIVE, ask_next_check
from polling.store import checks, releases
from polling.store.engine import open_store
from tests.api.world import SURVEY, World, make_world

CONCERN = {
    "kind": "misfit",
    "severity": "grave",
    "columns": ["pollster"],
    "levels": ["Alpha"],
    "size": -0.06,
    "strength": 9.0,
    "sentence": "Pollster Alpha's interviews are 6 points lower than the model expects, far outside chance.",
    "advice": "hold pollster Alpha's waves back and look at them",
}


@pytest.fixture(scope="module")
def checked(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service whose release was checked."""
    folder = tmp_path_factory.mktemp("checked")
    shutil.copy(_sqlite_template, folder / "hustings.db")
    store = open_store(f"sqlite:///{folder}/hustings.db")
    world = make_world(store, folder)
    with world.client:
        world.release()
        world.now += timedelta(minutes=1)
        with store.write() as session:
            assert ask_next_check(session, world.settings, now=world.now)
        world.work()
        yield world
    store.close()


def path(world: World) -> str:
    with world.store.read() as session:
        current = releases.current_release(session, SURVEY, "rail")
    assert current is not None
    return f"/v1/surveys/{SURVEY}/releases/{current.id}"


def test_an_analyst_sees_every_margin_with_what_was_expected(checked: World):
    body = checked.get(f"{path(checked)}/checks", "analyst").json()

    assert body["checked"] is True
    (made,) = [one for one in body["checks"] if one["kind"] == PREDICTIVE]
    margins = {tuple(one["columns"]): one for one in made["content"]["margins"]}
    assert {(), ("district",), ("gender",), ("age",), ("region",), ("gender", "age")} <= set(margins)
    women = next(one for one in margins[("gender",)]["groups"] if one["levels"] == ["woman"])
    assert women["low"] < women["predicted"] < women["high"]
    assert 0 <= women["observed"] <= 1
    # Ten people of D6 were interviewed: too few to be told.
    assert "D6" not in {one["levels"][0] for one in margins[("district",)]["groups"]}


def test_readers_see_what_matters_with_the_release_and_not_the_figures(checked: World):
    assert checked.get(f"{path(checked)}/checks", "reader").status_code == 403
    before = checked.get(path(checked), "reader").json()["concerns"]
    with checked.store.write() as session:
        release = releases.current_release(session, SURVEY, "rail")
        assert release is not None
        checks.add_check(session, release, kind="by-hand", content={}, concerns=[CONCERN], now=checked.now)

    (first, *others) = checked.get(path(checked), "reader").json()["concerns"]

    assert first["sentence"] == CONCERN["sentence"]
    assert first["advice"] == CONCERN["advice"]
    assert "strength" not in first
    assert others == before
    told = checked.get(f"/v1/surveys/{SURVEY}/questions/rail/estimates", "reader").json()["warnings"]
    assert CONCERN["sentence"].rstrip(".") in told
    statement = checked.get(f"{path(checked)}/disclosure", "reader").text
    assert CONCERN["sentence"] in statement


def test_a_release_that_was_not_checked_says_so(world: World):
    world.release()

    assert world.get(path(world)).json()["concerns"] is None
    body = world.get(f"{path(world)}/checks").json()
    assert (body["checked"], body["concerns"], body["checks"]) == (False, [], [])


@pytest.fixture
def run(world: World) -> Callable[..., tuple[int, str]]:
    world.release()
    place = {
        "HUSTINGS_DATA_DIR": str(world.settings.data_dir),
        "HUSTINGS_SECRETS_FILE": str(world.settings.secrets_file),
        "HUSTINGS_DATABASE_URL": f"sqlite:///{world.store.path}",
    }

    def run_one(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli, ["check", SURVEY, "rail", *arguments], env=place)
        return result.exit_code, result.output

    return run_one


def test_the_command_compares_other_models_with_the_release(
    world: World, run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("jobs.fit_run.run_fit", world.fit)
    other = "gender + (1|district) + (1|age)"

    code, words = run("--against", other)
    assert code == 0
    assert "(the release)" in words
    assert f"1: {other}" in words
    told = json.loads(run("--against", other, "--json")[1])["models"]
    assert [one["formula"] for one in told] == ["gender + (1|district)", other]
    assert told[0]["difference"] == 0
    assert "(1|nothing)" in run("--against", "(1|nothing)")[1]
    assert run("--against", other, "--run")[0] == 2


def test_the_command_prints_what_http_gives_and_fails_on_what_is_grave(
    world: World, run: Callable[..., tuple[int, str]]
):
    code, words = run()
    assert (code, "was not checked yet" in words) == (0, True)
    assert run("--here")[0] == 2
    assert "leave --release out" in run("--run", "--release", "x")[1]

    code, words = run("--run", "--here", "--json")
    told = json.loads(words)
    assert told == world.get(f"{path(world)}/checks").json()
    assert code == int(any(one["severity"] == "grave" for one in told["concerns"]))

    with world.store.write() as session:
        release = releases.current_release(session, SURVEY, "rail")
        assert release is not None
        checks.add_check(session, release, kind="by-hand", content={}, concerns=[CONCERN], now=world.now)
    code, words = run()
    assert code == 1
    assert f"grave: {CONCERN['sentence']}\n  Advice: {CONCERN['advice']}." in words
    for heading in ("predictive intervals", "not poststratified estimates", "Before anybody was asked"):
        assert heading in words
