"""Tickets for streams of events: each opens one stream of one survey, once, within seconds.

In the database, because the server that is asked for a ticket need not be the one that is shown it.
"""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from polling.store.tables import EventTicket

__all__ = ["keep", "take"]


def keep(
    session: Session, ticket_hash: str, *, prefix: str, survey_id: str, expires_at: datetime, now: datetime
) -> None:
    """Keep a ticket; those whose time is over go.

    Parameters
    ----------
    ticket_hash
        Keyed hash of the ticket.
    prefix
        The visible part of the key that asked for it.
    """
    session.execute(delete(EventTicket).where(EventTicket.expires_at <= now))
    session.add(EventTicket(ticket_hash=ticket_hash, key_prefix=prefix, survey_id=survey_id, expires_at=expires_at))
    session.flush()


def take(session: Session, ticket_hash: str, *, survey_id: str, now: datetime) -> str | None:
    """Use a ticket up: the prefix of its key; None if there is none, for this survey, at this time."""
    mine = (EventTicket.ticket_hash == ticket_hash) & (EventTicket.survey_id == survey_id)
    # One statement: of two that show the same ticket, one has it.
    used = delete(EventTicket).where(mine, EventTicket.expires_at > now).returning(EventTicket.key_prefix)
    return session.scalar(used)
