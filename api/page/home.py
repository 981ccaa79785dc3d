"""The first pages: every survey that one may see with its questions, and one survey."""

from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.answer_payloads import AreaEstimate, AreaMean
from api.auth import PAGES, ROLES, Principal
from api.charts import warm
from api.errors import EstimateRefused, NoReleaseYet
from api.misreport import of_reports
from api.page.asking import Asking, ask_release
from api.page.render import Shown, part, whole_page
from api.page.signing import sign_in_page
from api.page_access import VISITOR, signed_in
from api.services import Services
from polling.declaration import Question, SurveyDeclaration
from polling.errors import DrawsNotFound

__all__ = ["home_page", "survey_page"]


@dataclass(frozen=True, slots=True)
class Headline:
    """A question, and what is thought."""

    question: Question
    asking: Asking | None
    """The release that answers; None if there is none."""
    estimate: AreaEstimate | AreaMean | None
    """Of the first of two options, of the leading one of several; the mean of numbers."""
    of: str
    """Whose it is, as it is told."""
    why_none: str
    """Why there is no estimate; empty if there is one."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A survey, and its questions as far as they may be seen."""

    declaration: SurveyDeclaration
    headlines: list[Headline] | None
    """None: the key's role does not read estimates."""
    is_public: bool


@get("/", operation_id="pageHome", include_in_schema=False, sync_to_thread=True)
def home_page(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], services: NamedDependency[Services]
) -> Response[Any]:
    """Every survey that one may see; the form to sign in if there is none for a visitor."""
    warm()  # who looks at this looks at charts next
    signed = signed_in(request)
    declarations = services.memory.find_declarations().values()
    mine = [one for one in declarations if one.public or (signed is not None and principal.may_see(one.id))]
    if signed is None and not mine:
        return sign_in_page(request, following="/")
    listed = [_listed(services, one, None if signed is None else signed.principal) for one in mine]
    return whole_page(request, Shown("Surveys", part("home.html", surveys=listed, signed=signed)))


@get("/surveys/{survey_id:str}", operation_id="pageSurvey", include_in_schema=False, sync_to_thread=True)
def survey_page(
    survey_id: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> Response[Any]:
    """One survey: whom it asks what, and what is thought."""
    survey = services.memory.find_survey(survey_id)
    listed = _listed(services, survey.bundle.declaration, principal)
    main = part("survey.html", survey=listed, bundle=survey.bundle)
    return whole_page(request, Shown(listed.declaration.title, main, survey_id=survey_id, announcement="Updated."))


def _listed(services: Services, declaration: SurveyDeclaration, principal: Principal | None) -> Listed:
    is_mine = principal is not None and principal.may_see(declaration.id)
    role = principal.role if principal is not None and is_mine else VISITOR
    if declaration.public and role not in ROLES[PAGES["pageQuestion"]]:
        role = VISITOR
    may_read = role in ROLES[PAGES["pageQuestion"]]
    headlines = [_headline(services, declaration, one) for one in declaration.questions] if may_read else None
    return Listed(declaration, headlines, declaration.public)


def _headline(services: Services, declaration: SurveyDeclaration, question: Question) -> Headline:
    try:
        asking = ask_release(services, declaration.id, question.id, None)
    except NoReleaseYet:
        return Headline(question, None, None, "", "No result yet.")
    try:
        found, of = _first(asking)
    except DrawsNotFound:
        return Headline(question, asking, None, "", "Its draws are not kept any more.")
    except (NoReleaseYet, EstimateRefused) as nobody:  # it is about people of whom nothing tells who they are
        return Headline(question, asking, None, "", str(nobody))
    return Headline(question, asking, found, of, "" if found else "Too few people to tell.")


def _first(asking: Asking) -> tuple[AreaEstimate | AreaMean | None, str]:
    """The estimate that is told first, and whose it is."""
    question = asking.loaded.question
    if question.kind == "numeric":
        answer = asking.means()
        return next(iter(answer.means), None), f"{answer.unit or 'on average'}{_among(asking)}"
    rows = asking.estimates().estimates if question.kind == "binary" else asking.leaders().leaders
    row = next(iter(rows), None)
    of_what = ", as people report it" if of_reports(asking.loaded) else ""
    return row, "" if row is None else f"“{row.option}”{of_what}{_among(asking)}"


def _among(asking: Asking) -> str:
    """Whom a headline is about, where it is not everybody."""
    among = asking.about.among
    return "" if among is None else f" among {among.population.people}"
