"""The doctor sees what is wrong with a deployment and says what to do; a sound one passes."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text

import api.checkup as checkup
from api.cli import cli
from jobs.at_work import at_work
from jobs.settings import Settings
from polling.secrets import SecretsFile
from polling.store import backup_runs, deliveries, outbox, queue, releases, suppression, surveys
from polling.store.engine import Store, open_store
from polling.store.suppression import Codes, Entry
from polling.suppression_journal import SuppressionJournal
from tests.polling.store.conftest import new_wave, small_bundle

type Doctor = Callable[..., dict[str, dict[str, Any]]]

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def place(store_url: str, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "data").mkdir()
    return {
        "HUSTINGS_DATA_DIR": f"{tmp_path}/data",
        "HUSTINGS_DATABASE_URL": store_url,
        "HUSTINGS_SECRETS_FILE": f"{tmp_path}/secrets.toml",
        "HUSTINGS_BACKUP_DIR": f"{tmp_path}/backups",
        "HUSTINGS_CACHE_DIR": f"{tmp_path}/cache",
    }


@pytest.fixture
def doctor(place: dict[str, str]) -> Doctor:
    """The checks of `hustings doctor`, by name; `code` is the exit code that is expected."""

    def ask(code: int = 0) -> dict[str, dict[str, Any]]:
        result = CliRunner().invoke(cli, ["doctor", "--json"], env=place)
        assert result.exit_code == code, result.output
        return {one["check"]: one for one in json.loads(result.output)["checks"]}

    return ask


@pytest.fixture
def key(place: dict[str, str]) -> None:
    """Something that was done: a key was made."""
    assert CliRunner().invoke(cli, ["key", "create", "--role", "reader"], env=place).exit_code == 0


def faulty(checks: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: f"{one['found']} -> {one['remedy']}" for name, one in checks.items() if not one["ok"]}


def test_a_sound_deployment_passes_every_check(doctor: Doctor, key: None):
    checks = doctor()
    assert faulty(checks) == {}
    names = "disk space, cache folder, kernels, restore, database, secrets file, journal, audit chain, erasures, clocks"
    assert set(checks) >= {*names.split(", "), "worker", "questions", "backups", "sqlite", "python"}
    assert checks["audit chain"]["found"] == "1 entries, in order"


@pytest.mark.parametrize("name", ["pepper", "audit_key"])
def test_a_secret_that_is_missing_or_another_is_seen(doctor: Doctor, key: None, place: dict[str, str], name: str):
    file = Path(place["HUSTINGS_SECRETS_FILE"])
    held = file.read_text()
    file.write_text(re.sub(rf'^{name} = "..', f'{name} = "00', held, flags=re.M))
    assert f"'{name}' in the secrets file is not the key" in faulty(doctor(1))["secrets file"]
    file.write_text(re.sub(rf"^{name} = .*\n", "", held, flags=re.M))
    assert f"has no '{name}'" in faulty(doctor(1))["secrets file"]
    file.write_text(held)
    assert faulty(doctor()) == {}


def test_a_changed_audit_chain_and_a_lost_head_are_seen(sqlite_place: None, doctor: Doctor, place: dict[str, str]):
    head = Path(place["HUSTINGS_SECRETS_FILE"] + ".audit-head")
    noted = head.read_text()
    head.unlink()
    assert "is gone -> A cut end would not be found" in faulty(doctor(1))["audit chain"]
    head.write_text(noted)
    with opened(place).write() as session:
        session.execute(text("DROP TRIGGER audit_entry_no_update"))
        session.execute(text("UPDATE audit_entry SET actor = 'x'"))
    assert "changed: entry 1" in faulty(doctor(1))["audit chain"]


def test_erasures_that_only_the_database_or_only_the_journal_knows_are_seen(
    doctor: Doctor, key: None, place: dict[str, str], store: Store
):
    assert doctor()["erasures"]["found"] == "none yet"
    secrets = SecretsFile(Path(place["HUSTINGS_SECRETS_FILE"]))
    journal = SuppressionJournal(secrets.suppression_journal_path)
    with store.write() as session:
        surveys.add_survey(session, small_bundle(), now=NOW)
        suppression.add(session, "demo", Codes("m1", ("p1",)), case_number="C-1", now=NOW)
        entries = suppression.entries(session)
    assert "1 of 1 entries of the list are not in" in faulty(doctor(1))["erasures"]

    journal.add(entries)
    assert doctor()["erasures"]["found"].startswith("1 entries of the list, all in")
    journal.add([Entry("demo", "m2", ("p2",), "C-2", NOW), Entry("gone", "m3", (), "C-3", NOW)])
    assert "1 entries of" in faulty(doctor(1))["erasures"]
    assert "which is an older one" in faulty(doctor(1))["erasures"]

    with store.write() as session:
        suppression.put(session, journal.read()[0])
    journal.path.write_bytes(journal.path.read_bytes() + b'{"survey_id": "de')
    assert "1 lines of" in faulty(doctor(1))["erasures"]
    journal.path.chmod(0o644)
    assert "chmod 600" in faulty(doctor(1))["erasures"]


def test_work_that_nobody_does_is_seen(doctor: Doctor, place: dict[str, str], store: Store):
    with store.write() as session:
        surveys.add_survey(session, small_bundle(), now=NOW - 3 * HOUR)
        about = {"survey_id": "demo", "quiet": timedelta(0), "patience": timedelta(0), "max_attempts": 3}
        for question_id in ("tax", "vote"):
            queue.ask(session, kind="refit", key=question_id, question_id=question_id, now=NOW - 2 * HOUR, **about)
    assert "none is running here; 0 jobs running, 2 waiting; 2 are overdue" in faulty(doctor(1))["worker"]
    with store.write() as session:
        assert queue.claim(session, owner="w", now=NOW - HOUR, lease=timedelta(seconds=15))
    assert "1 were left by a worker that died -> Start `hustings worker`" in faulty(doctor(1))["worker"]
    with at_work(Settings(data_dir=Path(place["HUSTINGS_DATA_DIR"]))):
        assert "one is running here" in doctor(1)["worker"]["found"]


def test_questions_that_have_been_stale_for_long_are_seen(doctor: Doctor, store: Store):
    with store.write() as session:
        surveys.add_survey(session, small_bundle(), now=NOW - 3 * HOUR)
        releases.mark_stale(session, "demo", "tax", NOW - 2 * HOUR, "The last refit failed: it diverged")
        releases.mark_stale(session, "demo", "vote", NOW, "Wave w1 is not in it yet.")
    assert "1 of 2 stale, demo/tax" in faulty(doctor(1))["questions"]


def test_a_survey_whose_waves_leave_an_item_untold_is_seen_before_a_fit_is_kept_back(doctor: Doctor, store: Store):
    bundle = small_bundle()
    silent = replace(bundle, declaration=replace(bundle.declaration, facts={"mode": "m", "sample_source": "s"}))
    with store.write() as session:
        surveys.add_survey(session, silent, now=NOW)
        deliveries.add_wave(session, new_wave(facts={"sponsor": "a paper"}), now=NOW, actor="t")
    assert doctor(1)["disclosure"]["found"] == "no survey lacks an item"
    with store.write() as session:
        deliveries.add_wave(session, new_wave("w2"), now=NOW, actor="t")
    assert faulty(doctor(1))["disclosure"] == (
        "demo does not tell who paid for the interviews (sponsor; wave w2 of Polly) -> No new fit of it is published: "
        "tell it in survey.toml and run `hustings survey update`."
    )


def test_a_clock_that_was_ahead_is_seen(doctor: Doctor, store: Store):
    with store.write() as session:
        outbox.append(session, "wave-received", None, {}, NOW + 10 * HOUR)
    assert "Set it by NTP" in faulty(doctor(1))["clocks"]


def test_old_lost_and_overdue_backups_are_seen(doctor: Doctor, store: Store, tmp_path: Path):
    file = tmp_path / "hustings-x.sqlite3"

    def made(at: datetime, expires: datetime) -> None:
        with store.write() as session:
            backup_runs.mark_deleted(session, [one.id for one in backup_runs.not_deleted(session)], now=NOW)
            backup_runs.add(session, path=str(file), n_bytes=1, sha256="0", expires_at=expires, now=at)

    file.write_bytes(b"x")
    made(NOW - 72 * HOUR, NOW + 72 * HOUR)
    assert "hustings backup` now" in faulty(doctor(1))["backups"]
    made(NOW - HOUR, NOW + 72 * HOUR)
    assert faulty(doctor()) == {}
    file.unlink()
    assert "is not where it was written" in faulty(doctor(1))["backups"]
    made(NOW - 99 * HOUR, NOW - 49 * HOUR)
    assert "1 should have been deleted -> Run `hustings backup expire`" in faulty(doctor(1))["backups"]


def test_an_interrupted_restore_is_seen(doctor: Doctor, place: dict[str, str]):
    (Path(place["HUSTINGS_DATA_DIR"]) / "restore-pending.json").write_text('{"backup": "/b/x.json", "promises": null}')
    assert "Run `hustings restore /b/x.json` again" in faulty(doctor(1))["restore"]


def test_a_full_disk_and_a_cache_that_cannot_be_written_are_seen(doctor: Doctor, monkeypatch: pytest.MonkeyPatch):
    class Usage:
        free = 5_000_000

    monkeypatch.setattr(checkup.shutil, "disk_usage", lambda _: Usage)
    monkeypatch.setattr(checkup.os, "access", lambda *_: False)
    found = faulty(doctor(1))
    assert "0.0 GB free" in found["disk space"]
    assert "set cache_dir" in found["cache folder"]


@pytest.fixture
def sqlite_place(place: dict[str, str], sqlite_url: str) -> None:
    """A key was made, in an SQLite database."""
    place["HUSTINGS_DATABASE_URL"] = sqlite_url
    assert CliRunner().invoke(cli, ["key", "create", "--role", "reader"], env=place).exit_code == 0
    assert SecretsFile(Path(place["HUSTINGS_SECRETS_FILE"])).has_audit_key()


def opened(place: dict[str, str]) -> Store:
    return open_store(place["HUSTINGS_DATABASE_URL"])
