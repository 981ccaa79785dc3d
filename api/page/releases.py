"""What was published, and what changed: the releases of a question, and what one says differently from another."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.auth import Principal
from api.errors import EstimateRefused
from api.page.asking import Asking, ask_release, measured
from api.page.figures import revision_figure
from api.page.heads import head_of
from api.page.kept import kept
from api.page.render import Shown, part, whole_page
from api.routes.releases import describe_release
from api.served import Served
from api.services import Services
from polling.errors import DrawsNotFound
from polling.store import releases

__all__ = ["releases_page", "revision_page"]

NEWEST = 100
"""Releases that are listed."""
LARGEST = 15
"""Districts in the chart of the largest differences."""


@get(
    "/surveys/{survey_id:str}/questions/{question_id:str}/releases",
    operation_id="pageReleases",
    include_in_schema=False,
    sync_to_thread=True,
)
def releases_page(
    survey_id: FromPath[str],
    question_id: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> Response[Any]:
    """Releases, newest first."""
    asking = ask_release(services, survey_id, question_id, None)
    floor = services.settings.min_interviews
    with services.store.read() as session:
        found = releases.list_releases(session, survey_id, question_id, limit=NEWEST)
        listed = [describe_release(session, one, min_interviews=floor) for one in found]
    head = head_of(asking, principal, "pageReleases", "releases")
    main = part("releases.html", head=head, releases=listed, place=(survey_id, question_id), most=NEWEST)
    version = f"{listed[0].id}:{asking.served.state.version}"
    told = f"Updated: release {listed[0].number}."
    about = (survey_id, question_id, version, told)
    return whole_page(request, Shown(f"Releases: {head.text}", main, *about))


@get(
    "/surveys/{survey_id:str}/questions/{question_id:str}/revision",
    operation_id="pageRevision",
    include_in_schema=False,
    sync_to_thread=True,
)
def revision_page(
    *,
    survey_id: FromPath[str],
    question_id: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    before: Annotated[str | None, QueryParameter()] = None,
    option: Annotated[str | None, QueryParameter()] = None,
    measure: Annotated[str | None, QueryParameter(description="Of a scale: share or mean.")] = None,
    population: Annotated[str | None, QueryParameter(description="Whom it is about.")] = None,
    release: Annotated[str | None, QueryParameter()] = None,
) -> Response[Any]:
    """What a release says differently from an earlier one."""
    asking = ask_release(services, survey_id, question_id, release, population=population)
    earlier = asking.earlier(before or None)
    named = measured(asking, option, measure)
    asked = (principal.role, *asking.named.values(), before or None, *named.values())
    rests_on = (asking.served,) if earlier is None else (asking.served, earlier)
    also = {"before": before, **named}

    def ask() -> Shown:
        return _revision(asking, principal, earlier, named, also)

    shown = kept(services, "revision", asked, rests_on, ask, population=asking.population)
    return whole_page(request, shown)


def _revision(
    asking: Asking,
    principal: Principal,
    earlier: Served | None,
    named: dict[str, str | None],
    also: dict[str, str | None],
) -> Shown:
    head = head_of(asking, principal, "pageRevision", "revision", also=also)
    whole, districts, why = None, None, "This is the first release of the question: there is none before it."
    if earlier is not None:
        try:
            whole = asking.revision(earlier, **named)
            districts = asking.revision(earlier, **named, level="district")
        except (DrawsNotFound, EstimateRefused) as refused:
            whole, why = None, str(refused)
    largest = [] if districts is None else sorted(districts.revisions, key=lambda row: (-abs(row.difference), row.area))
    main = part(
        "revision.html",
        head=head,
        answer=whole,
        why=why,
        before=None if earlier is None else earlier.release.id,
        options=[(one, one) for one in asking.loaded.question.options],
        districts=districts,
        largest=largest[:LARGEST],
        chart=None
        if districts is None
        else revision_figure(asking, msgspec.structs.replace(districts, revisions=largest[:LARGEST])),
        place=(asking.served.release.survey_id, asking.served.release.question_id),
        named=asking.named,
    )
    return Shown(f"What changed: {head.text}", main, announcement=f"Updated: release {asking.served.release.number}.")
