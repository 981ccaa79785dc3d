"""Who may call which route.

A key arrives as ``Authorization: Bearer hust_<prefix>_<secret>``. Its prefix
finds the stored record, a keyed hash of the whole text is compared in constant
time, then expiry, how often it asks, survey and role are checked, in this order: 401,
429, 404, 403. A survey outside the key's scope is answered exactly like one
that does not exist. A stream of events is also opened by a ticket, made with a key
(``api.tickets``). Pages of the web are opened by a session, and by nothing if their survey is
public (``api.page_access``); a session opens no other route. ``ROLES``, with ``PAGES``, is the
whole policy; an application with a route that is neither there nor in ``PUBLIC`` does not start.
"""

from collections.abc import Iterable, Mapping

from litestar.concurrency import sync_to_thread
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import BaseRouteHandler

from api.callers import Connection, Principal, authenticate, principal_of, redeem
from api.errors import KeyMissing, KeyNotAccepted, RoleRefused
from api.page_access import admit_to_page
from api.services import Services
from polling.errors import SurveyNotFound

__all__ = ["PAGES", "PUBLIC", "ROLES", "Principal", "authenticate", "check_policy", "is_permitted", "principal_of"]

EVERYONE = frozenset({"pollster", "reader", "analyst", "dpo", "admin"})

ROLES: dict[str, frozenset[str]] = {
    "listSurveys": EVERYONE,
    "getSurvey": EVERYONE,
    "listDistricts": EVERYONE,
    # Where districts are is public; what the map shows is decided by those who publish.
    "getBoundaries": EVERYONE,
    "putBoundaries": frozenset({"analyst", "admin"}),
    "deleteBoundaries": frozenset({"analyst", "admin"}),
    # They decide what is served of everybody's waves; what was decided is looked at by whoever judges fits.
    "addPredictors": frozenset({"admin"}),
    "listPredictors": frozenset({"analyst", "admin"}),
    "getPredictors": frozenset({"analyst", "admin"}),
    # The state of a question names waves of every pollster, so pollsters do not see it.
    "listQuestions": EVERYONE - {"pollster"},
    "getQuestion": EVERYONE - {"pollster"},
    "receiveWave": frozenset({"pollster", "admin"}),
    # A pollster sees its own waves, and jobs of questions that it asked.
    "listWaves": frozenset({"pollster", "analyst", "dpo", "admin"}),
    "getWave": frozenset({"pollster", "analyst", "dpo", "admin"}),
    "getWaveHistory": frozenset({"pollster", "analyst", "dpo", "admin"}),
    "withdrawWave": frozenset({"pollster", "admin"}),
    "restoreWave": frozenset({"pollster", "admin"}),
    "openWave": frozenset({"pollster", "admin"}),
    "receiveBatch": frozenset({"pollster", "admin"}),
    "closeWave": frozenset({"pollster", "admin"}),
    "undoWaves": frozenset({"pollster", "admin"}),
    # Rows set aside are respondents' answers: for their own pollster, and whoever answers to respondents.
    "getQuarantine": frozenset({"pollster", "analyst", "dpo", "admin"}),
    "downloadQuarantine": frozenset({"pollster", "dpo", "admin"}),
    "releaseQuarantine": frozenset({"pollster", "admin"}),
    # What was held is looked at by somebody else than its pollster.
    "letWaveThrough": frozenset({"analyst", "admin"}),
    # What is stored of a person, and its end: for whoever answers to that person.
    "eraseRespondent": frozenset({"dpo", "admin"}),
    "listErasures": frozenset({"dpo", "admin"}),
    "getErasure": frozenset({"dpo", "admin"}),
    "readRespondent": frozenset({"dpo", "admin"}),
    # A pollster sees the sources of its own files.
    "listSources": frozenset({"pollster", "analyst", "dpo", "admin"}),
    "listJobs": frozenset({"pollster", "analyst", "admin"}),
    "getJob": frozenset({"pollster", "analyst", "admin"}),
    # A refit rests on every pollster's waves, so none of them ends it alone.
    "cancelJob": frozenset({"analyst", "admin"}),
    # Whom each event is for is declared in `jobs.events`.
    "followEvents": EVERYONE,
    "createEventTicket": EVERYONE,
    # Whoever creates one decides who else is told, of everything.
    "createWebhook": frozenset({"admin"}),
    "listWebhooks": frozenset({"admin"}),
    "deleteWebhook": frozenset({"admin"}),
    "listDeliveries": frozenset({"admin"}),
    "replayDelivery": frozenset({"admin"}),
    "getEstimates": frozenset({"reader", "analyst", "admin"}),
    "getMeans": frozenset({"reader", "analyst", "admin"}),
    # What is asked of the same draws, by the same.
    "getProbability": frozenset({"reader", "analyst", "admin"}),
    "getRank": frozenset({"reader", "analyst", "admin"}),
    "getContrast": frozenset({"reader", "analyst", "admin"}),
    "getDistrictProfile": frozenset({"reader", "analyst", "admin"}),
    "getSeats": frozenset({"reader", "analyst", "admin"}),
    "getBattleground": frozenset({"reader", "analyst", "admin"}),
    "getRevision": frozenset({"reader", "analyst", "admin"}),
    "getChange": frozenset({"reader", "analyst", "admin"}),
    "askQueries": frozenset({"reader", "analyst", "admin"}),
    # How close what they read came to what happened.
    "getTrackRecord": frozenset({"reader", "analyst", "admin"}),
    "listKnownResults": frozenset({"reader", "analyst", "admin"}),
    "addKnownResult": frozenset({"analyst", "admin"}),
    "withdrawKnownResult": frozenset({"analyst", "admin"}),
    "getTrend": frozenset({"reader", "analyst", "admin"}),
    "getMethods": frozenset({"reader", "analyst", "admin"}),
    # How interviews are planned is for whoever judges fits.
    "getWhomToAsk": frozenset({"analyst", "admin"}),
    "getRepresentation": frozenset({"reader", "analyst", "admin"}),
    "listReleases": EVERYONE - {"pollster"},
    "getRelease": EVERYONE - {"pollster"},
    # It names waves of every pollster, like what is said of a question.
    "getDisclosure": EVERYONE - {"pollster"},
    "getDiagnostics": frozenset({"analyst", "admin"}),
    # What in it matters to readers is said with the release.
    "getChecks": frozenset({"analyst", "admin"}),
    "getDraws": frozenset({"analyst", "admin"}),
    "getDataTree": frozenset({"analyst", "admin"}),
    # How a fit went, in pictures: it tells of the model, not of people.
    "listFigures": frozenset({"reader", "analyst", "admin"}),
    "getFigure": frozenset({"reader", "analyst", "admin"}),
    # What is served is decided by whoever can tell a good fit from a bad one.
    "holdQuestion": frozenset({"analyst", "admin"}),
    "endHold": frozenset({"analyst", "admin"}),
    "rollBack": frozenset({"analyst", "admin"}),
    "confirmRelease": frozenset({"analyst", "admin"}),
    "pinRelease": frozenset({"analyst", "admin"}),
    "unpinRelease": frozenset({"analyst", "admin"}),
    # A survey's admin decides who else may call; what a key of every survey may, only the command line decides.
    "listKeys": frozenset({"admin"}),
    "createKey": frozenset({"admin"}),
    "rotateKey": frozenset({"admin"}),
    "revokeKey": frozenset({"admin"}),
    # A key that lies in a scraper's configuration opens nothing else.
    "getMetrics": frozenset({"monitor", "admin"}),
}
"""Operation id of a route -> roles that may call it."""

