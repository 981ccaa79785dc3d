"""Erase a respondent, and give a respondent a copy of what is stored.

Both are POST with the respondent in the body: an address would be in logs. Both may be sent again without harm, so
they take no Idempotency-Key, which would keep a hash of the id.
"""

from typing import Annotated, Literal, cast

import msgspec
from litestar import MediaType, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from api.auth import Principal
from api.privacy_payloads import (
    AccessPayload,
    ErasureList,
    ErasurePayload,
    RespondentBody,
    StoredInterviewPayload,
    describe_erasure,
)
from api.problems import documented
from api.services import Services
from api.strict import refuse_nul
from jobs import access, erasure
from polling.store import erasure as cases
from polling.store import surveys

__all__ = ["privacy_routes"]

ALL = "/v1/surveys/{survey_id:str}/erasures"


@post(
    ALL,
    operation_id="eraseRespondent",
    summary="Erase a respondent",
    tags=["privacy"],
    status_code=200,
    json=True,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 415, 422),
)
def erase_respondent(
    survey_id: FromPath[str],
    data: JSONBody[RespondentBody],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> ErasurePayload:
    """Remove a respondent from every version of every wave, for good, and answer with a receipt.

    Whoever is not there gets a receipt too, and is kept out from then on. Asked for again it is the same case. Fits
    that rest on the respondent say so until a refit, which is asked for; a worker frees the bytes.
    """
    record = erasure.erase(
        services.store,
        services.secrets,
        services.settings,
        survey_id=survey_id,
        respondent=refuse_nul(data.respondent, "respondent"),
        pollster=refuse_nul(data.pollster, "pollster") if data.pollster else None,
        now=services.now(),
        actor=principal.actor,
    )
    return describe_erasure(record)


@get(
    ALL,
    operation_id="listErasures",
    summary="Erasures of a survey",
    tags=["privacy"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def list_erasures(survey_id: FromPath[str], services: NamedDependency[Services]) -> ErasureList:
    """The receipts of every erasure, oldest first."""
    with services.store.read() as session:
        surveys.list_versions(session, survey_id)
        found = cases.list_cases(session, survey_id)
    return ErasureList(survey=survey_id, erasures=[describe_erasure(one) for one in found])


@get(
    ALL + "/{case_number:str}",
    operation_id="getErasure",
    summary="One erasure",
    tags=["privacy"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def get_erasure(
    survey_id: FromPath[str], case_number: FromPath[str], services: NamedDependency[Services]
) -> ErasurePayload:
    """The receipt, with what was done since."""
    with services.store.read() as session:
        surveys.list_versions(session, survey_id)
        return describe_erasure(cases.get_case(session, survey_id, case_number))


@post(
    "/v1/surveys/{survey_id:str}/access",
    operation_id="readRespondent",
    summary="What is stored of a respondent",
    tags=["privacy"],
    status_code=200,
    json=True,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 415, 422),
)
def read_respondent(
    *,
    survey_id: FromPath[str],
    data: JSONBody[RespondentBody],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    output: Annotated[
        Literal["json", "csv"], QueryParameter(description="json, or csv: one line per answer.")
    ] = "json",
) -> Response[AccessPayload]:
    """Everything that is stored of a respondent, as received and as the codebook reads it. Reading it is recorded."""
    export = access.read_respondent(
        services.store,
        services.secrets,
        survey_id=survey_id,
        respondent=refuse_nul(data.respondent, "respondent"),
        pollster=refuse_nul(data.pollster, "pollster") if data.pollster else None,
        now=services.now(),
        actor=principal.actor,
    )
    headers = {"Cache-Control": "no-store"}
    if output == "csv":
        body = access.as_csv(export).encode()
        return Response(cast("AccessPayload", body), media_type="text/csv", headers=headers)
    payload = AccessPayload(
        survey=export.survey,
        title=export.title,
        respondent=export.respondent,
        made_at=export.made_at,
        interviews=[msgspec.convert(one, StoredInterviewPayload, from_attributes=True) for one in export.interviews],
        not_searched=list(export.not_searched),
    )
    return Response(payload, media_type=MediaType.JSON, headers=headers)


privacy_routes = Router("/", route_handlers=[erase_respondent, list_erasures, get_erasure, read_respondent])
