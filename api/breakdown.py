"""Find the groups of an answer, and summarise their draws a bounded number at a time.

Which groups there are follows from the frame alone, so that a breakdown that is too fine is refused, and small or
unwanted groups are left out, before a single draw is made. The draws of a coarse breakdown are kept with the release;
those of a fine one are made, summarised and dropped piece by piece: the memory of an answer does not grow with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from api.release_cache import LoadedRelease
from mrp.grouping import Grouping, cells_of, group_cells
from mrp.poststratification import AreaDraws, area_draws
from mrp.summary import summarise

__all__ = ["Breakdown", "find_breakdown", "summarise_groups"]

PIECE_MB = 8
"""Draws summarised at a time. Quantiles, deviations and autocorrelations take about four times as much."""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The groups of a breakdown of the whole population."""

    by: tuple[str, ...]
    groups: pl.DataFrame
    """One row per group with people, sorted: the ``by`` columns, ``n_people``."""
    cells: pl.DataFrame
    """The populated cells: district, demographics, ``n_people``."""
    group: NDArray[np.int32]
    """Row of ``groups`` for each of ``cells``, shape (cell,)."""


def find_breakdown(loaded: LoadedRelease, by: tuple[str, ...]) -> Breakdown:
    """The groups of a breakdown; makes no draws."""
    electorate = loaded.electorate
    columns = dict.fromkeys((*electorate.cell_columns, *by))
    cells = cells_of(electorate, tuple(columns), {})
    grouped = group_cells(cells, Grouping(by), electorate)
    return Breakdown(by, grouped.areas, cells.select(*electorate.cell_columns, "n_people"), grouped.group)


def summarise_groups(
    loaded: LoadedRelease, breakdown: Breakdown, wanted: NDArray[np.bool_], *, interval: float, complement: bool
) -> Iterator[pl.DataFrame]:
    """Summaries of the wanted groups, in order.

    Parameters
    ----------
    wanted
        Which of ``breakdown.groups``, shape (group,).
    interval
        Probability of the central interval, in (0, 1).
    complement
        Whether the share is that of the other option.

    Yields
    ------
    polars.DataFrame
        What `mrp.summary.summarise` makes of the next groups.
    """
    n_draws = loaded.latents.draws.shape[0]
    step = max(1, int(PIECE_MB * 1_000_000) // (8 * n_draws))
    rows = np.flatnonzero(wanted)
    is_kept = loaded.keeps(breakdown.groups.height)
    for start in range(0, rows.size, step):
        piece = rows[start : start + step]
        areas = _kept(loaded, breakdown, piece) if is_kept else _made(loaded, breakdown, piece)
        if complement:
            areas = replace(areas, draws=1 - areas.draws)
        yield summarise(areas, interval=interval)


def _kept(loaded: LoadedRelease, breakdown: Breakdown, piece: NDArray[np.int64]) -> AreaDraws:
    whole = loaded.areas(breakdown.by)
    # The draws of a group stay next to each other in memory, as the summary reads them.
    draws = np.ascontiguousarray(whole.draws.T[piece]).T
    return replace(whole, areas=breakdown.groups[piece], draws=draws)


def _made(loaded: LoadedRelease, breakdown: Breakdown, piece: NDArray[np.int64]) -> AreaDraws:
    inside = np.isin(breakdown.group, piece)
    part = replace(loaded.electorate, frame=breakdown.cells.filter(pl.Series(inside)))
    return area_draws(loaded.latents, loaded.design, part, by=breakdown.by)
