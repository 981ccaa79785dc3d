"""What becomes of a wave after it was received: withdrawn, restored, let through, undone.

Every route takes an ``Idempotency-Key``. A pollster's key reaches its own waves.
"""

from functools import partial

from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from api.auth import Principal
from api.errors import UndoUnclear
from api.idempotency import IdempotencyHeader
from api.problems import documented
from api.services import Services
from api.strict import refuse_nul, require_zone
from api.wave_acts import change_waves, pollster_of
from api.wave_payloads import ChangedWavesPayload, LetThroughBody, ReasonBody, UndoBody
from jobs import wave_life
from jobs.ledger import key_actor
from polling.store.columns import Json

__all__ = ["wave_life_routes"]

ONE = "/v1/surveys/{survey_id:str}/waves/{wave_id:str}"
CHANGES = documented(400, 401, 403, 404, 409, 415)


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
    reason = refuse_nul(data.reason, "reason")
    act = partial(wave_life.withdraw, wave=wave_id, pollster=principal.only_pollster, reason=reason)
    return change_waves(services, principal, idempotency_key, act, survey_id=survey_id, request=request)


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
    reason = refuse_nul(data.reason, "reason")
    act = partial(wave_life.restore, wave=wave_id, pollster=principal.only_pollster, reason=reason)
    return change_waves(services, principal, idempotency_key, act, survey_id=survey_id, request=request)


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
    reason = refuse_nul(data.reason, "reason")
    act = partial(wave_life.let_through, wave=wave_id, version=data.version, reason=reason)
    return change_waves(services, principal, idempotency_key, act, survey_id=survey_id, request=request)


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
    reason = refuse_nul(data.reason, "reason")
    act = partial(
        wave_life.undo,
        names=data.waves or (),
        since=since,
        pollster=pollster,
        delivered_by=None if data.delivered_by is None else key_actor(data.delivered_by),
        reason=reason,
    )
    return change_waves(services, principal, idempotency_key, act, survey_id=survey_id, request=request)


wave_life_routes = Router("/", route_handlers=[undo_waves, withdraw_wave, restore_wave, let_wave_through])
