"""Split the raw swing between the interviews of two periods: other people, or other minds? See ``mrp.mix_and_mind``.

It rests on interviews, not on the population, so that it is told only of groups with ``min_interviews`` shown
interviews in both periods, and from the perturbed counts of the periods, of which all others of the release are sums.
"""

from collections.abc import Iterator
from typing import Any

import polars as pl

from api.comparison_payloads import MixAndMindPayload, SwingPart
from api.group_facts import shown_interviews
from api.group_query import EstimateQuery, Prepared
from api.interval_ends import ends_of
from api.pairs import Pairs
from jobs.settings import Settings
from mrp.mix_and_mind import MixAndMind, mix_and_mind_of_groups, opposite, swing_table
from mrp.quantity import Quantity

__all__ = ["swings"]

type Cells = dict[tuple[object, ...], pl.DataFrame]


def swings(pairs: Pairs, settings: Settings) -> Iterator[dict[str, Any]]:
    """The raw swing of every group between two periods of one release, split; or why it is not told.

    Returns
    -------
    iterator of dict
        The fields ``mix_and_mind`` and ``mix_and_mind_reason`` of `api.comparison_payloads.AreaChange`, in the order of
        the pairs.
    """
    if pairs.first.loaded.misreport is not None:
        told = {"mix_and_mind": None, "mix_and_mind_reason": "The swing between interviews is one of what is reported."}
        yield from (told for _ in pairs.keys)
        return
    if pairs.first.loaded.question.kind != "binary":
        told = {"mix_and_mind": None, "mix_and_mind_reason": "A swing is split for shares of two options only."}
        yield from (told for _ in pairs.keys)
        return
    polls = _cells(pairs.first), _cells(pairs.second)
    groups = [(area, *levels) if pairs.first.area_column else levels for area, levels in pairs.keys]
    few = [_periods_with_few(pairs, polls, group, settings) for group in groups]
    enough = [group for group, periods in zip(groups, few, strict=True) if not periods]
    split = iter(_split(pairs, [(polls[0][group], polls[1][group]) for group in enough]))
    for periods in few:
        if periods:
            reason = f"Fewer than {settings.min_interviews} interviews are shown in {' and in '.join(periods)}."
            yield {"mix_and_mind": None, "mix_and_mind_reason": reason}
        else:
            yield {"mix_and_mind": _told(next(split), pairs.first), "mix_and_mind_reason": None}


def _periods_with_few(
    pairs: Pairs, polls: tuple[Cells, Cells], group: tuple[object, ...], settings: Settings
) -> list[str]:
    """The periods in which a group has not enough interviews to tell of them."""
    least = max(1, settings.min_interviews)
    return [
        str(side.period)
        for side, poll in zip((pairs.first, pairs.second), polls, strict=True)
        if group not in poll or poll[group]["n"].sum() < least
    ]


def _cells(prepared: Prepared) -> Cells:
    """Perturbed counts of the cells of each group, in the period that is looked at."""
    counts, named = shown_interviews(prepared, prepared.period)
    if not named:
        return {(): counts}
    return counts.partition_by(named, as_dict=True)


def _split(pairs: Pairs, polls: list[tuple[pl.DataFrame, pl.DataFrame]]) -> tuple[MixAndMind, ...]:
    """The swings of the first option between two polls of each group."""
    loaded, query = pairs.first.loaded, pairs.first.query
    assert pairs.first.period is not None
    assert pairs.second.period is not None
    design = loaded.design.common
    # Cells that the model does not tell apart have the same opinion: together they are the same terms of the sums.
    tables = [swing_table(before, after, by=design.cell_columns) for before, after in polls]
    return mix_and_mind_of_groups(
        tables,
        loaded.latents,
        design.at_period(pairs.first.period),
        design.at_period(pairs.second.period),
        interval=query.interval,
        also=query.further,
    )


def _told(split: MixAndMind, side: Prepared) -> MixAndMindPayload:
    own = opposite(split) if side.is_complement else split
    parts = [_part(one, side.query) for one in (own.mix, own.mind, own.noise)]
    return MixAndMindPayload(own.raw_swing, *parts)


def _part(number: Quantity, query: EstimateQuery) -> SwingPart:
    ends = ends_of(query, number)
    return SwingPart(number.mean, number.low, number.high, ends, number.sd, number.mc_error)
