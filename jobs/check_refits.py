"""The checks of a release that fit its model again: without one pollster, without one part of the country.

Every fit is one by the Laplace engine, seconds; together they may take ``check_budget_s``. The largest groups come
first, and what was not reached is named. A fit that fails is named too, and says nothing.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from jobs.check_ask import AREAS, POLLSTERS
from jobs.check_made import CheckedRelease, Made
from jobs.errors import FitProcessFailed
from jobs.fit_request import FitRequest, FitResult
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
from mrp.design import Design
from mrp.latents import LatentDraws
from mrp.verdict import FitVerdict
from polling.store.columns import Json

__all__ = ["REFIT_CHECKS", "Refits"]

MOST_GROUPS = 12
_BANDS = (0.0001, 0.001, 0.01, 0.05)

type Fitted = tuple[LatentDraws, Design]


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
    failed: dict[str, str] = field(default_factory=dict)
    """Group -> why the fit without it says nothing."""

    @property
    def left_s(self) -> float:
        return self.ends - time.monotonic()

    def fit(self, counts: pl.DataFrame, name: str) -> Fitted | None:
        """A fit of these counts; None if it cannot be trusted."""
        limit = replace(self.settings, fit_timeout_s=max(1.0, min(self.settings.fit_timeout_s, self.left_s)))
        try:
            result = self.run(replace(self.request, counts=counts), limit)
        except FitProcessFailed as error:
            self.failed[name] = error.detail
            return None
        verdict = FitVerdict.from_json(result.verdict)
        if not verdict.publishable:
            self.failed[name] = verdict.problems[0].message
            return None
        return LatentDraws.from_bytes(result.draws), Design.from_json(result.design)


def leave_out_pollsters(checked: CheckedRelease, refits: Refits) -> Made:
    """Each pollster beside what the others predict of it."""
    if "pollster" not in checked.counts.columns:
        return {"skipped": "The waves are not those that were fitted any more."}, ()
    told = checked.shown.of(("pollster",))
    names, later = _groups(checked, "pollster")
    if len(names) + len(later) < 2:
        return {"skipped": "There is one pollster with enough interviews."}, ()
    found: list[HeldOutPollster] = []
    for name in names:
        if refits.left_s <= 0:
            later = (*later, name)
            continue
        rest, own = without(checked.counts, checked.electorate, "pollster", name)
        fitted = refits.fit(_as_stored(rest, checked), name)
        if fitted is None:
            continue
        whole = (checked.latents, checked.design)
        one = pollster_held_out(whole, fitted, checked.electorate, own, pollster=name, seed=checked.seed)
        if one is not None:
            found.append(one)
    rows: list[Json] = [
        {
            "pollster": one.pollster,
            "n_interviews": told[(one.pollster,)][0],
            "observed": round(told[(one.pollster,)][1], 4),
            "predicted": round(one.total.expected, 4),
            "low": round(max(0.0, one.total.expected - 1.645 * one.total.sd), 4),
            "high": round(min(1.0, one.total.expected + 1.645 * one.total.sd), 4),
            "chance_below": _band(one.chance * len(found)),
            "shift": round(one.shift, 3),
        }
        for one in found
    ]
    return _content(rows, refits, later), pollster_concerns(tuple(found))


def leave_out_areas(checked: CheckedRelease, refits: Refits) -> Made:
    """Each part of the country beside what the rest predicts of it."""
    column = _parent(checked)
    if column is None:
        return {"skipped": "No parent of the districts has 3 areas or more."}, ()
    told = checked.shown.of((column,))
    names, later = _groups(checked, column)
    found: list[HeldOutArea] = []
    for name in names:
        if refits.left_s <= 0:
            later = (*later, name)
            continue
        rest, own = without(checked.counts, checked.electorate, column, name)
        fitted = refits.fit(_as_stored(rest, checked), name) if rest.height else None
        if fitted is None:
            continue
        one = area_held_out(fitted, checked.electorate, own, area=name, least=checked.rules.min_interviews)
        if one is not None:
            found.append(one)
    rows: list[Json] = [
        {
            "area": one.area,
            "n_interviews": told[(one.area,)][0],
            "observed": round(told[(one.area,)][1], 4),
            "predicted": round(one.group.predicted, 4),
            "low": round(one.group.low, 4),
            "high": round(one.group.high, 4),
            "chance_below": _band(math.exp(min(0.0, one.group.log_chance)) * len(found)),
        }
        for one in found
    ]
    return {"column": column} | _content(rows, refits, later), area_concerns(tuple(found), column)


REFIT_CHECKS: dict[str, Callable[[CheckedRelease, Refits], Made]] = {
    POLLSTERS: leave_out_pollsters,
    AREAS: leave_out_areas,
}
"""Kind -> how it is made."""


def _groups(checked: CheckedRelease, column: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Groups that may be told, the largest first, and those that are too many."""
    told = checked.shown.of((column,))
    every = largest_first(checked.counts, checked.electorate, column, least=0)
    names = tuple(name for name in every if (name,) in told)
    return names[:MOST_GROUPS], names[MOST_GROUPS:]


def _parent(checked: CheckedRelease) -> str | None:
    """The parent of the districts with the fewest areas, at least 3."""
    parents = {name: len(checked.electorate.levels(name)) for name in checked.electorate.parents}
    return min((name for name, n in parents.items() if n >= 3), key=lambda name: (parents[name], name), default=None)


def _as_stored(counts: pl.DataFrame, checked: CheckedRelease) -> pl.DataFrame:
    """Counts by the columns that the release was fitted on."""
    by = [name for name in checked.stored if name not in _SUMS]
    sums = [pl.col(name).sum() for name in checked.stored if name in _SUMS]
    return counts.group_by(by).agg(sums).sort(by).select(checked.stored)


_SUMS = ("n", "y", "weight", "weight_y", "weight_square")


def _content(rows: list[Json], refits: Refits, later: tuple[str, ...]) -> dict[str, Any]:
    failed: list[Json] = [{"group": name, "why": why} for name, why in refits.failed.items()]
    refits.failed.clear()
    return {"groups": rows, "failed": failed, "not_reached": list(later)}


def _band(chance: float) -> float | None:
    """The limit below which a chance is; None if it is not small."""
    return next((band for band in _BANDS if chance < band), None)
