"""Estimate shares and means of areas and groups from the stored draws of one release.

The share of an area or group is computed per draw and summarised last; the complement of a binary question's first
option is one minus its draws. How much of an estimate is data is told beside it (``mrp.information``), as far as the
number of interviews is. Where an option does not stand its share is 0 and no estimate: it has a flag and no interval.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from api.answer_head import groups_head
from api.answer_payloads import AreaMean, AreaNumber, EstimatesPayload, MeansPayload, TwoIntervals
from api.breakdown import pieces
from api.group_facts import GroupFacts, group_facts
from api.group_query import EstimateQuery, Prepared
from api.interval_ends import interval_ends
from api.measured import Measured, of_share
from api.systematic_words import uncertainty_head
from jobs.settings import Settings
from mrp.information import Information, information
from mrp.misreport import cut
from mrp.poststratification import AreaDraws
from mrp.quantity import central_intervals
from mrp.summary import summarise

__all__ = [
    "KNOWN",
    "answer_means",
    "answer_query",
    "answer_rows",
    "estimate_fields",
    "measured_pieces",
    "no_second",
    "number_fields",
    "option_fields",
    "second_of",
    "share_fields",
]


KNOWN: Final = "known-total"
"""Flag of an estimate that meets what is known of its area in every draw."""
CUT: Final = "cut-to-possible"
"""Flag of an estimate of what people did, some of whose draws would be below 0 or above 1."""
_FEW_CUT: Final = 0.01
"""Of the draws."""
_ROUNDING: Final = 1e-5
"""Between the largest and the smallest draw of what is known; posteriors are wider by far."""
_SECOND: Final = ("low", "high", "intervals", "sd")
"""What the second interval has of its own."""

NOT_ESTIMATED: Final[dict[str, Any]] = {
    "low": None,
    "high": None,
    "intervals": [],
    "sd": None,
    "n_effective": None,
    "n_equivalent": None,
    "n_equivalent_mc_error": 0.0,
    "pooling": None,
    "pooling_mc_error": None,
}
"""What is said of a share that is 0 because the option does not stand there: it is not known from interviews."""


def answer_query(prepared: Prepared, settings: Settings) -> EstimatesPayload:
    """Compute every estimate that was asked for."""
    facts, done = group_facts(prepared, settings), 0
    standing = {option: prepared.part_standing(option) for option in prepared.options}
    found: list[TwoIntervals] = []
    for rows in pieces(prepared.loaded, prepared.answered):
        told = facts[done : done + rows.size]
        parts = {option: part[rows] for option, part in standing.items()}
        first, second = (_by_option(one, rows, told, parts) for one in (prepared, prepared.with_error))
        found += _rows(told, first, second)
        done += rows.size
    return EstimatesPayload(**_head(prepared, settings), estimates=found)


def answer_means(prepared: Prepared, settings: Settings) -> MeansPayload:
    """Compute every mean that was asked for."""
    return MeansPayload(
        **_head(prepared, settings),
        means=[
            AreaMean(**one.names, **mean, **total)
            for facts, found, second in _mean_pieces(prepared, settings)
            for one, mean, total in zip(
                facts,
                estimate_fields(found, facts, prepared.query),
                no_second(facts) if second is None else map(second_of, estimate_fields(second, facts, prepared.query)),
                strict=True,
            )
        ],
    )


def _head(prepared: Prepared, settings: Settings) -> dict[str, Any]:
    """That of an answer with two intervals."""
    return groups_head(prepared, settings) | uncertainty_head(prepared.loaded, two_intervals=True)


def _by_option(
    prepared: Prepared | None,
    rows: NDArray[np.int64],
    facts: Sequence[GroupFacts],
    parts: Mapping[str, NDArray[np.float64]],
) -> dict[str, list[dict[str, Any]]]:
    """`option_fields` of the options that are answered; empty without draws."""
    if prepared is None:
        return {}
    every = (of_share(prepared.loaded, one) for one in prepared.draws_by_option(rows))
    return option_fields(dict(zip(prepared.options, every, strict=True)), facts, prepared.query, parts=parts)


def _mean_pieces(
    prepared: Prepared, settings: Settings
) -> Iterator[tuple[list[GroupFacts], Measured, Measured | None]]:
    """As `measured_pieces`, with what the draws that have the systematic error say."""
    with_error = prepared.with_error
    seconds = None if with_error is None else measured_pieces(with_error, settings)
    for facts, found in measured_pieces(prepared, settings):
        yield facts, found, None if seconds is None else next(seconds)[1]


def answer_rows(prepared: Prepared, settings: Settings) -> list[AreaNumber]:
    """The share or the mean of every group, as a row of whatever else is told of them."""
    return [
        AreaNumber(**one.names, option=prepared.option or None, **number)
        for facts, found in measured_pieces(prepared, settings)
        for one, number in zip(facts, number_fields(found, facts, prepared.query), strict=True)
    ]


def _rows(
    facts: Sequence[GroupFacts],
    of_options: Mapping[str, Sequence[Mapping[str, Any]]],
    seconds: Mapping[str, Sequence[Mapping[str, Any]]],
) -> Iterator[TwoIntervals]:
    """All options of the first group, then all of the second ..."""
    for at, one in enumerate(facts):
        for option, shares in of_options.items():
            total = second_of(seconds[option][at]) if seconds else NO_SECOND
            yield TwoIntervals(**one.names, option=option, **shares[at], **total)


NO_SECOND: Final[dict[str, Any]] = {f"total_{name}": None for name in _SECOND}


def second_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The second interval; nulls where nothing is estimated."""
    return NO_SECOND if fields["low"] is None else {f"total_{name}": fields[name] for name in _SECOND}


