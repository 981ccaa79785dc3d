"""The checks of a release that fit its model again: without one pollster, without one part of the country.

Every fit is one by the Laplace engine, seconds; together they may take ``check_budget_s``. The largest groups come
first, and what was not reached is named. A fit that fails is named too, and says nothing.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import polars as pl

from jobs.check_ask import AREAS, POLLSTERS
from jobs.check_made import CheckedRelease, Made
from jobs.check_shown import Told
from jobs.errors import FitProcessFailed
from jobs.fit_request import FitRequest, FitResult
from jobs.outcomes import counted_by
from jobs.settings import Settings
from mrp.checks.held_out import (
    HeldOutArea,
    HeldOutPollster,
    area_concerns,
    area_held_out,
    largest_first,
    pollster_concerns,
    pollster_held_out,
    without,
)
from mrp.checks.of_means import SLOPE, size_in_unit
from mrp.latents import LatentDraws
from mrp.numeric.design import NumericDesign
from mrp.outcomes import AnyDesign, design_from_json
from mrp.verdict import FitVerdict
from polling.store.columns import Json

__all__ = ["REFIT_CHECKS", "Refits"]

MOST_GROUPS = 12
_BANDS = (0.0001, 0.001, 0.01, 0.05)
_REACH = 1.645
"""Of a normal distribution's central interval of 90%, in its sds."""

type Fitted = tuple[LatentDraws, AnyDesign]


@dataclass
class Refits:
    """Fits a release's model on other counts, for as long as the budget lasts."""

    request: FitRequest
    """What the release was fitted on."""
    run: Callable[[FitRequest, Settings], FitResult]
    """Fits; raises what stops the job."""
    settings: Settings
    ends: float
    """When the budget is used up, by the clock of ``time.monotonic``."""
    expected_s: float | None = None
    """Seconds that a fit is expected to take: as many as the last one, or that of the release; None: not known."""
    failed: dict[str, str] = field(default_factory=dict)
    """Group -> why the fit without it says nothing."""

    @property
    def left_s(self) -> float:
        return self.ends - time.monotonic()

    @property
    def affords(self) -> bool:
        """Whether there is time for one more."""
        return self.left_s > (self.expected_s or 0)

    @property
    def too_long(self) -> Made | None:
        """Why no fit at all is made, if one takes longer than all may."""
        budget = self.settings.check_budget_s
        if self.expected_s is None or self.expected_s <= budget:
            return None
        sentence = (
            f"A fit of this model takes about {self.expected_s:.0f} s, and those of a check may take {budget:g} s "
            "together (check_budget_s): none was made."
        )
        return {"skipped": sentence}, ()

    def fit(self, counts: pl.DataFrame, name: str) -> Fitted | None:
        """A fit of these counts; None if it cannot be trusted."""
        limit = replace(self.settings, fit_timeout_s=max(1.0, min(self.settings.fit_timeout_s, self.left_s)))
        began = time.monotonic()
        try:
            result = self.run(replace(self.request, counts=counts), limit)
            self.expected_s = time.monotonic() - began
        except FitProcessFailed as error:
            self.failed[name] = error.detail
            return None
        verdict = FitVerdict.from_json(result.verdict)
        if not verdict.publishable:
            self.failed[name] = verdict.problems[0].message
            return None
        return LatentDraws.from_bytes(result.draws), design_from_json(cast("Any", result.design))


def leave_out_pollsters(checked: CheckedRelease, refits: Refits) -> Made:
    """Each pollster beside what the others predict of it."""
    if "pollster" not in checked.counts.columns:
        return {"skipped": "The waves are not those that were fitted any more."}, ()
    if (skipped := refits.too_long) is not None:
        return skipped
    told = _told(checked, "pollster")
    names, later = _groups(checked, "pollster")
    if len(names) + len(later) < 2:
        return {"skipped": "There is one pollster with enough interviews."}, ()
    found: list[HeldOutPollster] = []
    for name in names:
        if not refits.affords:
            later = (*later, name)
            continue
        rest, own = without(checked.counts, checked.electorate, "pollster", name)
        fitted = refits.fit(_as_stored(rest, checked, refits), name)
        if fitted is None:
            continue
        whole = (checked.latents, checked.fitted)
        found += pollster_held_out(
            whole, fitted, checked.electorate, own, pollster=name, seed=checked.seed, heed=checked.heed
        )
    n_pollsters = len({one.pollster for one in found})
    rows: list[Json] = []
    for one in found:
        row: dict[str, Json] = {"pollster": one.pollster} | _of_option(one.option)
        if told is None:
            row |= {"predicted": _number(one.total.expected), "shift": _number(one.shift)}
        elif (one.pollster,) not in told.get(one.option, {}):
            continue
        else:
            n, share, _ = told[one.option][one.pollster,]
            row |= {"n_interviews": n, "observed": round(share, 4), "predicted": round(one.total.expected, 4)}
            row |= {"low": round(max(0.0, one.total.expected - _REACH * one.total.sd), 4)}
            row |= {"high": round(min(1.0, one.total.expected + _REACH * one.total.sd), 4)}
            row |= {"shift": round(one.shift, 3)}
        rows.append(row | {"chance_below": _band(one.chance * n_pollsters)})
    size = None if told is not None else lambda difference: f"{_number(abs(difference)):,g}"
    return _of_means(told) | _content(rows, refits, later), pollster_concerns(found, size=size)


