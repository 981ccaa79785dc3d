"""Read estimates."""

from typing import Any

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency

from api.answer_payloads import EstimatesPayload
from api.answering import TABLE_ANSWERS, answer
from api.estimates import answer_query
from api.forms import InTableForms
from api.group_query import prepare_query
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

    The body depends on nothing but the release, its state and the query: it may be cached, and `ETag`
    says when it has changed. A question without a release answers 404 `no-release-yet` and says why.
    Groups that are too small for an answer are named in `withheld`. A breakdown with more groups than the
    service answers at a time is 422 `too-many-groups`; 503 `busy` means to try again in a few seconds.
    """
    return answer(request, asked.services, asked.which, asked.query, prepare=prepare_query, make=answer_query)


estimates_routes = Router("/", route_handlers=[get_estimates])
