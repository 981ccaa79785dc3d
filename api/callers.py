"""Who is calling: the key, the ticket or the session that a request came with, and what it stands for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar.connection import ASGIConnection

from api.errors import KeyMissing, KeyNotAccepted, TicketRefused
from api.services import Services
from api.tickets import use_ticket
from jobs.ledger import key_actor
from polling.errors import KeyRefused
from polling.keys import key_matches, key_prefix
from polling.store.records import ApiKeyRecord

__all__ = ["Connection", "Principal", "authenticate", "principal_for", "principal_of", "redeem"]

type Connection = ASGIConnection[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling."""

    key_id: str
    role: str
    survey_id: str | None
    """The only survey the key may see; None means every survey."""
    pollster: str | None
    """The pollster that the key speaks for, if it speaks for one."""
    prefix: str
    """The visible part of the key."""
    expires_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Whether the key has not expired."""
        return self.expires_at is None or now < self.expires_at

    @property
    def actor(self) -> str:
        """Who did what this key did."""
        return key_actor(self.prefix)

    def may_see(self, survey_id: str) -> bool:
        """Whether a survey lies in the key's scope."""
        return self.survey_id is None or self.survey_id == survey_id

    @property
    def only_pollster(self) -> str | None:
        """The pollster whose waves alone may be shown, or None."""
        return self.pollster if self.role == "pollster" else None


def authenticate(services: Services, header: str | None, *, now: datetime) -> Principal:
    """Find out whose key this is.

    Raises
    ------
    KeyMissing
        If there is no bearer key.
    KeyNotAccepted
        If it is malformed, unknown, revoked or expired. A wrong secret is
        answered like an unknown prefix.
    """
    scheme, _, text = (header or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise KeyMissing
    text = text.strip()
    unknown = "This key is not known here. Check that it was copied whole, from its first to its last character."
    try:
        prefix = key_prefix(text)
    except KeyRefused:
        raise KeyNotAccepted(unknown) from None
    record = services.memory.find_key(prefix)
    if record is None or not key_matches(text, record.key_hash, services.secrets.pepper(used=True)):
        raise KeyNotAccepted(unknown)
    return principal_for(record, now)


def redeem(services: Services, ticket: str, *, survey_id: str, now: datetime) -> Principal:
    """Use a ticket up, and find out whose key it was made with.

    Raises
    ------
    TicketRefused
        If it opens nothing.
    KeyNotAccepted
        If its key was revoked or has expired since.
    """
    record = services.memory.find_key(use_ticket(services, ticket, survey_id=survey_id, now=now))
    if record is None:
        raise TicketRefused
    return principal_for(record, now)


def principal_for(record: ApiKeyRecord, now: datetime) -> Principal:
    """Whom a key speaks for.

    Raises
    ------
    KeyNotAccepted
        If it was revoked or has expired.
    """
    if record.revoked_at is not None:
        raise KeyNotAccepted(f"Key {record.prefix} was revoked. Ask for a new one.")
    if not record.usable(now):
        raise KeyNotAccepted(f"Key {record.prefix} has expired. Ask for a new one.")
    return Principal(record.id, record.role, record.survey_id, record.pollster, record.prefix, record.expires_at)


def principal_of(connection: Connection) -> Principal:
    """The caller that the guard found."""
    principal = connection.scope["user"]
    assert isinstance(principal, Principal)
    return principal
