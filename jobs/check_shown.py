"""What of a check may be kept: judged on exact counts in memory, told from perturbed ones alone.

Of every group the observed share, the interviews and the residual are those of the perturbed counts, with the
perturbation's own noise in the interval; groups below ``min_interviews`` are left out, with whatever was found of them.
What exact counts decided is told in few steps (``mrp.checks.told``): whether a margin fits, which groups are off, and
by about how much.

The demographics and districts are told from the same perturbed cells as every other count of a release
(``api.shown_counts``), so that no second noise can be averaged with the first. What else is known of an interview is
told with noise of its own, group by group: nothing finer is told of it, and a person is in one pollster, one period and
one mode.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from mrp.checks.margins import with_parents
from mrp.checks.misfit import FALSE_ALARM, MarginMisfit
from mrp.checks.predictive import INTERVAL, GroupCheck
from mrp.electorate import Electorate
from mrp.heed import Heed, nobody
from mrp.terms import OBSERVED
from polling.disclosure import (
    ANSWER_NOISE_VARIANCE,
    COUNT_NOISE_VARIANCE,
    OPTION_NOISE_VARIANCE,
    DisclosureRules,
    perturb_counts,
)
from polling.store.columns import Json

__all__ = ["ShownCounts", "told_misfits"]

_REACH = 1.6448536269514722  # of the central 90% interval
_BANDS = (0.05, 0.01, 0.001, 0.0001)
_AT_ONCE = 10_000
"""Cells that are perturbed between two looks at whether to go on: a second's work."""


type Told = Mapping[tuple[str, ...], tuple[int, float, float]]
"""Groups of a margin that may be told: interviews, share, and variance of the share's own noise."""


