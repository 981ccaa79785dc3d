"""Estimate shares and means of areas and groups from the stored draws of one release.

The share of an area or group is computed per draw and summarised last; the complement of a binary question's first
option is one minus its draws. How much of an estimate is data is told beside it (``mrp.information``), as far as the
number of interviews is.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from api.answer_head import groups_head
from api.answer_payloads import AreaEstimate, AreaMean, AreaNumber, EstimatesPayload, MeansPayload
from api.breakdown import pieces
from api.group_facts import GroupFacts, group_facts
from api.group_query import EstimateQuery, Prepared
from api.interval_ends import interval_ends
from api.measured import Measured
from jobs.settings import Settings
from mrp.information import Information, information
from mrp.poststratification import AreaDraws
from mrp.quantity import central_intervals
from mrp.summary import summarise

__all__ = [
    "answer_means",
    "answer_query",
    "answer_rows",
    "estimate_fields",
    "measured_pieces",
    "number_fields",
    "share_fields",
]


def answer_query(prepared: Prepared, settings: Settings) -> EstimatesPayload:
    """Compute every estimate that was asked for."""
    return EstimatesPayload(
        **groups_head(prepared, settings),
        estimates=[row for facts, drawn in _option_pieces(prepared, settings) for row in _rows(prepared, facts, drawn)],
    )


def answer_means(prepared: Prepared, settings: Settings) -> MeansPayload:
    """Compute every mean that was asked for."""
    return MeansPayload(
        **groups_head(prepared, settings),
        means=[
            AreaMean(**one.names, **mean)
            for facts, found in measured_pieces(prepared, settings)
            for one, mean in zip(facts, estimate_fields(found, facts, prepared.query), strict=True)
        ],
    )


def answer_rows(prepared: Prepared, settings: Settings) -> list[AreaNumber]:
    """The share or the mean of every group, as a row of whatever else is told of them."""
    return [
        AreaNumber(**one.names, option=prepared.option or None, **number)
        for facts, found in measured_pieces(prepared, settings)
        for one, number in zip(facts, number_fields(found, facts, prepared.query), strict=True)
    ]


def _option_pieces(prepared: Prepared, settings: Settings) -> Iterator[tuple[list[GroupFacts], tuple[AreaDraws, ...]]]:
    """As `measured_pieces`, with the draws of every option."""
    facts, done = group_facts(prepared, settings), 0
    for rows in pieces(prepared.loaded, prepared.answered):
        yield facts[done : done + rows.size], prepared.draws_by_option(rows)
        done += rows.size


def _rows(prepared: Prepared, facts: Sequence[GroupFacts], drawn: Sequence[AreaDraws]) -> Iterator[AreaEstimate]:
    """All options of the first group, then all of the second ..."""
    of_options = [share_fields(areas, facts, prepared.query) for areas in drawn]
    for one, shares in zip(facts, zip(*of_options, strict=True), strict=True):
        for option, share in zip(prepared.options, shares, strict=True):
            yield AreaEstimate(**one.names, option=option, **share)


def measured_pieces(prepared: Prepared, settings: Settings) -> Iterator[tuple[list[GroupFacts], Measured]]:
    """Facts of the groups that are answered, and their shares or means, in order, some at a time."""
    facts, done = group_facts(prepared, settings), 0
    for rows in pieces(prepared.loaded, prepared.answered):
        yield facts[done : done + rows.size], prepared.measured(rows)
        done += rows.size


def share_fields(areas: AreaDraws, facts: Sequence[GroupFacts], query: EstimateQuery) -> list[dict[str, Any]]:
    """The fields of `api.answer_payloads.AreaEstimate` that tell of shares; see `estimate_fields`."""
    return estimate_fields(Measured(areas), facts, query)


def number_fields(found: Measured, facts: Sequence[GroupFacts], query: EstimateQuery) -> list[dict[str, Any]]:
    """The same where a share or a mean may be answered: the fields of `api.answer_payloads.Number`."""
    return [{"share": None, "mean": None} | one for one in estimate_fields(found, facts, query)]


def estimate_fields(found: Measured, facts: Sequence[GroupFacts], query: EstimateQuery) -> list[dict[str, Any]]:
    """``share`` or ``mean`` of every area, intervals and errors, its people and interviews, and how much of it is data.

    Parameters
    ----------
    facts
        Of each area.
    """
    areas = found.areas
    known = information(areas, [one.n_effective or 0.0 for one in facts], answer_variance=found.answer_variance)
    numbers = summarise(areas, interval=query.interval).select(areas.kind, "low", "high", "sd", "mc_error").to_dicts()
    further = central_intervals(areas.draws, query.further).transpose(2, 0, 1).tolist()  # (area, interval, 2)
    return [
        number
        | {"intervals": interval_ends(query.intervals, ((number["low"], number["high"]), *ends))}
        | one.counted
        | _how_much_is_data(one, of_one)
        for number, ends, one, of_one in zip(numbers, further, facts, known, strict=True)
    ]


def _how_much_is_data(facts: GroupFacts, known: Information) -> dict[str, Any]:
    # Pooling tells the number of interviews: where that is not told, it is not either.
    is_told = facts.n_effective is not None
    return {
        "n_effective": facts.n_effective,
        "n_equivalent": known.n_equivalent if math.isfinite(known.n_equivalent) else None,
        "n_equivalent_mc_error": known.n_equivalent_mc_error,
        "pooling": known.pooling if is_told else None,
        "pooling_mc_error": known.pooling_mc_error if is_told else None,
    }
