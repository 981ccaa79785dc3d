"""What analysts do with what is served: hold a question, end the hold, go back to an earlier release, ask NUTS.

The acts that change what is served take an ``Idempotency-Key``. A fit whose verdict found problems is published by
none of them.
"""

from collections.abc import Callable
from functools import partial
from typing import cast

from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.orm import Session

from api.auth import Principal
from api.idempotency import Exchange, IdempotencyHeader
from api.payloads import JobLink
from api.problems import documented
from api.release_payloads import ActReason, HoldPayload, RollBackBody, ServedNowPayload
from api.routes.jobs import job_link
from api.services import Services
from api.strict import refuse_nul
from jobs import release_acts
from jobs.release_acts import Also, ServedNow
from polling.store.columns import Json

__all__ = ["release_acts_routes"]

ONE = "/v1/surveys/{survey_id:str}/questions/{question_id:str}"
CHANGES = documented(400, 401, 403, 404, 409, 415)


@post(
    ONE + "/hold",
    operation_id="holdQuestion",
    summary="Keep new fits back",
    tags=["releases"],
    status_code=200,
    json=True,
    sync_to_thread=True,
    responses=CHANGES,
)
def hold_question(
    *,
    survey_id: FromPath[str],
    question_id: FromPath[str],
    data: JSONBody[ActReason],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    idempotency_key: IdempotencyHeader = None,
) -> Response[ServedNowPayload]:
    """New fits of the question are made and kept, and none is published until the hold ends.

    What is served stays, and says by whom and why it is held.
    """
    request: dict[str, Json] = {"route": ["holdQuestion", survey_id, question_id], "reason": data.reason}
    act = partial(release_acts.hold, question_id=question_id, reason=refuse_nul(data.reason, "reason"))
    return _do(services, principal, idempotency_key, act, survey_id=survey_id, request=request)


@post(
    ONE + "/hold/end",
    operation_id="endHold",
    summary="Publish new fits again",
    tags=["releases"],
    status_code=200,
    json=True,
    sync_to_thread=True,
    responses=CHANGES,
)
def end_hold(
    *,
    survey_id: FromPath[str],
    question_id: FromPath[str],
    data: JSONBody[ActReason],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    idempotency_key: IdempotencyHeader = None,
) -> Response[ServedNowPayload]:
    """The newest publishable fit that was kept back is published; if there is none, a refit is asked for if need be."""
    request: dict[str, Json] = {"route": ["endHold", survey_id, question_id], "reason": data.reason}
    act = partial(release_acts.end_hold, question_id=question_id, reason=refuse_nul(data.reason, "reason"))
    return _do(services, principal, idempotency_key, act, survey_id=survey_id, request=request)


@post(
    ONE + "/roll-back",
    operation_id="rollBack",
    summary="Serve an earlier release",
    tags=["releases"],
    status_code=200,
    json=True,
    sync_to_thread=True,
    responses=CHANGES,
)
def roll_back(
    *,
    survey_id: FromPath[str],
    question_id: FromPath[str],
    data: JSONBody[RollBackBody],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
    idempotency_key: IdempotencyHeader = None,
) -> Response[ServedNowPayload]:
    """An earlier release is served again, and the question is held until somebody ends the hold.

    409 if the release is served already, its draws are not kept any more, or somebody in it was erased.
    """
    told: list[Json] = ["rollBack", survey_id, question_id, data.release]
    request: dict[str, Json] = {"route": told, "reason": data.reason}
    act = partial(
        release_acts.roll_back,
        question_id=question_id,
        release_id=refuse_nul(data.release, "release"),
        reason=refuse_nul(data.reason, "reason"),
    )
    return _do(services, principal, idempotency_key, act, survey_id=survey_id, request=request)


@post(
    ONE + "/confirm",
    operation_id="confirmRelease",
    summary="Ask NUTS about what is served",
    tags=["releases"],
    status_code=202,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 409),
)
def confirm_release(
    survey_id: FromPath[str],
    question_id: FromPath[str],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> JobLink:
    """Fit with NUTS what the served release was fitted on, and compare the two.

    It takes minutes, and longer while other work is due. The release, its estimates and its diagnostics tell what came
    of it. 409 if NUTS made the release itself, or its draws are not kept any more.
    """
    job = release_acts.confirm(
        services.store,
        services.secrets,
        services.settings,
        survey_id=survey_id,
        question_id=question_id,
        now=services.now(),
        actor=principal.actor,
    )
    return job_link(job)


def _do(
    services: Services,
    principal: Principal,
    idempotency_key: str | None,
    act: Callable[..., object],
    *,
    survey_id: str,
    request: dict[str, Json],
) -> Response[ServedNowPayload]:
    """Do an act, unless this very request was answered before; reply with what is served then."""
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
                also=_keep(exchange),
            )
        return cast("Response[ServedNowPayload]", exchange.response())


def _keep(exchange: Exchange) -> Also:
    def keep(session: Session, served: ServedNow) -> None:
        exchange.keep(session, 200, _describe(served))

    return keep


def _describe(served: ServedNow) -> ServedNowPayload:
    state, hold = served.state, served.state.hold
    return ServedNowPayload(
        survey=state.survey_id,
        question=state.question_id,
        changed=served.changed,
        release_id=state.release_id,
        release_number=None if served.release is None else served.release.number,
        published=None if served.published is None else served.published.number,
        held=None if hold is None else HoldPayload(hold.at, hold.actor, hold.reason, hold.taken_back, hold.fit_id),
        stale_since=state.stale_since,
        stale_reason=state.stale_reason,
        jobs=[job_link(job) for job in served.jobs],
    )


release_acts_routes = Router("/", route_handlers=[hold_question, end_hold, roll_back, confirm_release])
