"""Write the audit chain: the store has the entries, the secrets file the key, a file beside it the head.

    with store.write() as session:
        ...
        ledger.record(session, secrets, actor=actor, action="wave-received", survey_id=..., subject=wave.id, now=now)

The entry is part of the transaction: what is rolled back was not done. The head is noted outside the database once
the transaction is committed.
"""

import getpass
import logging
import os
from datetime import datetime

from sqlalchemy import event
from sqlalchemy.orm import Session

from jobs.errors import KeyNotLost
from polling.audit_head import HeadFile
from polling.secrets import PseudonymKey, SecretsFile
from polling.store import audit, key_checks
from polling.store.audit import AuditHeadRecord, AuditRecord, AuditReport
from polling.store.columns import Json

__all__ = [
    "audit_key",
    "bind_pseudonym_key",
    "bind_suppression_key",
    "check_pseudonym_key",
    "cli_actor",
    "hold_head",
    "key_actor",
    "record",
    "restart",
    "verify",
]

log = logging.getLogger("hustings.audit")

_NOTED = "hustings.audit.head"


def record(
    session: Session,
    secrets: SecretsFile,
    *,
    actor: str,
    action: str,
    survey_id: str | None = None,
    subject: str | None = None,
    detail: Json = None,
    now: datetime,
) -> AuditRecord:
    """Append to the audit chain in the caller's write transaction, late in it; see ``polling.store.audit``.

    Raises
    ------
    SecretsError
        If the secrets file cannot be used, or lacks the key of a chain that has begun, or has another one.
    """
    key = audit_key(session, secrets)
    key_checks.require_same(session, "audit_key", key, now=now)
    entry = audit.record(
        session, key, actor=actor, action=action, survey_id=survey_id, subject=subject, detail=detail, now=now
    )
    _note_after_commit(session, secrets, AuditHeadRecord(entry.id, entry.mac), now)
    return entry


def hold_head(session: Session) -> None:
    """Do not note the head when this transaction is committed: its database may never be the one in use."""
    session.info[_NOTED] = None


def verify(session: Session, secrets: SecretsFile, *, also: tuple[AuditHeadRecord, ...] = ()) -> AuditReport:
    """Verify the chain against the heads noted beside the secrets file, and others given.

    Raises
    ------
    SecretsError
        If the secrets file lacks the key of the chain, or has another one.
    """
    key = audit_key(session, secrets)
    key_checks.require_same(session, "audit_key", key)
    return audit.verify(session, key, known=(*HeadFile(secrets.audit_head_path).heads(key), *also))


def audit_key(session: Session, secrets: SecretsFile) -> bytes:
    """The key of the chain; made only before the first entry."""
    return secrets.audit_key(used=audit.started(session))


def bind_pseudonym_key(session: Session, survey_id: str, key: PseudonymKey, *, now: datetime) -> None:
    """Refuse another key under a version that was used before; call it where pseudonyms are stored.

    Raises
    ------
    SecretsError
        If the key is another one.
    """
    key_checks.require_same(session, f"pseudonym_keys.{survey_id}.v{key.version}", key.secret, now=now)


def check_pseudonym_key(session: Session, survey_id: str, key: PseudonymKey) -> None:
    """The same where pseudonyms are looked for: nothing is remembered."""
    key_checks.require_same(session, f"pseudonym_keys.{survey_id}.v{key.version}", key.secret)


def bind_suppression_key(session: Session, survey_id: str, key: bytes, *, now: datetime) -> None:
    """The same for the key of a survey's list of erased respondents."""
    key_checks.require_same(session, f"suppression_keys.{survey_id}", key, now=now)


def restart(session: Session, secrets: SecretsFile, *, actor: str, reason: str, now: datetime) -> AuditRecord:
    """Go on with a new audit key after the old one was lost for good; what is before cannot be verified any more.

    Raises
    ------
    KeyNotLost
        If the secrets file has the key.
    """
    if secrets.has_audit_key():
        raise KeyNotLost("audit_key")
    before = audit.head(session)
    key = secrets.audit_key()
    key_checks.replace(session, "audit_key", key, now=now)
    HeadFile(secrets.audit_head_path).note_restore(before, key, now=now)
    return record(session, secrets, actor=actor, action=audit.RESTARTED, detail={"reason": reason}, now=now)


def cli_actor() -> str:
    """Who is at the command line: the user of the operating system."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):  # a container's user without a name
        return f"cli:{os.getuid()}"


def key_actor(prefix: str) -> str:
    """The holder of an API key."""
    return f"key:{prefix}"


def _note_after_commit(session: Session, secrets: SecretsFile, head: AuditHeadRecord, now: datetime) -> None:
    first = _NOTED not in session.info
    session.info[_NOTED] = (head, now)
    if not first:
        return

    @event.listens_for(session, "after_commit")
    def _note(_session: Session) -> None:
        if (noted := session.info.pop(_NOTED, None)) is None:
            return
        try:
            HeadFile(secrets.audit_head_path).note(noted[0], now=noted[1])
        except OSError as error:
            # The effect is committed; a head that lags is caught up by the next.
            log.error("the head of the audit chain could not be noted: %s", error)

    @event.listens_for(session, "after_rollback")
    def _forget(_session: Session) -> None:
        session.info.pop(_NOTED, None)
