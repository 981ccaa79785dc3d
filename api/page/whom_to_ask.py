"""Whom to ask next: what further interviews in each group would narrow, as bars, on a map of districts, in words."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.auth import Principal
from api.charts.narrowing import narrowing_chart, narrowing_map
from api.group_query import levels_of
from api.labels import DISTRICT, one_of
from api.page.asking import Asking, ask_release
from api.page.figures import district_address, drawn, places_of
from api.page.heads import head_of
from api.page.kept import kept
from api.page.render import Shown, part, whole_page
from api.services import Services

__all__ = ["whom_to_ask_page"]

SHOWN = 25
"""Bars; the table has all."""


@get(
    "/surveys/{survey_id:str}/questions/{question_id:str}/whom-to-ask",
    operation_id="pageWhomToAsk",
    include_in_schema=False,
    sync_to_thread=True,
)
def whom_to_ask_page(
    *,
    survey_id: FromPath[str],
    question_id: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    by: Annotated[str | None, QueryParameter(description="A level of areas, or a demographic.")] = None,
    targets: Annotated[str | None, QueryParameter(description="What is to become narrower, likewise.")] = None,
    n: Annotated[int, QueryParameter()] = 100,
    option: Annotated[str | None, QueryParameter(description="Of several: the option that is meant.")] = None,
    population: Annotated[str | None, QueryParameter(description="Whom it is about.")] = None,
    release: Annotated[str | None, QueryParameter()] = None,
) -> Response[Any]:
    """What further interviews would narrow."""
    asking = ask_release(services, survey_id, question_id, release, population=population)
    query = {"by": by or DISTRICT, "targets": targets or DISTRICT, "n": n, "option": option or None}
    asked = (principal.role, *asking.named.values(), *query.values())

    def ask() -> Shown:
        return _whom_to_ask(asking, principal, query)

    shown = kept(services, "whom-to-ask", asked, (asking.served,), ask, population=asking.population)
    return whole_page(request, shown)


def _whom_to_ask(asking: Asking, principal: Principal, query: dict[str, Any]) -> Shown:
    head = head_of(asking, principal, "pageWhomToAsk", "whom-to-ask", also=query)
    electorate = asking.loaded.electorate
    choices = (*levels_of(electorate.parents)[1:], *electorate.demographics)
    by = one_of("group", query["by"], choices)
    who = {"by": (by,)} if by in electorate.demographics else {"level": by}
    answer = asking.whom_to_ask(**who, targets=(query["targets"],), n=query["n"], option=query["option"])
    places = places_of(asking) if by == DISTRICT else None
    title = f"What {answer.n:,} further interviews would narrow"
    main = part(
        "whom_to_ask.html",
        head=head,
        answer=answer,
        chart=drawn(lambda: narrowing_chart(answer, answer.groups[:SHOWN], title=title)),
        map=None
        if places is None
        else drawn(lambda: narrowing_map(answer, places, link=lambda row: district_address(asking, row), title=title)),
        n_shown=min(SHOWN, len(answer.groups)),
        by=by,
        target=query["targets"],
        choices=choices,
        targets=(*levels_of(electorate.parents), *electorate.demographics),
        options=asking.loaded.question.options if len(asking.loaded.question.options) > 2 else (),
        option=query["option"],
        place=(asking.served.release.survey_id, asking.served.release.question_id),
        named=asking.named,
    )
    return Shown(f"Whom to ask: {head.text}", main, announcement=f"Updated: release {asking.served.release.number}.")
