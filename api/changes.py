"""Did opinion change? Between two periods of one fit, or between two releases that share no interview.

See ``mrp.change``. Where neither can be said there is a reason: a model without periods pools its waves, and releases
with waves in common have a revision, not a change.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from typing import Any

from api.answer_head import release_reference
from api.comparison_payloads import AreaChange, ChangePayload
from api.errors import EstimateRefused
from api.group_query import EstimateQuery, load_release, prepare_query
from api.interval_ends import ends_of
from api.labels import one_of
from api.pairs import Pairs, pair_groups
from api.provenance import wave_ids
from api.release_cache import ReleaseCache
from api.served import Served
from api.swings import swings
from api.systematic_words import CANCELS
from jobs.settings import Settings
from mrp.change import Change, change_between_fits, change_between_periods
from mrp.poststratification import AreaDraws

__all__ = ["ChangeQuery", "answer_changes", "prepare_change", "prepare_change_of_releases"]


NOT_SPLIT = {
    "mix_and_mind": None,
    "mix_and_mind_reason": "A swing is split between two periods of one release, not between releases.",
}


@dataclass(frozen=True, slots=True)
class ChangeQuery(EstimateQuery):
    """What is compared."""

    since: str | None = None
    """The period before; None: the one before ``period``."""


def prepare_change(cache: ReleaseCache, served: Served, query: ChangeQuery, settings: Settings) -> Pairs:
    """Two periods of one release.

    Raises
    ------
    EstimateRefused
        As `prepare_query`; or if the model has no period, or no earlier one.
    """
    design = load_release(cache, served, settings).design.common
    grid = design.observed.get("period", ())
    if not grid or design.period is None:
        raise EstimateRefused(
            f"The model {design.formula!r} has no term of period: it pools its waves, and tells no change between "
            "them. Give the model such a term, or name in before an earlier release that shares no interview."
        )
    until = one_of("period", query.period or design.period, grid)
    if query.since is None and until == grid[0]:
        raise EstimateRefused(f"{until} is the first period of the model: there is none before it.")
    since = one_of("period", query.since or grid[grid.index(until) - 1], grid)
    if grid.index(since) >= grid.index(until):
        raise EstimateRefused(f"since={since} is not before period={until}. Exchange them, or name other periods.")
    sides = [prepare_query(cache, served, replace(query, period=period), settings) for period in (since, until)]
    return pair_groups(*sides)


def prepare_change_of_releases(
    cache: ReleaseCache, served: Served, earlier: Served, query: ChangeQuery, settings: Settings
) -> Pairs:
    """Two releases that share no interview, each in its own last period.

    Raises
    ------
    EstimateRefused
        As `prepare_query`; or if they have waves in common.
    """
    if query.since or query.period:
        raise EstimateRefused(
            "before compares two releases, since and period compare two periods of one. Ask for one of them."
        )
    before, after = (load_release(cache, one, settings) for one in (earlier, served))
    if shared := wave_ids(before) & wave_ids(after):
        waves = "1 wave" if len(shared) == 1 else f"{len(shared)} waves"
        raise EstimateRefused(
            f"Releases {before.release.number} and {after.release.number} have {waves} in common, so that there is no "
            "probability of a change between them. Ask for their "
            "/revision (`hustings ask revision`), or for the change between two periods of one."
        )
    # The change among the same people: those whom the later release knows the part of the population by.
    earlier = replace(earlier, populations=served.populations)
    return pair_groups(*(prepare_query(cache, one, query, settings) for one in (earlier, served)))


def answer_changes(pairs: Pairs, settings: Settings) -> ChangePayload:
    """Every change that was asked for."""
    is_of_releases = _is_of_releases(pairs)
    return ChangePayload(
        **pairs.head(settings) | {"uncertainty_meaning": CANCELS},
        between="releases" if is_of_releases else "periods",
        since=pairs.first.period,
        before=release_reference(pairs.first.served.release) if is_of_releases else None,
        changes=[
            AreaChange(**names, before=first, after=second, **fields, **split)
            for (names, first, second, fields), split in zip(
                pairs.compared(settings, partial(_changes, pairs)),
                repeat(NOT_SPLIT, len(pairs.keys)) if is_of_releases else swings(pairs, settings),
                strict=True,
            )
        ],
    )


def _is_of_releases(pairs: Pairs) -> bool:
    return pairs.first.served.release.id != pairs.second.served.release.id


def _changes(pairs: Pairs, before: AreaDraws, after: AreaDraws) -> Iterator[dict[str, Any]]:
    unit = pairs.first.unit
    for one in _changed(pairs, before, after):
        yield {
            "difference": one.difference.mean,
            "low": one.difference.low,
            "high": one.difference.high,
            "intervals": ends_of(pairs.first.query, one.difference),
            "sd": one.difference.sd,
            "mc_error": one.difference.mc_error,
            "p_rise": one.p_rise.value,
            "p_rise_mc_error": one.p_rise.mc_error,
            "words": one.direction,
            "sentence": one.in_words(unit),
        }


def _changed(pairs: Pairs, before: AreaDraws, after: AreaDraws) -> tuple[Change, ...]:
    query = pairs.first.query
    if not _is_of_releases(pairs):
        return change_between_periods(before, after, interval=query.interval, also=query.further)
    return change_between_fits(
        before,
        after,
        waves_before=wave_ids(pairs.first.loaded),
        waves_after=wave_ids(pairs.second.loaded),
        interval=query.interval,
        also=query.further,
    )
