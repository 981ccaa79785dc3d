"""What happened, written in the transaction in which it happened.

A follower remembers the last id that it saw and asks for what came after. So
ids must appear in order: with two writers at once, PostgreSQL would hand out 7
and 8 and might commit 8 first, and a follower that saw 8 would never see 7.
Appending therefore waits for the writer before it, until that one commits.

Old events are forgotten, but for the newest of those of each survey: an id
below the first that is left is one after which something may be missing.
"""

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, aliased

from polling.store.columns import Json
from polling.store.dialect import serialise
from polling.store.records import OutboxEvent
from polling.store.tables import Outbox

__all__ = ["MAX_ID", "append", "first_id", "forget", "hold", "newest_at", "newest_id", "read_after"]

MAX_ID = 2**63 - 1
"""The largest id that a database can hold."""
_OUTBOX_LOCK = 7_364_001
MOST = 10_000
"""What one call of ``forget`` deletes, so that no writer waits for long."""


def append(session: Session, kind: str, survey_id: str | None, payload: Json, now: datetime) -> int:
    """Add an event and return its id; call it late in a transaction, as others wait for its end."""
    hold(session)
    row = Outbox(kind=kind, survey_id=survey_id, payload=payload, created_at=now)
    session.add(row)
    session.flush()
    return row.id


def hold(session: Session) -> None:
    """Let no other transaction append until this one ends."""
    serialise(session, _OUTBOX_LOCK)


def read_after(
    session: Session, after: int, limit: int = 100, *, survey_id: str | None = None, through: int | None = None
) -> list[OutboxEvent]:
    """Events with an id above ``after``, oldest first, at most ``limit``.

    Parameters
    ----------
    survey_id
        Of this survey alone; None for every survey.
    through
        The last id that is wanted; None for no end.
    """
    newer = select(Outbox).where(Outbox.id > after).order_by(Outbox.id).limit(limit)
    if survey_id is not None:
        newer = newer.where(Outbox.survey_id == survey_id)
    if through is not None:
        newer = newer.where(Outbox.id <= through)
    return [
        OutboxEvent(id=row.id, kind=row.kind, survey_id=row.survey_id, payload=row.payload, created_at=row.created_at)
        for row in session.scalars(newer)
    ]


def newest_id(session: Session) -> int:
    """The id of the last thing that happened; 0 if nothing did."""
    return session.scalar(select(func.max(Outbox.id))) or 0


def first_id(session: Session, survey_id: str) -> int:
    """The first id of a survey's events that is kept; 0 if nothing is."""
    return session.scalar(select(func.min(Outbox.id)).where(Outbox.survey_id == survey_id)) or 0


def forget(session: Session, *, before: datetime) -> int:
    """Delete what happened before a moment, but for the newest such event of each survey; how many."""
    mark = aliased(Outbox)
    same = (mark.survey_id == Outbox.survey_id) | (mark.survey_id.is_(None) & Outbox.survey_id.is_(None))
    newest = select(func.max(mark.id)).where(same, mark.created_at < before).scalar_subquery()
    old = session.scalars(select(Outbox.id).where(Outbox.created_at < before, Outbox.id < newest).limit(MOST)).all()
    session.execute(delete(Outbox).where(Outbox.id.in_(old)))
    return len(old)


def newest_at(session: Session) -> datetime | None:
    """When the last thing happened, by the clocks of the hosts; None if nothing did."""
    return session.scalar(select(func.max(Outbox.created_at)))
