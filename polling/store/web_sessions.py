"""Sessions of the web page: who signed in with which key, and until when.

In the database, so that every server process knows them, a sign-out ends them everywhere, and they survive a restart.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from polling.store.tables import ApiKey, WebSession

__all__ = ["WebSessionRecord", "add", "end", "end_of_key", "find", "list_live", "note_seen"]


@dataclass(frozen=True, slots=True)
class WebSessionRecord:
    """A session, by the keyed hash of its secret."""

    secret_hash: str
    key_prefix: str
    """The visible part of the key that it was opened with."""
    created_at: datetime
    expires_at: datetime
    last_seen_at: datetime
    """Beginning of the hour in which it was last used."""


def add(session: Session, secret_hash: str, *, key_id: str, expires_at: datetime, now: datetime) -> None:
    """Keep a session; those whose time is over go.

    Parameters
    ----------
    secret_hash
        Keyed hash of the secret that the browser holds.
    key_id
        The key that it was opened with.
    """
    session.execute(delete(WebSession).where(WebSession.expires_at <= now))
    row = WebSession(secret_hash=secret_hash, key_id=key_id, created_at=now, expires_at=expires_at, last_seen_at=now)
    session.add(row)
    session.flush()


def find(session: Session, secret_hash: str) -> WebSessionRecord | None:
    """The session with this hash, over or not; None if there is none."""
    wanted = select(WebSession, ApiKey.prefix).join(ApiKey, ApiKey.id == WebSession.key_id)
    found = session.execute(wanted.where(WebSession.secret_hash == secret_hash)).one_or_none()
    return None if found is None else _record(*found)


def list_live(session: Session, now: datetime) -> dict[str, WebSessionRecord]:
    """Sessions whose time is not over, by hash."""
    wanted = select(WebSession, ApiKey.prefix).join(ApiKey, ApiKey.id == WebSession.key_id)
    found = session.execute(wanted.where(WebSession.expires_at > now))
    return {row.secret_hash: _record(row, prefix) for row, prefix in found}


def note_seen(session: Session, secret_hash: str, now: datetime) -> None:
    """It was used."""
    session.execute(update(WebSession).where(WebSession.secret_hash == secret_hash).values(last_seen_at=now))


def end(session: Session, secret_hash: str) -> bool:
    """End a session; False if there is none."""
    gone = delete(WebSession).where(WebSession.secret_hash == secret_hash).returning(WebSession.secret_hash)
    return session.scalar(gone) is not None


def end_of_key(session: Session, key_id: str) -> None:
    """End every session that was opened with a key."""
    session.execute(delete(WebSession).where(WebSession.key_id == key_id))


def _record(row: WebSession, prefix: str) -> WebSessionRecord:
    return WebSessionRecord(row.secret_hash, prefix, row.created_at, row.expires_at, row.last_seen_at)
