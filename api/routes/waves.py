"""Receive waves of interviews, list them, and change what becomes of them.

Every route that changes something takes an ``Idempotency-Key``. A pollster's
key reaches its own waves; another pollster's wave is answered like none.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, cast

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody, MultipartBody, QueryParameter
from sqlalchemy.orm import Session

from api.auth import Principal
from api.errors import BadUpload, PollsterRefused, UndoUnclear
from api.idempotency import Exchange, IdempotencyHeader, file_sha256
from api.problems import documented
from api.routes.jobs import job_link
from api.services import Services
from api.strict import refuse_nul, require_zone
from api.wave_form import WaveForm, check_form, facts_given
from api.wave_payloads import (
    ChangedWavesPayload,
    LetThroughBody,
    ReasonBody,
    ReceivedWavePayload,
    UndoBody,
    WaveEventPayload,
    WaveHistory,
    WaveList,
    WavePayload,
    WaveVersionPayload,
)
from jobs import wave_life
from jobs.ledger import key_actor
from jobs.receive import ReceivedWave
from jobs.receive import receive_wave as receive
from jobs.settings import Settings
from jobs.wave_facts import facts_of
from polling.declaration import SurveyDeclaration
from polling.store import surveys, waves
from polling.store.columns import Json
from polling.store.wave_events import list_events
from polling.store.wave_records import WaveRecord

__all__ = ["about_act", "describe_wave", "keep_changed", "pollster_of", "wave_url", "waves_routes"]

ONE = "/v1/surveys/{survey_id:str}/waves/{wave_id:str}"
CHANGES = documented(400, 401, 403, 404, 409, 415)


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
                        _describe_received(received),
                        {"Location": wave_url(received.wave)},
                    ),
                )
            return cast("Response[ReceivedWavePayload]", exchange.response())

    return Router(
        "/",
        route_handlers=[
            receive_wave,
            list_waves,
            undo_waves,
            get_wave,
            get_wave_history,
            withdraw_wave,
            restore_wave,
            let_wave_through,
        ],
    )


@get(
    "/v1/surveys/{survey_id:str}/waves",
    operation_id="listWaves",
    summary="Waves of a survey",
    tags=["waves"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def list_waves(
    survey_id: FromPath[str],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    as_of: Annotated[
        datetime | None, QueryParameter(description="List them as they stood at this moment. Default: now.")
    ] = None,
) -> WaveList:
    """Waves in order of arrival. A pollster's key sees its own."""
    moment = require_zone(as_of, "as_of")
    with services.store.read() as session:
        declaration = surveys.get_declaration(session, survey_id)
        if moment is None:
            found = waves.list_waves(session, survey_id, principal.only_pollster)
        else:
            found = waves.state_at(session, survey_id, moment, pollster=principal.only_pollster)
    return WaveList(survey=survey_id, as_of=moment, waves=[describe_wave(wave, declaration) for wave in found])


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


@post(
    ONE + "/withdraw",
    operation_id="withdrawWave",
    summary="Withdraw a wave",
    tags=["waves"],
    status_code=200,
    json=True,
    sync_to_thread=True,
    responses=CHANGES,
)
def withdraw_wave(
    *,
    survey_id: FromPath[str],
    wave_id: FromPath[str],
    data: JSONBody[ReasonBody],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    idempotency_key: IdempotencyHeader = None,
) -> Response[ChangedWavesPayload]:
    """Count a wave no more. Its interviews are kept, and it can be restored."""
    request: dict[str, Json] = {"route": ["withdrawWave", survey_id, wave_id], "reason": data.reason}
    about = about_act(services, principal, survey_id=survey_id, reason=data.reason)
    with services.exchanges.begin(
        services.store, principal.key_id, idempotency_key, request, now=about["now"]
    ) as exchange:
        if exchange.kept is None:
            wave_life.withdraw(
                **about, wave=wave_id, pollster=principal.only_pollster, also=keep_changed(exchange, survey_id)
            )
        return cast("Response[ChangedWavesPayload]", exchange.response())


