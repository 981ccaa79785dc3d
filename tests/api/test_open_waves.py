"""Batches over HTTP and by the command line."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

from api.cli import cli
from api.cli.output import fieldwork
from polling.store import waves
from polling.store.engine import open_store
from tests.api.world import AGES, DISTRICTS, GENDERS, SURVEY, World

WAVES = f"/v1/surveys/{SURVEY}/waves"
QUESTIONS = ["rail", "tax", "bridge"]
NDJSON = {"Content-Type": "application/x-ndjson"}


def interviews(start: int, end: int) -> bytes:
    people = (
        {"id": f"p{i}", "district": DISTRICTS[i % 6], "gender": GENDERS[i // 6 % 2], "age": AGES[i // 12 % 3]}
        | {question: Random(f"{question}{i}").choice(("yes", "no")) for question in QUESTIONS}
        for i in range(start, end)
    )
    return b"\n".join(json.dumps(one).encode() for one in people)


def opened(world: World, **said: str) -> Any:
    body = {"reference": "tracker", "fieldwork_start": "2026-02-20"} | said
    return world.client.post(f"{WAVES}/open", headers=world.bearer("pollster"), json=body)


def send(world: World, number: int, content: bytes, role: str = "pollster", wave: str = "tracker") -> Any:
    headers = world.bearer(role) | NDJSON
    return world.client.post(f"{WAVES}/{wave}/batches/{number}", headers=headers, content=content)


def test_a_wave_is_opened_filled_and_closed(world: World):
    assert opened(world, closes_on="2026-03-09").json()["changed"][0]["state"] == "open"
    first = send(world, 1, interviews(0, 40))
    assert first.status_code == 202
    assert (first.json()["n_interviews"], [job["question"] for job in first.json()["jobs"]]) == (40, QUESTIONS)
    again = send(world, 1, interviews(0, 40))
    assert (again.status_code, again.json()["created"], again.json()["jobs"]) == (200, False, first.json()["jobs"])
    assert send(world, 1, interviews(40, 50)).json()["type"] == "wave-conflict"
    assert send(world, 3, interviews(40, 50)).json()["n_interviews_of_wave"] == 50

    reply = world.client.post(f"{WAVES}/tracker/close", headers=world.bearer("pollster"), json={})
    assert reply.json()["changed"][0]["state"] == "accepted"
    assert send(world, 4, interviews(60, 70)).json()["type"] == "wave-state"
    wave = world.get(f"{WAVES}/tracker").json()
    assert (wave["n_interviews"], wave["closes_on"]) == (50, "2026-03-09")


def test_a_batch_over_a_limit_waits_until_an_analyst_lets_it_through(world: World):
    opened(world, reference="panel")
    send(world, 1, interviews(0, 60), wave="panel")
    opened(world)
    send(world, 1, interviews(90, 120))

    waits = send(world, 2, interviews(20, 90)).json()

    assert [(flag["kind"], flag["about"]) for flag in waits["flags"]] == [("overlap", "panel")]
    assert (waits["state"], waits["waiting"], waits["n_interviews_of_wave"], waits["jobs"]) == ("open", 2, 30, [])
    assert world.get(f"{WAVES}/tracker").json()["n_interviews"] == 30
    refused = world.client.post(f"{WAVES}/tracker/let-through", headers=world.bearer("pollster"), json={})
    assert refused.status_code == 403
    body = {"version": 2, "reason": "they are a panel"}
    reply = world.client.post(f"{WAVES}/tracker/let-through", headers=world.bearer("analyst"), json=body).json()
    assert [(one["state"], one["version"], one["n_interviews"]) for one in reply["changed"]] == [("open", 2, 100)]
    assert [job["question"] for job in reply["jobs"]] == QUESTIONS


def test_another_pollster_reaches_no_open_wave(world: World):
    opened(world)
    rival = {"Authorization": f"Bearer {world.key('pollster', pollster='Beta')}"}
    sent = world.client.post(f"{WAVES}/tracker/batches/1", headers=rival | NDJSON, content=interviews(0, 5))
    closed = world.client.post(f"{WAVES}/tracker/close", headers=rival, json={})
    body = {"reference": "tracker", "fieldwork_start": "2026-02-20", "pollster": "Alpha"}
    posed = world.client.post(f"{WAVES}/open", headers=rival, json=body)
    assert [one.json()["type"] for one in (sent, closed, posed)] == ["wave-not-found"] * 2 + ["pollster-refused"]


def test_the_command_line_does_the_same(world: World, tmp_path: Path):
    settings = tmp_path / "hustings.toml"
    settings.write_text(
        f'database_url = "sqlite:///{tmp_path}/hustings.db"\nsecrets_file = "{world.settings.secrets_file}"\n'
        f'data_dir = "{tmp_path}"\n'
    )
    (tmp_path / "one.ndjson").write_bytes(interviews(0, 40))

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli, ["--settings", str(settings), "wave", *words])
        assert done.exit_code == 0, done.output
        return done.output

    said = run("open", SURVEY, "tracker", "--pollster", "Alpha", "--fieldwork-start", "2026-02-20")
    assert said == "tracker of Alpha: open, 0 interviews.\n"
    assert "None" not in run("list", SURVEY)
    run("open", SURVEY, "daily", "--pollster", "A", "--fieldwork-start", "2026-02-20", "--closes-on", "2099-03-01")
    assert '"closes_on": "2099-03-01"' in run("list", SURVEY, "--json")
    with open_store(f"sqlite:///{tmp_path}/hustings.db").read() as session:
        told = {wave.reference: fieldwork(wave) for wave in waves.list_waves(session, SURVEY)}
    assert told == {"tracker": "from 2026-02-20, open", "daily": "from 2026-02-20, closes on 2099-03-01"}
    assert "40 interviews stored; the wave has 40" in run("batch", SURVEY, "tracker", "1", str(tmp_path / "one.ndjson"))
    assert "was received before" in run("batch", SURVEY, "tracker", "1", str(tmp_path / "one.ndjson"))
    assert run("close", SURVEY, "tracker") == "tracker of Alpha: accepted, 40 interviews.\n"


@pytest.mark.parametrize("number", [0, -1, 1_000_001, 3_000_000_000, 99999999999999999999])
def test_a_number_out_of_range_is_a_fault_whatever_its_size(world: World, number: int):
    assert opened(world).status_code == 200

    reply = send(world, number, interviews(0, 40))

    assert (reply.status_code, reply.json()["type"]) == (422, "wave-rejected")
    assert "Give 1 to 1,000,000" in reply.text


@pytest.mark.parametrize(("version", "status"), [(2**63 - 1, 409), (99999999999999999999, 400)])
def test_a_version_that_no_wave_can_have_is_an_answer_and_no_error(world: World, version: int, status: int):
    world.push()
    body = {"reason": "x", "version": version}

    reply = world.client.post(f"{WAVES}/w1/let-through", headers=world.bearer("admin"), json=body)

    assert reply.status_code == status
