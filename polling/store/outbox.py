"""What happened, written in the transaction in which it happened.

A follower remembers the last id that it saw and asks for what came after. So
ids must appear in order: with two writers at once, PostgreSQL would hand out 7
and 8 and might commit 8 first, and a follower that saw 8 would never see 7.
Appending therefore waits for the writer before it, until that one commits.
"""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from polling.store.columns import Json
from polling.store.dialect import serialise
from polling.store.records import OutboxEvent
from polling.store.tables import Outbox

__all__ = ["append", "newest_at", "read_after"]

_OUTBOX_LOCK = 7_364_001


def append(session: Session, kind: str, survey_id: str | None, payload: Json, now: datetime) -> int:
    """Add an event and return its id; call it late in a transaction, as others wait for its end."""
    serialise(session, _OUTBOX_LOCK)
    row = Outbox(kind=kind, survey_id=survey_id, payload=payload, created_at=now)
    session.add(row)
    session.flush()
    return row.id


def read_after(session: Session, after: int, limit: int = 100) -> list[OutboxEvent]:
    """Events with an id above ``after``, oldest first, at most ``limit``."""
    newer = select(Outbox).where(Outbox.id > after).order_by(Outbox.id).limit(limit)
    return [
        OutboxEvent(id=row.id, kind=row.kind, survey_id=row.survey_id, payload=row.payload, created_at=row.created_at)
        for row in session.scalars(newer)
    ]


def newest_at(session: Session) -> datetime | None:
    """When the last thing happened, by the clocks of the hosts; None if nothing did."""
    return session.scalar(select(func.max(Outbox.created_at)))