def no_second(facts: Sequence[GroupFacts]) -> list[dict[str, Any]]:
    """Of areas of which there is none."""
    return [NO_SECOND for _ in facts]


def measured_pieces(prepared: Prepared, settings: Settings) -> Iterator[tuple[list[GroupFacts], Measured]]:
    """Facts of the groups that are answered, and their shares or means, in order, some at a time."""
    facts, done = group_facts(prepared, settings), 0
    for rows in pieces(prepared.loaded, prepared.answered):
        yield facts[done : done + rows.size], prepared.measured(rows)
        done += rows.size


def share_fields(found: Measured, facts: Sequence[GroupFacts], query: EstimateQuery) -> list[dict[str, Any]]:
    """The fields of `api.answer_payloads.AreaEstimate` that tell of shares; see `estimate_fields`."""
    shares = estimate_fields(found, facts, query)
    return [share | _standing(one) for share, one in zip(shares, facts, strict=True)]


def option_fields(
    drawn: Mapping[str, Measured],
    facts: Sequence[GroupFacts],
    query: EstimateQuery,
    *,
    parts: Mapping[str, NDArray[np.float64]],
) -> dict[str, list[dict[str, Any]]]:
    """`share_fields` of each of several options in some groups, as far as it stands there.

    Parameters
    ----------
    drawn
        Draws of the options.
    facts
        Of each group.
    parts
        In which part of the people of each group an option stands, shape (group,).
    """
    found = {}
    for option, areas in drawn.items():
        told = [one.of_option(part) for one, part in zip(facts, parts[option].tolist(), strict=True)]
        found[option] = share_fields(areas, told, query)
    return found


def number_fields(found: Measured, facts: Sequence[GroupFacts], query: EstimateQuery) -> list[dict[str, Any]]:
    """The same where a share or a mean may be answered: the fields of `api.answer_payloads.Number`."""
    numbers = estimate_fields(found, facts, query)
    return [{"share": None, "mean": None} | number | _standing(one) for number, one in zip(numbers, facts, strict=True)]


def estimate_fields(found: Measured, facts: Sequence[GroupFacts], query: EstimateQuery) -> list[dict[str, Any]]:
    """``share`` or ``mean`` of every area, intervals and errors, its people and interviews, and how much of it is data.

    Parameters
    ----------
    facts
        Of each area.
    """
    areas, settled = _settled(found.areas)
    known = information(areas, [one.n_effective or 0.0 for one in facts], answer_variance=found.answer_variance)
    numbers = summarise(areas, interval=query.interval).select(areas.kind, "low", "high", "sd", "mc_error").to_dicts()
    flagged = [(*((KNOWN,) if one else ()), *more) for one, more in zip(settled, _cut(found), strict=True)]
    further = central_intervals(areas.draws, query.further).transpose(2, 0, 1).tolist()  # (area, interval, 2)
    return [
        number
        | {"intervals": interval_ends(query.intervals, ((number["low"], number["high"]), *ends))}
        | one.counted
        | _how_much_is_data(one, of_one)
        | ({"flags": [*one.counted["flags"], *flags]} if flags else {})
        for number, ends, one, of_one, flags in zip(numbers, further, facts, known, flagged, strict=True)
    ]


def _settled(areas: AreaDraws) -> tuple[AreaDraws, list[bool]]:
    """Draws without the rounding of shares that meet a known total, and which shares these are.

    What meets a total in every draw differs by the rounding of stored numbers, 1e-6, and by nothing else.
    """
    draws = areas.draws
    if areas.kind != "share" or not draws.size:
        return areas, [False] * draws.shape[1]
    mean = draws.mean(axis=0)
    # A share of nobody, or of everybody, is one that cannot be otherwise.
    settled = (np.ptp(draws, axis=0) < _ROUNDING) & (mean > _ROUNDING) & (mean < 1 - _ROUNDING)
    if not settled.any():
        return areas, settled.tolist()
    return replace(areas, draws=np.where(settled, mean, draws)), settled.tolist()


def _cut(found: Measured) -> list[tuple[str, ...]]:
    """The flag of shares that are turned back from reports, where more than a few draws had to be put at 0 or 1."""
    areas = found.areas
    if areas.kind != "share" or found.answer_variance is None:
        return [()] * areas.draws.shape[1]
    return [(CUT,) if one > _FEW_CUT else () for one in cut(areas).tolist()]


def _standing(facts: GroupFacts) -> dict[str, Any]:
    """In which part of the people the option stands; and what is not told where in none."""
    return {"part_standing": facts.part_standing} | ({} if facts.stands else NOT_ESTIMATED)


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
