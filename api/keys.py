"""Make, rotate or revoke an API key: the text is returned once, the store keeps its keyed hash.

A rotation makes a key of the same role, survey and pollster, and lets the old one expire after an overlap, so that its
holder can change over without an interruption. A key with an end gets a successor that lives as long as it did. Whoever
signed in on the web page with a key that is rotated or revoked signs in again.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from jobs import ledger
from polling.errors import KeyNotFound, KeyScopeRefused, KeyStateRefused
from polling.keys import KeyScope, Role, hash_key, new_key
from polling.secrets import SecretsFile
from polling.store import key_checks, web_sessions
from polling.store import keys as stored_keys
from polling.store.engine import Store
from polling.store.records import ApiKeyRecord

__all__ = ["MAX_OVERLAP", "OVERLAP", "create_key", "key_pepper", "keys_in_use", "revoke_key", "rotate_key"]

OVERLAP = timedelta(hours=24)
"""For how long a key that is rotated stays valid, if nothing else is asked for."""
MAX_OVERLAP = timedelta(days=30)


def create_key(
    store: Store,
    secrets: SecretsFile,
    *,
    role: str,
    survey_id: str | None,
    pollster: str | None = None,
    expires_at: datetime | None = None,
    label: str = "",
    actor: str,
    now: datetime,
) -> tuple[str, ApiKeyRecord]:
    """Make a key and store its hash, with an entry in the audit chain.

    Returns
    -------
    tuple
        The key's text, which cannot be had again, and its record.

    Raises
    ------
    KeyScopeRefused
        If role, survey, pollster and expiry do not go together.
    SurveyNotFound
        If there is no such survey.
    SecretsError
        If the secrets file cannot be used, or keys are stored and it lacks their pepper.
    """
    scope = KeyScope(Role(role), survey_id, pollster, expires_at)
    pepper = key_pepper(store, secrets)
    with store.write() as session:
        if not keys_in_use(session):  # nobody is harmed by a new one
            key_checks.replace(session, "pepper", pepper, now=now)
        text, record = _add_key(session, pepper, scope, label=label, now=now)
        ledger.record(
            session,
            secrets,
            actor=actor,
            action="key-created",
            survey_id=survey_id,
            subject=record.prefix,
            detail={
                "role": record.role,
                "pollster": pollster,
                "expires_at": expires_at.isoformat() if expires_at else None,
            },
            now=now,
        )
    return text, record


def rotate_key(
    store: Store,
    secrets: SecretsFile,
    prefix: str,
    *,
    overlap: timedelta = OVERLAP,
    survey_id: str | None = None,
    actor: str,
    now: datetime,
) -> tuple[str, ApiKeyRecord, ApiKeyRecord]:
    """Make a key that takes another's place, with an entry in the audit chain.

    Parameters
    ----------
    prefix
        The visible part of the key whose place it takes.
    overlap
        For how long that one stays valid, from 0 to ``MAX_OVERLAP``; never longer than it would have been.
    survey_id
        Only if it is a key of this survey.

    Returns
    -------
    tuple
        The new key's text, which cannot be had again, its record, and that of the old one.

    Raises
    ------
    KeyNotFound
        If no such key has this prefix.
    KeyStateRefused
        If it was revoked, has expired, or was rotated already.
    KeyScopeRefused
        If the overlap is out of range.
    SecretsError
        If the secrets file cannot be used, or lacks the pepper.
    """
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        raise KeyScopeRefused(f"An overlap is from 0 hours to {MAX_OVERLAP.days} days, this one is {overlap}.")
    pepper = key_pepper(store, secrets)
    with store.write() as session:
        old = stored_keys.lock_key(session, prefix)
        if old is None or (survey_id is not None and old.survey_id != survey_id):
            raise KeyNotFound(prefix)
        if (state := old.state(now)) != "usable":
            raise KeyStateRefused(f"Key {prefix} is {state}, so that nothing can take its place. Create a new one.")
        if (other := stored_keys.successor_of(session, prefix)) is not None:
            raise KeyStateRefused(f"Key {prefix} was rotated already: {other} took its place. Rotate that one.")
        expires_at = None if old.expires_at is None else now + (old.expires_at - old.created_at)
        scope = KeyScope(Role(old.role), old.survey_id, old.pollster, expires_at)
        text, new = _add_key(session, pepper, scope, label=old.label, replaces=prefix, now=now)
        ended = stored_keys.end_key(session, prefix, at=now + overlap)
        web_sessions.end_of_key(session, old.id)
        valid_until = ended.expires_at.isoformat() if ended.expires_at else None
        ledger.record(
            session,
            secrets,
            actor=actor,
            action="key-rotated",
            survey_id=old.survey_id,
            subject=prefix,
            detail={"role": old.role, "pollster": old.pollster, "new_key": new.prefix, "valid_until": valid_until},
            now=now,
        )
    return text, new, ended


def revoke_key(
    store: Store, secrets: SecretsFile, prefix: str, *, survey_id: str | None = None, actor: str, now: datetime
) -> ApiKeyRecord:
    """Make the key with this visible prefix unusable, with an entry in the audit chain.

    Parameters
    ----------
    survey_id
        Only if it is a key of this survey.

    Raises
    ------
    KeyNotFound
        If no such key has this prefix.
    """
    with store.write() as session:
        known = stored_keys.find_key_by_prefix(session, prefix)
        if known is None or (survey_id is not None and known.survey_id != survey_id):
            raise KeyNotFound(prefix)
        record = stored_keys.revoke_key(session, prefix, now=now)
        web_sessions.end_of_key(session, record.id)
        ledger.record(
            session,
            secrets,
            actor=actor,
            action="key-revoked",
            survey_id=record.survey_id,
            subject=prefix,
            detail={"role": record.role, "pollster": record.pollster},
            now=now,
        )
    return record


def _add_key(
    session: Session, pepper: bytes, scope: KeyScope, *, label: str, replaces: str | None = None, now: datetime
) -> tuple[str, ApiKeyRecord]:
    key_checks.require_same(session, "pepper", pepper, now=now)
    key = new_key()
    record = stored_keys.add_key(
        session,
        prefix=key.prefix,
        key_hash=hash_key(key.text, pepper),
        role=str(scope.role),
        survey_id=scope.survey_id,
        pollster=scope.pollster,
        label=label,
        expires_at=scope.expires_at,
        replaces=replaces,
        now=now,
    )
    return key.text, record


def key_pepper(store: Store, secrets: SecretsFile) -> bytes:
    """The pepper of the stored keys; made only while there is no key that it could fail.

    Raises
    ------
    SecretsError
        If the secrets file cannot be used, or keys are in use and it lacks their pepper.
    """
    with store.read() as session:
        used = keys_in_use(session)
    return secrets.pepper(used=used)


def keys_in_use(session: Session) -> bool:
    """Whether a key is stored that was not revoked: losing the pepper would make it useless."""
    return any(key.revoked_at is None for key in stored_keys.list_keys(session))
