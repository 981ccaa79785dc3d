"""The events that a page follows: the survey's, for the session, or for a visitor of a public survey.

The same stream as under /v1, but short: the browser connects again by itself, with the last id that it saw, and who
signed out meanwhile, or whose survey is not public any more, is refused then.
"""

from typing import Annotated, Any, Final

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, QueryParameter

from api.auth import Principal
from api.event_stream import MEDIA_TYPE, EventStream
from api.routes.events import after_of
from api.services import Services
from jobs.events import Viewer

__all__ = ["follow_page"]

LASTS_S: Final = 300.0


@get(
    "/surveys/{survey_id:str}/events",
    operation_id="pageEvents",
    include_in_schema=False,
    media_type=MEDIA_TYPE,
    sync_to_thread=True,
)
def follow_page(
    survey_id: FromPath[str],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    *,
    after: Annotated[str | None, QueryParameter(description="Id of the last event that the page saw.")] = None,
    seen: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
) -> Response[Any]:
    """What happens in the survey, as far as the role is told."""
    services.memory.find_survey(survey_id)
    viewer = Viewer(survey_id, principal.role, principal.only_pollster)
    return EventStream(services.events, viewer, prefix=principal.prefix, after=after_of(seen or after), lasts_s=LASTS_S)
