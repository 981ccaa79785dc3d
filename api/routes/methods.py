"""Ask for raw, weighted and MRP shares side by side."""

from typing import Any

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency

from api.answering import TABLE_ANSWERS, answer
from api.forms import InTableForms
from api.group_query import prepare_of_everybody
from api.methods import MethodsQuery, answer_methods
from api.methods_payloads import MethodsPayload
from api.query_parameters import ASKED, Asked

__all__ = ["methods_routes"]


@get(
    "/v1/surveys/{survey_id:str}/questions/{question_id:str}/methods",
    operation_id="getMethods",
    summary="Raw, weighted and MRP shares side by side",
    tags=["estimates"],
    sync_to_thread=True,
    operation_class=InTableForms,
    responses=TABLE_ANSWERS,
    dependencies=ASKED,
)
def get_methods(request: Request[Any, Any, Any], asked: NamedDependency[Asked]) -> Response[MethodsPayload]:
    """The share of the option in every area and group: as interviewed, raked to the frame, and estimated by the model.

    Raw and weighted shares come from counts perturbed for disclosure control, with intervals that have that noise in
    them, and are null where fewer interviews are shown than the service tells of. `sentence` says where raw share and
    estimate are apart, and whom the sample has too many of. With a model of periods, interviews of `period` alone.
    """
    query = asked.query_as(MethodsQuery)
    return answer(request, asked.services, asked.which, query, prepare=prepare_of_everybody, make=answer_methods)


methods_routes = Router("/", route_handlers=[get_methods])
