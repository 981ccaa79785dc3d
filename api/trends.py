"""Shares and means over time: every period of one fit, from its joint draws.

Only a model with a term of period has a series. Estimates of one release after another are none: each rests on more
interviews than the one before, and a difference between them is a revision.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.answer_head import groups_head
from api.breakdown import pieces
from api.errors import EstimateRefused
from api.estimates import no_second, number_fields, second_of
from api.group_facts import GroupFacts, group_facts
from api.group_query import EstimateQuery, Prepared, load_release, prepare_query
from api.labels import one_of
from api.release_cache import ReleaseCache
from api.served import Served
from api.systematic_words import uncertainty_head
from api.trend_payloads import TrendPayload, TrendPoint
from jobs.settings import Settings

__all__ = ["PreparedTrend", "TrendQuery", "answer_trend", "prepare_trend"]

SHORT = 8
"""Periods whose draws are made in a moment: each takes a pass over the cells."""


@dataclass(frozen=True, slots=True)
class TrendQuery(EstimateQuery):
    """Of which time the series is asked."""

    since: str | None = None
    """Its first period; None: that of the model."""
    until: str | None = None
    """Its last period; None: that of the model."""


@dataclass(frozen=True, slots=True)
class PreparedTrend:
    """Groups that are found, and the periods in which they are looked at."""

    prepared: Prepared
    """In the last of them."""
    periods: tuple[str, ...]

    @property
    def is_large(self) -> bool:
        """Whether the answer takes seconds."""
        n_points = int(self.prepared.answered.sum()) * len(self.periods)
        return len(self.periods) > SHORT or not self.prepared.loaded.keeps(n_points)


def prepare_trend(cache: ReleaseCache, served: Served, query: TrendQuery, settings: Settings) -> PreparedTrend:
    """Understand the query.

    Raises
    ------
    EstimateRefused
        As `prepare_query`; or if the model has no period, one period is asked for, the first is after the last, or
        there are more groups and periods than the setting ``max_groups`` allows.
    """
    design = load_release(cache, served, settings).design.common
    grid = design.observed.get("period", ())
    if not grid:
        raise EstimateRefused(
            f"The model {design.formula!r} has no term of period: it pools its waves, and tells no series of them. "
            "Give the model such a term, or see what a release says differently from an earlier one in its "
            "/revision (`hustings ask revision`)."
        )
    if query.period is not None:
        raise EstimateRefused(
            "A trend goes over periods. Name the first in since and the last in until, not in period."
        )
    since, until = (one_of("period", name, grid) for name in (query.since or grid[0], query.until or grid[-1]))
    if grid.index(since) > grid.index(until):
        raise EstimateRefused(f"since={since} is after until={until}. Exchange them, or name other periods.")
    periods = tuple(grid[grid.index(since) : grid.index(until) + 1])
    prepared = prepare_query(cache, served, replace(query, period=until), settings).where_it_stands()
    n_groups = int(prepared.wanted.sum())
    if (n_points := n_groups * len(periods)) > settings.max_groups:
        raise EstimateRefused(
            f"{n_groups:,} groups in {len(periods)} periods are {n_points:,} estimates; one answer has at most "
            f"{settings.max_groups:,} (setting max_groups). Name fewer demographics in by, some districts at a "
            "time, or a later since."
        )
    return PreparedTrend(prepared, periods)


def answer_trend(trend: PreparedTrend, settings: Settings) -> TrendPayload:
    """The series of every group that was asked for."""
    prepared = trend.prepared
    facts = {period: group_facts(prepared, settings, period=period) for period in trend.periods}
    points: list[TrendPoint] = []
    done = 0
    for rows in pieces(prepared.loaded, prepared.answered):
        of_period = []
        for period in trend.periods:
            told = facts[period][done : done + rows.size]
            found = replace(prepared, period=period).measured(rows)
            numbers = number_fields(found, told, prepared.query)
            option = prepared.option or None
            of_period.append(
                [
                    TrendPoint(**one.names, option=option, **number, period=period, **total)
                    for one, number, total in zip(
                        told, numbers, _seconds(prepared, rows, told, period=period), strict=True
                    )
                ]
            )
        points += [point for series in zip(*of_period, strict=True) for point in series]
        done += rows.size
    head = groups_head(prepared, settings) | uncertainty_head(prepared.loaded, two_intervals=True)
    return TrendPayload(**head, periods=list(trend.periods), points=points)


def _seconds(
    prepared: Prepared, rows: NDArray[np.int64], facts: Sequence[GroupFacts], *, period: str
) -> Iterable[dict[str, Any]]:
    """The intervals with the systematic error in one period."""
    with_error = prepared.with_error
    if with_error is None:
        return no_second(facts)
    found = replace(with_error, period=period).measured(rows)
    return map(second_of, number_fields(found, facts, prepared.query))
