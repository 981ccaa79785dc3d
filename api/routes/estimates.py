"""Read estimates."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, cast

from litestar import MediaType, Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, QueryParameter
from msgspec.json import encode

from api.errors import EstimateRefused
from api.estimates import EstimateQuery, answer_query, entity_tag, prepare_query
from api.payloads import EstimatesPayload
from api.problems import documented
from api.served import find_served
from api.services import Services
from api.strict import require_zone

__all__ = ["estimates_routes"]


@get(
    "/v1/surveys/{survey_id:str}/questions/{question_id:str}/estimates",
    operation_id="getEstimates",
    summary="Estimates by area and group",
    tags=["estimates"],
    sync_to_thread=True,
    responses={
        304: ResponseSpec(None, description="What If-None-Match names is still the answer."),
        **documented(400, 401, 403, 404, 410, 422, 503),
    },
)
def get_estimates(
    *,
    survey_id: FromPath[str],
    question_id: FromPath[str],
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    level: Annotated[
        str | None,
        QueryParameter(description="nation, a parent level or district. Default: district if districts are named."),
    ] = None,
    districts: Annotated[str | None, QueryParameter(description="District codes, separated by commas.")] = None,
    by: Annotated[str | None, QueryParameter(description="Demographics, separated by commas.")] = None,
    interval: Annotated[
        float, QueryParameter(description="Probability of the central interval, above 0 and below 1.")
    ] = 0.9,
    option: Annotated[str | None, QueryParameter(description="Whose share. Default: the first option.")] = None,
    release: Annotated[str | None, QueryParameter(description="Id of a release. Default: the current one.")] = None,
    as_of: Annotated[
        datetime | None,
        QueryParameter(description="A moment: answer from the release that was current then, as it was known on it."),
    ] = None,
) -> Response[EstimatesPayload]:
    """The share of an option in every area and group, with central interval, from the draws of one release.

    The body depends on nothing but the release, its state and the query: it may be cached, and `ETag`
    says when it has changed. A question without a release answers 404 `no-release-yet` and says why.
    Groups that are too small for an answer are named in `withheld`. A breakdown with more groups than the
    service answers at a time is 422 `too-many-groups`; 503 `busy` means to try again in a few seconds.
    """
    if release is not None and as_of is not None:
        raise EstimateRefused("release and as_of both name a release. Give one of them.")
    query = EstimateQuery(
        level=level, districts=_split(districts), by=_split(by), interval=interval, option=option or None
    )
    if release is None and as_of is None:
        served = services.memory.find_served(survey_id, question_id)
    else:
        with services.store.read() as session:
            served = find_served(session, survey_id, question_id, release, at=require_zone(as_of, "as_of"))
    tag = entity_tag(served, query, services.settings)
    if _matches(request.headers.get("if-none-match"), tag):
        return Response(cast("EstimatesPayload", None), status_code=304, headers=_headers(tag))

    @contextmanager
    def turn() -> Iterator[Callable[[], bytes]]:
        prepared = prepare_query(services.releases, served, query, services.settings)
        slots = services.releases.large_slots if prepared.is_large else services.releases.slots
        with slots.take():
            yield lambda: encode(answer_query(prepared, services.settings))

    # Who names a release, a moment or the answer that he has already wants none but the newest.
    takes_any = release is None and as_of is None and request.headers.get("if-none-match") is None
    tag, body = services.answers.get(tag, turn, asked=(survey_id, question_id, query) if takes_any else None)
    # Encoded here, once; the annotation is what the OpenAPI document is made from.
    return Response(cast("EstimatesPayload", body), media_type=MediaType.JSON, headers=_headers(tag))


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else ()


def _matches(header: str | None, tag: str) -> bool:
    if not header:
        return False
    given = {part.strip().removeprefix("W/") for part in header.split(",")}
    return tag in given or "*" in given


estimates_routes = Router("/", route_handlers=[get_estimates])