PAGES: Mapping[str, str] = {
    "pageHome": "listSurveys",
    "pageSurvey": "listQuestions",
    "pageQuestion": "getEstimates",
    "pageCrosstab": "getEstimates",
    "pageDistricts": "getEstimates",
    "pageDistrict": "getDistrictProfile",
    "pageTrend": "getTrend",
    "pageSeats": "getSeats",
    "pageRevision": "getRevision",
    "pageReleases": "listReleases",
    "pageDisclosure": "getDisclosure",
    "pageDiagnostics": "getDiagnostics",
    "pageFigure": "getFigure",
    "pageChecks": "getChecks",
    "pageRepresentation": "getRepresentation",
    "pageMethods": "getMethods",
    "pageTrackRecord": "getTrackRecord",
    "pageWhomToAsk": "getWhomToAsk",
    "pageEvents": "followEvents",
}
"""Operation id of a page of the web -> the route whose answer it shows, and whose roles may open it."""

PUBLIC = frozenset(
    {"health", "ready", "openapi", "docs", "docsFile", "signInPage", "signIn", "signOut", "pageFile"},
)
"""Operations that need no key and tell nothing about any survey."""

TAKES_TICKET = frozenset({"followEvents"})
"""Operations that a browser calls without being able to send a header."""


async def is_permitted(connection: Connection, handler: BaseRouteHandler) -> None:
    """Guard of every route: authenticate, then check survey and role."""
    operation = operation_id(handler)
    # The framework's own answer to OPTIONS lists methods and nothing else.
    if operation in PUBLIC or connection.scope.get("method") == "OPTIONS":
        return
    services: Services = connection.app.state.services
    if operation in PAGES:
        connection.scope["user"] = await admit_to_page(connection, services, ROLES[PAGES[operation]])
        return
    header = connection.headers.get("authorization")
    survey_id = connection.path_params.get("survey_id")
    ticket = connection.query_params.get("ticket") if operation in TAKES_TICKET and header is None else None
    now = services.now()
    try:
        if ticket is not None and survey_id is not None:
            principal = await sync_to_thread(redeem, services, ticket, survey_id=survey_id, now=now)
        else:
            principal = await sync_to_thread(authenticate, services, header, now=now)
    except (KeyMissing, KeyNotAccepted):
        client = connection.scope.get("client")
        services.strangers.take(client[0] if client else "")
        raise
    # The edge tells what is left.
    connection.scope["rate_limit"] = services.limits.take(principal.key_id)  # type: ignore[typeddict-unknown-key]
    services.uses.note(principal.key_id, now)
    if survey_id is not None and not principal.may_see(survey_id):
        raise SurveyNotFound(survey_id)
    if principal.role not in ROLES[operation]:
        raise RoleRefused(principal.role, ROLES[operation])
    connection.scope["user"] = principal


def operation_id(handler: BaseRouteHandler) -> str:
    """The operation id of a handler; empty if it has none."""
    return str(getattr(handler, "operation_id", None) or "")


def check_policy(handlers: Iterable[BaseRouteHandler]) -> None:
    """Refuse to start with a route that nobody decided about.

    Raises
    ------
    ImproperlyConfiguredException
        If a handler's operation id is neither in ``ROLES`` nor in ``PUBLIC``,
        or a guard is missing.
    """
    for handler in handlers:
        operation = operation_id(handler)
        if operation not in ROLES and operation not in PUBLIC and operation not in PAGES:
            raise ImproperlyConfiguredException(
                f"route {sorted(handler.paths)} ({operation!r}) has no roles in api.auth"
            )
        if is_permitted not in handler.resolve_guards():
            raise ImproperlyConfiguredException(f"{sorted(handler.paths)} ({operation!r}) is not guarded")
