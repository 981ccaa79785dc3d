"""Backups: made while serving, checked after writing, deleted when their time is over.

    backup_dir/hustings-<time>-<random>.sqlite3 (or .pgdump)    the copy
    backup_dir/hustings-<time>-<random>.json                    its manifest, written last

A copy without manifest is no backup: it is what a crash left, and the next backup removes it. A backup holds
respondents' answers, also of those who are erased later, so it must go within a stated time (``backup_keep_days``); it
never holds secrets, so that it is worth nothing to who wants to know who said what.
"""

import fcntl
import hashlib
import os
import secrets as randomness
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import msgspec
from sqlalchemy.orm import Session

from jobs import ledger
from jobs.at_work import write_private
from jobs.errors import BackupDamaged, BackupFailed
from jobs.settings import Settings
from polling.errors import StoreError
from polling.secrets import SecretsFile
from polling.store import backup_runs
from polling.store.backup import check_copy, copy_database
from polling.store.engine import Store
from polling.store.schema import current_revision

__all__ = ["Manifest", "expire_backups", "list_backups", "make_backup", "read_manifest"]

_ENDINGS = {"sqlite": ".sqlite3", "postgresql": ".pgdump"}


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a backup without opening it."""

    file: str
    store: str
    """``sqlite`` or ``postgresql``."""
    schema: str
    sha256: str
    bytes: int
    at: datetime
    expires_at: datetime
    version: str
    format: int = 1


def make_backup(store: Store, secrets: SecretsFile, settings: Settings, *, actor: str, now: datetime) -> Path:
    """Copy the database to ``backup_dir``, check the copy, and record it.

    Returns
    -------
    Path
        The manifest.

    Raises
    ------
    BackupFailed
        If it cannot be written or is not whole; earlier backups are untouched.
    """
    folder = settings.backup_dir
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103 (Path.mkdir ignores mode for parents)
        with _one_at_a_time(folder):
            _remove_leftovers(folder)
            manifest = _write(store, folder, now=now, keep=timedelta(days=settings.backup_keep_days))
    except (StoreError, OSError) as error:
        raise BackupFailed(f"No backup was made in {folder}: {error}") from error
    with store.write() as session:
        backup_runs.add(
            session,
            path=str(folder / manifest.file),
            n_bytes=manifest.bytes,
            sha256=manifest.sha256,
            expires_at=manifest.expires_at,
            now=now,
        )
        detail = {"file": manifest.file, "sha256": manifest.sha256, "expires_at": manifest.expires_at.isoformat()}
        ledger.record(session, secrets, actor=actor, action="backup", subject=manifest.file, detail=detail, now=now)
    return _manifest_of(folder / manifest.file)


def read_manifest(path: Path) -> Manifest:
    """Read a backup's manifest and make sure that its copy is the one that was written.

    Parameters
    ----------
    path
        The manifest, or the copy beside it.

    Raises
    ------
    BackupDamaged
        If either is missing or not what it was.
    """
    path = _manifest_of(path)
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise BackupDamaged(f"{path} cannot be read: {error.strerror}. A copy without manifest is no backup.") from None
    except msgspec.MsgspecError as error:
        raise BackupDamaged(f"{path} is no manifest of a backup: {error}.") from None
    copy = path.with_name(manifest.file)
    if Path(manifest.file).name != manifest.file or not copy.is_file():
        raise BackupDamaged(f"The copy {copy} is missing.")
    if _sha256(copy) != manifest.sha256:
        raise BackupDamaged(f"{copy} is not the file that was written: its bytes were changed. Use another backup.")
    return manifest


def list_backups(settings: Settings) -> list[Manifest]:
    """The manifests in ``backup_dir``, oldest first; their copies are not read. What is no manifest is left out."""
    found = []
    for path in sorted(settings.backup_dir.glob("hustings-*.json")):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Manifest))
        except (OSError, msgspec.MsgspecError):
            continue
    return sorted(found, key=lambda one: one.at)


def expire_backups(
    session: Session, secrets: SecretsFile, settings: Settings, *, actor: str, now: datetime
) -> list[Manifest]:
    """Delete the backups whose time is over, and note in the caller's transaction that they are gone."""
    gone = []
    for manifest in list_backups(settings):
        if manifest.expires_at <= now:
            copy = settings.backup_dir / manifest.file
            copy.unlink(missing_ok=True)
            _manifest_of(copy).unlink(missing_ok=True)
            gone.append(manifest)
    # Deleted now, by hand, or by a run that crashed before it could say so.
    missing = [one for one in backup_runs.not_deleted(session) if not Path(one.path).exists()]
    backup_runs.mark_deleted(session, [one.id for one in missing], now=now)
    for one in missing:
        name = Path(one.path).name
        ledger.record(session, secrets, actor=actor, action="backup-expired", subject=name, now=now)
    return gone


def _write(store: Store, folder: Path, *, now: datetime, keep: timedelta) -> Manifest:
    schema = current_revision(store)
    if schema is None:
        raise StoreError("the database has no schema yet, there is nothing to keep.")
    name = f"hustings-{now:%Y%m%dT%H%M%SZ}-{randomness.token_hex(3)}{_ENDINGS[store.dialect]}"
    partial, copy = folder / f".{name}.partial", folder / name
    try:
        copy_database(store, partial)
        check_copy(partial, store.dialect)
        manifest = Manifest(
            file=name,
            store=store.dialect,
            schema=schema,
            sha256=_sha256(partial),
            bytes=partial.stat().st_size,
            at=now,
            expires_at=now + keep,
            version=version("hustings"),
        )
        partial.replace(copy)
        write_private(_manifest_of(copy), msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    except BaseException:
        partial.unlink(missing_ok=True)
        copy.unlink(missing_ok=True)
        raise
    return manifest


def _remove_leftovers(folder: Path) -> None:
    """What a crash left: nobody else is writing, since the lock of the folder is held."""
    for path in (*folder.glob(".hustings-*.partial"), *folder.glob(".hustings-*.partial-*")):
        path.unlink(missing_ok=True)
    for ending in _ENDINGS.values():
        for copy in folder.glob(f"hustings-*{ending}"):
            if not _manifest_of(copy).exists():
                copy.unlink()


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _manifest_of(copy: Path) -> Path:
    return copy.with_suffix(".json")


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
