"""What is known to have happened: add a result, list them, take one back."""

from datetime import date

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody, MultipartBody

from api.auth import Principal
from api.problems import documented
from api.record_payloads import AddedResultPayload, KnownResultList, KnownResultPayload, WithdrawBody, result_payload
from api.result_form import MAX_MB, ResultForm, check_result_form
from api.routes.jobs import job_link
from api.services import Services
from api.strict import refuse_nul
from jobs.known_results import add_known_result, withdraw_known_result
from polling.store import known_results, surveys

__all__ = ["known_results_routes"]

ALL = "/v1/surveys/{survey_id:str}/questions/{question_id:str}/known-results"


@post(
    ALL,
    operation_id="addKnownResult",
    summary="Add what happened",
    tags=["track record"],
    status_code=201,
    sync_to_thread=True,
    form=check_result_form,
    too_large=f"A known result may have {MAX_MB} MB at most.",
    # The form around the file needs a little room too.
    request_max_body_size=MAX_MB * 1_000_000 + 100_000,
    responses={
        200: ResponseSpec(AddedResultPayload, generate_examples=False, description="The very same is known already."),
        **documented(400, 401, 403, 404, 409, 413, 415, 422),
    },
)
def add_result(
    survey_id: FromPath[str],
    question_id: FromPath[str],
    data: MultipartBody[ResultForm],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> Response[AddedResultPayload]:
    """Shares by geography and option, as they turned out, with the day and the source.

    Every release whose draws are kept is scored against it, and every later one. 409 if another result of that day is
    known and no `reason` is given: with one it becomes the next version. 422 with every fault of the table, and then
    nothing was stored.
    """
    added = add_known_result(
        services.store,
        services.secrets,
        survey_id=survey_id,
        question_id=question_id,
        content=data.file.file.read(),
        refers_to=date.fromisoformat(data.date),
        source=data.source,
        reason=data.reason,
        file=data.file.filename,
        now=services.now(),
        actor=principal.actor,
    )
    job = None if added.job is None else job_link(added.job)
    body = AddedResultPayload(result_payload(added.result), added.created, job)
    return Response(body, status_code=201 if added.created else 200)


@get(
    ALL,
    operation_id="listKnownResults",
    summary="What is known to have happened",
    tags=["track record"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def list_results(
    survey_id: FromPath[str], question_id: FromPath[str], services: NamedDependency[Services]
) -> KnownResultList:
    """Every version of every result of the question, those that were replaced or withdrawn too."""
    with services.store.read() as session:
        surveys.get_declaration(session, survey_id).question(question_id)
        found = known_results.list_results(session, survey_id, question_id)
    return KnownResultList(survey_id, question_id, [result_payload(one) for one in found])


@post(
    ALL + "/{result_id:str}/withdraw",
    operation_id="withdrawKnownResult",
    summary="Take a known result back",
    tags=["track record"],
    status_code=200,
    json=True,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 409, 415),
)
def withdraw_result(
    *,
    survey_id: FromPath[str],
    question_id: FromPath[str],
    result_id: FromPath[str],
    data: JSONBody[WithdrawBody],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> KnownResultPayload:
    """Releases are not compared with it any more. It stays in the list, with the reason."""
    withdrawn = withdraw_known_result(
        services.store,
        services.secrets,
        survey_id=survey_id,
        question_id=question_id,
        result_id=result_id,
        reason=refuse_nul(data.reason, "reason"),
        now=services.now(),
        actor=principal.actor,
    )
    return result_payload(withdrawn)


known_results_routes = Router("/", route_handlers=[add_result, list_results, withdraw_result])
