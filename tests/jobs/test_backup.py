"""Backups: whole although others write meanwhile, or not there at all; restored as a whole, promises kept."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

import jobs.backup as backups
import jobs.restore as restoring
from jobs import ledger
from jobs.at_work import alone, at_work, is_somebody_at_work
from jobs.backup import Manifest, expire_backups, list_backups, make_backup, read_manifest
from jobs.errors import BackupDamaged, BackupFailed, RestoreRefused
from jobs.restore import restore_backup
from jobs.settings import Settings
from polling.errors import SecretsError, StoreError
from polling.secrets import SecretsFile
from polling.store import backup_runs, keys, outbox
from polling.store.backup import copy_database
from polling.store.engine import Store, open_store

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


class Place:
    """An installation with one key and a few events."""

    def __init__(self, url: str, folder: Path) -> None:
        self.settings = replace(
            Settings(),
            data_dir=folder,
            database_url=url,
            secrets_file=folder / "held" / "secrets.toml",
            backup_dir=folder / "backups",
            backup_keep_days=10,
        )
        self.secrets = SecretsFile(self.settings.secrets_file)
        self.store = open_store(url)
        self.write("before", prefix="aaaa")

    def write(self, event: str, *, prefix: str | None = None) -> None:
        with self.store.write() as session:
            if prefix:
                keys.add_key(session, prefix=prefix, key_hash="h", role="reader", survey_id=None, now=NOW)
            outbox.append(session, event, None, {}, NOW)
            ledger.record(session, self.secrets, actor="test", action="key-created", subject=prefix, now=NOW)

    def events(self) -> list[str]:
        with self.store.read() as session:
            return [one.kind for one in outbox.read_after(session, 0, limit=10_000_000)]

    def verify(self):
        with self.store.read() as session:
            return ledger.verify(session, self.secrets)

    def backup(self, now: datetime = NOW) -> Path:
        return make_backup(self.store, self.secrets, self.settings, actor="test", now=now)

    def restore(self, path: Path, now: datetime = NOW + DAY) -> restoring.Restored:
        self.store.close()
        return restore_backup(path, self.secrets, self.settings, actor="test", now=now)


@pytest.fixture
def place(store_url: str, tmp_path: Path) -> Iterator[Place]:
    made = Place(store_url, tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def sqlite_place(sqlite_url: str, tmp_path: Path) -> Iterator[Place]:
    """Where the kind of store does not matter."""
    made = Place(sqlite_url, tmp_path)
    yield made
    made.store.close()


def test_a_backup_brings_back_what_was_there_and_the_chain_is_in_order(place: Place):
    path = place.backup()
    place.write("after")
    assert place.events() == ["before", "after"]

    done = place.restore(path)

    assert place.events() == ["before"]
    report = place.verify()
    assert report.ok, report.problems
    with place.store.read() as session:
        last = session.execute(text("SELECT action, subject FROM audit_entry ORDER BY id DESC LIMIT 1")).one()
    assert tuple(last) == ("restore", done.manifest.file)
    place.write("later")
    assert place.verify().ok
    # What was replaced is a backup itself.
    assert done.replaced is not None
    place.restore(done.replaced, NOW + 2 * DAY)
    assert place.events() == ["before", "after"]
    assert place.verify().ok


def test_going_back_is_excused_only_by_a_restore(sqlite_place: Place):
    path = sqlite_place.backup()
    sqlite_place.write("after")
    sqlite_place.restore(path)
    file = sqlite_place.secrets.audit_head_path
    # Somebody without the audit key copies the excuse onto a head that it did not have.
    lines = file.read_text().splitlines()
    index = next(n for n, line in enumerate(lines) if line.startswith("back "))
    back = lines[index].split(" ")
    assert sqlite_place.verify().ok
    file.write_text("\n".join([*lines[:index], " ".join([back[0], "0", "-", *back[3:]]), *lines[index + 1 :]]) + "\n")
    assert not sqlite_place.verify().ok


def test_a_backup_is_for_its_owner_only_and_without_secrets(place: Place):
    path = place.backup()
    manifest = read_manifest(path)
    copy = path.with_name(manifest.file)

    assert {stat.S_IMODE(one.stat().st_mode) for one in (path, copy)} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert manifest.expires_at == NOW + 10 * DAY
    for secret in (place.secrets.audit_key(), place.secrets.pepper()):
        assert secret.hex().encode() not in copy.read_bytes()
        assert secret not in copy.read_bytes()
    assert {one.name for one in path.parent.iterdir()} == {path.name, manifest.file}


def test_nothing_is_torn_under_load(place: Place):
    """Every transaction writes two rows that belong together; each backup has both or none, and the whole chain."""
    stop = threading.Event()
    errors: list[Exception] = []

    def write() -> None:
        number = 0
        try:
            while not stop.is_set():
                number += 1
                place.write(f"pair-{number}", prefix=f"p{number:07}")
        except Exception as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        paths = [place.backup(NOW + timedelta(seconds=n)) for n in range(3)]
    finally:
        stop.set()
        writer.join()
    assert errors == []

    seen = []
    for path in paths:
        place.restore(path)
        events = [one for one in place.events() if one.startswith("pair")]
        with place.store.read() as session:
            prefixes = [one.prefix for one in keys.list_keys(session) if one.prefix.startswith("p")]
        assert [f"pair-{int(prefix[1:])}" for prefix in prefixes] == events
        assert events == [f"pair-{n}" for n in range(1, len(events) + 1)]
        assert place.verify().ok
        seen.append(len(events))
    assert seen == sorted(seen)
    assert seen[-1] > 0


def test_erasures_and_revocations_outlive_a_restore(place: Place):
    from polling.store import surveys
    from polling.store.tables import Erasure, Suppression
    from tests.polling.store.conftest import small_bundle

    with place.store.write() as session:
        surveys.add_survey(session, small_bundle(), now=NOW)
    path = place.backup()
    with place.store.write() as session:
        keys.revoke_key(session, "aaaa", now=NOW + DAY)
        about = {"case_number": "C-1", "survey_id": "demo"}
        place.secrets.suppression_key("demo")  # without it nobody could be erased again: the restore is refused
        session.add(Suppression(**about, id_mac="m", pseudonym_macs=["p"], created_at=NOW + DAY))
        session.add(
            Erasure(**about, requested_at=NOW, done_at=None, actor="x", n_interviews=1, waves=[], fits=[], receipt=None)
        )

    done = place.restore(path)

    assert (done.kept["erasures"], done.kept["suppressions"], done.kept["revocations"]) == (1, 1, 1)
    with place.store.read() as session:
        (listed,) = session.query(Suppression).all()
        assert (listed.case_number, listed.pseudonym_macs, listed.created_at) == ("C-1", ["p"], NOW + DAY)
        (key,) = keys.list_keys(session)
        assert key.revoked_at == NOW + DAY


def test_what_has_to_follow_a_restore_is_done_in_the_restored_database(
    sqlite_place: Place, monkeypatch: pytest.MonkeyPatch
):
    path = sqlite_place.backup()

    def erase_again(session, secrets, settings, now):
        outbox.append(session, "erased-again", None, {}, now)

    monkeypatch.setattr(restoring, "AFTER_RESTORE", (erase_again,))
    sqlite_place.restore(path)
    assert sqlite_place.events() == ["before", "erased-again"]


def test_an_interrupted_restore_is_noticed_and_keeps_its_promises(place: Place, monkeypatch: pytest.MonkeyPatch):
    path = place.backup()
    with place.store.write() as session:
        keys.revoke_key(session, "aaaa", now=NOW + DAY)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        # The last thing done: after it, only the note is removed.
        patched.setattr(restoring._Mending, "note", crash)
        with pytest.raises(KeyboardInterrupt):
            place.restore(path)
    if place.store.dialect == "postgresql":  # as if it had died before the promises were kept
        with place.store.write() as session:
            session.execute(text("UPDATE api_key SET revoked_at = NULL"))
    with pytest.raises(RestoreRefused, match=r"interrupted.*hustings restore .*json"), at_work(place.settings):
        pass

    place.restore(path)

    with place.store.read() as session:
        assert keys.list_keys(session)[0].revoked_at == NOW + DAY
    assert place.verify().ok
    with at_work(place.settings):
        pass


def test_nobody_s_database_is_replaced_under_them(sqlite_place: Place):
    path = sqlite_place.backup()
    assert not is_somebody_at_work(sqlite_place.settings)
    with at_work(sqlite_place.settings), at_work(sqlite_place.settings):
        assert is_somebody_at_work(sqlite_place.settings)
        with pytest.raises(RestoreRefused, match="Stop it first"):
            sqlite_place.restore(path)
    with (
        alone(sqlite_place.settings),
        pytest.raises(RestoreRefused, match="restore is going on"),
        at_work(sqlite_place.settings),
    ):
        pass


def test_an_open_connection_of_another_program_is_enough_to_refuse(place: Place):
    path = place.backup()
    other = open_store(place.settings.store_url)
    try:
        with other.read() as session:
            session.execute(text("SELECT 1"))
            with pytest.raises(RestoreRefused, match=r"connected to the database|has .* open"):
                place.restore(path)
    finally:
        other.close()
    assert place.events() == ["before"]
    assert place.verify().ok
    place.restore(path)


@pytest.mark.parametrize("damage", ["flip", "cut", "missing", "manifest"])
def test_a_damaged_backup_is_refused_and_nothing_changes(sqlite_place: Place, damage: str):
    path = sqlite_place.backup()
    copy = path.with_name(read_manifest(path).file)
    content = bytearray(copy.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        copy.write_bytes(content)
    elif damage == "cut":
        copy.write_bytes(content[:-100])
    elif damage == "missing":
        copy.unlink()
    else:
        path.write_text("{}")

    with pytest.raises(BackupDamaged):
        sqlite_place.restore(path)
    assert sqlite_place.events() == ["before"]


def test_a_backup_of_other_secrets_is_refused(sqlite_place: Place):
    path = sqlite_place.backup()
    sqlite_place.settings.secrets_file.unlink()
    with pytest.raises(SecretsError, match="audit chain were made with it"):
        sqlite_place.restore(path)


@pytest.mark.parametrize("when", ["copy", "check", "manifest"])
def test_a_backup_that_fails_leaves_nothing_that_looks_like_one(
    sqlite_place: Place, monkeypatch: pytest.MonkeyPatch, when: str
):
    earlier = sqlite_place.backup()

    def fail(*_: object, **__: object) -> None:
        raise StoreError("disk full") if when != "manifest" else OSError(28, "No space left on device")

    monkeypatch.setattr(
        backups, {"copy": "copy_database", "check": "check_copy", "manifest": "write_private"}[when], fail
    )
    with pytest.raises(BackupFailed, match=r"disk full|No space left"):
        sqlite_place.backup(NOW + DAY)

    assert len(list_backups(sqlite_place.settings)) == 1
    assert len(list(sqlite_place.settings.backup_dir.iterdir())) == 2
    assert read_manifest(earlier)


CRASH = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
import jobs.backup as backups
from jobs.backup import make_backup
from jobs.settings import Settings
from polling.secrets import SecretsFile
from polling.store.engine import open_store

url, folder, point = sys.argv[1:]
settings = Settings(data_dir=Path(folder), database_url=url, backup_dir=Path(folder) / "backups")
real = getattr(backups, point)

def crash(*arguments, **named):
    real(*arguments, **named)
    os.kill(os.getpid(), 9)

setattr(backups, point, crash)
secrets = SecretsFile(Path(folder) / "held" / "secrets.toml")
make_backup(open_store(url), secrets, settings, actor="test", now=datetime(2026, 3, 4, tzinfo=UTC))
"""


