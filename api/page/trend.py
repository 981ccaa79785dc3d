"""Opinion over time, where the model tells it: every period with its band, of everybody or of groups, waves marked."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.auth import Principal
from api.charts.rows import WaveMark
from api.charts.trends import trend_chart
from api.errors import EstimateRefused
from api.labels import one_of
from api.page.asking import Asking, ask_release
from api.page.figures import drawn
from api.page.heads import head_of
from api.page.kept import kept
from api.page.render import Shown, part, whole_page
from api.page.waves import wave_marks
from api.services import Services

__all__ = ["trend_page"]

EVERYBODY = "everybody"


@get(
    "/surveys/{survey_id:str}/questions/{question_id:str}/trend",
    operation_id="pageTrend",
    include_in_schema=False,
    sync_to_thread=True,
)
def trend_page(
    *,
    survey_id: FromPath[str],
    question_id: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    by: Annotated[str | None, QueryParameter()] = None,
    release: Annotated[str | None, QueryParameter()] = None,
) -> Response[Any]:
    """The share in every period."""
    asking = ask_release(services, survey_id, question_id, release)
    by = by or EVERYBODY
    asked = (principal.role, asking.release_id, by)
    shown = kept(services, "trend", asked, (asking.served,), lambda: _trend(asking, principal, by))
    return whole_page(request, shown)


def _trend(asking: Asking, principal: Principal, by: str) -> Shown:
    head = head_of(asking, principal, "pageTrend", "trend")
    electorate = asking.loaded.electorate
    choices = (EVERYBODY, *electorate.demographics, *electorate.parents)
    one_of("group", by, choices)
    query: dict[str, Any] = {}
    if by in electorate.parents:
        query = {"level": by}
    elif by != EVERYBODY:
        query = {"by": (by,)}
    try:
        answer, why = asking.trend(**query), ""
    except EstimateRefused as refused:
        if asking.has_periods:
            raise
        answer, why = None, str(refused)
    marks: list[WaveMark] = [] if answer is None else wave_marks(asking, answer.periods)
    lines: dict[str, list[Any]] = {}
    for point in [] if answer is None else answer.points:
        lines.setdefault(" · ".join(point.groups.values()) or point.area_name, []).append(point)
    main = part(
        "trend.html",
        head=head,
        answer=answer,
        why=why,
        chart=None if answer is None else drawn(lambda: trend_chart(answer, waves=marks)),
        lines=lines,
        waves=marks,
        by=by,
        choices=choices,
        place=(asking.served.release.survey_id, asking.served.release.question_id),
        named=asking.release_id,
    )
    return Shown(f"Trend: {head.text}", main, announcement=f"Updated: release {asking.served.release.number}.")
