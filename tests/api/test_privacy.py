"""Erasure and access over HTTP and the command line, and what releases say of it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from api.cli import cli
from jobs.retention import purge
from jobs.survey import load_survey, update_survey
from polling.declaration import Retention
from tests.api.world import NOON, SURVEY, World, wave_csv, write_survey

BASE = f"/v1/surveys/{SURVEY}"
RAIL = f"{BASE}/questions/rail"


@pytest.fixture
def served(world: World) -> World:
    """A service with one release, of its own: these tests change it."""
    world.release()
    return world


def erase(world: World, respondent: str = "r7"):
    return world.client.post(f"{BASE}/erasures", headers=world.bearer("dpo"), json={"respondent": respondent})


def test_a_release_says_that_it_contains_erased_data_until_the_refit(served: World):
    assert served.get(f"{RAIL}/estimates").json()["data_notes"] == []
    old = served.get(f"{RAIL}/estimates").json()["release_id"]

    reply = erase(served)

    assert (reply.status_code, reply.json()["n_interviews"]) == (200, 1)
    assert "r7" not in reply.text
    answer = served.get(f"{RAIL}/estimates").json()
    assert ["erased" in note for note in answer["data_notes"]] == [True]
    assert answer["stale_reason"].startswith("Wave w1 of Alpha lost interviews to an erasure")
    assert served.get(f"{BASE}/releases/{old}").json()["data_notes"] == answer["data_notes"]
    served.work()
    assert served.get(f"{RAIL}/estimates").json()["data_notes"] == []
    assert served.get(reply.json()["url"]).json()["finished_at"] is not None
    assert "is not" not in served.get(f"{BASE}/erasures").json()["erasures"][0]["text"]


def test_draws_with_erased_data_are_not_answered_from_memory_either(served: World):
    old = served.get(f"{RAIL}/estimates").json()["release_id"]
    asked = f"{RAIL}/estimates?release={old}&level=district"
    tag = served.get(asked).headers["etag"]
    erase(served)
    served.work()

    reply = served.get(asked, headers={"If-None-Match": tag})

    assert (reply.status_code, reply.json()["type"]) == (410, "draws-gone")
    assert "somebody who was erased" in reply.json()["detail"]
    assert old not in served.services.releases._loaded.keys()  # noqa: SIM118


def test_a_respondent_gets_a_copy_that_names_no_pseudonym(served: World):
    asked = {"respondent": "r7"}
    reply = served.client.post(f"{BASE}/access", headers=served.bearer("dpo"), json=asked)
    table = served.client.post(f"{BASE}/access?output=csv", headers=served.bearer("dpo"), json=asked)

    [interview] = reply.json()["interviews"]
    assert interview["as_received"]["id"] == "r7"
    assert interview["counted"] is True
    assert reply.headers["cache-control"] == "no-store"
    assert table.text.splitlines()[0].startswith("pollster,wave,version")
    assert ",as received,id,r7" in table.text


@pytest.fixture
def settings_file(served: World, tmp_path: Path) -> Path:
    return settings_of(served, tmp_path)


def settings_of(served: World, tmp_path: Path) -> Path:
    path = tmp_path / "cli.toml"
    settings = served.settings
    lines = {"database_url": served.store.url, "data_dir": settings.data_dir, "secrets_file": settings.secrets_file}
    path.write_text("".join(f'{name} = "{value}"\n' for name, value in lines.items()))
    return path


def run(settings_file: Path, *words: str, given: str = "") -> str:
    done = CliRunner().invoke(cli, ["--settings", str(settings_file), "privacy", *words], input=given)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_line_erases_reads_lists_and_purges(settings_file: Path):
    assert "r9" in run(settings_file, "access", SURVEY, given="r9\n")

    receipt = run(settings_file, "erase", SURVEY, given="r9\n")

    assert "1 interview and 0 rows set aside in 1 wave were removed on " in receipt
    assert "r9" not in receipt
    assert '"interviews": []' in run(settings_file, "access", SURVEY, given="r9\n")
    assert run(settings_file, "cases", SURVEY).count("E2") == 1
    assert run(settings_file, "purge", SURVEY).startswith("0 waves")


def test_a_command_without_respondent_says_what_to_give(settings_file: Path):
    done = CliRunner().invoke(cli, ["--settings", str(settings_file), "privacy", "erase", SURVEY], input="\n")

    assert done.exit_code == 2
    assert "--respondent" in done.output


def test_a_purge_that_leaves_much_out_says_so_first_and_needs_a_yes(world: World, tmp_path: Path):
    bundle = load_survey(write_survey(tmp_path / "again"))
    kept = replace(bundle, declaration=replace(bundle.declaration, retention=Retention(1, 150)))
    update_survey(world.store, world.secrets, world.settings, kept, actor="test", now=NOON)
    world.push()
    file = settings_of(world, tmp_path)

    refused = CliRunner().invoke(cli, ["--settings", str(file), "privacy", "purge", SURVEY])

    assert refused.exit_code == 1
    assert "rail: 400 of 400 interviews (100%) will be left out, in cells of fewer than 150." in refused.output
    assert "Nothing was purged. With --yes it is" in refused.output
    assert run(file, "purge", SURVEY, "--yes").endswith("1 wave with 400 interviews were reduced to counts per cell.\n")


def test_estimates_after_a_purge_say_which_demographics_its_counts_do_not_tell_apart(world: World):
    bundle = load_survey(write_survey(world.settings.data_dir / "again"))
    kept = replace(bundle, declaration=replace(bundle.declaration, retention=Retention(1, 3)))
    update_survey(world.store, world.secrets, world.settings, kept, actor="test", now=NOON)
    world.release()
    with world.store.write() as session:
        assert len(purge(session, world.secrets, SURVEY, now=world.now + timedelta(days=3), actor="test").waves) == 1
    told = world.estimates()
    assert (told["stale_since"], told["data_notes"]) == (None, [])  # what is served was made of all interviews
    world.release("w2", wave_csv(100, start=1000))

    told = world.estimates(by="age")  # which no formula reads

    assert any("They do not tell age apart" in note for note in told["data_notes"])
    assert sum(group["n_interviews"] or 0 for group in told["estimates"]) < 200
    assert (world.estimates()["estimates"][0]["n_interviews"] or 0) > 400
