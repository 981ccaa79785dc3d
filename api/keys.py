"""Make or revoke an API key: the text is returned once, the store keeps its keyed hash."""

from datetime import datetime

from sqlalchemy.orm import Session

from jobs import ledger
from polling.keys import KeyScope, Role, hash_key, new_key
from polling.secrets import SecretsFile
from polling.store import key_checks
from polling.store import keys as stored_keys
from polling.store.engine import Store
from polling.store.records import ApiKeyRecord

__all__ = ["create_key", "key_pepper", "keys_in_use", "revoke_key"]


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
    KeyRefused
        If role, survey and pollster do not go together.
    SurveyNotFound
        If there is no such survey.
    SecretsError
        If the secrets file cannot be used, or keys are stored and it lacks their pepper.
    """
    scope = KeyScope(Role(role), survey_id, pollster, expires_at)
    key = new_key()
    pepper = key_pepper(store, secrets)
    with store.write() as session:
        if not keys_in_use(session):  # nobody is harmed by a new one
            key_checks.replace(session, "pepper", pepper, now=now)
        key_checks.require_same(session, "pepper", pepper, now=now)
        record = stored_keys.add_key(
            session,
            prefix=key.prefix,
            key_hash=hash_key(key.text, pepper),
            role=str(scope.role),
            survey_id=survey_id,
            pollster=pollster,
            label=label,
            expires_at=expires_at,
            now=now,
        )
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
    return key.text, record


def revoke_key(store: Store, secrets: SecretsFile, prefix: str, *, actor: str, now: datetime) -> ApiKeyRecord:
    """Make the key with this visible prefix unusable, with an entry in the audit chain.

    Raises
    ------
    KeyNotFound
        If no key has this prefix.
    """
    with store.write() as session:
        record = stored_keys.revoke_key(session, prefix, now=now)
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
