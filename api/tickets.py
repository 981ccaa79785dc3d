"""Short-lived tickets with which a browser opens a stream of events: it cannot send a header, and a key in a URL ends
up in histories and logs.

A ticket is random, is shown once to whoever asked with a key, opens one stream of one survey once, and is stored by its
keyed hash. The stream is the key's: it counts among its streams and ends with it.
"""

import secrets
from datetime import datetime, timedelta
from typing import Final

from api.errors import TicketRefused
from api.services import Services
from polling.keys import hash_key
from polling.store import tickets

__all__ = ["LASTS", "make_ticket", "use_ticket"]

LASTS: Final = timedelta(seconds=60)
"""Time to connect in."""
_BEGIN: Final = "hustticket_"


def make_ticket(services: Services, *, prefix: str, survey_id: str, now: datetime) -> tuple[str, datetime]:
    """A new ticket of the key with a prefix, and when its time is over."""
    text, expires_at = _BEGIN + secrets.token_urlsafe(32), now + LASTS
    with services.store.write() as session:
        tickets.keep(session, _hash(services, text), prefix=prefix, survey_id=survey_id, expires_at=expires_at, now=now)
    return text, expires_at


def use_ticket(services: Services, text: str, *, survey_id: str, now: datetime) -> str:
    """Use a ticket up; the prefix of its key.

    Raises
    ------
    TicketRefused
        If it was used, has expired, was not made here or is for another survey.
    """
    if not text.startswith(_BEGIN):
        raise TicketRefused
    with services.store.write() as session:
        prefix = tickets.take(session, _hash(services, text), survey_id=survey_id, now=now)
    if prefix is None:
        raise TicketRefused
    return prefix


def _hash(services: Services, text: str) -> str:
    return hash_key(text, services.secrets.pepper(used=True))
