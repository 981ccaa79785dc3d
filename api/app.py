"""The web application: routes, guards, dependencies, problems, description.

``create_app`` makes one ready to be served, with the edge around it
(``api.edge``). Handlers are plain functions run in threads; nothing here
samples or loads PyMC, numba or pandas.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from importlib.metadata import version
from typing import Any

from litestar import Litestar, Request, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.handlers import BaseRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ControllerRouterHandler

from api.auth import Principal, check_policy, is_permitted, principal_of
from api.compression import Compression
from api.cross_origin import CrossOrigin
from api.docs import docs_routes
from api.edge import Edge
from api.page import page_routes
from api.page.errors import exception_handlers
from api.page.ready import get_ready
from api.proxies import TrustedProxies
from api.release_cache import ReleaseCache
from api.replies import Replies
from api.routes.boundaries import boundaries_routes
from api.routes.checks import checks_routes
from api.routes.comparisons import comparisons_routes
from api.routes.disclosure import disclosure_route
from api.routes.districts import districts_routes
from api.routes.draws import draws_route
from api.routes.estimates import estimates_routes
from api.routes.events import events_routes
from api.routes.health import health_routes
from api.routes.jobs import jobs_routes
from api.routes.keys import keys_routes
from api.routes.known_results import known_results_routes
from api.routes.methods import methods_routes
from api.routes.metrics import metrics_route
from api.routes.open_waves import open_waves_routes
from api.routes.pictures import pictures_routes
from api.routes.pins import pins_routes
from api.routes.predictors import predictors_routes
from api.routes.privacy import privacy_routes
from api.routes.quarantine import quarantine_routes
from api.routes.queries import queries_routes
from api.routes.release_acts import release_acts_routes
from api.routes.releases import releases_routes
from api.routes.representation import representation_routes
from api.routes.sources import sources_route
from api.routes.surveys import surveys_routes
from api.routes.track_record import track_record_route
from api.routes.trends import trends_routes
from api.routes.wave_life import wave_life_routes
from api.routes.waves import waves_routes
from api.routes.webhooks import webhooks_routes
from api.routes.whom_to_ask import whom_to_ask_route
from api.services import Services, utc_now
from api.strict import is_strict
from jobs.settings import Settings
from polling.secrets import SecretsFile
from polling.store.engine import open_store

__all__ = ["build", "create_app", "handlers_of", "with_edge"]

DESCRIPTION = """Push waves of interviews, read estimates by district and group with their uncertainty.

Every route below needs an API key as `Authorization: Bearer hust_...`, except `/health` and `/ready`. Never put a key
into a URL: a browser follows events with a ticket.
A survey outside the key's scope is answered like one that does not exist. Refusals are RFC 9457 problems
(`application/problem+json`) whose `type` is a stable slug; a fault of the service itself is a 500 of the same form.
With every answer to a key come `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (seconds); who asks more
often is answered 429 with `Retry-After`.
Every answer has an `X-Request-Id`, by which the log of the service tells of it: yours, if you send one of up to 64
letters, digits, `.`, `_` or `-`.
"""


class _Unserved(Router):
    """Takes the framework's own documentation routes and serves none: ``api.docs`` has ours."""

    def register(self, value: ControllerRouterHandler) -> list[Any]:
        del value
        return []


def create_app(settings: Settings, *, now: Callable[[], datetime] = utc_now) -> Edge:
    """Open the store and secrets that the settings name and build the application.

    The database must have the current schema before requests are answered;
    ``/ready`` says whether it has.
    """
    store = open_store(settings.store_url, statement_timeout_s=settings.statement_timeout_s)
    secrets = SecretsFile(settings.secrets_file)
    releases = ReleaseCache(store, secrets, settings)
    services = Services(store, secrets, settings, releases, now)
    return with_edge(build(services), services)


def with_edge(app: Litestar, services: Services) -> Edge:
    """The application with its edge, as it is served."""
    compressed = Compression(app)
    return Edge(
        CrossOrigin(compressed, services.settings.cors_origins) if services.settings.cors_origins else compressed,
        metrics=services.metrics,
        proxies=TrustedProxies(services.settings.trusted_proxies),
        replies=Replies(services),
        on_stopping=services.events.end,
    )


def build(services: Services) -> Litestar:
    """The application without its edge."""

    async def provide_services() -> Services:
        return services

    async def provide_principal(request: Request[Any, Any, Any]) -> Principal:
        return principal_of(request)

    app = Litestar(
        route_handlers=[
            surveys_routes,
            boundaries_routes,
            predictors_routes,
            estimates_routes,
            events_routes,
            webhooks_routes,
            comparisons_routes,
            districts_routes,
            trends_routes,
            track_record_route,
            known_results_routes,
            methods_routes,
            whom_to_ask_route,
            representation_routes,
            queries_routes,
            releases_routes,
            checks_routes,
            disclosure_route,
            draws_route,
            pictures_routes,
            release_acts_routes,
            pins_routes,
            waves_routes(services.settings),
            open_waves_routes(services.settings),
            wave_life_routes,
            sources_route,
            quarantine_routes,
            privacy_routes,
            jobs_routes,
            keys_routes,
            health_routes,
            metrics_route,
            docs_routes,
            page_routes,
        ],
        guards=[is_permitted, is_strict],
        dependencies={"services": Provide(provide_services), "principal": Provide(provide_principal)},
        exception_handlers=exception_handlers,
        state=State({"services": services}),
        on_startup=[services.memory.start, partial(get_ready, services)],
        on_shutdown=[services.events.stop, services.memory.stop, services.store.close],
        request_max_body_size=1_000_000,
        multipart_form_part_limit=16,
        # Unexpected errors are logged by `api.problems`, without their messages.
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title="hustings",
            version=version("hustings"),
            description=DESCRIPTION,
            components=Components(security_schemes={"key": SecurityScheme(type="http", scheme="bearer")}),
            openapi_router=_Unserved("/schema", route_handlers=[], include_in_schema=False),
            render_plugins=[],
            use_handler_docstrings=True,
        ),
        debug=False,
    )
    check_policy(handlers_of(app))
    return app


def handlers_of(app: Litestar) -> list[BaseRouteHandler]:
    """Every handler that answers for itself; the framework's answers to OPTIONS are not among them."""
    return [
        handler
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if "OPTIONS" not in getattr(handler, "http_methods", ())
    ]
