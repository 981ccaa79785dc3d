"""Rows that were set aside: why, what they are, and counting them after a fix."""

from functools import partial

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody

from api.auth import Principal
from api.idempotency import IdempotencyHeader
from api.problems import documented
from api.services import Services
from api.strict import refuse_nul
from api.wave_acts import change_waves
from api.wave_payloads import (
    ChangedWavesPayload,
    QuarantinedRow,
    QuarantinePayload,
    QuarantineReason,
    ReasonBody,
)
from jobs import quarantine
from polling.store.columns import Json

__all__ = ["quarantine_routes"]

ALL = "/v1/surveys/{survey_id:str}/waves/{wave_id:str}/quarantine"


@get(
    ALL,
    operation_id="getQuarantine",
    summary="Rows of a wave that are set aside",
    tags=["waves"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def get_quarantine(
    survey_id: FromPath[str],
    wave_id: FromPath[str],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> QuarantinePayload:
    """Which rows are not counted, and why; not what they say."""
    listed = quarantine.list_quarantine(
        services.store, survey_id=survey_id, wave=wave_id, pollster=principal.only_pollster
    )
    return QuarantinePayload(
        wave_id=listed.wave.id,
        version=listed.version,
        n_quarantined=listed.n_quarantined,
        reasons=[QuarantineReason(reason, n) for reason, n in listed.reasons],
        rows=[QuarantinedRow(row, why) for row, why in listed.rows],
        download_url=f"/v1/surveys/{survey_id}/waves/{listed.wave.id}/quarantine/rows",
    )


@get(
    ALL + "/rows",
    operation_id="downloadQuarantine",
    summary="Download the rows that are set aside",
    tags=["waves"],
    media_type="text/csv",
    sync_to_thread=True,
    responses={
        200: ResponseSpec(str, generate_examples=False, media_type="text/csv", description="The rows, as received."),
        **documented(400, 401, 403, 404),
    },
)
def download_quarantine(
    survey_id: FromPath[str],
    wave_id: FromPath[str],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> Response[str]:
    """The rows as CSV, respondents as pseudonyms, with the row of the file and the reasons.

    A cell that a spreadsheet would take for a formula begins with an apostrophe. The read is in the audit chain.
    """
    text = quarantine.download(
        services.store,
        services.secrets,
        survey_id=survey_id,
        wave=wave_id,
        pollster=principal.only_pollster,
        now=services.now(),
        actor=principal.actor,
    )
    headers = {"Content-Disposition": 'attachment; filename="quarantine.csv"', "Cache-Control": "no-store"}
    return Response(text, media_type="text/csv", headers=headers)


@post(
    ALL + "/release",
    operation_id="releaseQuarantine",
    summary="Count rows that were set aside, after a fix",
    tags=["waves"],
    status_code=200,
    json=True,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 409, 415),
)
def release_quarantine(
    *,
    survey_id: FromPath[str],
    wave_id: FromPath[str],
    data: JSONBody[ReasonBody],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    idempotency_key: IdempotencyHeader = None,
) -> Response[ChangedWavesPayload]:
    """Look again with the newest codebook: rows that pass make a new version of the wave, the others stay."""
    request: dict[str, Json] = {"route": ["releaseQuarantine", survey_id, wave_id], "reason": data.reason}
    reason = refuse_nul(data.reason, "reason")
    act = partial(quarantine.release, wave=wave_id, pollster=principal.only_pollster, reason=reason)
    return change_waves(services, principal, idempotency_key, act, survey_id=survey_id, request=request)


quarantine_routes = Router("/", route_handlers=[get_quarantine, download_quarantine, release_quarantine])
