"""Boundaries of a survey's districts: what its maps are drawn with."""

from typing import Annotated, Any

from litestar import Request, Response, Router, delete, get, put
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, QueryParameter, RawBody

from api.auth import Principal
from api.boundary_payloads import BoundariesPayload
from api.labels import one_of
from api.problems import documented
from api.services import Services
from api.validators import matches
from jobs import boundary_acts
from polling.boundaries import MOST_BYTES, PROJECTIONS
from polling.store import boundaries
from polling.store.boundaries import BoundariesRecord

__all__ = ["GEO_JSON", "boundaries_routes"]

ONE = "/v1/surveys/{survey_id:str}/boundaries"
GEO_JSON = "application/geo+json"


@get(
    ONE,
    operation_id="getBoundaries",
    summary="Download a survey's boundaries",
    tags=["surveys"],
    media_type=GEO_JSON,
    sync_to_thread=True,
    responses={
        200: ResponseSpec(str, generate_examples=False, media_type=GEO_JSON, description="A FeatureCollection."),
        304: ResponseSpec(None, description="What If-None-Match names is still the answer."),
        **documented(400, 401, 403, 404),
    },
)
def get_boundaries(
    survey_id: FromPath[str], request: Request[Any, Any, Any], services: NamedDependency[Services]
) -> Response[bytes]:
    """The shapes of the districts as GeoJSON (RFC 7946), each with the properties `code` and `name`.

    404 if the survey has none: its maps are of tiles then.
    """
    services.memory.find_survey(survey_id)
    with services.store.read() as session:
        found = boundaries.get_boundaries(session, survey_id)
        headers = {"ETag": f'"{found.sha256}"', "Cache-Control": "private, no-cache", "Vary": "Authorization"}
        if matches(request.headers.get("if-none-match"), headers["ETag"]):
            return Response(b"", status_code=304, headers=headers)
        content = boundaries.get_content(session, found.sha256)
    return Response(content, media_type=GEO_JSON, headers=headers)


@put(
    ONE,
    operation_id="putBoundaries",
    summary="Give a survey boundaries",
    tags=["surveys"],
    status_code=200,
    geojson=True,
    too_large=f"Boundaries may have {MOST_BYTES:,} bytes at most; a map shows no more than a few hundred thousand. "
    "Simplify them, for example with `mapshaper FILE -simplify 10% keep-shapes -o out.json`.",
    request_max_body_size=MOST_BYTES,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 413, 415, 422),
)
def put_boundaries(
    *,
    survey_id: FromPath[str],
    body: RawBody,
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    code_property: Annotated[
        str | None,
        QueryParameter(
            description="Where features have the codes of districts: id, or the name of a property. Default: the one "
            "that has the most of them."
        ),
    ] = None,
    projection: Annotated[
        str | None,
        QueryParameter(
            description="How they are drawn: mercator, albersUsa, or identity for coordinates that are projected "
            "already. Default: by where the districts are."
        ),
    ] = None,
) -> BoundariesPayload:
    """Store shapes of the districts, GeoJSON or TopoJSON, from which maps are drawn from now on.

    The answer names districts that have no shape, and codes that are no district: both are accepted. 422 with every
    fault if a shape cannot be used, and then nothing was stored.
    """
    if projection is not None:
        one_of("projection", projection, PROJECTIONS)
    stored, is_new = boundary_acts.store_boundaries(
        services.store,
        services.secrets,
        survey_id=survey_id,
        content=body,
        code_property=code_property,
        projection=projection,
        now=services.now(),
        actor=principal.actor,
    )
    return _payload(survey_id, stored, is_new=is_new)


@delete(
    ONE,
    operation_id="deleteBoundaries",
    summary="Take a survey's boundaries away",
    tags=["surveys"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def delete_boundaries(
    survey_id: FromPath[str], principal: NamedDependency[Principal], services: NamedDependency[Services]
) -> None:
    """Its maps are of tiles again."""
    services.memory.find_survey(survey_id)
    boundary_acts.remove(
        services.store, services.secrets, survey_id=survey_id, now=services.now(), actor=principal.actor
    )


def _payload(survey_id: str, stored: BoundariesRecord, *, is_new: bool) -> BoundariesPayload:
    return BoundariesPayload(
        survey=survey_id,
        version=stored.version,
        sha256=stored.sha256,
        at=stored.at,
        created=is_new,
        code_property=stored.code_property,
        projection=stored.projection,
        n_districts=stored.n_districts,
        without_shape=list(stored.without_shape),
        left_out=list(stored.left_out),
    )


boundaries_routes = Router("/", route_handlers=[get_boundaries, put_boundaries, delete_boundaries])
