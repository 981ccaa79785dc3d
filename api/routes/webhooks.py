"""Webhooks of a survey: addresses that events are sent to, and what became of each event there."""

import msgspec
from litestar import Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from api.auth import Principal
from api.event_payloads import (
    DeliveryList,
    NewWebhookPayload,
    WebhookBody,
    WebhookList,
    delivery_payload,
    webhook_payload,
)
from api.list_pages import LISTED, ListPage
from api.payloads import JobLink
from api.problems import documented
from api.routes.jobs import job_link
from api.services import Services
from api.strict import refuse_nul
from jobs import webhook_acts
from polling.store import surveys, webhooks

__all__ = ["webhooks_routes"]

ALL = "/v1/surveys/{survey_id:str}/webhooks"
ONE = ALL + "/{webhook_id:str}"


@post(
    ALL,
    operation_id="createWebhook",
    summary="Create a webhook",
    tags=["events"],
    status_code=201,
    json=True,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 415, 422),
)
def create_webhook(
    survey_id: FromPath[str],
    data: JSONBody[WebhookBody],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> NewWebhookPayload:
    """Events of the survey that happen from now on are sent to an https address, one after the other.

    Each is a POST of the event as JSON, signed by the rules of Standard Webhooks: `webhook-signature` is
    `v1,base64(HMAC-SHA256(secret, "{webhook-id}.{webhook-timestamp}.{body}"))`. Any 2xx within 10 seconds accepts it;
    else it is sent again, after 5 seconds and then later and later, and nothing overtakes it; after 24 hours it is
    given up. An event may come twice: `webhook-id` is the same then. Redirects are not followed.
    """
    webhook, secret = webhook_acts.create(
        services.store,
        services.secrets,
        services.settings,
        survey_id=survey_id,
        url=refuse_nul(data.url, "url"),
        types=sorted(set(data.types)),
        now=services.now(),
        actor=principal.actor,
    )
    return NewWebhookPayload(**msgspec.structs.asdict(webhook_payload(webhook)), secret=secret)


@get(
    ALL,
    operation_id="listWebhooks",
    summary="Webhooks of a survey",
    tags=["events"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def list_webhooks(survey_id: FromPath[str], services: NamedDependency[Services]) -> WebhookList:
    """Where events are sent to, and how far each address has come."""
    with services.store.read() as session:
        surveys.list_versions(session, survey_id)
        found = webhooks.list_webhooks(session, survey_id)
    return WebhookList(survey_id, [webhook_payload(one) for one in found])


@delete(
    ONE,
    operation_id="deleteWebhook",
    summary="Delete a webhook",
    tags=["events"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def delete_webhook(
    survey_id: FromPath[str],
    webhook_id: FromPath[str],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> None:
    """Nothing more is sent there; its secret and its log are forgotten."""
    webhook_acts.delete(
        services.store,
        services.secrets,
        survey_id=survey_id,
        webhook_id=webhook_id,
        now=services.now(),
        actor=principal.actor,
    )


@get(
    ONE + "/deliveries",
    operation_id="listDeliveries",
    summary="What became of a webhook's events",
    tags=["events"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 422),
    dependencies=LISTED,
)
def list_deliveries(
    survey_id: FromPath[str],
    webhook_id: FromPath[str],
    page: NamedDependency[ListPage],
    services: NamedDependency[Services],
) -> DeliveryList:
    """Events that were sent, or are tried, newest first."""
    basis = ("deliveries", survey_id, webhook_id)
    after = page.after(*basis)
    with services.store.read() as session:
        surveys.list_versions(session, survey_id)
        webhook = webhooks.get_webhook(session, survey_id, webhook_id)
        found, last = page.cut(
            webhooks.list_deliveries(session, webhook_id, before=after.start if after else None, limit=page.limit + 1)
        )
    next_cursor = page.next_cursor("", last.event_id, *basis) if last else None
    return DeliveryList(webhook_id, [delivery_payload(webhook, one) for one in found], next_cursor)


@post(
    ONE + "/deliveries/{event_id:int}/replay",
    operation_id="replayDelivery",
    summary="Send an event again",
    tags=["events"],
    status_code=202,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def replay_delivery(
    survey_id: FromPath[str],
    webhook_id: FromPath[str],
    event_id: FromPath[int],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> JobLink:
    """It is sent as it was, with the same `webhook-id`, whatever comes before and after it."""
    job = webhook_acts.send_again(
        services.store,
        services.secrets,
        survey_id=survey_id,
        webhook_id=webhook_id,
        event_id=event_id,
        now=services.now(),
        actor=principal.actor,
    )
    return job_link(job)


webhooks_routes = Router(
    "/", route_handlers=[create_webhook, list_webhooks, delete_webhook, list_deliveries, replay_delivery]
)