@post(
    ONE + "/restore",
    operation_id="restoreWave",
    summary="Restore a withdrawn wave",
    tags=["waves"],
    status_code=200,
    json=True,
    sync_to_thread=True,
    responses=CHANGES,
)
def restore_wave(
    *,
    survey_id: FromPath[str],
    wave_id: FromPath[str],
    data: JSONBody[ReasonBody],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    idempotency_key: IdempotencyHeader = None,
) -> Response[ChangedWavesPayload]:
    """Let a withdrawn wave stand again as it stood; 409 if its interviews came in another wave meanwhile."""
    request: dict[str, Json] = {"route": ["restoreWave", survey_id, wave_id], "reason": data.reason}
    about = about_act(services, principal, survey_id=survey_id, reason=data.reason)
    with services.exchanges.begin(
        services.store, principal.key_id, idempotency_key, request, now=about["now"]
    ) as exchange:
        if exchange.kept is None:
            wave_life.restore(
                **about, wave=wave_id, pollster=principal.only_pollster, also=keep_changed(exchange, survey_id)
            )
        return cast("Response[ChangedWavesPayload]", exchange.response())


@post(
    ONE + "/let-through",
    operation_id="letWaveThrough",
    summary="Count a held delivery",
    tags=["waves"],
    status_code=200,
    json=True,
    sync_to_thread=True,
    responses=CHANGES,
)
def let_wave_through(
    *,
    survey_id: FromPath[str],
    wave_id: FromPath[str],
    data: JSONBody[LetThroughBody],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    idempotency_key: IdempotencyHeader = None,
) -> Response[ChangedWavesPayload]:
    """Count a delivery that went over a quality limit, after somebody looked at it."""
    request: dict[str, Json] = {
        "route": ["letWaveThrough", survey_id, wave_id],
        "reason": data.reason,
        "version": data.version,
    }
    about = about_act(services, principal, survey_id=survey_id, reason=data.reason)
    with services.exchanges.begin(
        services.store, principal.key_id, idempotency_key, request, now=about["now"]
    ) as exchange:
        if exchange.kept is None:
            wave_life.let_through(**about, wave=wave_id, version=data.version, also=keep_changed(exchange, survey_id))
        return cast("Response[ChangedWavesPayload]", exchange.response())


@post(
    "/v1/surveys/{survey_id:str}/waves/undo",
    operation_id="undoWaves",
    summary="Undo deliveries",
    tags=["waves"],
    status_code=200,
    json=True,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 409, 415, 422),
)
def undo_waves(
    *,
    survey_id: FromPath[str],
    data: JSONBody[UndoBody],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    idempotency_key: IdempotencyHeader = None,
) -> Response[ChangedWavesPayload]:
    """Undo deliveries, all or none: a first one is withdrawn, a correction gives way to the version before.

    Either `waves` names them, and the newest delivery of each is undone, or everything is that a pollster or a key
    delivered `since` a moment.
    """
    since = require_zone(data.since, "since")
    pollster = data.pollster if principal.only_pollster is None else pollster_of(data.pollster, principal)
    if (since is None) == (not data.waves):
        raise UndoUnclear("name waves, or give since: one of the two.")
    if since is not None and pollster is None and data.delivered_by is None:
        raise UndoUnclear("with since, say whose deliveries: pollster or delivered_by.")
    if since is None and data.delivered_by is not None:
        raise UndoUnclear("delivered_by goes with since; waves are named whoever delivered them.")
    for text in (*(data.waves or ()), pollster or "", data.delivered_by or ""):
        refuse_nul(text, "body")
    request: dict[str, Json] = {
        "route": ["undoWaves", survey_id],
        "of": [pollster, data.delivered_by, None if since is None else since.isoformat()],
        "waves": data.waves,
        "reason": data.reason,
    }
    about = about_act(services, principal, survey_id=survey_id, reason=data.reason)
    with services.exchanges.begin(
        services.store, principal.key_id, idempotency_key, request, now=about["now"]
    ) as exchange:
        if exchange.kept is None:
            wave_life.undo(
                **about,
                names=data.waves or (),
                since=since,
                pollster=pollster,
                delivered_by=None if data.delivered_by is None else key_actor(data.delivered_by),
                also=keep_changed(exchange, survey_id),
            )
        return cast("Response[ChangedWavesPayload]", exchange.response())


