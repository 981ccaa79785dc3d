"""Split the raw swing between the interviews of two periods: other people, or other minds? See ``mrp.mix_and_mind``.

It rests on interviews, not on the population, so that it is told only of groups with ``min_interviews`` shown
interviews in both periods, and from the perturbed counts of the periods, of which all others of the release are sums.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from api.comparison_payloads import MixAndMindPayload, SwingPart
from api.group_facts import shown_interviews
from api.group_query import EstimateQuery, Prepared
from api.interval_ends import ends_of
from api.pairs import Pairs
from jobs.settings import Settings
from mrp.mix_and_mind import MixAndMind, mix_and_mind, swing_table
from mrp.poststratification import cell_shares
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
    before, after = _cells(pairs.first), _cells(pairs.second)
    for area, levels in pairs.keys:
        group = (area, *levels) if pairs.first.area_column else levels
        polls = before.get(group), after.get(group)
        few = [
            side.period
            for side, cells in zip((pairs.first, pairs.second), polls, strict=True)
            if cells is None or cells["n"].sum() < max(1, settings.min_interviews)
        ]
        if few or polls[0] is None or polls[1] is None:
            reason = f"Fewer than {settings.min_interviews} interviews are shown in {' and in '.join(map(str, few))}."
            yield {"mix_and_mind": None, "mix_and_mind_reason": reason}
        else:
            yield {"mix_and_mind": _told(_split(pairs, polls[0], polls[1]), pairs), "mix_and_mind_reason": None}


def _cells(prepared: Prepared) -> Cells:
    """Perturbed counts of the cells of each group, in the period that is looked at."""
    counts, named = shown_interviews(prepared, prepared.period)
    if prepared.is_complement:
        counts = counts.with_columns(y=pl.col("n") - pl.col("y"))
    if not named:
        return {(): counts}
    return counts.partition_by(named, as_dict=True)


def _split(pairs: Pairs, before: pl.DataFrame, after: pl.DataFrame) -> MixAndMind:
    loaded, query = pairs.first.loaded, pairs.first.query
    # Cells that the model does not tell apart have the same opinion: together they are the same terms of the sums.
    table = swing_table(before, after, by=loaded.design.cell_columns)
    opinions = _opinion(pairs.first, table), _opinion(pairs.second, table)
    return mix_and_mind(table, opinions[0], opinions[1], loaded.latents, interval=query.interval, also=query.further)


def _opinion(side: Prepared, cells: pl.DataFrame) -> NDArray[np.float64]:
    """Draws of the option's share in some cells in the period that is looked at, shape (draw, cell)."""
    assert side.period is not None
    share = cell_shares(side.loaded.latents, side.loaded.design.at_period(side.period), cells).astype(np.float64)
    return 1 - share if side.is_complement else share


def _told(split: MixAndMind, pairs: Pairs) -> MixAndMindPayload:
    parts = [_part(one, pairs.first.query) for one in (split.mix, split.mind, split.noise)]
    return MixAndMindPayload(split.raw_swing, *parts)


def _part(number: Quantity, query: EstimateQuery) -> SwingPart:
    ends = ends_of(query, number)
    return SwingPart(number.mean, number.low, number.high, ends, number.sd, number.mc_error)
