"""Follow what happens in a survey: a stream of Server-Sent Events."""

import re
from typing import Annotated, Any

from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, HeaderParameter, QueryParameter

from api.auth import Principal
from api.errors import BadEventId
from api.event_stream import MEDIA_TYPE, EventStream
from api.problems import documented
from api.services import Services
from jobs.events import Viewer
from polling.store import surveys

__all__ = ["events_routes"]

AFTER = (
    "The id of the last event that was seen. Left out: begin now. 0: every event that is kept. A browser sends it as "
    "the header Last-Event-ID when it connects again, which counts more."
)
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
    last_event_id: Annotated[str | None, QueryParameter(description=AFTER)] = None,
    seen: Annotated[str | None, HeaderParameter(name="Last-Event-ID", description=AFTER)] = None,
) -> Response[Any]:
    """A stream without an end (`text/event-stream`): connect again with the last id, and nothing is missed.

    Readers are told of releases; pollsters of their own waves and of releases of what these ask; a dpo of waves and
    releases; analysts and admins of everything: waves, jobs, releases, questions that are held or stale, new versions.
    Events have ids, names and states: no counts, answers or reasons.

    Without a last id the first event is `ready`, with the id to come back with. Every 15 seconds without an event there
    is a comment. A client that is too slow is cut and comes back. 410: what came after the id is not kept any more.
    """
    with services.store.read() as session:
        surveys.list_versions(session, survey_id)
    viewer = Viewer(survey_id, principal.role, principal.only_pollster)
    return EventStream(services.events, viewer, prefix=principal.prefix, after=_after(seen or last_event_id))


def _after(given: str | None) -> int | None:
    if not given:
        return None
    if not EVENT_ID.fullmatch(given):
        raise BadEventId(given)
    return int(given)


events_routes = Router("/", route_handlers=[follow_events])
