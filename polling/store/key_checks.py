"""Notice that the secrets file holds another key under the name of one that was used.

    check = first 128 bits of HMAC-SHA256(key, "hustings key check " + name)

The check value is stored when a key is first used, in the transaction that used it, and compared whenever it is used
again. A key that was replaced by hand, or taken from another installation's file, would otherwise make strangers of
known respondents without a word. The value tells nothing about the key.
"""

import hmac
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from polling.errors import SecretsError
from polling.store.dialect import insert_into
from polling.store.tables import KeyCheck

__all__ = ["is_known", "replace", "require_same"]


def require_same(session: Session, name: str, key: bytes, *, now: datetime | None = None) -> None:
    """Make sure that ``key`` is the one that was used under this name before; remember it if it is the first.

    Parameters
    ----------
    name
        As in the secrets file: ``pepper``, ``audit_key``, ``pseudonym_keys.<survey>.v<version>``,
        ``suppression_keys.<survey>``.
    now
        The time, if the key is about to be used; None, in a transaction that only reads: nothing is remembered.

    Raises
    ------
    SecretsError
        If another key was used.
    """
    # Looked for first: the key was seen before in all transactions but one.
    if (known := _check_of(session, name)) is None:
        if now is None:
            return
        new = insert_into(session, KeyCheck).values(name=name, value=_value(name, key), created_at=now)
        session.execute(new.on_conflict_do_nothing())
        known = _check_of(session, name)
    if known != _value(name, key):
        raise SecretsError(
            f"'{name}' in the secrets file is not the key that was used so far. "
            "Correct the setting secrets_file, or restore the file from its own backup."
        )


def is_known(session: Session, name: str) -> bool:
    """Whether a key was used under this name."""
    return _check_of(session, name) is not None


def replace(session: Session, name: str, key: bytes, *, now: datetime) -> None:
    """Accept a new key under a name whose old one is lost for good."""
    session.execute(update(KeyCheck).where(KeyCheck.name == name).values(value=_value(name, key), created_at=now))


def _check_of(session: Session, name: str) -> str | None:
    return session.scalar(select(KeyCheck.value).where(KeyCheck.name == name))


def _value(name: str, key: bytes) -> str:
    return hmac.digest(key, f"hustings key check {name}".encode(), "sha256").hex()[:32]
