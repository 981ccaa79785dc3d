"""Opinion over time, where the model tells it: every period with its band, of everybody or of groups, waves marked."""

from collections.abc import Sequence
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.auth import Principal
from api.charts.chart import Chart
from api.charts.rows import WaveMark
from api.charts.trends import options_trend_chart, trend_chart
from api.errors import EstimateRefused
from api.labels import one_of
from api.page.asking import Asking, ask_release, measured
from api.page.figures import drawn
from api.page.heads import head_of
from api.page.kept import kept
from api.page.render import Shown, part, whole_page
from api.page.waves import wave_marks
from api.services import Services
from api.trend_payloads import TrendPayload

__all__ = ["trend_figure", "trend_page"]

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
    option: Annotated[str | None, QueryParameter(description="Of several; without it, and of everybody, all.")] = None,
    measure: Annotated[str | None, QueryParameter(description="Of a scale: share or mean.")] = None,
    population: Annotated[str | None, QueryParameter(description="Whom it is about.")] = None,
    release: Annotated[str | None, QueryParameter()] = None,
) -> Response[Any]:
    """The share or the mean in every period."""
    asking = ask_release(services, survey_id, question_id, release, population=population)
    by = by or EVERYBODY
    chosen = measured(asking, option, measure)
    asked = (principal.role, *asking.named.values(), by, *chosen.values())

    def ask() -> Shown:
        return _trend(asking, principal, by, chosen)

    shown = kept(services, "trend", asked, (asking.served,), ask, population=asking.population)
    return whole_page(request, shown)


def _trend(asking: Asking, principal: Principal, by: str, chosen: dict[str, str | None]) -> Shown:
    head = head_of(asking, principal, "pageTrend", "trend", also={"by": by, **chosen})
    electorate = asking.loaded.electorate
    choices = (EVERYBODY, *electorate.demographics, *electorate.parents)
    one_of("group", by, choices)
    query: dict[str, Any] = {}
    if by in electorate.parents:
        query = {"level": by}
    elif by != EVERYBODY:
        query = {"by": (by,)}
    options = asking.loaded.question.options
    is_of_all = not any(chosen.values()) and len(options) > 2 and by == EVERYBODY
    named = [{"option": option} for option in options] if is_of_all else [chosen]
    try:
        answers, why = [asking.trend(**one, **query) for one in named], ""
    except EstimateRefused as refused:
        if asking.has_periods:
            raise
        answers, why = [], str(refused)
    answer = answers[0] if answers else None
    marks: list[WaveMark] = [] if answer is None else wave_marks(asking, answer.periods)
    lines: dict[str, list[Any]] = {}
    for point in (point for one in answers for point in one.points):
        name = " · ".join(point.groups.values()) or point.area_name
        lines.setdefault(point.option or "" if is_of_all else name, []).append(point)
    main = part(
        "trend.html",
        head=head,
        answer=answer,
        why=why,
        chart=trend_figure(answers, marks),
        options=options,
        option=None if is_of_all or answer is None else answer.option,
        is_scale=asking.loaded.question.kind == "ordinal",
        is_of_all=is_of_all,
        lines=lines,
        waves=marks,
        by=by,
        choices=choices,
        place=(asking.served.release.survey_id, asking.served.release.question_id),
        named=asking.named,
    )
    return Shown(f"Trend: {head.text}", main, announcement=f"Updated: release {asking.served.release.number}.")


def trend_figure(answers: Sequence[TrendPayload], marks: Sequence[WaveMark]) -> Chart | None:
    """One option with its areas or groups, or several options of everybody."""
    if len(answers) > 1:
        return drawn(lambda: options_trend_chart(answers, waves=marks))
    return drawn(lambda: trend_chart(answers[0], waves=marks)) if answers else None
