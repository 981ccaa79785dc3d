"""Which backups were made, and which are gone. How they are made is in ``jobs.backup``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from polling.store.tables import BackupRun

__all__ = ["BackupRecord", "add", "mark_deleted", "newest", "not_deleted"]


@dataclass(frozen=True, slots=True)
class BackupRecord:
    """A backup that was made."""

    id: str
    at: datetime
    path: str
    bytes: int
    expires_at: datetime | None


def add(session: Session, *, path: str, n_bytes: int, sha256: str, expires_at: datetime, now: datetime) -> BackupRecord:
    """Note a backup that is on the disk, and when it has to go."""
    row = BackupRun(
        id=uuid4().hex, at=now, path=path, bytes=n_bytes, sha256=sha256, expires_at=expires_at, deleted_at=None
    )
    session.add(row)
    session.flush()
    return _record(row)


def not_deleted(session: Session) -> list[BackupRecord]:
    """Backups that should still be there, oldest first."""
    kept = select(BackupRun).where(BackupRun.deleted_at.is_(None)).order_by(BackupRun.at, BackupRun.id)
    return [_record(row) for row in session.scalars(kept)]


def newest(session: Session) -> BackupRecord | None:
    """The last backup that is still there."""
    kept = not_deleted(session)
    return kept[-1] if kept else None


def mark_deleted(session: Session, ids: Sequence[str], *, now: datetime) -> None:
    """Note that backups are gone."""
    session.execute(update(BackupRun).where(BackupRun.id.in_(ids)).values(deleted_at=now))


def _record(row: BackupRun) -> BackupRecord:
    return BackupRecord(row.id, row.at, row.path, row.bytes, row.expires_at)
