"""Open a wave, send its interviews in batches while fieldwork lasts, close it."""

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Annotated

from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody, PathParameter, RawBody

from api.auth import Principal
from api.idempotency import IdempotencyHeader
from api.problems import documented
from api.routes.jobs import job_link
from api.services import Services
from api.strict import refuse_nul
from api.wave_acts import change_waves, pollster_of
from api.wave_describe import wave_url
from api.wave_payloads import ChangedWavesPayload, CloseBody, OpenBody, ReceivedBatchPayload
from jobs import open_wave as opening
from jobs.open_wave import MAX_NUMBER, ReceivedBatch
from jobs.settings import Settings
from polling.quality import Flag
from polling.store.columns import Json

__all__ = ["open_waves_routes"]

ONE = "/v1/surveys/{survey_id:str}/waves/{wave_id:str}"


def open_waves_routes(settings: Settings) -> Router:
    """The routes; the largest batch is a setting, and the framework takes it with the route."""

    @post(
        ONE + "/batches/{number:int}",
        operation_id="receiveBatch",
        summary="Send a batch of an open wave",
        tags=["waves"],
        status_code=202,
        ndjson=True,
        too_large=f"A batch may have {settings.max_upload_mb:,} MB at most (setting max_upload_mb).",
        request_max_body_size=settings.max_upload_mb * 1_000_000,
        responses={
            200: ResponseSpec(
                ReceivedBatchPayload, generate_examples=False, description="This batch was received before."
            ),
            **documented(400, 401, 403, 404, 409, 413, 415, 422),
        },
        sync_to_thread=True,
    )
    def receive_batch(
        *,
        survey_id: FromPath[str],
        wave_id: FromPath[str],
        number: Annotated[int, PathParameter(description=f"Chosen by the sender, 1 to {MAX_NUMBER:,}; in any order.")],
        body: RawBody,
        principal: NamedDependency[Principal],
        services: NamedDependency[Services],
    ) -> Response[ReceivedBatchPayload]:
        """Store a batch of interviews, as NDJSON, and ask for a refit of every question that it answers.

        Over a quality limit the batch waits for an analyst, and so do later ones; what was counted stays counted.

        Answers 202; 200 if this very batch was received before under this number; 409 if the number came with
        other content, or the wave is not open (any more); 422 with every fault of the batch, and then nothing was
        stored.
        """
        batch = opening.receive_batch(
            services.store,
            services.secrets,
            services.settings,
            survey_id=survey_id,
            wave=wave_id,
            number=number,
            content=body,
            pollster=principal.only_pollster,
            now=services.now(),
            actor=principal.actor,
        )
        return Response(
            _describe(batch),
            status_code=202 if batch.received.created else 200,
            headers={"Location": wave_url(batch.received.wave)},
        )

    return Router("/", route_handlers=[open_wave, receive_batch, close_wave])


@post(
    "/v1/surveys/{survey_id:str}/waves/open",
    operation_id="openWave",
    summary="Open a wave",
    tags=["waves"],
    status_code=200,
    json=True,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 409, 415, 422),
)
def open_wave(
    *,
    survey_id: FromPath[str],
    data: JSONBody[OpenBody],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    idempotency_key: IdempotencyHeader = None,
) -> Response[ChangedWavesPayload]:
    """Open a wave that takes batches of interviews until it is closed. The same words again are the same wave."""
    pollster = pollster_of(data.pollster, principal)
    for text in (pollster, data.reference):
        refuse_nul(text, "body")
    facts: dict[str, Json] = data.facts or {}
    request: dict[str, Json] = {
        "route": ["openWave", survey_id],
        "wave": [pollster, data.reference],
        "days": [_day(data.fieldwork_start), _day(data.closes_on)],
        "facts": facts,
    }
    act = partial(
        opening.open_wave,
        pollster=pollster,
        reference=data.reference,
        fieldwork_start=data.fieldwork_start,
        closes_on=data.closes_on,
        facts=facts,
    )
    return change_waves(services, principal, idempotency_key, act, survey_id=survey_id, request=request)


@post(
    ONE + "/close",
    operation_id="closeWave",
    summary="Close an open wave",
    tags=["waves"],
    status_code=200,
    json=True,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 409, 415),
)
def close_wave(
    *,
    survey_id: FromPath[str],
    wave_id: FromPath[str],
    data: JSONBody[CloseBody],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    idempotency_key: IdempotencyHeader = None,
) -> Response[ChangedWavesPayload]:
    """Take no more batches. The wave is judged like a file, and held if it is over a quality limit.

    One without interviews is withdrawn; one that is closed already stays as it is.
    """
    del data
    request: dict[str, Json] = {"route": ["closeWave", survey_id, wave_id]}
    act = partial(opening.close_wave, wave=wave_id, pollster=principal.only_pollster)
    return change_waves(services, principal, idempotency_key, act, survey_id=survey_id, request=request)


def _describe(batch: ReceivedBatch) -> ReceivedBatchPayload:
    wave = batch.received.wave
    return ReceivedBatchPayload(
        wave_id=wave.id,
        reference=wave.reference,
        state=wave.state,
        number=batch.number,
        n_interviews=batch.n_interviews,
        n_interviews_of_wave=wave.n_interviews,
        waiting=wave.waiting,
        flags=[flag for flag in batch.received.flags if isinstance(flag, Mapping) and Flag.is_told(flag)],
        created=batch.received.created,
        first_of_pollster=batch.received.first_of_pollster,
        jobs=[job_link(job) for job in batch.received.jobs],
    )


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
