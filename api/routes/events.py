"""Follow what happens in a survey: a stream of Server-Sent Events, and tickets with which browsers open it."""

import re
from typing import Annotated, Any
from urllib.parse import urlencode

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, HeaderParameter, QueryParameter

from api.auth import Principal
from api.errors import BadEventId
from api.event_payloads import TicketPayload
from api.event_stream import MEDIA_TYPE, EventStream
from api.problems import documented
from api.services import Services
from api.tickets import make_ticket
from jobs.events import Viewer
from polling.store import surveys

__all__ = ["after_of", "events_routes"]

AFTER = (
    "The id of the last event that was seen. Left out: begin now. 0: every event that is kept. A browser sends it as "
    "the header Last-Event-ID when it connects again, which counts more."
)
TICKET = "In place of a key, where no header can be sent: from POST .../events/ticket, good for one connection."
EVENT_ID = re.compile("[0-9]{1,18}")

STREAM = """Server-Sent Events: `id`, `event` (wave, job, release, question, survey) and `data`, a JSON object with
`id`, `kind`, `survey`, `at`, `url` and the ids, names and states that it is about."""


@get(
    "/v1/surveys/{survey_id:str}/events",
    operation_id="followEvents",
    summary="Follow what happens in a survey",
    tags=["events"],
    media_type=MEDIA_TYPE,
    sync_to_thread=True,
    responses={
        200: ResponseSpec(str, generate_examples=False, media_type=MEDIA_TYPE, description=STREAM),
        **documented(400, 401, 403, 404, 410, 429),
    },
)
def follow_events(
    survey_id: FromPath[str],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    *,
    last_event_id: Annotated[str | None, QueryParameter(description=AFTER)] = None,
    ticket: Annotated[str | None, QueryParameter(description=TICKET)] = None,
    seen: Annotated[str | None, HeaderParameter(name="Last-Event-ID", description=AFTER)] = None,
) -> Response[Any]:
    """A stream without an end (`text/event-stream`): connect again with the last id, and nothing is missed.

    Readers are told of releases; pollsters of their own waves and of releases of what these ask; a dpo of waves and
    releases; analysts and admins of everything: waves, jobs, releases, questions that are held or stale, new versions.
    Events have ids, names and states: no counts, answers or reasons.

    Without a last id the first event is `ready`, with the id to come back with. Every 15 seconds without an event there
    is a comment. A client that is too slow is cut and comes back. 410: what came after the id is not kept any more.
    """
    del ticket  # the guard has used it up
    with services.store.read() as session:
        surveys.list_versions(session, survey_id)
    viewer = Viewer(survey_id, principal.role, principal.only_pollster)
    return EventStream(services.events, viewer, prefix=principal.prefix, after=after_of(seen or last_event_id))


@post(
    "/v1/surveys/{survey_id:str}/events/ticket",
    operation_id="createEventTicket",
    summary="Make a ticket for a browser",
    tags=["events"],
    status_code=201,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def create_event_ticket(
    survey_id: FromPath[str], principal: NamedDependency[Principal], services: NamedDependency[Services]
) -> TicketPayload:
    """It opens one stream of this survey's events, once, within 60 seconds, for what this key may see.

    A page asks its own server for a ticket, which holds the key, and opens `new EventSource(url)`. When the connection
    is lost, it needs a new ticket, and names the last id that it saw as `last_event_id`.
    """
    with services.store.read() as session:
        surveys.list_versions(session, survey_id)
    ticket, expires_at = make_ticket(services, prefix=principal.prefix, survey_id=survey_id, now=services.now())
    query = urlencode({"ticket": ticket})
    return TicketPayload(ticket, expires_at, f"/v1/surveys/{survey_id}/events?{query}")


def after_of(given: str | None) -> int | None:
    """The id of the last event that was seen; None if none was told.

    Raises
    ------
    BadEventId
        If it cannot be one.
    """
    if not given:
        return None
    if not EVENT_ID.fullmatch(given):
        raise BadEventId(given)
    return int(given)


events_routes = Router("/", route_handlers=[follow_events, create_event_ticket])
