"""Receive waves of interviews, and list them.

A pollster's key reaches its own waves; another pollster's wave is answered like none.
"""

from datetime import date, datetime
from typing import Annotated, cast

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, MultipartBody, QueryParameter

from api.auth import Principal
from api.idempotency import IdempotencyHeader, file_sha256
from api.list_pages import LISTED, ListPage
from api.problems import documented
from api.services import Services
from api.strict import require_zone
from api.wave_acts import pollster_of
from api.wave_describe import describe_received, describe_wave, wave_url
from api.wave_form import WaveForm, check_form, facts_given
from api.wave_payloads import (
    ReceivedWavePayload,
    WaveEventPayload,
    WaveHistory,
    WaveList,
    WavePayload,
    WaveVersionPayload,
)
from jobs.receive import receive_wave as receive
from jobs.settings import Settings
from polling.store import surveys, waves
from polling.store.columns import Json
from polling.store.wave_events import list_events

__all__ = ["waves_routes"]

ONE = "/v1/surveys/{survey_id:str}/waves/{wave_id:str}"


def waves_routes(settings: Settings) -> Router:
    """The routes; the largest upload is a setting, and the framework takes it with the route."""

    @post(
        "/v1/surveys/{survey_id:str}/waves",
        operation_id="receiveWave",
        summary="Push a wave, or a corrected one",
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
        *,
        survey_id: FromPath[str],
        data: MultipartBody[WaveForm],
        principal: NamedDependency[Principal],
        services: NamedDependency[Services],
        idempotency_key: IdempotencyHeader = None,
    ) -> Response[ReceivedWavePayload]:
        """Store a wave and ask for a refit of every question that it answers.

        Answers 202 with the wave in `Location` and the refits to follow; 200 if this very file was received
        before under this reference; 409 if the reference holds another file, or the file has another
        reference; 422 with every fault of the file, and then nothing was stored. With `replaces` and a `reason`
        the file, its dates or its facts correct a wave: they become its next version, and what rests on the wave
        is restated.
        """
        content = data.file.file.read()
        pollster = pollster_of(data.pollster, principal)
        facts = facts_given(data)
        request: dict[str, Json] = {
            "route": ["receiveWave", survey_id],
            "file": [data.file.filename, file_sha256(content)],
            "days": [data.fieldwork_start, data.fieldwork_end],
            "wave": [pollster, data.reference, data.replaces, data.reason],
            "facts": facts,
        }
        now = services.now()
        with services.exchanges.begin(services.store, principal.key_id, idempotency_key, request, now=now) as exchange:
            if exchange.kept is None:
                receive(
                    services.store,
                    services.secrets,
                    services.settings,
                    survey_id=survey_id,
                    pollster=pollster,
                    reference=data.reference,
                    content=content,
                    fieldwork_start=date.fromisoformat(data.fieldwork_start),
                    fieldwork_end=date.fromisoformat(data.fieldwork_end),
                    now=now,
                    actor=principal.actor,
                    facts=facts,
                    replaces=data.replaces,
                    reason=data.reason,
                    file_name=data.file.filename,
                    also=lambda session, received: exchange.keep(
                        session,
                        202 if received.created else 200,
                        describe_received(received),
                        {"Location": wave_url(received.wave)},
                    ),
                )
            return cast("Response[ReceivedWavePayload]", exchange.response())

    return Router(
        "/",
        route_handlers=[
            receive_wave,
            list_waves,
            get_wave,
            get_wave_history,
        ],
    )


@get(
    "/v1/surveys/{survey_id:str}/waves",
    operation_id="listWaves",
    summary="Waves of a survey",
    tags=["waves"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 422),
    dependencies=LISTED,
)
def list_waves(
    survey_id: FromPath[str],
    page: NamedDependency[ListPage],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    as_of: Annotated[
        datetime | None, QueryParameter(description="List them as they stood at this moment. Default: now.")
    ] = None,
) -> WaveList:
    """Waves in order of arrival. A pollster's key sees its own."""
    moment = require_zone(as_of, "as_of")
    basis = ("waves", survey_id, principal.only_pollster, None if moment is None else moment.isoformat())
    after = page.after(*basis)
    start = after.start if after else 0  # a wave stays where it is in the order of arrival
    with services.store.read() as session:
        declaration = surveys.get_declaration(session, survey_id)
        if moment is None:
            found = waves.list_waves(session, survey_id, principal.only_pollster)
        else:
            found = waves.state_at(session, survey_id, moment, pollster=principal.only_pollster)
    listed, last = page.cut(found[start:])
    return WaveList(
        survey=survey_id,
        as_of=moment,
        waves=[describe_wave(wave, declaration) for wave in listed],
        next_cursor=page.next_cursor("", start + len(listed), *basis) if last else None,
    )


@get(
    ONE,
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
    """What is known of a wave, by its id or reference; never its interviews."""
    with services.store.read() as session:
        declaration = surveys.get_declaration(session, survey_id)
        wave = waves.get_wave(session, survey_id, wave_id, pollster=principal.only_pollster)
    return describe_wave(wave, declaration)


@get(
    ONE + "/history",
    operation_id="getWaveHistory",
    summary="A wave's versions and events",
    tags=["waves"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def get_wave_history(
    survey_id: FromPath[str],
    wave_id: FromPath[str],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> WaveHistory:
    """Every delivery of a wave, and everything that happened to it, oldest first."""
    with services.store.read() as session:
        declaration = surveys.get_declaration(session, survey_id)
        wave = waves.get_wave(session, survey_id, wave_id, pollster=principal.only_pollster)
        versions = waves.list_versions(session, wave.id)
        events = list_events(session, wave.id)
    return WaveHistory(
        wave=describe_wave(wave, declaration),
        versions=[
            WaveVersionPayload(
                version=one.version,
                n_interviews=one.n_interviews,
                questions=list(one.questions),
                fieldwork_start=one.fieldwork_start,
                fieldwork_end=one.fieldwork_end,
                facts=dict(one.facts),
                received_at=one.received_at,
                reason=one.reason,
                content_sha256=one.content_sha256,
            )
            for one in versions
        ],
        events=[
            WaveEventPayload(
                sequence=one.sequence,
                kind=one.kind,
                at=one.at,
                actor=one.actor,
                reason=one.reason,
                version=one.after.version,
                state=one.after.state,
                waiting=one.after.waiting,
            )
            for one in events
        ],
    )
