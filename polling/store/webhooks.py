"""Where events are sent to, how far each address has come, and what became of each event there."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import uuid4

from sqlalchemy import delete, exists, func, select, type_coerce, update
from sqlalchemy.orm import Session

from polling.errors import WebhookNotFound
from polling.store.columns import UtcDateTime
from polling.store.dialect import insert_into
from polling.store.tables import Job, Outbox, Webhook, WebhookDelivery

__all__ = [
    "DeliveryRecord",
    "DeliveryState",
    "Waiting",
    "WebhookRecord",
    "add_webhook",
    "advance",
    "behind",
    "count_given_up",
    "delete_webhook",
    "find_delivery",
    "find_webhook",
    "forget_deliveries",
    "get_webhook",
    "keep_webhook",
    "list_deliveries",
    "list_webhooks",
    "new_id",
    "note_try",
    "waiting",
]

type DeliveryState = Literal["delivered", "failing", "given-up"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRecord:
    """An address, and how far it has come."""

    id: str
    survey_id: str
    url: str
    types: tuple[str, ...]
    sealed_secret: bytes = field(repr=False)
    actor: str
    created_at: datetime
    sent_through: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """What became of one event at one address."""

    event_id: int
    kind: str
    state: str
    attempts: int
    status: int | None
    detail: str | None
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """Events that an address has not accepted yet."""

    n: int
    since: datetime | None
    """When the first of them happened."""


def new_id() -> str:
    """An id for a webhook that is not stored yet: its secret is encrypted for it."""
    return uuid4().hex


def add_webhook(session: Session, webhook: WebhookRecord) -> None:
    """Store an address."""
    session.add(
        Webhook(
            id=webhook.id,
            survey_id=webhook.survey_id,
            url=webhook.url,
            types=list(webhook.types),
            sealed_secret=webhook.sealed_secret,
            actor=webhook.actor,
            created_at=webhook.created_at,
            sent_through=webhook.sent_through,
        )
    )
    session.flush()


def list_webhooks(session: Session, survey_id: str | None = None) -> list[WebhookRecord]:
    """Addresses of a survey, or of all, oldest first."""
    every = select(Webhook).order_by(Webhook.created_at, Webhook.id)
    if survey_id is not None:
        every = every.where(Webhook.survey_id == survey_id)
    return [_record(row) for row in session.scalars(every.execution_options(populate_existing=True))]


def find_webhook(session: Session, webhook_id: str) -> WebhookRecord | None:
    """One address; None if it is not there any more."""
    row = session.get(Webhook, webhook_id, populate_existing=True)
    return None if row is None else _record(row)


def keep_webhook(session: Session, webhook_id: str) -> bool:
    """Keep an address from being deleted until this transaction ends; whether it is still there."""
    kept = select(Webhook.id).where(Webhook.id == webhook_id).with_for_update(read=True, key_share=True)
    return session.scalar(kept) is not None


def get_webhook(session: Session, survey_id: str, webhook_id: str) -> WebhookRecord:
    """One address of a survey.

    Raises
    ------
    WebhookNotFound
        If the survey has none of this id.
    """
    found = find_webhook(session, webhook_id)
    if found is None or found.survey_id != survey_id:
        raise WebhookNotFound(webhook_id)
    return found


def delete_webhook(session: Session, webhook_id: str) -> None:
    """Delete an address with its log."""
    # First: what is being noted of it now is noted before, and nothing is any more.
    session.execute(select(Webhook.id).where(Webhook.id == webhook_id).with_for_update())
    session.execute(delete(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id))
    session.execute(delete(Webhook).where(Webhook.id == webhook_id))


def behind(session: Session, kind: str) -> list[WebhookRecord]:
    """Addresses that something happened for since, and that no job of this kind is there for."""
    newer = exists().where(Outbox.survey_id == Webhook.survey_id, Outbox.id > Webhook.sent_through)
    served = exists().where(Job.kind == kind, Job.key == Webhook.id, Job.state.in_(("queued", "running")))
    return [_record(row) for row in session.scalars(select(Webhook).where(newer, ~served))]


def waiting(session: Session, webhook: WebhookRecord, kinds: Collection[str]) -> Waiting:
    """Events of these kinds that an address has not accepted yet."""
    later = (Outbox.survey_id == webhook.survey_id, Outbox.id > webhook.sent_through, Outbox.kind.in_(kinds))
    found = select(func.count(), type_coerce(func.min(Outbox.created_at), UtcDateTime)).where(*later)
    n, since = session.execute(found).one()
    return Waiting(n, since)


def count_given_up(session: Session) -> int:
    """Events that were given up and are kept in the log."""
    return session.scalars(select(func.count()).where(WebhookDelivery.state == "given-up")).one()


def advance(session: Session, webhook_id: str, through: int) -> None:
    """Everything up to an id was sent, or is not for this address."""
    further = update(Webhook).where(Webhook.id == webhook_id, Webhook.sent_through < through)
    session.execute(further.values(sent_through=through))


def note_try(
    session: Session,
    webhook_id: str,
    event_id: int,
    *,
    kind: str,
    state: DeliveryState,
    status: int | None,
    detail: str | None,
    now: datetime,
) -> DeliveryRecord:
    """Note one more attempt at one event, and how it stands; the record afterwards."""
    told = {"state": state, "status": status, "detail": detail, "last_at": now}
    new = insert_into(session, WebhookDelivery).values(
        webhook_id=webhook_id, event_id=event_id, kind=kind, attempts=1, first_at=now, **told
    )
    merged = new.on_conflict_do_update(
        index_elements=[WebhookDelivery.webhook_id, WebhookDelivery.event_id],
        set_={**told, "attempts": WebhookDelivery.attempts + 1},
    )
    found = session.scalars(merged.returning(WebhookDelivery), execution_options={"populate_existing": True})
    return _delivery(found.one())


def list_deliveries(
    session: Session, webhook_id: str, *, before: int | None = None, limit: int
) -> list[DeliveryRecord]:
    """What became of the last events, or of the last before one, newest first."""
    mine = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    if before is not None:
        mine = mine.where(WebhookDelivery.event_id < before)
    rows: Sequence[WebhookDelivery] = session.scalars(mine.order_by(WebhookDelivery.event_id.desc()).limit(limit)).all()
    return [_delivery(row) for row in rows]


def find_delivery(session: Session, webhook_id: str, event_id: int) -> DeliveryRecord | None:
    """What became of one event; None if it was never tried."""
    row = session.get(WebhookDelivery, (webhook_id, event_id), populate_existing=True)
    return None if row is None else _delivery(row)


def forget_deliveries(session: Session, *, before: datetime) -> None:
    """Delete what became of events before a moment, but of those that are still tried."""
    session.execute(delete(WebhookDelivery).where(WebhookDelivery.last_at < before, WebhookDelivery.state != "failing"))


def _record(row: Webhook) -> WebhookRecord:
    return WebhookRecord(
        id=row.id,
        survey_id=row.survey_id,
        url=row.url,
        types=tuple(row.types),
        sealed_secret=row.sealed_secret,
        actor=row.actor,
        created_at=row.created_at,
        sent_through=row.sent_through,
    )


def _delivery(row: WebhookDelivery) -> DeliveryRecord:
    return DeliveryRecord(
        event_id=row.event_id,
        kind=row.kind,
        state=row.state,
        attempts=row.attempts,
        status=row.status,
        detail=row.detail,
        first_at=row.first_at,
        last_at=row.last_at,
    )
