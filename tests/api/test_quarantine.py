"""Rows set aside over HTTP, and a wave tried on the command line."""

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from api.cli import cli
from fixtures import write_demo
from tests.api.world import SURVEY, World

WAVES = f"/v1/surveys/{SURVEY}/waves"


def test_nothing_set_aside_is_an_answer_too(world: World):
    wave_url = world.get(WAVES).json()["waves"][0]["url"] if world.get(WAVES).json()["waves"] else ""
    wave_url = wave_url or world.push("one").headers["Location"]

    listed = world.get(f"{wave_url}/quarantine").json()
    assert (listed["n_quarantined"], listed["rows"], listed["reasons"]) == (0, [], [])
    text = world.get(listed["download_url"], "pollster")
    assert text.headers["content-type"].startswith("text/csv")
    assert text.headers["cache-control"] == "no-store"
    assert text.text == "file row,reasons\n"
    rival = {"Authorization": f"Bearer {world.key('pollster', pollster='Beta')}"}
    assert world.client.get(listed["download_url"], headers=rival).status_code == 404
    released = world.client.post(
        f"{wave_url}/quarantine/release", headers=world.bearer("pollster"), json={"reason": "mended"}
    )
    assert released.json()["changed"] == []


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("demo")
    write_demo(place)
    return place


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["survey", "check", *map(str, words)])
    return done.exit_code, done.output


def test_a_wave_is_tried_without_being_stored(demo: Path, tmp_path: Path):
    from fixtures.survey_folder import read_wave_list

    wave = read_wave_list(demo)[0]

    code, output = run(demo, "--wave", wave.path, "--pollster", wave.pollster, "--json")
    told = json.loads(output)

    assert code == 0
    assert (told["ok"], told["n_faults"], told["n_quarantined"]) == (True, 0, 0)
    assert told["n_interviews"] == wave.n_interviews
    assert sum(use["n_interviews"] for use in told["recodes"] if use["item"] == told["recodes"][0]["item"]) > 0
    assert [flag["words"] for flag in told["flags"] if flag["over"]] == []
    assert "would be taken" in run(demo, "--wave", wave.path, "--pollster", wave.pollster)[1]

    table = pl.read_csv(wave.path.read_bytes(), infer_schema=False)
    column = told["recodes"][-1]["column"]
    bad = tmp_path / "bad.csv"
    bad.write_bytes(table.with_columns(pl.lit("unheard of").alias(column)).write_csv().encode())
    code, output = run(demo, "--wave", bad, "--pollster", wave.pollster, "--json")
    assert code == 1
    assert json.loads(output)["n_faults"] == table.height
    assert run(demo, "--wave", bad)[0] == 2


def test_a_wave_is_tried_with_its_dates_and_facts_as_it_would_be_pushed(demo: Path):
    from fixtures.survey_folder import read_wave_list

    wave = read_wave_list(demo)[0]
    about = ["--wave", wave.path, "--pollster", wave.pollster]

    code, output = run(demo, *about)
    assert (code, "Dates were not compared with fieldwork" in output) == (0, True)

    right = ["--fieldwork-start", wave.fieldwork_start, "--fieldwork-end", wave.fieldwork_end]
    code, output = run(demo, *about, *right, "--fact", "mode=phone")
    assert (code, "Dates were not compared" in output) == (0, False)

    code, output = run(demo, *about, "--fieldwork-start", "2001-01-01", "--fieldwork-end", "2001-01-02", "--json")
    assert code == 1
    assert "not within fieldwork, 2001-01-01 to 2001-01-02" in output

    code, output = run(demo, *about, *right, "--fact", "mood=good")
    assert (code, "there is no such fact of a wave" in output) == (1, True)
    assert run(demo, "--fact", "mode=phone")[0] == 2
    assert run(demo, *about, "--fieldwork-start", "2001-01-01")[0] == 2
