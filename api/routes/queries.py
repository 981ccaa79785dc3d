"""Ask many queries in one request."""

from typing import Any, cast

from litestar import MediaType, Request, Response, Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from api.auth import Principal
from api.many_queries import answer_queries
from api.problems import documented
from api.query_payloads import QueriesBody, QueriesPayload
from api.services import Services

__all__ = ["queries_routes"]


@post(
    "/v1/surveys/{survey_id:str}/queries",
    operation_id="askQueries",
    summary="Many queries at once",
    tags=["estimates"],
    status_code=200,
    json=True,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 415),
)
def ask_queries(
    *,
    request: Request[Any, Any, Any],
    survey_id: FromPath[str],
    data: JSONBody[QueriesBody],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> Response[QueriesPayload]:
    """Answers in the order of the queries, each with the status and the body that its GET would have.

    All queries of a question are answered from one release in one state, unless they name others. Each counts as a
    request. A query that is refused does not stop the others.
    """
    # The first was counted when the key was looked at.
    n = len(data.queries)
    if n > 1 and (left := services.limits.take_others(principal.key_id, n)):
        request.scope["rate_limit"] = left  # type: ignore[typeddict-unknown-key]
    body = answer_queries(services, survey_id, data.queries, path=request.scope["path"])
    return Response(
        cast("QueriesPayload", body),
        media_type=MediaType.JSON,
        headers={"Cache-Control": "private, no-store", "Vary": "Authorization"},
    )


queries_routes = Router("/", route_handlers=[ask_queries])
