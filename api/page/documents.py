"""How a release was made and judged: its disclosure statement, its diagnostics in words, numbers and figures."""

import asyncio
from typing import Any, Final
from weakref import WeakKeyDictionary

from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.auth import Principal
from api.page.asking import ask_release
from api.page.heads import Head, head_of
from api.page.render import Shown, part, whole_page
from api.routes.pictures import answer_figure, list_figures
from api.routes.releases import diagnostics_of, find_release
from api.services import Services
from api.statement import statement_of
from polling.disclosure import DisclosureRules

__all__ = ["diagnostics_page", "disclosure_page", "figure_file"]


@get(
    "/surveys/{survey_id:str}/releases/{release_id:str}/disclosure",
    operation_id="pageDisclosure",
    include_in_schema=False,
    sync_to_thread=True,
)
def disclosure_page(
    survey_id: FromPath[str],
    release_id: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> Response[Any]:
    """The disclosure statement, also of a release whose draws are gone."""
    rules = DisclosureRules(services.settings.min_people, services.settings.min_interviews)
    with services.store.read() as session:
        release = find_release(session, survey_id, release_id)
        statement = statement_of(session, release, secrets=services.secrets, rules=rules, now=services.now())
    head: Head | None = None
    if release.has_draws:
        asking = ask_release(services, survey_id, release.question_id, release_id)
        head = head_of(asking, principal, "pageDisclosure")
    main = part("disclosure.html", statement=statement, release=release, head=head)
    return whole_page(request, Shown(statement.title, main))


@get(
    "/surveys/{survey_id:str}/releases/{release_id:str}/diagnostics",
    operation_id="pageDiagnostics",
    include_in_schema=False,
    sync_to_thread=True,
)
def diagnostics_page(
    survey_id: FromPath[str],
    release_id: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> Response[Any]:
    """The verdict on the fit of a release, and what it rests on."""
    with services.store.read() as session:
        release = find_release(session, survey_id, release_id)
        told = diagnostics_of(session, release)
    figures = list_figures.fn(survey_id=survey_id, release_id=release_id, services=services)
    asking = ask_release(services, survey_id, release.question_id, release_id)
    head = head_of(asking, principal, "pageDiagnostics")
    main = part("diagnostics.html", head=head, told=told, release=release, figures=figures)
    return whole_page(request, Shown(f"Diagnostics: {head.text}", main))


@get(
    "/surveys/{survey_id:str}/releases/{release_id:str}/figures/{name:str}",
    operation_id="pageFigure",
    include_in_schema=False,
)
async def figure_file(
    survey_id: FromPath[str],
    release_id: FromPath[str],
    name: FromPath[str],
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
) -> Response[Any]:
    """A figure of the fit, as the page of diagnostics shows it."""
    # A page asks for all of them at once, and the first one draws all: who waits for that holds no thread.
    async with _TURNS.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        found = await sync_to_thread(answer_figure, request, services, survey_id, release_id, name)
    found.headers["Vary"] = "Cookie"
    return found


_TURNS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()
