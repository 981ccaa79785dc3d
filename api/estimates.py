"""Estimate shares and means of areas and groups from the stored draws of one release.

The share of an area or group is computed per draw and summarised last; the complement of a binary question's first
option is one minus its draws. How much of an estimate is data is told beside it (``mrp.information``), as far as the
number of interviews is.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from api.answer_head import groups_head
from api.answer_payloads import AreaMean, EstimatesPayload, MeansPayload, TwoIntervals
from api.breakdown import pieces
from api.group_facts import GroupFacts, group_facts
from api.group_query import EstimateQuery, Prepared
from api.interval_ends import interval_ends
from api.systematic_words import uncertainty_head
from jobs.settings import Settings
from mrp.information import Information, information
from mrp.poststratification import AreaDraws
from mrp.quantity import central_intervals
from mrp.summary import summarise

__all__ = ["KNOWN", "answer_means", "answer_query", "drawn_pieces", "share_fields"]

KNOWN = "known-total"
"""Flag of an estimate that meets what is known of its area in every draw."""
_ROUNDING = 1e-5
"""Between the largest and the smallest draw of what is known; posteriors are wider by far."""


def answer_query(prepared: Prepared, settings: Settings) -> EstimatesPayload:
    """Compute every estimate that was asked for."""
    return EstimatesPayload(
        **_head(prepared, settings),
        estimates=[
            row
            for facts, drawn, second in _option_pieces(prepared, settings)
            for row in _rows(prepared, facts, drawn, second)
        ],
    )


def answer_means(prepared: Prepared, settings: Settings) -> MeansPayload:
    """Compute every mean that was asked for."""
    question, query = prepared.loaded.question, prepared.query
    scores = question.scores or range(1, len(question.options) + 1)
    return MeansPayload(
        **_head(prepared, settings),
        unit=question.unit or None,
        scores={option: float(score) for option, score in zip(question.options, scores, strict=True)},
        means=[
            AreaMean(**one.names, **mean, n_effective=one.n_effective, **total)
            for facts, areas, second in _mean_pieces(prepared, settings)
            for one, mean, total in zip(
                facts, _summaries("mean", areas, facts, query), _second("mean", second, facts, query), strict=True
            )
        ],
    )


def _head(prepared: Prepared, settings: Settings) -> dict[str, Any]:
    """That of an answer with two intervals."""
    return groups_head(prepared, settings) | uncertainty_head(prepared.loaded, two_intervals=True)


def _option_pieces(
    prepared: Prepared, settings: Settings
) -> Iterator[tuple[list[GroupFacts], tuple[AreaDraws, ...], tuple[AreaDraws | None, ...]]]:
    """As `drawn_pieces`, with the draws of every option, and the same with the systematic error."""
    facts, done, with_error = group_facts(prepared, settings), 0, prepared.with_error
    for rows in pieces(prepared.loaded, prepared.answered):
        second = (None,) * len(prepared.options) if with_error is None else with_error.draws_by_option(rows)
        yield facts[done : done + rows.size], prepared.draws_by_option(rows), second
        done += rows.size


def _mean_pieces(
    prepared: Prepared, settings: Settings
) -> Iterator[tuple[list[GroupFacts], AreaDraws, AreaDraws | None]]:
    """As `drawn_pieces`, with the draws that have the systematic error."""
    facts, done, with_error = group_facts(prepared, settings), 0, prepared.with_error
    for rows in pieces(prepared.loaded, prepared.answered):
        second = None if with_error is None else with_error.draws(rows)
        yield facts[done : done + rows.size], prepared.draws(rows), second
        done += rows.size


def _rows(
    prepared: Prepared,
    facts: Sequence[GroupFacts],
    drawn: Sequence[AreaDraws],
    second: Sequence[AreaDraws | None],
) -> Iterator[TwoIntervals]:
    """All options of the first group, then all of the second ..."""
    query = prepared.query
    of_options = [share_fields(areas, facts, query) for areas in drawn]
    with_error = [_second("share", areas, facts, query) for areas in second]
    for one, shares, totals in zip(facts, zip(*of_options, strict=True), zip(*with_error, strict=True), strict=True):
        for option, share, total in zip(prepared.options, shares, totals, strict=True):
            yield TwoIntervals(**one.names, option=option, **share, **total)


def _second(
    name: str, areas: AreaDraws | None, facts: Sequence[GroupFacts], query: EstimateQuery
) -> list[dict[str, Any]]:
    """The second interval of every area; nulls where there is none."""
    fields = ("low", "high", "intervals", "sd")
    if areas is None:
        return [{f"total_{field}": None for field in fields} for _ in facts]
    return [{f"total_{field}": one[field] for field in fields} for one in _summaries(name, areas, facts, query)]


def drawn_pieces(prepared: Prepared, settings: Settings) -> Iterator[tuple[list[GroupFacts], AreaDraws]]:
    """Facts and draws of the groups that are answered, in order, some at a time."""
    facts, done = group_facts(prepared, settings), 0
    for rows in pieces(prepared.loaded, prepared.answered):
        yield facts[done : done + rows.size], prepared.draws(rows)
        done += rows.size


def share_fields(areas: AreaDraws, facts: Sequence[GroupFacts], query: EstimateQuery) -> list[dict[str, Any]]:
    """Share, intervals and errors of every area, its people and interviews, and how much of it is data.

    Parameters
    ----------
    facts
        Of each area.

    Returns
    -------
    list of dict
        The fields of `api.answer_payloads.ShareEstimate`.
    """
    areas, settled = _settled(areas)
    known = information(areas, [one.n_effective or 0.0 for one in facts])
    shares = _summaries("share", areas, facts, query)
    return [
        share | _how_much_is_data(one, of_one) | ({"flags": [*share["flags"], KNOWN]} if is_settled else {})
        for share, one, of_one, is_settled in zip(shares, facts, known, settled, strict=True)
    ]


def _settled(areas: AreaDraws) -> tuple[AreaDraws, list[bool]]:
    """Draws without the rounding of shares that meet a known total, and which shares these are.

    What meets a total in every draw differs by the rounding of stored numbers, 1e-6, and by nothing else.
    """
    draws = areas.draws
    if not draws.size:
        return areas, [False] * draws.shape[1]
    mean = draws.mean(axis=0)
    same = np.ptp(draws, axis=0) < _ROUNDING
    if not same.any():
        return areas, same.tolist()
    settled = same & (mean > _ROUNDING) & (mean < 1 - _ROUNDING)  # else nobody can choose it, or anything else
    return replace(areas, draws=np.where(settled, mean, draws)), settled.tolist()


def _summaries(name: str, areas: AreaDraws, facts: Sequence[GroupFacts], query: EstimateQuery) -> list[dict[str, Any]]:
    """The number called ``name``, intervals and errors of every area, its people and interviews."""
    areas, _ = _settled(areas) if name == "share" else (areas, [])
    numbers = summarise(areas, interval=query.interval).select(name, "low", "high", "sd", "mc_error").to_dicts()
    further = central_intervals(areas.draws, query.further).transpose(2, 0, 1).tolist()  # (area, interval, 2)
    return [
        number | {"intervals": interval_ends(query.intervals, ((number["low"], number["high"]), *ends))} | one.counted
        for number, ends, one in zip(numbers, further, facts, strict=True)
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
