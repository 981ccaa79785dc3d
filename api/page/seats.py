"""Districts won: how many, how probable a majority is, which districts decide it."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.auth import Principal
from api.charts.seats import seats_chart
from api.errors import EstimateRefused
from api.page.asking import Asking, ask_release
from api.page.figures import drawn
from api.page.heads import head_of
from api.page.kept import kept
from api.page.render import Shown, part, whole_page
from api.services import Services

__all__ = ["seats_page"]

CLOSEST = 15
"""Districts in the table of the closest."""


@get(
    "/surveys/{survey_id:str}/questions/{question_id:str}/seats",
    operation_id="pageSeats",
    include_in_schema=False,
    sync_to_thread=True,
)
def seats_page(
    *,
    survey_id: FromPath[str],
    question_id: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    seats: Annotated[str | None, QueryParameter(description="Column of the districts with their seats.")] = None,
    option: Annotated[str | None, QueryParameter()] = None,
    population: Annotated[str | None, QueryParameter(description="Whom it is about.")] = None,
    release: Annotated[str | None, QueryParameter()] = None,
) -> Response[Any]:
    """Seats by plurality."""
    asking = ask_release(services, survey_id, question_id, release, population=population)
    asked = (principal.role, *asking.named.values(), seats or None, option or None)

    def ask() -> Shown:
        return _seats(asking, principal, seats or None, option or None)

    shown = kept(services, "seats", asked, (asking.served,), ask, population=asking.population)
    return whole_page(request, shown)


def _seats(asking: Asking, principal: Principal, column: str | None, option: str | None) -> Shown:
    head = head_of(asking, principal, "pageSeats", "seats", also={"seats": column, "option": option})
    try:
        answer, why = asking.seats(seats=column, option=option), ""
        closest = asking.battleground(seats=column, option=option)
    except EstimateRefused as refused:
        if column is not None or option is not None:
            raise
        answer, closest, why = None, None, str(refused)
    main = part(
        "seats.html",
        head=head,
        answer=answer,
        why=why,
        chart=None if answer is None else drawn(lambda: seats_chart(answer)),
        closest=[] if closest is None else closest.districts[:CLOSEST],
        versus=None if closest is None else closest.versus,
        choices=[(one, one) for one in asking.loaded.question.options],
        place=(asking.served.release.survey_id, asking.served.release.question_id),
        named=asking.named,
    )
    return Shown(f"Seats: {head.text}", main, announcement=f"Updated: release {asking.served.release.number}.")
