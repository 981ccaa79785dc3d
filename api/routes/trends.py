"""Ask a release how shares and means went over time."""

from typing import Annotated, Any

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from api.answering import TABLE_ANSWERS, answer
from api.forms import InTableForms
from api.query_parameters import ASKED, Asked
from api.trend_payloads import TrendPayload
from api.trends import TrendQuery, answer_trend, prepare_trend

__all__ = ["trends_routes"]


@get(
    "/v1/surveys/{survey_id:str}/questions/{question_id:str}/trend",
    operation_id="getTrend",
    summary="Shares or means over time",
    tags=["estimates"],
    sync_to_thread=True,
    operation_class=InTableForms,
    responses=TABLE_ANSWERS,
    dependencies=ASKED,
)
def get_trend(
    *,
    request: Request[Any, Any, Any],
    asked: NamedDependency[Asked],
    since: Annotated[
        str | None, QueryParameter(description="The first period. Default: the first of the model.")
    ] = None,
    until: Annotated[str | None, QueryParameter(description="The last period. Default: the last of the model.")] = None,
) -> Response[TrendPayload]:
    """The share or the mean in every period of the model, in every area and group, with the interviews of the period.

    Periods without interviews are between the others and estimated like them. A model without a term of period is
    refused: it pools its waves.
    """
    query = asked.query_as(TrendQuery, since=since or None, until=until or None)
    return answer(request, asked.services, asked.which, query, prepare=prepare_trend, make=answer_trend)


trends_routes = Router("/", route_handlers=[get_trend])
