"""``hustings ask`` and ``hustings estimates`` give what HTTP gives: the same numbers, the same refusals."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from api.cli import cli
from api.cli.ask import ask
from api.cli.wording import in_own_words
from polling.store.engine import open_store
from tests.api.world import SURVEY, World, make_world, wave_csv

type Run = Callable[..., Result]

QUESTION = f"/v1/surveys/{SURVEY}/questions/rail"
COMMON = {"level": "region", "by": "gender", "where": "age:young,age:old", "interval": "0.8", "option": "no"}
QUESTIONS = {
    "estimates": {},
    "probability": {"threshold": "0.4"},
    "rank": {},
    "contrast": {"first": "age:young", "second": "age:old", "where": ""},
    "change": {"since": "2026-W07", "period": "2026-W09"},
    "trend": {"since": "2026-W08", "interval": "0.8,0.5"},
    "revision": {},
    "methods": {"where": ""},
    "seats": {"level": "", "by": "", "where": ""},
    "battleground": {"level": "", "by": "", "where": ""},
    "district": {"level": "", "by": "age", "where": ""},
    "whom-to-ask": {"level": "", "by": "", "where": ""},
}
"""Question -> what it is asked, besides and instead of what is common."""


@pytest.fixture(scope="module")
def weekly(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two releases, the second with an effect of every week."""
    folder = tmp_path_factory.mktemp("weekly")
    shutil.copy(_sqlite_template, folder / "hustings.db")
    store = open_store(f"sqlite:///{folder}/hustings.db")
    world = make_world(store, folder)
    with world.client:
        world.release("w-early", wave_csv(200, start=9000))
        world.weekly_release()
        yield world
    store.close()


@pytest.fixture
def run(weekly: World) -> Run:
    place = {
        "HUSTINGS_DATA_DIR": str(weekly.settings.data_dir),
        "HUSTINGS_SECRETS_FILE": str(weekly.settings.secrets_file),
        "HUSTINGS_DATABASE_URL": f"sqlite:///{weekly.store.path}",
    }

    def run_one(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, arguments, env=place)
        assert result.exit_code == code, result.output + repr(result.exception)
        return result

    return run_one


def command(question: str, **asked: str) -> list[str]:
    """The command line of a question."""
    begin = ["estimates"] if question == "estimates" else ["ask", question]
    places = [SURVEY, "rail", *(["D2"] if question == "district" else [])]
    return [*begin, *places, *(part for name, value in asked.items() for part in (f"--{name}", value))]


def path_of(question: str) -> str:
    return f"{QUESTION}/districts/D2" if question == "district" else f"{QUESTION}/{question}"


def test_every_question_is_tried_here():
    # Means are those of other kinds of questions.
    assert {"estimates", *ask.commands} == {*QUESTIONS, "means"}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_as_over_http(weekly: World, run: Run, question: str):
    asked = {name: value for name, value in (COMMON | QUESTIONS[question]).items() if value}
    told = weekly.get(path_of(question), params=asked)
    assert told.status_code == 200, told.text

    assert json.loads(run(*command(question, **asked), "--json").output) == told.json()
    table = run(*command(question, **asked)).output
    assert "Should a rail line be built?" in table
    assert ("80% intervals" in table) == (question != "revision")


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("wrong", [{"interval": "2"}, {"where": "age:yung"}, {"release": "none"}])
def test_a_question_is_refused_as_over_http(weekly: World, run: Run, question: str, wrong: dict[str, str]):
    asked = {name: value for name, value in QUESTIONS[question].items() if value} | wrong
    told = weekly.get(path_of(question), params=asked)
    assert told.status_code in (404, 422), told.text

    assert told.json()["detail"] in run(*command(question, **asked), code=2).output


def test_two_releases_that_share_waves_are_no_change_in_words_of_the_command_line(weekly: World, run: Run):
    first = weekly.get(f"/v1/surveys/{SURVEY}/questions/rail/releases").json()["releases"][-1]["id"]
    told = weekly.get(f"{QUESTION}/change", params={"before": first})

    assert told.status_code == 422
    said = in_own_words(told.json()["detail"])
    assert said in run(*command("change", before=first), code=2).output
    assert "`hustings ask revision`" in said
    assert "/revision" not in said


def test_tables_say_what_they_show(run: Run):
    def lines(question: str, **asked: str) -> list[str]:
        return run(*command(question, **asked)).output.splitlines()

    ranks = [float(line.split()[3]) for line in lines("rank", level="district")[-6:]]
    assert ranks == sorted(ranks)
    assert lines("contrast", option="yes", versus="no")[1] == "Lead of 'yes' over 'no', in points, 90% intervals."
    young = lines("contrast", first="age:young,age:middle", second="age:old")
    assert young[1] == "Share of 'yes', young or middle minus old, in points, 90% intervals."
    assert young[-1].endswith(("no clear difference", "larger", "smaller"))
    assert "  Wave week0 of Alpha was added." in lines("revision")
    assert lines("change")[1].startswith("Change of the share of 'yes' since 2026-W08")
    assert [line.split()[5] for line in lines("trend")[-3:]] == ["2026-W07", "2026-W08", "2026-W09"]
    assert any(line.split() == ["region", "North"] for line in lines("district"))
    assert lines("seats")[1].startswith("Seats of 6 by plurality")
    assert lines("probability", level="district", by="age,gender")[-1].startswith("1 group is withheld; the first: Few")


def test_two_things_that_name_a_release_are_wrong_usage(run: Run):
    for question in ("estimates", "rank"):
        asked = {"release": "one", "as-of": "2026-03-02T12:00"}
        assert "Give one of them" in run(*command(question, **asked), code=2).output


def test_the_representation_of_a_release_is_told_as_over_http(weekly: World, run: Run):
    current = weekly.get(f"{QUESTION}/estimates").json()["release_id"]
    told = weekly.get(f"/v1/surveys/{SURVEY}/releases/{current}/representation", params={"interval": "0.8"})

    assert json.loads(run("representation", SURVEY, "rail", "--interval", "0.8", "--json").output) == told.json()
    table = run("representation", SURVEY, "rail").output
    assert all(sentence[:60] in table for sentence in weekly.get(told.url.path).json()["summary"])
    assert any(line.split()[:3] == ["district", "D5", "District"] for line in table.splitlines())
    assert "'maybe'" in run("representation", SURVEY, "rail", "--option", "maybe", code=2).output
    assert "no release 'none'" in run("representation", SURVEY, "rail", "--release", "none", code=2).output


@pytest.mark.parametrize("option", ["--by", "--where", "--districts", "--interval", "--merge"])
def test_a_list_that_is_given_twice_is_refused_and_none_of_it_forgotten(run: Run, option: str):
    done = run("estimates", SURVEY, "rail", option, "one", option, "two", code=2)
    assert f"'{option}': given more than once; give it once, with commas between" in done.output


@pytest.mark.parametrize("option", ["--first", "--second"])
def test_so_is_a_side_of_a_contrast(run: Run, option: str):
    done = run("ask", "contrast", SURVEY, "rail", option, "age:young", option, "gender:F", code=2)
    assert "with commas between" in done.output