def describe_wave(wave: WaveRecord, declaration: SurveyDeclaration) -> WavePayload:
    """A wave as it is shown."""
    return WavePayload(
        id=wave.id,
        survey=wave.survey_id,
        survey_version=wave.survey_version,
        pollster=wave.pollster,
        reference=wave.reference,
        state=wave.state,
        version=wave.version,
        closes_on=wave.closes_on,
        waiting=wave.waiting,
        n_interviews=wave.n_interviews,
        n_quarantined=wave.n_quarantined,
        n_without_consent=wave.n_without_consent,
        questions=list(wave.questions),
        fieldwork_start=wave.fieldwork_start,
        fieldwork_end=wave.fieldwork_end,
        facts=_facts(wave, declaration),
        flags=list(wave.flags),
        received_at=wave.received_at,
        reason=wave.reason,
        content_sha256=wave.content_sha256,
        url=wave_url(wave),
        history_url=f"{wave_url(wave)}/history",
    )


def _describe_received(received: ReceivedWave) -> ReceivedWavePayload:
    wave = received.wave
    return ReceivedWavePayload(
        wave_id=wave.id,
        reference=wave.reference,
        pollster=wave.pollster,
        state=wave.state,
        version=wave.version,
        waiting=wave.waiting,
        n_interviews=wave.n_interviews,
        n_quarantined=wave.n_quarantined,
        faults=[msgspec.to_builtins(fault) for fault in received.faults],
        n_faults=received.n_faults,
        flags=[flag for flag in received.flags if isinstance(flag, Mapping) and flag["over"]],
        n_without_consent=wave.n_without_consent,
        n_suppressed=received.n_suppressed,
        created=received.created,
        first_of_pollster=received.first_of_pollster,
        jobs=[job_link(job) for job in received.jobs],
    )


def _facts(wave: WaveRecord, declaration: SurveyDeclaration) -> dict[str, Any]:
    """The wave's facts, with the wording of its own questions."""
    facts = facts_of(declaration, wave.facts)
    wording = facts.get("wording")
    asked = wording if isinstance(wording, Mapping) else {}
    return facts | {"wording": {name: text for name, text in asked.items() if name in wave.questions}}


def about_act(services: Services, principal: Principal, *, survey_id: str, reason: str) -> dict[str, Any]:
    """What every act on waves is told."""
    return {
        "store": services.store,
        "secrets": services.secrets,
        "settings": services.settings,
        "survey_id": survey_id,
        "reason": refuse_nul(reason, "reason"),
        "now": services.now(),
        "actor": principal.actor,
    }


def keep_changed(exchange: Exchange, survey_id: str) -> wave_life.Also:
    """Set the reply to a change."""

    def keep(session: Session, changed: wave_life.ChangedWaves) -> None:
        declaration = surveys.get_declaration(session, survey_id)
        payload = ChangedWavesPayload(
            survey=survey_id,
            changed=[describe_wave(wave, declaration) for wave in changed.changed],
            unchanged=[describe_wave(wave, declaration) for wave in changed.unchanged],
            jobs=[job_link(job) for job in changed.jobs],
        )
        exchange.keep(session, 200, payload)

    return keep


def wave_url(wave: WaveRecord) -> str:
    """Where a wave is."""
    return f"/v1/surveys/{wave.survey_id}/waves/{wave.id}"


def pollster_of(named: str | None, principal: Principal) -> str:
    """The pollster that a caller speaks for.

    Raises
    ------
    PollsterRefused
        If the key speaks for another one.
    BadUpload
        If the key speaks for none and none is named.
    """
    if principal.pollster is not None:
        if named and named != principal.pollster:
            raise PollsterRefused(named, principal.pollster)
        return principal.pollster
    if not named:
        raise BadUpload("pollster is missing: this key speaks for no pollster, so the form has to name one.")
    return named
