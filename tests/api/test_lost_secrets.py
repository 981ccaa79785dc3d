"""A secrets file that was lost or mistyped: refused by all that would have made a new one."""

from datetime import date

import pytest
from click.testing import CliRunner, Result

from api.cli import cli
from api.keys import create_key, key_pepper
from jobs.receive import receive_wave
from polling.errors import SecretsError
from polling.store import keys
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
