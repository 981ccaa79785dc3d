"""API keys, by prefix and keyed hash. How a key is made and checked is in ``polling.keys``."""

from collections.abc import Mapping
from datetime import datetime
from uuid import uuid4

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from polling.errors import KeyNotFound, SurveyNotFound
from polling.store.records import ApiKeyRecord
from polling.store.tables import ApiKey, Survey

__all__ = [
    "add_key",
    "end_key",
    "find_key_by_prefix",
    "list_keys",
    "lock_key",
    "note_uses",
    "revoke_key",
    "successor_of",
]


def add_key(
    session: Session,
    *,
    prefix: str,
    key_hash: str,
    role: str,
    survey_id: str | None,
    now: datetime,
    pollster: str | None = None,
    label: str = "",
    expires_at: datetime | None = None,
    replaces: str | None = None,
) -> ApiKeyRecord:
    """Store a key.

    Parameters
    ----------
    prefix
        The visible part of the key, unique.
    key_hash
        Keyed hash of the whole key.
    survey_id
        The only survey the key may see; None for all of them.
    pollster
        The pollster a pollster's key speaks for.
    replaces
        Prefix of the key whose place it takes.

    Raises
    ------
    SurveyNotFound
        If the survey of its scope does not exist.
    """
    if survey_id is not None and session.get(Survey, survey_id) is None:
        raise SurveyNotFound(survey_id)
    row = ApiKey(
        id=uuid4().hex,
        prefix=prefix,
        key_hash=key_hash,
        role=role,
        survey_id=survey_id,
        pollster=pollster,
        label=label,
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
        replaces=replaces,
        last_used_at=None,
    )
    session.add(row)
    session.flush()
    return _record(row)


def find_key_by_prefix(session: Session, prefix: str) -> ApiKeyRecord | None:
    """The key with this prefix, usable or not, or None."""
    mine = select(ApiKey).where(ApiKey.prefix == prefix).execution_options(populate_existing=True)
    row = session.scalar(mine)
    return None if row is None else _record(row)


def lock_key(session: Session, prefix: str) -> ApiKeyRecord | None:
    """The same, while others who change it wait for the end of this transaction."""
    mine = select(ApiKey).where(ApiKey.prefix == prefix).with_for_update().execution_options(populate_existing=True)
    row = session.scalar(mine)
    return None if row is None else _record(row)


def list_keys(session: Session, survey_id: str | None = None) -> list[ApiKeyRecord]:
    """All keys, or those of one survey, oldest first; revoked and expired ones too."""
    every = select(ApiKey).order_by(ApiKey.created_at, ApiKey.prefix)
    if survey_id is not None:
        every = every.where(ApiKey.survey_id == survey_id)
    return [_record(row) for row in session.scalars(every.execution_options(populate_existing=True))]


def revoke_key(session: Session, prefix: str, *, now: datetime) -> ApiKeyRecord:
    """Make a key unusable; the first revocation's time is kept.

    Raises
    ------
    KeyNotFound
        If no key has this prefix.
    """
    session.execute(update(ApiKey).where(ApiKey.prefix == prefix, ApiKey.revoked_at.is_(None)).values(revoked_at=now))
    if (key := find_key_by_prefix(session, prefix)) is None:
        raise KeyNotFound(prefix)
    return key


def end_key(session: Session, prefix: str, *, at: datetime) -> ApiKeyRecord:
    """Let a key expire at a moment, unless it expires before.

    Raises
    ------
    KeyNotFound
        If no key has this prefix.
    """
    later = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > at)
    session.execute(update(ApiKey).where(ApiKey.prefix == prefix, later).values(expires_at=at))
    if (key := find_key_by_prefix(session, prefix)) is None:
        raise KeyNotFound(prefix)
    return key


def successor_of(session: Session, prefix: str) -> str | None:
    """Prefix of the key that took this one's place and was not revoked, or None."""
    took_it = select(ApiKey.prefix).where(ApiKey.replaces == prefix, ApiKey.revoked_at.is_(None))
    return session.scalar(took_it.limit(1))


def note_uses(session: Session, used: Mapping[str, datetime]) -> None:
    """Note when keys were last used.

    Parameters
    ----------
    used
        Id of a key -> beginning of the hour. What is stored never goes back.
    """
    for key_id, hour in used.items():
        older = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < hour)
        session.execute(update(ApiKey).where(ApiKey.id == key_id, older).values(last_used_at=hour))


def _record(row: ApiKey) -> ApiKeyRecord:
    return ApiKeyRecord(
        id=row.id,
        prefix=row.prefix,
        key_hash=row.key_hash,
        role=row.role,
        survey_id=row.survey_id,
        pollster=row.pollster,
        label=row.label,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        replaces=row.replaces,
        last_used_at=row.last_used_at,
    )
