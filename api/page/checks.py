"""Whether the model of a release describes its interviews: what to look at, and the checks that found it."""

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.auth import Principal
from api.charts import Chart, PredictedShare, predictive_chart
from api.check_payloads import CheckPayload, ChecksPayload
from api.page.asking import Asking, ask_release
from api.page.figures import drawn
from api.page.heads import head_of
from api.page.kept import kept
from api.page.render import Shown, part, whole_page
from api.routes.checks import checks_of_release
from api.routes.releases import find_release
from api.services import Services

__all__ = ["checks_page"]

NAMES = {
    "posterior-predictive": "Against its own interviews",
    "left-out": "Cells left out",
    "priors": "How much the priors decide",
    "pollsters-left-out": "Pollsters left out",
    "areas-left-out": "Parts of the country left out",
}
"""Kind of a check -> its heading."""
MOST_IN_CHART = 24
"""Groups of a margin in its chart; all of them are in its table."""


@get(
    "/surveys/{survey_id:str}/releases/{release_id:str}/checks",
    operation_id="pageChecks",
    include_in_schema=False,
    sync_to_thread=True,
)
def checks_page(
    survey_id: FromPath[str],
    release_id: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> Response[Any]:
    """What the checks of a release found."""
    with services.store.read() as session:
        release = find_release(session, survey_id, release_id)
        told = checks_of_release(session, release)
    asking = ask_release(services, survey_id, release.question_id, release_id)
    asked = (principal.role, tuple((one.kind, one.made_at) for one in told.checks))
    return whole_page(
        request, kept(services, "checks", asked, (asking.served,), lambda: _checks(asking, principal, told))
    )


def _checks(asking: Asking, principal: Principal, told: ChecksPayload) -> Shown:
    head = head_of(asking, principal, "pageChecks")
    main = part(
        "checks.html",
        head=head,
        told=told,
        checks=[(NAMES.get(one.kind, one.kind), one, _margins(one), _facts(one), _rows(one)) for one in told.checks],
    )
    return Shown(f"Checks: {head.text}", main, announcement=f"Updated: release {asking.served.release.number}.")


def _margins(check: CheckPayload) -> list[tuple[str, dict[str, Any], Chart | None]]:
    """The margins that the interviews were compared by, each with its chart; those that do not fit first."""
    content: Any = check.content if isinstance(check.content, dict) else {}
    margins = sorted(content.get("margins", []), key=lambda margin: margin["found"] == "fits")
    return [(" × ".join(one["columns"]) or "everybody", one, _margin_chart(one, content)) for one in margins]


def _margin_chart(margin: dict[str, Any], content: dict[str, Any]) -> Chart | None:
    groups = sorted(margin["groups"], key=lambda group: -abs(group["residual"]))[:MOST_IN_CHART]
    shares = [
        PredictedShare(" · ".join(one["levels"]) or "Everybody", one["observed"], one["low"], one["high"])
        for one in groups
    ]
    return drawn(lambda: predictive_chart(shares, interval=content.get("interval", 0.9))) if shares else None


def _facts(check: CheckPayload) -> list[tuple[str, Any]]:
    """The single numbers and sentences of a check."""
    content: Any = check.content if isinstance(check.content, dict) else {}
    return [(name, value) for name, value in content.items() if isinstance(value, str | int | float)]


def _rows(check: CheckPayload) -> dict[str, list[dict[str, Any]]]:
    """The tables of a check but those of margins."""
    content: Any = check.content if isinstance(check.content, dict) else {}
    return {
        name: value
        for name, value in content.items()
        if name != "margins" and isinstance(value, list) and value and all(isinstance(row, dict) for row in value)
    }
