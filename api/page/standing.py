"""Who was interviewed beside who there is, and what other methods make of the same interviews."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.auth import Principal
from api.charts import MethodNumber, SampleShare, methods_chart, representation_chart
from api.known_shares import known_shares
from api.labels import one_of
from api.measures import value_of
from api.methods_payloads import MethodsPayload
from api.page.asking import Asking, ask_release, measured
from api.page.figures import drawn
from api.page.heads import head_of
from api.page.kept import kept
from api.page.render import Shown, part, whole_page
from api.routes.releases import find_release
from api.services import Services

__all__ = ["methods_page", "representation_page"]

EVERYBODY = "everybody"
NAMES = {"raw": "As interviewed", "weighted": "Weighted", "mrp": "Model (MRP)"}


@get(
    "/surveys/{survey_id:str}/releases/{release_id:str}/representation",
    operation_id="pageRepresentation",
    include_in_schema=False,
    sync_to_thread=True,
)
def representation_page(
    survey_id: FromPath[str],
    release_id: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> Response[Any]:
    """Sample against frame."""
    with services.store.read() as session:
        release = find_release(session, survey_id, release_id)
        known = known_shares(session, survey_id, release.question_id)
    asking = ask_release(services, survey_id, release.question_id, release_id)
    asked = (principal.role, known)
    shown = kept(services, "representation", asked, (asking.served,), lambda: _representation(asking, principal))
    return whole_page(request, shown)


def _representation(asking: Asking, principal: Principal) -> Shown:
    head = head_of(asking, principal, "pageRepresentation")
    answer = asking.representation()
    demographics = set(asking.loaded.electorate.demographics)
    rows = [row for row in answer.levels if row.column in demographics]
    shares = [SampleShare(row.column, row.level, row.sample_share, row.frame_share) for row in rows]
    columns = {one.column: [row for row in answer.levels if row.column == one.column] for one in answer.columns}
    main = part(
        "representation.html",
        head=head,
        answer=answer,
        chart=drawn(lambda: representation_chart(shares)) if shares else None,
        columns=columns,
        balance={one.column: one for one in answer.columns},
    )
    return Shown(f"Who was interviewed: {head.text}", main, announcement="Updated.")


@get(
    "/surveys/{survey_id:str}/questions/{question_id:str}/methods",
    operation_id="pageMethods",
    include_in_schema=False,
    sync_to_thread=True,
)
def methods_page(
    *,
    survey_id: FromPath[str],
    question_id: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    by: Annotated[str | None, QueryParameter()] = None,
    option: Annotated[str | None, QueryParameter()] = None,
    measure: Annotated[str | None, QueryParameter(description="Of a scale: share or mean.")] = None,
    release: Annotated[str | None, QueryParameter()] = None,
) -> Response[Any]:
    """Raw, weighted and model shares or means side by side."""
    asking = ask_release(services, survey_id, question_id, release)
    by = by or EVERYBODY
    named = measured(asking, option, measure)
    asked = (principal.role, asking.release_id, by, *named.values())
    shown = kept(services, "methods", asked, (asking.served,), lambda: _methods(asking, principal, by, named))
    return whole_page(request, shown)


def _methods(asking: Asking, principal: Principal, by: str, named: dict[str, str | None]) -> Shown:
    head = head_of(asking, principal, "pageMethods")
    electorate = asking.loaded.electorate
    choices = (EVERYBODY, *electorate.demographics, *electorate.parents, "district")
    one_of("group", by, choices)
    query: dict[str, Any] = {}
    if by in electorate.parents or by == "district":
        query = {"level": by}
    elif by != EVERYBODY:
        query = {"by": (by,)}
    answer = asking.methods(**query, **named)
    main = part(
        "methods.html",
        head=head,
        answer=answer,
        chart=None if by == "district" else drawn(lambda: methods_chart(answer, _numbers(answer))),
        options=asking.loaded.question.options,
        is_scale=asking.loaded.question.kind == "ordinal",
        by=by,
        choices=choices,
        place=(asking.served.release.survey_id, asking.served.release.question_id),
        named=asking.named,
    )
    return Shown(f"Methods: {head.text}", main, announcement=f"Updated: release {asking.served.release.number}.")


def _numbers(answer: MethodsPayload) -> list[MethodNumber]:
    found = []
    for row in answer.methods:
        name = " · ".join(row.groups.values()) or row.area_name
        for method, one in (("raw", row.raw), ("weighted", row.weighted), ("mrp", row.mrp)):
            ends = (None, None, None) if one is None else (value_of(one), one.low, one.high)
            found.append(MethodNumber(name, NAMES[method], *ends))
    return found
