"""Read estimates."""

from typing import Any

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency

from api.answer_payloads import EstimatesPayload, MeansPayload
from api.answering import TABLE_ANSWERS, answer
from api.estimates import answer_means, answer_query
from api.forms import InTableForms
from api.group_query import MeansQuery, prepare_estimates, prepare_means
from api.query_parameters import ASKED, Asked

__all__ = ["estimates_routes"]


@get(
    "/v1/surveys/{survey_id:str}/questions/{question_id:str}/estimates",
    operation_id="getEstimates",
    summary="Estimates by area and group",
    tags=["estimates"],
    sync_to_thread=True,
    operation_class=InTableForms,
    responses=TABLE_ANSWERS,
    dependencies=ASKED,
)
def get_estimates(request: Request[Any, Any, Any], asked: NamedDependency[Asked]) -> Response[EstimatesPayload]:
    """The share of an option in every area and group, with central interval, from the draws of one release.

    Of a question of several options the shares of all of them, each in a row of its own, unless `option` names one.

    The body depends on nothing but the release, its state and the query: it may be cached, and `ETag`
    says when it has changed. A question without a release answers 404 `no-release-yet` and says why.
    Groups that are too small for an answer are named in `withheld`. A breakdown with more groups than the
    service answers at a time is 422 `too-many-groups`; 503 `busy` means to try again in a few seconds.
    """
    return answer(request, asked.services, asked.which, asked.query, prepare=prepare_estimates, make=answer_query)


@get(
    "/v1/surveys/{survey_id:str}/questions/{question_id:str}/means",
    operation_id="getMeans",
    summary="Means by area and group",
    tags=["estimates"],
    sync_to_thread=True,
    operation_class=InTableForms,
    responses=TABLE_ANSWERS,
    dependencies=ASKED,
)
def get_means(request: Request[Any, Any, Any], asked: NamedDependency[Asked]) -> Response[MeansPayload]:
    """The mean in every area and group: of answers that are numbers, or of the scores of ordered options.

    Otherwise as the estimates of shares. A question of shares alone answers 422.
    """
    query = asked.query_as(MeansQuery)
    return answer(request, asked.services, asked.which, query, prepare=prepare_means, make=answer_means)


estimates_routes = Router("/", route_handlers=[get_estimates, get_means])