@pytest.mark.parametrize("point", ["copy_database", "check_copy", "_sha256"])
def test_a_crash_in_the_middle_leaves_no_half_backup_that_looks_whole(sqlite_place: Place, point: str):
    command = [sys.executable, "-c", CRASH, sqlite_place.settings.store_url, str(sqlite_place.settings.data_dir), point]
    sqlite_place.store.close()
    done = subprocess.run(command, capture_output=True, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == -9, done.stderr
    assert list_backups(sqlite_place.settings) == []
    assert any(sqlite_place.settings.backup_dir.iterdir())

    path = sqlite_place.backup()  # the next one clears up
    assert len(list(sqlite_place.settings.backup_dir.iterdir())) == 2
    assert read_manifest(path)


def test_old_backups_are_deleted_and_it_is_recorded(sqlite_place: Place):
    place = sqlite_place
    first = place.backup(NOW)
    second = place.backup(NOW + 5 * DAY)

    def expire(now: datetime) -> list[Manifest]:
        with place.store.write() as session:
            return expire_backups(session, place.secrets, place.settings, actor="clock", now=now)

    assert expire(NOW + 9 * DAY) == []
    gone = expire(NOW + 10 * DAY)

    assert [one.at for one in gone] == [NOW]
    assert not first.exists()
    assert sorted(one.name for one in second.parent.iterdir()) == sorted([second.name, read_manifest(second).file])
    with place.store.read() as session:
        assert [one.at for one in backup_runs.not_deleted(session)] == [NOW + 5 * DAY]
        last = session.execute(text("SELECT actor, action FROM audit_entry ORDER BY id DESC LIMIT 1")).one()
    assert tuple(last) == ("clock", "backup-expired")


def test_a_backup_of_an_older_schema_is_upgraded_and_one_of_a_newer_refused(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    place = Place(f"sqlite:///{sqlite_store.path}", tmp_path)
    path = place.backup()
    with monkeypatch.context() as newer:
        newer.setattr(restoring, "REVISIONS", ("0000",))
        with pytest.raises(RestoreRefused, match=r"has schema .* knows up to 0000"):
            place.restore(path)
    asked: list[Store] = []
    monkeypatch.setattr(restoring, "upgrade", asked.append)
    place.restore(path)
    assert len(asked) == 1
    place.store.close()


def test_a_database_that_is_gone_or_damaged_is_restored_too(sqlite_store: Store, tmp_path: Path):
    place = Place(f"sqlite:///{sqlite_store.path}", tmp_path)
    path = place.backup()
    for damage in (Path.unlink, lambda file: file.write_bytes(b"rubbish" * 1000)):
        place.store.close()
        assert sqlite_store.path is not None
        damage(sqlite_store.path)
        assert place.restore(path).replaced is None
        assert place.events() == ["before"]
        assert place.verify().ok
    place.store.close()


def test_a_missing_tool_is_named(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", os.devnull)
    if store.dialect == "sqlite":  # needs none
        copy_database(store, tmp_path / "copy")
        return
    with pytest.raises(StoreError, match=r"pg_dump is not on the PATH\. Install"):
        copy_database(store, tmp_path / "copy")
