"""Put a backup back, into place and as a whole, while nobody is at work.

    read the promises of what is replaced (erasures, revoked keys), and back it up
    -> SQLite: the copy is upgraded and mended beside the database, then takes its place by one rename
       PostgreSQL: the copy is loaded in one transaction, then upgraded and mended
    -> the audit chain goes on from where the backup had it, and says that it was restored and from where

Mended means: the promises are kept, those to the erased also if only the journal beside the secrets file knows them
(``polling.suppression_journal``), and ``AFTER_RESTORE`` is done, such as erasing again who was erased since. A restore
that is interrupted leaves a note with the promises; nobody starts to work before it was finished. It is refused while
a server or worker is at work: what these have in memory is of the other database.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from jobs.at_work import alone, pending_file, write_private
from jobs.backup import Manifest, make_backup, read_manifest
from jobs.erasure import erase_again, free, replay_journal
from jobs.errors import BackupDamaged, RestoreRefused
from jobs.settings import Settings
from polling.audit_head import HeadFile
from polling.errors import PollingError
from polling.secrets import SecretsFile
from polling.store import audit, key_checks
from polling.store.audit import AuditHeadRecord
from polling.store.backup import check_copy, load_postgresql, others_connected
from polling.store.carry_over import Promises, keep_promises, read_promises
from polling.store.columns import Json
from polling.store.engine import Store, open_store, sqlite_module
from polling.store.schema import REVISIONS, require_current, upgrade
from polling.suppression_journal import SuppressionJournal

__all__ = ["AFTER_RESTORE", "Restored", "restore_backup"]

type Step = Callable[[Session, SecretsFile, Settings, datetime], None]

AFTER_RESTORE: tuple[Step, ...] = (erase_again,)
"""What has to be done in a restored database before anybody reads it, in order, in its own transaction."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    manifest: Manifest
    replaced: Path | None
    """Manifest of the backup of what was there before; None if there was nothing that could be read."""
    kept: dict[str, int]
    """Promises that the backup did not know, by kind."""
    forgetful: bool
    """Nothing could tell who was erased since: neither the database that was replaced nor a journal was there."""


def restore_backup(path: Path, secrets: SecretsFile, settings: Settings, *, actor: str, now: datetime) -> Restored:
    """Replace the database by a backup.

    Raises
    ------
    BackupDamaged
        If it is not whole.
    RestoreRefused
        If it is of another kind of store or a newer version, or somebody is at work.
    SecretsError
        If the secrets file is not the one that the backup needs.
    """
    manifest = read_manifest(path)
    copy = path.with_name(manifest.file)
    store = open_store(settings.store_url)
    try:
        with alone(settings):
            _require_fitting(manifest, store)
            try:
                check_copy(copy, manifest.store)
            except PollingError as error:
                raise BackupDamaged(str(error)) from error
            promises, replaced = _leave(store, secrets, settings, actor=actor, now=now)
            promises = _interrupted(settings) or promises
            forgetful = promises is None and not SuppressionJournal(secrets.suppression_journal_path).exists()
            note = msgspec.json.encode({"backup": str(path.absolute()), "promises": promises})
            kept = _replace(store, copy, _Mending(secrets, settings, manifest, promises, actor, now), note)
            pending_file(settings).unlink(missing_ok=True)
    finally:
        store.close()
    return Restored(manifest, replaced, kept, forgetful)


