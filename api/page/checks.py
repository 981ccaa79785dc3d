"""Whether the model of a release describes its interviews: what to look at, and the checks that found it."""

from typing import Any, Final

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.auth import Principal
from api.charts import Chart, PredictedShare, predictive_chart
from api.check_payloads import CheckPayload, ChecksPayload
from api.page import words
from api.page.asking import Asking, ask_release
from api.page.figures import drawn
from api.page.heads import head_of
from api.page.kept import kept
from api.page.render import Shown, part, whole_page
from api.routes.checks import checks_of_release
from api.routes.releases import find_release
from api.services import Services

__all__ = ["checks_page"]

NAMES: Final = {
    "posterior-predictive": "Against its own interviews",
    "held-out-pollsters": "Without each pollster",
    "held-out-areas": "Without each part of the country",
    "left-out": "Without each cell",
    "priors": "How much the priors decide",
}
"""Kind of a check -> its heading."""
ORDER: Final = {kind: place for place, kind in enumerate(NAMES)}
LABELS: Final = {
    "elpd": "expected log predictive density",
    "se": "its standard error",
    "n_parameters": "effective number of parameters",
    "max_k": "largest k-hat that is allowed",
    "share_above_max_k": "cells above it",
    "crps": "CRPS",
    "error": "error beyond noise",
    "noise": "noise: smaller errors are not seen",
    "n_interviews": "interviews",
    "low": "from",
    "high": "to",
    "shift": "shift of the nation's share",
    "groups": "what the rest predicts of them",
    "conflicts": "priors beside the interviews",
    "estimates": "score of estimates",
}
"""Name in a check -> what it is called."""
SHARES: Final = frozenset({"observed", "predicted", "low", "high", "share_above_max_k"})
DIFFERENCES: Final = frozenset({"shift", "bias"})
SIZES: Final = frozenset({"error", "noise", "crps"})
"""In points too, and without a sign."""
COLUMNS: Final = (
    "pollster",
    "area",
    "option",
    "level",
    "name",
    "term",
    "n_interviews",
    "observed",
    "predicted",
    "low",
    "high",
)
"""Which of its columns a table begins with."""
HIDDEN: Final = frozenset({"interval", "false_alarm", "min_interviews"})
MOST_IN_CHART: Final = 24
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
        is_numeric=asking.loaded.question.kind == "numeric",
        checks=[
            (
                NAMES.get(one.kind, one.kind.replace("-", " ").capitalize()),
                one,
                _margins(one),
                _facts(one),
                _tables(one),
            )
            for one in sorted(told.checks, key=lambda one: ORDER.get(one.kind, len(ORDER)))
        ],
    )
    return Shown(f"Checks: {head.text}", main, announcement=f"Updated: release {asking.served.release.number}.")


def _margins(check: CheckPayload) -> list[tuple[str, dict[str, Any], Chart | None]]:
    """The margins that the interviews were compared by, each with its chart; those that do not fit first."""
    content: Any = check.content if isinstance(check.content, dict) else {}
    margins = sorted(content.get("margins", []), key=lambda margin: margin["found"] == "fits")
    return [
        # Of what fits there is nothing to be seen that its table does not say.
        (_margin_name(one), one, None if one["found"] == "fits" else _chart(one, content))
        for one in margins
    ]


def _margin_name(margin: dict[str, Any]) -> str:
    name = " × ".join(margin["columns"]) or "everybody"
    return f"{margin['option']}, {name}" if "option" in margin else name


def _chart(margin: dict[str, Any], content: dict[str, Any]) -> Chart | None:
    groups = sorted(margin["groups"], key=lambda group: -abs(group["residual"]))[:MOST_IN_CHART]
    shares = [
        PredictedShare(" · ".join(one["levels"]) or "Everybody", one["observed"], one["low"], one["high"])
        for one in groups
    ]
    return drawn(lambda: predictive_chart(shares, interval=content.get("interval", 0.9))) if shares else None


def _facts(check: CheckPayload) -> list[tuple[str, str]]:
    """The single numbers and sentences of a check."""
    content: Any = check.content if isinstance(check.content, dict) else {}
    told = [(name, value) for name, value in content.items() if isinstance(value, str | int | float)]
    told = [(name, value) for name, value in told if name != "of"]
    return [(_label(name).capitalize(), _told(name, value)) for name, value in told if name not in HIDDEN]


def _tables(check: CheckPayload) -> list[tuple[str, list[str], list[list[str]]]]:
    """The tables of a check but those of margins: title, columns, rows."""
    content: Any = check.content if isinstance(check.content, dict) else {}
    found = []
    for name, value in content.items():
        if (
            name in ("margins", "options")
            or not isinstance(value, list)
            or not value
            or not all(isinstance(r, dict) for r in value)
        ):
            continue
        known = [column for column in value[0] if any(row.get(column) is not None for row in value)]
        columns = sorted(known, key=lambda column: COLUMNS.index(column) if column in COLUMNS else len(COLUMNS))
        worst_first = sorted(value, key=lambda row: row.get("diagnosis") == "fine")
        tell = _told_mean if content.get("of") == "means" else _told
        rows = [[tell(column, row.get(column)) for column in columns] for row in worst_first]
        found.append((_label(name).capitalize(), [_label(column).capitalize() for column in columns], rows))
    return found


def _label(name: str) -> str:
    return LABELS.get(name, name.replace("_", " "))


def _told_mean(name: str, value: Any) -> str:
    """Of a check of means, whose numbers are in the unit of the answers."""
    return words.plain(value) if name in SHARES | DIFFERENCES | SIZES else _told(name, value)


def _told(name: str, value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if name in SHARES:
            return words.percent(value)
        if name in DIFFERENCES:
            return words.points(value)
        if name in SIZES:
            return f"{100 * value:.1f} points"
    return words.plain(value)
