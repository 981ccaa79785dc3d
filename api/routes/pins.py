"""Keep the draws of a release however old it gets, or let them go when their time is over."""

from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from api.auth import Principal
from api.problems import documented
from api.release_payloads import PinPayload, PinReason
from api.routes.releases import find_release
from api.services import Services
from api.strict import refuse_nul
from jobs import pin_acts

__all__ = ["pins_routes"]

ONE = "/v1/surveys/{survey_id:str}/releases/{release_id:str}"


@post(
    ONE + "/pin",
    operation_id="pinRelease",
    summary="Keep a release's draws",
    tags=["releases"],
    status_code=200,
    json=True,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 409, 415),
)
def pin_release(
    survey_id: FromPath[str],
    release_id: FromPath[str],
    data: JSONBody[PinReason],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> PinPayload:
    """Its estimates can be asked for however old it gets. 409 if its draws are gone already."""
    with services.store.read() as session:
        find_release(session, survey_id, release_id)
    pin, changed = pin_acts.pin(
        services.store,
        services.secrets,
        release_id=release_id,
        reason=refuse_nul(data.reason, "reason"),
        now=services.now(),
        actor=principal.actor,
    )
    return PinPayload(release_id, changed, pin.at if pin else None, pin.reason if pin else None)


@post(
    ONE + "/unpin",
    operation_id="unpinRelease",
    summary="Let a release's draws go in time",
    tags=["releases"],
    status_code=200,
    json=True,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 415),
)
def unpin_release(
    survey_id: FromPath[str],
    release_id: FromPath[str],
    data: JSONBody[PinReason],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> PinPayload:
    """Its draws are deleted when the time of such releases is over, as those of any other."""
    with services.store.read() as session:
        find_release(session, survey_id, release_id)
    _, changed = pin_acts.unpin(
        services.store,
        services.secrets,
        release_id=release_id,
        reason=refuse_nul(data.reason, "reason"),
        now=services.now(),
        actor=principal.actor,
    )
    return PinPayload(release_id, changed, None, None)


pins_routes = Router("/", route_handlers=[pin_release, unpin_release])
