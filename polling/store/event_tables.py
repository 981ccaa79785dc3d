"""The tables of those who follow from outside.

event_ticket                       opens one stream of events, once
webhook 1--n webhook_delivery      where events are sent to, and what became of each of them
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from polling.store.base import Base

__all__ = ["EventTicket", "Webhook", "WebhookDelivery"]


class EventTicket(Base):
    """A ticket that nobody has shown yet, by its keyed hash."""

    __tablename__ = "event_ticket"
    ticket_hash: Mapped[str] = mapped_column(primary_key=True)
    key_prefix: Mapped[str]
    survey_id: Mapped[str] = mapped_column(ForeignKey("survey.id"))
    expires_at: Mapped[datetime]


class Webhook(Base):
    """An address that events of a survey are sent to, in their order."""

    __tablename__ = "webhook"
    __table_args__ = (Index(None, "survey_id"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    survey_id: Mapped[str] = mapped_column(ForeignKey("survey.id"))
    url: Mapped[str]
    types: Mapped[Any]
    # Encrypted; the key is in the secrets file.
    sealed_secret: Mapped[bytes]
    actor: Mapped[str]
    created_at: Mapped[datetime]
    # Events up to this id were delivered, given up or are not for it.
    sent_through: Mapped[int] = mapped_column(BigInteger())


class WebhookDelivery(Base):
    """What became of one event at one address."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (CheckConstraint("state IN ('delivered', 'failing', 'given-up')", name="state"),)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhook.id"), primary_key=True)
    # No foreign key: the event may be forgotten first.
    event_id: Mapped[int] = mapped_column(BigInteger(), primary_key=True, autoincrement=False)
    kind: Mapped[str]
    state: Mapped[str]
    attempts: Mapped[int]
    # Of the last answer, if there was one.
    status: Mapped[int | None]
    detail: Mapped[str | None]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
