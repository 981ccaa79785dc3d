"""How the service is doing, for Prometheus."""

from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from prometheus_client import CollectorRegistry, generate_latest

from api.auth import Principal
from api.house_metrics import HouseMetrics
from api.problems import documented
from api.services import Services

__all__ = ["metrics_route"]

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@get(
    "/metrics",
    operation_id="getMetrics",
    summary="Read metrics in Prometheus form",
    tags=["service"],
    media_type="text/plain",
    sync_to_thread=True,
    responses={
        200: ResponseSpec(str, generate_examples=False, media_type="text/plain", description="The text exposition."),
        **documented(400, 401, 403),
    },
)
def get_metrics(principal: NamedDependency[Principal], services: NamedDependency[Services]) -> Response[str]:
    """Requests of this process, and jobs, waves, fits and releases of the database. No respondents, no pollsters.

    Needs a key of role monitor. Answers when the database is away too, to keys that it knew before: then
    `hustings_database_up` is 0 and there are figures of requests alone.
    """
    registry = CollectorRegistry()
    registry.register(services.metrics)
    registry.register(HouseMetrics(services.store, services.fits, sees=principal.may_see, now=services.now()))
    return Response(generate_latest(registry).decode(), headers={"Content-Type": MEDIA_TYPE})


metrics_route = Router("/", route_handlers=[get_metrics])