@dataclass(frozen=True, slots=True)
class _Mending:
    """What makes a restored database fit to be read."""

    secrets: SecretsFile
    settings: Settings
    manifest: Manifest
    promises: Promises | None
    actor: str
    now: datetime

    def do(self, store: Store) -> tuple[dict[str, int], AuditHeadRecord | None, AuditHeadRecord]:
        """Upgrade, keep promises, erase again, record; with the head of the chain before and after."""
        upgrade(store)
        with store.write() as session:
            before = audit.head(session)
            key = self.secrets.audit_key(used=before is not None)
            key_checks.require_same(session, "audit_key", key, now=self.now)
            kept = keep_promises(session, self.promises) if self.promises else {}
            kept["suppressions"] = kept.get("suppressions", 0) + replay_journal(session, self.secrets)
        for step in AFTER_RESTORE:
            with store.write() as session:
                step(session, self.secrets, self.settings, self.now)
        if kept["suppressions"]:
            free(store, now=self.now)  # what was just erased; nobody else is here
        with store.write() as session:
            detail: dict[str, Json] = {"file": self.manifest.file, "made_at": self.manifest.at.isoformat(), **kept}
            entry = audit.record(
                session,
                key,
                actor=self.actor,
                action="restore",
                subject=self.manifest.file,
                detail=detail,
                now=self.now,
            )
        return kept, before, AuditHeadRecord(entry.id, entry.mac)

    def note(self, before: AuditHeadRecord | None, after: AuditHeadRecord) -> None:
        """Say beside the secrets file that the chain went back on purpose."""
        heads, key = HeadFile(self.secrets.audit_head_path), self.secrets.audit_key()
        heads.note_restore(before, key, now=self.now)
        heads.note(after, now=self.now)


def _require_fitting(manifest: Manifest, store: Store) -> None:
    if manifest.store != store.dialect:
        raise RestoreRefused(
            f"The backup is of a {manifest.store} database, database_url names a {store.dialect} one. "
            "Set database_url to a database of that kind."
        )
    if manifest.schema not in REVISIONS:
        raise RestoreRefused(
            f"The backup has schema {manifest.schema}, this version knows up to {REVISIONS[-1]}. "
            f"Install hustings {manifest.version} or newer."
        )
    if n := others_connected(store):
        raise RestoreRefused(f"{n} other session(s) are connected to the database. End them first.")


def _leave(
    store: Store, secrets: SecretsFile, settings: Settings, *, actor: str, now: datetime
) -> tuple[Promises | None, Path | None]:
    """The promises of the database that is replaced, and a backup of it; None of what cannot be read."""
    try:
        require_current(store)
        with store.read() as session:
            promises = read_promises(session)
    except (PollingError, SQLAlchemyError):
        # Damaged, empty, or of another version: that is what backups are for.
        return None, None
    return promises, make_backup(store, secrets, settings, actor=actor, now=now)


def _interrupted(settings: Settings) -> Promises | None:
    """The promises that an interrupted restore had read before it replaced the database."""
    try:
        noted = msgspec.json.decode(pending_file(settings).read_bytes())
        return msgspec.convert(noted["promises"], Promises | None)
    except FileNotFoundError:
        return None


def _replace(store: Store, copy: Path, mending: _Mending, note: bytes) -> dict[str, int]:
    pending = pending_file(mending.settings)
    if store.path is None:
        write_private(pending, note)
        try:
            load_postgresql(store, copy)
        except PollingError:
            pending.unlink()
            raise
        kept, before, after = mending.do(store)
    else:
        beside = store.path.with_name(f".{store.path.name}.restoring")
        _remove_sqlite(beside)
        shutil.copyfile(copy, beside)
        beside.chmod(0o600)
        new = open_store(f"sqlite:///{beside}")
        try:
            kept, before, after = mending.do(new)
        except BaseException:
            new.close()
            _remove_sqlite(beside)
            raise
        new.close()
        _into_one_file(beside)
        store.close()
        # A log of the old database beside the new one would be replayed into it.
        try:
            _into_one_file(store.path, must=False)
        except RestoreRefused:
            _remove_sqlite(beside)
            raise
        write_private(pending, note)
        for ending in ("-wal", "-shm", "-journal"):
            store.path.with_name(store.path.name + ending).unlink(missing_ok=True)
        beside.replace(store.path)
    mending.note(before, after)
    return kept


def _into_one_file(path: Path, *, must: bool = True) -> None:
    """Write an SQLite database's log back into it, alone: fails while somebody else has it open."""
    module = sqlite_module()
    connection = module.connect(path, isolation_level=None, timeout=1)
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
    except module.OperationalError as error:
        raise RestoreRefused(f"Somebody else has {path} open ({error}). End that first.") from error
    except module.DatabaseError:
        if must:
            raise
        # It is damaged, and about to be replaced.
    finally:
        connection.close()


def _remove_sqlite(path: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
