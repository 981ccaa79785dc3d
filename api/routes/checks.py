"""Whether the model of a release describes its interviews."""

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.orm import Session

from api.check_payloads import CheckPayload, ChecksPayload, describe_concerns
from api.problems import documented
from api.routes.releases import find_release
from api.services import Services
from polling.store import checks
from polling.store.records import ReleaseRecord

__all__ = ["checks_of_release", "checks_routes"]


@get(
    "/v1/surveys/{survey_id:str}/releases/{release_id:str}/checks",
    operation_id="getChecks",
    summary="A release's checks",
    tags=["releases"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def get_checks(
    survey_id: FromPath[str], release_id: FromPath[str], services: NamedDependency[Services]
) -> ChecksPayload:
    """What its model says about the interviews beside the interviews, by district, demographic, pollster and period."""
    with services.store.read() as session:
        return checks_of_release(session, find_release(session, survey_id, release_id))


def checks_of_release(session: Session, release: ReleaseRecord) -> ChecksPayload:
    """What was found of a release's fit so far."""
    concerns = checks.concerns_of(session, release.fit_id)
    return ChecksPayload(
        release_id=release.id,
        fit_id=release.fit_id,
        checked=concerns is not None,
        concerns=describe_concerns(concerns or ()),
        checks=[CheckPayload(one.kind, one.made_at, one.content) for one in checks.checks_of(session, release.fit_id)],
    )


checks_routes = Router("/", route_handlers=[get_checks])