def leave_out_areas(checked: CheckedRelease, refits: Refits) -> Made:
    """Each part of the country beside what the rest predicts of it."""
    column = _parent(checked)
    if column is None:
        return {"skipped": "No parent of the districts has 3 areas or more."}, ()
    if (skipped := refits.too_long) is not None:
        return skipped
    told = _told(checked, column)
    names, later = _groups(checked, column)
    found: list[HeldOutArea] = []
    for name in names:
        if not refits.affords:
            later = (*later, name)
            continue
        rest, own = without(checked.counts, checked.electorate, column, name)
        fitted = refits.fit(_as_stored(rest, checked, refits), name) if rest.height else None
        if fitted is not None:
            least = checked.rules.min_interviews
            found += area_held_out(fitted, checked.electorate, own, area=name, least=least, heed=checked.heed)
    rows: list[Json] = []
    for one in found:
        row: dict[str, Json] = {"area": one.area} | _of_option(one.option)
        if told is not None:
            if (one.area,) not in told.get(one.option, {}):
                continue
            n, share, _ = told[one.option][one.area,]
            row |= {"n_interviews": n, "observed": round(share, 4), "predicted": round(one.group.predicted, 4)}
            row |= {"low": round(one.group.low, 4), "high": round(one.group.high, 4)}
        elif isinstance(checked.fitted, NumericDesign):
            unit = checked.fitted.require_unit()
            row |= {"predicted": _number(unit.centre + unit.scale * one.group.predicted / SLOPE)}
        chance = math.exp(min(0.0, one.group.log_chance)) * len(found)
        rows.append(row | {"chance_below": _band(chance)})
    size = partial(size_in_unit, design=checked.fitted) if isinstance(checked.fitted, NumericDesign) else None
    content = {"column": column} | _of_means(told) | _content(rows, refits, later)
    return content, area_concerns(found, column, size=size)


REFIT_CHECKS: dict[str, Callable[[CheckedRelease, Refits], Made]] = {
    POLLSTERS: leave_out_pollsters,
    AREAS: leave_out_areas,
}
"""Kind -> how it is made."""


def _told(checked: CheckedRelease, column: str) -> dict[str | None, Told] | None:
    """What may be told of the groups of a column, by option (None: the only share); None if nothing of means is."""
    every = checked.by_estimand
    if not every:
        return None
    return {name if len(every) > 1 else None: one.of((column,)) for name, one in every.items()}


def _groups(checked: CheckedRelease, column: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Groups that may be told, the largest first, and those that are too many."""
    large = checked.shown.large_enough((column,))
    every = largest_first(checked.counts, checked.electorate, column, least=0)
    names = tuple(name for name in every if (name,) in large)
    return names[:MOST_GROUPS], names[MOST_GROUPS:]


def _parent(checked: CheckedRelease) -> str | None:
    """The parent of the districts with the fewest areas, at least 3."""
    parents = {name: len(checked.electorate.levels(name)) for name in checked.electorate.parents}
    return min((name for name, n in parents.items() if n >= 3), key=lambda name: (parents[name], name), default=None)


def _as_stored(counts: pl.DataFrame, checked: CheckedRelease, refits: Refits) -> pl.DataFrame:
    """Counts by the columns that the release was fitted on."""
    by = counted_by(checked.stored)
    return refits.request.outcome.add([counts.select(checked.stored)], by).select(checked.stored)


def _of_option(option: str | None) -> dict[str, Json]:
    return {} if option is None else {"option": option}


def _of_means(told: Any) -> dict[str, Json]:
    """That the numbers of a check are in the unit of the answers, if they are."""
    return {"of": "means"} if told is None else {}


def _number(value: float) -> float:
    """Of means to three digits: what the rest says of a group, and nothing of the group."""
    return float(f"{value:.3g}")


def _content(rows: list[Json], refits: Refits, later: tuple[str, ...]) -> dict[str, Any]:
    failed: list[Json] = [{"group": name, "why": why} for name, why in refits.failed.items()]
    refits.failed.clear()
    return {"groups": rows, "failed": failed, "not_reached": list(later)}


def _band(chance: float) -> float | None:
    """The limit below which a chance is; None if it is not small."""
    return next((band for band in _BANDS if chance < band), None)
