"""Answer from the draws of one release how probable it is that shares or means are above a threshold, and how areas
rank.

Areas are ranked within each group of the breakdown, among all areas of the level that are answered, whichever are asked
for: 3 of 50 means the same in every query. At the level of the nation its groups are ranked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.answer_head import groups_head
from api.answer_payloads import AreaProbability, AreaRank, ProbabilityPayload, RankPayload
from api.errors import EstimateRefused, TooManyGroups
from api.estimates import measured_pieces, number_fields
from api.group_facts import GroupFacts, group_facts
from api.group_query import EstimateQuery, Prepared, prepare_query
from api.interval_ends import ends_of
from api.measures import require_threshold
from api.release_cache import ReleaseCache
from api.served import Served
from jobs.settings import Settings
from mrp.chances import above, ranks

__all__ = [
    "ProbabilityQuery",
    "RankQuery",
    "answer_probabilities",
    "answer_ranks",
    "prepare_probabilities",
    "prepare_ranks",
]


@dataclass(frozen=True, slots=True)
class ProbabilityQuery(EstimateQuery):
    """For which groups the probability is asked, and of what."""

    threshold: float | None = None
    """A share, or a number in the unit of the question; None: a half, of shares alone."""

    @property
    def is_chance(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class RankQuery(EstimateQuery):
    """For which groups the rank is asked."""

    @property
    def is_chance(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class PreparedRanks:
    """Groups that are ranked."""

    prepared: Prepared
    together: tuple[NDArray[np.int64], ...]
    """Rows of the breakdown that are ranked with each other, ascending."""

    @property
    def is_large(self) -> bool:
        """Whether the answer takes much time or memory: ranks are several times as large as the draws."""
        return not self.prepared.loaded.keeps(4 * sum(rows.size for rows in self.together))


def prepare_probabilities(cache: ReleaseCache, served: Served, query: ProbabilityQuery, settings: Settings) -> Prepared:
    """Understand the query; raises as `prepare_query`, and `EstimateRefused` for a threshold that cannot be."""
    prepared = prepare_query(cache, served, query, settings).where_it_stands()
    _threshold(prepared)
    return prepared


def answer_probabilities(prepared: Prepared, settings: Settings) -> ProbabilityPayload:
    """P(share > threshold), or P(mean > threshold), of every group."""
    threshold = _threshold(prepared)
    return ProbabilityPayload(
        **groups_head(prepared, settings),
        threshold=threshold,
        probabilities=[
            AreaProbability(
                **one.names,
                option=prepared.option or None,
                **number,
                probability=p.value,
                probability_mc_error=p.mc_error,
            )
            for facts, found in measured_pieces(prepared, settings)
            for one, number, p in zip(
                facts, number_fields(found, facts, prepared.query), above(found.areas, threshold), strict=True
            )
        ],
    )


def _threshold(prepared: Prepared) -> float:
    assert isinstance(prepared.query, ProbabilityQuery)
    return require_threshold(prepared.query.threshold, prepared.loaded.question, is_mean=prepared.is_of_means)


def prepare_ranks(cache: ReleaseCache, served: Served, query: RankQuery, settings: Settings) -> PreparedRanks:
    """Understand the query, and find what is ranked with what.

    Raises
    ------
    EstimateRefused
        As `prepare_query`; or if there is nothing to rank, or too much: ranks compare all draws at once.
    """
    prepared = prepare_query(cache, served, query, settings).where_it_stands()
    groups = prepared.breakdown.groups
    if not prepared.breakdown.by:
        raise EstimateRefused("The nation alone has no rank. Name a level of several areas, or demographics in by.")
    ranked = np.flatnonzero(
        (groups["n_people"].to_numpy() >= settings.min_people) & (prepared.part_standing(prepared.option) > 0)
    )
    if ranked.size > settings.max_groups:
        raise TooManyGroups(ranked.size, settings.max_groups)
    together: dict[tuple[str, ...], list[int]] = {}
    labels = groups[ranked].select(query.by).rows() if prepared.area_column and query.by else [()] * ranked.size
    for row, label in zip(ranked.tolist(), labels, strict=True):
        together.setdefault(label, []).append(row)
    most = max(map(len, together.values()), default=0)
    if not prepared.loaded.keeps(most):
        raise EstimateRefused(
            f"Ranks compare all groups at once, and {most:,} are too many. Name fewer demographics in by."
        )
    return PreparedRanks(prepared, tuple(np.array(rows) for rows in together.values()))


def answer_ranks(ranking: PreparedRanks, settings: Settings) -> RankPayload:
    """The rank of every group that was asked for."""
    prepared = ranking.prepared
    answered = np.flatnonzero(prepared.answered).tolist()
    facts = dict(zip(answered, group_facts(prepared, settings), strict=True))
    found = {row: fields for rows in ranking.together for row, fields in _ranked(prepared, rows, facts)}
    return RankPayload(
        **groups_head(prepared, settings),
        ranked="areas" if prepared.area_column else "groups",
        ranks=[AreaRank(**facts[row].names, option=prepared.option or None, **found[row]) for row in answered],
    )


def _ranked(
    prepared: Prepared, rows: NDArray[np.int64], facts: Mapping[int, GroupFacts]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Numbers and ranks of those of some rows that were asked for; ``facts`` has theirs."""
    wanted = np.flatnonzero(prepared.answered[rows])
    if not wanted.size:
        return
    query = prepared.query
    found = prepared.measured(rows)
    ranked = ranks(found.areas, interval=query.interval, also=query.further)
    told = [facts[row] for row in rows[wanted].tolist()]
    numbers = number_fields(found.part(wanted), told, query)
    for row, place, number in zip(rows[wanted].tolist(), wanted.tolist(), numbers, strict=True):
        one = ranked[place]
        yield (
            row,
            number
            | {
                "n_ranked": rows.size,
                "rank": one.rank.mean,
                "rank_low": one.rank.low,
                "rank_high": one.rank.high,
                "rank_intervals": ends_of(query, one.rank),
                "rank_mc_error": one.rank.mc_error,
                "p_first": one.p_first.value,
                "p_first_mc_error": one.p_first.mc_error,
            },
        )
