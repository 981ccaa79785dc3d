"""The tables of those who follow from outside.

event_ticket               opens one stream of events, once
"""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from polling.store.base import Base

__all__ = ["EventTicket"]


class EventTicket(Base):
    """A ticket that nobody has shown yet, by its keyed hash."""

    __tablename__ = "event_ticket"
    ticket_hash: Mapped[str] = mapped_column(primary_key=True)
    key_prefix: Mapped[str]
    survey_id: Mapped[str] = mapped_column(ForeignKey("survey.id"))
    expires_at: Mapped[datetime]
