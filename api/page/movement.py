"""How an opinion moved: between periods if the model has them, else what a release says differently from the last."""

from typing import Any

from api.errors import EstimateRefused
from api.page.asking import Asking
from api.served import Served
from polling.errors import DrawsNotFound

__all__ = ["movement_of"]


def movement_of(
    asking: Asking, earlier: Served | None, *, option: str | None = None, measure: str | None = None
) -> dict[str, Any]:
    """How the share of an option, the first if none is named, or the mean moved; of numbers it is the mean."""
    named = {"option": option, "measure": measure}
    if asking.has_periods:
        return _change(asking, named)
    if earlier is None:
        return _none("This is the first release of the question.")
    return _revision(asking, earlier, named)


def _change(asking: Asking, named: dict[str, str | None]) -> dict[str, Any]:
    try:
        change = asking.change(**named)
    except EstimateRefused:  # it is the first period
        return _none("There is one period so far: change is told from the second on.")
    if not change.changes:
        return _none("Too few people to tell.")
    return {"kind": "change", "since": change.since, "until": change.period, "row": change.changes[0], "of": change}


def _revision(asking: Asking, earlier: Served, named: dict[str, str | None]) -> dict[str, Any]:
    try:
        revision = asking.revision(earlier, **named)
    except DrawsNotFound:
        return _none(f"The draws of release {earlier.release.number}, which was before it, are not kept any more.")
    except EstimateRefused as refused:
        return _none(str(refused))
    if not revision.revisions:
        return _none("Too few people to tell.")
    return {"kind": "revision", "before": revision.before, "row": revision.revisions[0], "of": revision}


def _none(why: str) -> dict[str, Any]:
    return {"kind": "none", "why": why}
