"""How a release was made and judged: its disclosure statement, its diagnostics."""

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.auth import Principal
from api.page.asking import ask_release
from api.page.heads import head_of
from api.page.render import Shown, part, whole_page
from api.routes.releases import diagnostics_of, find_release
from api.services import Services
from api.statement import statement_of
from polling.disclosure import DisclosureRules

__all__ = ["diagnostics_page", "disclosure_page"]


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
    services: NamedDependency[Services],
) -> Response[Any]:
    """The disclosure statement, also of a release whose draws are gone."""
    rules = DisclosureRules(services.settings.min_people, services.settings.min_interviews)
    with services.store.read() as session:
        release = find_release(session, survey_id, release_id)
        statement = statement_of(session, release, secrets=services.secrets, rules=rules, now=services.now())
    main = part("disclosure.html", statement=statement, release=release)
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
    """The verdict on the fit of a release, and the numbers behind it."""
    with services.store.read() as session:
        release = find_release(session, survey_id, release_id)
        told = diagnostics_of(session, release)
    asking = ask_release(services, survey_id, release.question_id, release_id)
    head = head_of(asking, principal, "pageDiagnostics")
    main = part("diagnostics.html", head=head, told=told, release=release)
    return whole_page(request, Shown(f"Diagnostics: {head.text}", main))
