"""Is the process alive, and can it answer?"""

from importlib.metadata import version

from litestar import Router, get
from litestar.di import NamedDependency

from api.keys import key_pepper
from api.payloads import HealthPayload, ReadyPayload
from api.problems import documented
from api.services import Services
from polling.store.schema import require_current

__all__ = ["health_routes"]


@get(
    "/health",
    operation_id="health",
    summary="Is the process alive?",
    tags=["service"],
    sync_to_thread=False,
    responses=documented(400),
)
def health() -> HealthPayload:
    """Answers as long as the process runs; looks at nothing else."""
    return HealthPayload(status="ok", version=version("hustings"))


@get(
    "/ready",
    operation_id="ready",
    summary="Can the service answer?",
    tags=["service"],
    sync_to_thread=True,
    responses=documented(400, 503),
)
def ready(services: NamedDependency[Services]) -> ReadyPayload:
    """Whether the database can be reached and has the schema that this version needs, and secrets can be read."""
    require_current(services.store)
    key_pepper(services.store, services.secrets)
    return ReadyPayload(status="ready", database=services.store.dialect)


health_routes = Router("/", route_handlers=[health, ready])
