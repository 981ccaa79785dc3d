"""A secrets file that was lost or mistyped: refused by all that would have made a new one."""

import json
from datetime import date
from typing import Any

import pytest
from click.testing import CliRunner, Result

from api.cli import cli
from api.keys import create_key, key_pepper
from jobs.receive import receive_wave
from polling.errors import SecretsError
from polling.store import audit, keys, waves
from tests.api.world import NOON, POLLSTER, SURVEY, World, wave_csv


def hustings(world: World, *arguments: str) -> Result:
    place = {
        "HUSTINGS_DATA_DIR": str(world.settings.data_dir),
        "HUSTINGS_DATABASE_URL": str(world.store.url),
        "HUSTINGS_SECRETS_FILE": str(world.settings.secrets_file),
    }
    return CliRunner().invoke(cli, arguments, env=place)


def test_keys_do_not_get_a_new_pepper(world: World):
    world.bearer("reader")
    world.settings.secrets_file.unlink()

    with pytest.raises(SecretsError, match="the stored API keys were made with it"):
        create_key(world.store, world.secrets, role="reader", survey_id=None, actor="test", now=world.now)
    for path in (f"/v1/surveys/{SURVEY}", "/ready"):
        reply = world.get(path, "reader")
        assert (reply.status_code, reply.json()["type"]) == (503, "secrets-unusable")
    assert hustings(world, "serve", "--port", "0", "--no-worker").exit_code == 3
    assert not world.settings.secrets_file.exists()


def test_a_pepper_that_no_key_needs_any_more_is_made_anew(world: World):
    _, record = create_key(world.store, world.secrets, role="reader", survey_id=None, actor="test", now=world.now)
    lost = key_pepper(world.store, world.secrets)
    with world.store.write() as session:
        keys.revoke_key(session, record.prefix, now=world.now)
    world.settings.secrets_file.unlink()

    assert key_pepper(world.store, world.secrets) != lost


def test_the_doctor_says_that_it_has_to_be_mended(world: World):
    def secrets_line() -> str:
        return next(line for line in hustings(world, "doctor").output.splitlines() if "secrets file" in line)

    assert secrets_line().startswith("ok")
    days = date(2026, 2, 20), date(2026, 2, 25)
    receive_wave(
        world.store,
        world.secrets,
        world.settings,
        survey_id=SURVEY,
        pollster=POLLSTER,
        reference="w1",
        content=wave_csv(),
        fieldwork_start=days[0],
        fieldwork_end=days[1],
        now=NOON,
        actor="test",
    )
    assert secrets_line().startswith("ok")

    world.settings.secrets_file.unlink()
    assert secrets_line().startswith("MEND")
    assert not world.settings.secrets_file.exists()
    world.secrets.pepper()
    assert secrets_line().startswith("MEND")


def push(world: World, reference: str, start: int = 0) -> int:
    return world.push(reference, wave_csv(100, start=start)).status_code


def without_version(world: World, version: int) -> None:
    file = world.settings.secrets_file
    file.write_text("".join(line for line in file.read_text().splitlines(True) if not line.startswith(f"v{version} ")))


def test_a_pseudonym_key_is_rotated_by_choice_with_an_entry_in_the_chain(world: World):
    assert push(world, "w1") == 202

    done = hustings(world, "privacy", "rotate-key", SURVEY, "--reason", "a laptop was stolen")

    assert done.exit_code == 0
    assert "New interviews are stored under version 2." in done.output
    assert "lost" not in done.output
    assert push(world, "w2", 1000) == 202
    assert hustings(world, "privacy", "access", SURVEY, "--respondent", "r3").output.count('"reference": "w1"') == 1
    with world.store.read() as session:
        (entry,) = audit.read_entries(session, action="pseudonym-key-rotated")
        assert entry.detail == {"version": 2, "lost": [], "reason": "a laptop was stolen"}
        assert [wave.key_version for wave in waves.list_waves(session, SURVEY)] == [1, 2]


def test_after_a_pseudonym_key_was_lost_the_survey_goes_on_and_says_what_that_means(world: World):
    def doctor() -> dict[str, Any]:
        checks = json.loads(hustings(world, "doctor", "--json").output)["checks"]
        return next(one for one in checks if one["check"] == "secrets file")

    assert push(world, "w1") == 202
    without_version(world, 1)
    assert push(world, "w2", 1000) == 503
    assert f"`hustings privacy rotate-key {SURVEY}`" in doctor()["found"]

    done = hustings(world, "privacy", "rotate-key", SURVEY, "--reason", "the disk broke", "--json")

    assert done.exit_code == 0
    said = json.loads(done.output)
    assert (said["version"], said["lost"]) == (2, [1])
    assert "cannot be searched for access or erasure" in said["meaning"]
    assert push(world, "w2", 1000) == 202
    assert doctor()["ok"]
    receipt = hustings(world, "privacy", "erase", SURVEY, "--respondent", "r3").output
    assert "Version 1 of the pseudonym key is lost" in receipt
