"""Replies to requests that may come again under the same idempotency key, kept for 24 hours.

A reply is written in the transaction of its effect: a request that was cut off
before left nothing, one that was cut off after is answered as it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from polling.store.dialect import insert_into
from polling.store.tables import IdempotencyKey

__all__ = ["KEPT", "KeptReply", "find_reply", "forget_replies", "keep_reply"]

KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class KeptReply:
    """What was answered, to the byte."""

    request_sha256: str
    """Of the request that it answers."""
    status: int
    headers: Mapping[str, str]
    body: bytes


def find_reply(session: Session, key_id: str, idempotency_key: str, *, now: datetime) -> KeptReply | None:
    """What was answered under this key in the last 24 hours, or None."""
    mine = (IdempotencyKey.key_id == key_id) & (IdempotencyKey.idempotency_key == idempotency_key)
    row = session.scalar(select(IdempotencyKey).where(mine, IdempotencyKey.created_at > now - KEPT))
    if row is None:
        return None
    return KeptReply(row.request_sha256, row.status, cast("Mapping[str, str]", row.headers), row.body)


def keep_reply(session: Session, key_id: str, idempotency_key: str, reply: KeptReply, *, now: datetime) -> bool:
    """Keep a reply; False if another request was answered under this key meanwhile."""
    mine = (IdempotencyKey.key_id == key_id) & (IdempotencyKey.idempotency_key == idempotency_key)
    session.execute(delete(IdempotencyKey).where(mine, IdempotencyKey.created_at <= now - KEPT))
    new = insert_into(session, IdempotencyKey).values(
        key_id=key_id,
        idempotency_key=idempotency_key,
        request_sha256=reply.request_sha256,
        status=reply.status,
        headers=dict(reply.headers),
        body=reply.body,
        created_at=now,
    )
    return session.scalar(new.on_conflict_do_nothing().returning(IdempotencyKey.key_id)) is not None


def forget_replies(session: Session, *, now: datetime) -> None:
    """Delete what is older than 24 hours."""
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at <= now - KEPT))
