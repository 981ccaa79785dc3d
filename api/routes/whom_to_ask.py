"""Ask a release whom to ask next."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from api.answering import TABLE_ANSWERS, answer
from api.forms import InTableForms
from api.label_text import names_from
from api.labels import DISTRICT
from api.query_parameters import ASKED, Asked
from api.whom_to_ask import WhomToAskQuery, answer_whom_to_ask, prepare_whom_to_ask
from api.whom_to_ask_payloads import WhomToAskPayload

__all__ = ["whom_to_ask_route"]


@get(
    "/v1/surveys/{survey_id:str}/questions/{question_id:str}/whom-to-ask",
    operation_id="getWhomToAsk",
    summary="Whom to ask next",
    tags=["estimates"],
    sync_to_thread=True,
    operation_class=InTableForms,
    responses=TABLE_ANSWERS,
    dependencies=ASKED,
)
def whom_to_ask_route(
    *,
    request: Request[Any, Any, Any],
    asked: NamedDependency[Asked],
    n: Annotated[int, QueryParameter(description="Further interviews in one group, from 1 to 100,000.")] = 100,
    targets: Annotated[
        str,
        QueryParameter(
            description="What is to become narrower: nation, a parent level or district, demographics, or both, "
            "separated by commas."
        ),
    ] = DISTRICT,
) -> Response[WhomToAskPayload]:
    """How much narrower intervals would become with `n` further interviews, for each group in which they could be done.

    The groups are those of `level`, `by` and `where`, at the level of the nation without `by` everybody. Of several
    options all are looked at together, unless `option` names one. From the draws of the release by the best linear rule
    (Goldstein and Wooff 2007): nothing is fitted again. It is expected of the model that is served, of people drawn at
    random from the group, and knows nothing of costs or of who refuses.
    """
    query = asked.query_as(WhomToAskQuery, n=n, targets=names_from(targets) or (DISTRICT,))
    return answer(request, asked.services, asked.which, query, prepare=prepare_whom_to_ask, make=answer_whom_to_ask)
