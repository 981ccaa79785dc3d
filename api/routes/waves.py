"""Receive waves of interviews, and list them."""

from datetime import date

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, MultipartBody

from api.auth import Principal
from api.errors import BadUpload, PollsterRefused
from api.payloads import ReceivedWavePayload, WaveList, WavePayload
from api.problems import documented
from api.routes.jobs import job_link
from api.services import Services
from api.wave_form import WaveForm, check_form
from jobs.receive import receive_wave as receive
from jobs.settings import Settings
from polling.errors import WaveNotFound
from polling.store import surveys, waves
from polling.store.wave_records import WaveRecord

__all__ = ["describe_wave", "waves_routes"]


def waves_routes(settings: Settings) -> Router:
    """The routes; the largest upload is a setting, and the framework takes it with the route."""

    @post(
        "/v1/surveys/{survey_id:str}/waves",
        operation_id="receiveWave",
        summary="Push a wave",
        tags=["waves"],
        status_code=202,
        form=check_form,
        too_large=f"A wave file may have {settings.max_upload_mb:,} MB at most (setting max_upload_mb).",
        # The form around the file needs a little room too.
        request_max_body_size=settings.max_upload_mb * 1_000_000 + 100_000,
        responses={
            200: ResponseSpec(
                ReceivedWavePayload, generate_examples=False, description="This file was received before."
            ),
            **documented(400, 401, 403, 404, 409, 413, 415, 422),
        },
        sync_to_thread=True,
    )
    def receive_wave(
        survey_id: FromPath[str],
        data: MultipartBody[WaveForm],
        principal: NamedDependency[Principal],
        services: NamedDependency[Services],
    ) -> Response[ReceivedWavePayload]:
        """Store a wave and ask for a refit of every question that it answers.

        Answers 202 with the wave in `Location` and the refits to follow; 200 if this very file was received
        before under this reference; 409 if the reference holds another file, or the file has another
        reference; 422 with every fault of the file, and then nothing was stored.
        """
        received = receive(
            services.store,
            services.secrets,
            services.settings,
            survey_id=survey_id,
            pollster=_pollster(data.pollster, principal),
            reference=data.reference,
            content=data.file.file.read(),
            fieldwork_start=date.fromisoformat(data.fieldwork_start),
            fieldwork_end=date.fromisoformat(data.fieldwork_end),
            now=services.now(),
            actor=principal.actor,
        )
        payload = ReceivedWavePayload(
            wave_id=received.wave.id,
            reference=received.wave.reference,
            pollster=received.wave.pollster,
            n_interviews=received.wave.n_interviews,
            created=received.created,
            first_of_pollster=received.first_of_pollster,
            jobs=[job_link(job) for job in received.jobs],
        )
        return Response(
            payload, status_code=202 if received.created else 200, headers={"Location": _url(received.wave)}
        )

    return Router("/", route_handlers=[receive_wave, list_waves, get_wave])


@get(
    "/v1/surveys/{survey_id:str}/waves",
    operation_id="listWaves",
    summary="Waves of a survey",
    tags=["waves"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def list_waves(
    survey_id: FromPath[str], principal: NamedDependency[Principal], services: NamedDependency[Services]
) -> WaveList:
    """Waves in order of arrival. A pollster's key sees its own."""
    with services.store.read() as session:
        surveys.list_versions(session, survey_id)
        found = waves.list_waves(session, survey_id, principal.only_pollster)
    return WaveList(survey=survey_id, waves=[describe_wave(wave) for wave in found])


@get(
    "/v1/surveys/{survey_id:str}/waves/{wave_id:str}",
    operation_id="getWave",
    summary="One wave",
    tags=["waves"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def get_wave(
    survey_id: FromPath[str],
    wave_id: FromPath[str],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> WavePayload:
    """What is known of a wave; never its interviews."""
    with services.store.read() as session:
        surveys.list_versions(session, survey_id)
        wave = waves.get_wave(session, survey_id, wave_id)
    if principal.only_pollster not in (None, wave.pollster):
        raise WaveNotFound(survey_id, wave_id)
    return describe_wave(wave)


def describe_wave(wave: WaveRecord) -> WavePayload:
    """A wave as it is shown."""
    return WavePayload(
        id=wave.id,
        survey=wave.survey_id,
        survey_version=wave.survey_version,
        pollster=wave.pollster,
        reference=wave.reference,
        state=wave.state,
        n_interviews=wave.n_interviews,
        questions=list(wave.questions),
        fieldwork_start=wave.fieldwork_start,
        fieldwork_end=wave.fieldwork_end,
        received_at=wave.received_at,
        content_sha256=wave.content_sha256,
        url=_url(wave),
    )


def _url(wave: WaveRecord) -> str:
    return f"/v1/surveys/{wave.survey_id}/waves/{wave.id}"


def _pollster(named: str | None, principal: Principal) -> str:
    if principal.pollster is not None:
        if named and named != principal.pollster:
            raise PollsterRefused(named, principal.pollster)
        return principal.pollster
    if not named:
        raise BadUpload("pollster is missing: this key speaks for no pollster, so the form has to name one.")
    return named
