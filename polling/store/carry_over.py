"""What a restored database must not forget although its backup is older: who was erased, and which keys were revoked.

A backup brings back what was there when it was made. An erasure and a revocation are promises to somebody outside;
they are read from the database that is replaced and written into the one that replaces it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, insert, inspect, select, update
from sqlalchemy.orm import Session

from polling.store.columns import UtcDateTime
from polling.store.tables import ApiKey, BackupRun, Base, Erasure, Suppression, Survey

__all__ = ["Promises", "keep_promises", "read_promises"]


@dataclass(frozen=True, slots=True)
class Promises:
    """Rows of the database that is replaced, as plain JSON: they outlive a crash in a file."""

    erasures: list[dict[str, Any]]
    suppressions: list[dict[str, Any]]
    revocations: list[dict[str, Any]]
    backups: list[dict[str, Any]]


def read_promises(session: Session) -> Promises:
    """What the database has promised so far."""
    revoked = select(ApiKey.prefix, ApiKey.revoked_at).where(ApiKey.revoked_at.is_not(None))
    return Promises(
        erasures=_rows(session, Erasure),
        suppressions=_rows(session, Suppression),
        revocations=_plain(session, revoked),
        backups=_rows(session, BackupRun),
    )


def keep_promises(session: Session, promises: Promises) -> dict[str, int]:
    """Write what a restored database lacks of them; how many of each."""
    surveys = set(session.scalars(select(Survey.id)))
    # A survey that the backup does not know has no interviews in it either.
    added = {
        "erasures": _add(session, Erasure, [row for row in promises.erasures if row["survey_id"] in surveys]),
        "suppressions": _add(
            session, Suppression, [row for row in promises.suppressions if row["survey_id"] in surveys]
        ),
        "backups": _add(session, BackupRun, promises.backups),
    }
    revoked = 0
    for row in promises.revocations:
        mine = (ApiKey.prefix == row["prefix"]) & ApiKey.revoked_at.is_(None)
        at = datetime.fromisoformat(str(row["revoked_at"]))
        revoked += len(session.scalars(update(ApiKey).where(mine).values(revoked_at=at).returning(ApiKey.id)).all())
    return added | {"revocations": revoked}


def _rows(session: Session, table: type[Base]) -> list[dict[str, Any]]:
    return _plain(session, select(*inspect(table).columns))


def _plain(session: Session, query: Select[*tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        for row in session.execute(query).mappings()
    ]


def _add(session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> int:
    columns: Mapping[str, ColumnElement[Any]] = dict(inspect(table).columns.items())
    times = {name for name, column in columns.items() if isinstance(column.type, UtcDateTime)}
    (key,) = inspect(table).primary_key
    known = set(session.scalars(select(key)))
    missing = [
        {name: datetime.fromisoformat(str(value)) if name in times and value else value for name, value in row.items()}
        for row in rows
        if row[key.name] not in known
    ]
    if missing:
        session.execute(insert(table), missing)
    return len(missing)