@dataclass(frozen=True, slots=True)
class ShownCounts:
    """Perturbs the counts of one fit."""

    counts: pl.DataFrame
    """By the district, the demographics, and of period, pollster and mode those that there are."""
    stored: tuple[str, ...]
    """Columns of the counts that were stored with the fit: by these everything else of a release is told."""
    electorate: Electorate
    survey: str
    question: str
    key: bytes
    rules: DisclosureRules
    answer: str = "y"
    """Column of the answers that are told: ``y``, or that of an option."""
    heed: Heed = nobody
    """Called between parts of the work; see ``mrp.heed``."""
    perturbed: dict[tuple[str, ...], pl.DataFrame] = field(default_factory=dict, compare=False, repr=False)
    """Cells of the districts that were perturbed before, by what they are counted by: it takes seconds for many, is
    asked for at every margin of every option, and is the same each time."""

    def of(self, columns: tuple[str, ...]) -> Told:
        """What may be told of a margin."""
        shown, by = self._perturbed_for(columns)
        shown = self._weighted(shown, by)
        if self.electorate.district in shown.columns:
            shown = with_parents(shown, self.electorate)
        share = (pl.col(self.answer).sum() / pl.col("n").sum()).clip(0, 1)
        of_answer = ANSWER_NOISE_VARIANCE if self.answer == "y" else OPTION_NOISE_VARIANCE
        of_cell = of_answer + COUNT_NOISE_VARIANCE * share**2
        noise = pl.len() * of_cell / pl.col("n").sum() ** 2
        told = [pl.col("n").sum(), share.alias("share"), noise.alias("noise")]
        grouped = shown.group_by(list(columns)).agg(told) if columns else shown.select(told)
        grouped = grouped.filter(pl.col("n") >= self.rules.min_interviews)
        return {tuple(map(str, row[: len(columns)])): row[len(columns) :] for row in grouped.iter_rows()}

    def large_enough(self, columns: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
        """Groups of a margin with so many interviews that something may be told of them."""
        shown, _ = self._perturbed_for(columns)
        if self.electorate.district in shown.columns:
            shown = with_parents(shown, self.electorate)
        n = pl.col("n").sum()
        grouped = shown.group_by(list(columns)).agg(n) if columns else shown.select(n)
        grouped = grouped.filter(pl.col("n") >= self.rules.min_interviews)
        return frozenset(tuple(map(str, row[: len(columns)])) for row in grouped.iter_rows())

    def _perturbed_for(self, columns: tuple[str, ...]) -> tuple[pl.DataFrame, tuple[str, ...]]:
        """Perturbed cells that a margin is told from, and what they are counted by."""
        cells, district = self.electorate.cell_columns, self.electorate.district
        period = ("period",) if "period" in self.stored and "period" not in cells else ()
        by = (*cells, *period)
        if any(one in OBSERVED and one not in by for one in columns):
            return self._perturb(self.counts, columns), columns
        here = self.counts[district].unique()
        kept = self.perturbed.get(by)
        missing = here if kept is None else here.filter(~here.is_in(kept[district].unique().implode()))
        if kept is None or len(missing):
            # Cells are perturbed each by itself, so that parts of the country can be one after the other.
            own = self.counts.filter(pl.col(district).is_in(missing.implode(), nulls_equal=True))
            n_parts = 1 + own.height // _AT_ONCE
            part = own[district].rank("dense").fill_null(0) % n_parts
            new = [self._perturb(own.filter(part == k), by) for k in range(n_parts)]
            kept = pl.concat([*(() if kept is None else (kept,)), *new]).sort(by)
            self.perturbed[by] = kept
        return kept.filter(pl.col(district).is_in(here.implode(), nulls_equal=True)), by

    def _perturb(self, counts: pl.DataFrame, by: tuple[str, ...]) -> pl.DataFrame:
        self.heed()
        return perturb_counts(counts, by=by, survey=self.survey, question=self.question, key=self.key)

    def _weighted(self, shown: pl.DataFrame, by: tuple[str, ...]) -> pl.DataFrame:
        """With weights in the likelihood: the weighted number of answers of each cell, with the noise of the other."""
        if "weight" not in self.counts.columns:
            return shown
        sums = [pl.col(name).sum() for name in ("n", "y", "weight", "weight_y")]
        exact = self.counts.group_by(by).agg(sums).rename({"n": "n exact", "y": "y exact"})
        both = shown.join(exact, on=by, how="left", nulls_equal=True)
        weighted = pl.col("n exact") * pl.col("weight_y") / pl.col("weight")
        return both.with_columns(y=weighted + pl.col("y") - pl.col("y exact"))


def told_misfits(
    misfits: tuple[MarginMisfit, ...], told: Mapping[tuple[str, ...], Told | None], *, rules: DisclosureRules
) -> dict[str, Json]:
    """What is kept of a posterior predictive check.

    Parameters
    ----------
    misfits
        Of groups that may be told alone.
    told
        Columns of a margin -> what may be told of it, as `ShownCounts.of` gives it; None: nothing of its groups.

    Returns
    -------
    dict
        ``interval``, ``false_alarm``, ``margins``: of each its columns, what was found ("fits" or "misfit"), an upper
        limit of its chance, how many groups are in their interval, and the groups that may be told.
    """
    return {
        "interval": INTERVAL,
        "false_alarm": FALSE_ALARM,
        "min_interviews": rules.min_interviews,
        "margins": [_margin(misfit, told[misfit.check.margin.columns]) for misfit in misfits],
    }


def _margin(misfit: MarginMisfit, of: Told | None) -> dict[str, Any]:
    columns = misfit.check.margin.columns
    off = {one.group.levels for one in misfit.worst} if misfit.is_misfit else set()
    told = misfit.check.groups if of is not None else ()
    groups = [_group(one, (of or {})[one.levels], is_off=one.levels in off) for one in told]
    inside = [one["low"] <= one["observed"] <= one["high"] for one in groups]
    return {
        "columns": list(columns),
        "found": "misfit" if misfit.is_misfit else "fits",
        "chance_below": next((band for band in sorted(_BANDS) if misfit.log_chance < math.log(band)), None),
        "typical": None if of is None else round(misfit.typical, 2),
        "covered": round(float(np.mean(inside)), 3) if inside else None,
        "groups": groups,
    }


def _group(group: GroupCheck, told: tuple[int, float, float], *, is_off: bool) -> dict[str, Any]:
    n, share, noise = told
    sd = math.sqrt(group.sd**2 + noise)
    predicted = group.predicted
    return {
        "levels": list(group.levels),
        "n_interviews": int(n),
        "observed": round(share, 4),
        "predicted": round(predicted, 4),
        "low": round(max(0.0, predicted - _REACH * sd), 4),
        "high": round(min(1.0, predicted + _REACH * sd), 4),
        "residual": round((share - predicted) / sd, 2),
        "off": is_off,
    }
