"""The bodies of tickets and webhooks, every field described."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from api.payloads import NextCursor
from polling.store.webhooks import DeliveryRecord, WebhookRecord

__all__ = [
    "DeliveryList",
    "DeliveryPayload",
    "NewWebhookPayload",
    "TicketPayload",
    "WebhookBody",
    "WebhookList",
    "WebhookPayload",
    "delivery_payload",
    "webhook_payload",
]

type EventType = Literal["wave", "job", "release", "question", "survey"]
Url = Annotated[str, Meta(description="https://host/path; not in a private network unless the operator allows it.")]
Types = Annotated[list[EventType], Meta(description="Types of events that are sent.", min_length=1, max_length=5)]


class WebhookBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to send which events."""

    url: Url
    types: Types = msgspec.field(default_factory=lambda: ["wave", "job", "release"])


class WebhookPayload(msgspec.Struct, frozen=True):
    """An address that events are sent to."""

    id: Annotated[str, Meta(description="The webhook's id.")]
    url: Url
    types: Types
    created_at: Annotated[datetime, Meta(description="Since when; earlier events are not sent.")]
    sent_through: Annotated[int, Meta(description="Every event up to this id was accepted, given up or not for it.")]
    deliveries_url: Annotated[str, Meta(description="What became of each event.")]


class NewWebhookPayload(WebhookPayload, frozen=True, kw_only=True):
    """A webhook that was just made."""

    secret: Annotated[str, Meta(description="The key of the signatures, `whsec_` and base64; it is not shown again.")]


class WebhookList(msgspec.Struct, frozen=True):
    """The webhooks of a survey."""

    survey: Annotated[str, Meta(description="The survey's id.")]
    webhooks: Annotated[list[WebhookPayload], Meta(description="Oldest first.")]


class DeliveryPayload(msgspec.Struct, frozen=True):
    """What became of one event."""

    event: Annotated[int, Meta(description="The event's id.")]
    kind: Annotated[str, Meta(description="The event's kind.")]
    state: Annotated[
        Literal["delivered", "failing", "given-up"],
        Meta(description="delivered: accepted. failing: it is tried again. given-up: after 24 hours."),
    ]
    attempts: Annotated[int, Meta(description="How often it was sent.")]
    status: Annotated[int | None, Meta(description="HTTP status of the last answer; null if there was none.")]
    detail: Annotated[str | None, Meta(description="What went wrong at the last attempt; null if it was accepted.")]
    first_at: Annotated[datetime, Meta(description="The first attempt.")]
    last_at: Annotated[datetime, Meta(description="The last attempt.")]
    replay_url: Annotated[str, Meta(description="POST here sends it again.")]


class DeliveryList(msgspec.Struct, frozen=True):
    """What became of the last events of a webhook."""

    webhook: Annotated[str, Meta(description="The webhook's id.")]
    deliveries: Annotated[list[DeliveryPayload], Meta(description="Newest first.")]
    next_cursor: NextCursor


class TicketPayload(msgspec.Struct, frozen=True):
    """What opens one stream of events, once."""

    ticket: Annotated[str, Meta(description="Goes into the query of the stream: `?ticket=...`.")]
    expires_at: Annotated[datetime, Meta(description="Connect before this moment; the stream itself lasts on.")]
    url: Annotated[str, Meta(description="The stream, with the ticket; add `&last_event_id=...` to resume.")]


def webhook_payload(webhook: WebhookRecord) -> WebhookPayload:
    """A webhook as it is shown."""
    return WebhookPayload(
        id=webhook.id,
        url=webhook.url,
        types=list(webhook.types),  # type: ignore[arg-type]
        created_at=webhook.created_at,
        sent_through=webhook.sent_through,
        deliveries_url=f"/v1/surveys/{webhook.survey_id}/webhooks/{webhook.id}/deliveries",
    )


def delivery_payload(webhook: WebhookRecord, one: DeliveryRecord) -> DeliveryPayload:
    """What became of one of its events."""
    return DeliveryPayload(
        event=one.event_id,
        kind=one.kind,
        state=one.state,  # type: ignore[arg-type]
        attempts=one.attempts,
        status=one.status,
        detail=one.detail,
        first_at=one.first_at,
        last_at=one.last_at,
        replay_url=f"/v1/surveys/{webhook.survey_id}/webhooks/{webhook.id}/deliveries/{one.event_id}/replay",
    )
