"""What the routes that change waves share: whom a caller speaks for, and how an act is done once and answered."""

from collections.abc import Callable
from typing import cast

from litestar import Response
from sqlalchemy.orm import Session

from api.auth import Principal
from api.errors import BadUpload, PollsterRefused
from api.idempotency import Exchange
from api.routes.jobs import job_link
from api.services import Services
from api.wave_describe import describe_wave
from api.wave_payloads import ChangedWavesPayload
from jobs.wave_life import Also, ChangedWaves
from polling.store import surveys
from polling.store.columns import Json

__all__ = ["change_waves", "pollster_of"]


def change_waves(
    services: Services,
    principal: Principal,
    idempotency_key: str | None,
    act: Callable[..., object],
    *,
    survey_id: str,
    request: dict[str, Json],
) -> Response[ChangedWavesPayload]:
    """Do an act on waves, unless this very request was answered before; reply with what became of them.

    Parameters
    ----------
    act
        Of ``jobs.wave_life`` and its neighbours. What is the same in each is added to what the caller has bound: the
        store, secrets and settings, ``survey_id``, ``now``, ``actor``, and ``also``, which sets the reply.
    request
        What makes it this request and no other: see ``api.idempotency``.
    """
    now = services.now()
    with services.exchanges.begin(services.store, principal.key_id, idempotency_key, request, now=now) as exchange:
        if exchange.kept is None:
            act(
                services.store,
                services.secrets,
                services.settings,
                survey_id=survey_id,
                now=now,
                actor=principal.actor,
                also=_keep_changed(exchange, survey_id),
            )
        return cast("Response[ChangedWavesPayload]", exchange.response())


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
        raise BadUpload(
            "pollster is missing: this key speaks for no pollster, so the form has to name one.", "pollster"
        )
    return named


def _keep_changed(exchange: Exchange, survey_id: str) -> Also:
    def keep(session: Session, changed: ChangedWaves) -> None:
        declaration = surveys.get_declaration(session, survey_id)
        payload = ChangedWavesPayload(
            survey=survey_id,
            changed=[describe_wave(wave, declaration) for wave in changed.changed],
            unchanged=[describe_wave(wave, declaration) for wave in changed.unchanged],
            jobs=[job_link(job) for job in changed.jobs],
        )
        exchange.keep(session, 200, payload)

    return keep
