"""Find the groups of an answer, and hand out their draws a bounded number at a time.

Which groups there are follows from the frame alone, so that a breakdown that is too fine is refused, and small or
unwanted groups are left out, before a single draw is made. The draws of a coarse breakdown are kept with the release;
those of a fine or filtered one are made, summarised and dropped piece by piece: the memory of an answer does not grow
with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from api.estimands import Drawn, drawn_many
from api.release_cache import LoadedRelease
from mrp.grouping import Grouping, cells_of, group_cells
from mrp.numeric.design import NumericDesign
from mrp.numeric.poststratification import answer_variances
from mrp.outcomes.designs import SHARE, estimands
from mrp.poststratification import AreaDraws

__all__ = ["Breakdown", "draws_of", "find_breakdown", "pieces", "variances_of"]

PIECE_MB = 8
"""Draws handed out at a time. Quantiles, deviations and autocorrelations take about four times as much."""
SMALL_PART = 0.25
"""Of the cells, below which draws are made of what is asked alone."""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The groups of a breakdown of the population, or of a part of it."""

    grouping: Grouping
    groups: pl.DataFrame
    """One row per group with people, sorted: the columns of the breakdown, ``n_people``."""
    cells: pl.DataFrame
    """The populated cells: district, demographics, ``n_people``."""
    group: NDArray[np.int32]
    """Row of ``groups`` for each of ``cells``, -1 for those in none, shape (cell,)."""

    @property
    def by(self) -> tuple[str, ...]:
        """The columns of the breakdown."""
        return self.grouping.by


def find_breakdown(loaded: LoadedRelease, grouping: Grouping) -> Breakdown:
    """The groups of a breakdown; makes no draws."""
    electorate = loaded.electorate
    columns = dict.fromkeys((*electorate.cell_columns, *grouping.columns))
    cells = cells_of(electorate, tuple(columns), {})
    grouped = group_cells(cells, grouping, electorate)
    return Breakdown(grouping, grouped.areas, cells.select(*electorate.cell_columns, "n_people"), grouped.group)


def pieces(loaded: LoadedRelease, wanted: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """Rows of the wanted groups, in order, as many at a time as `draws_of` should be asked for.

    Parameters
    ----------
    wanted
        Which groups of a breakdown, shape (group,).
    """
    n_draws = loaded.latents.draws.shape[0] * len(estimands(loaded.design))
    step = max(1, int(PIECE_MB * 1_000_000) // (8 * n_draws))
    rows = np.flatnonzero(wanted)
    for start in range(0, rows.size, step):
        yield rows[start : start + step]


def draws_of(
    loaded: LoadedRelease, breakdown: Breakdown, rows: NDArray[np.int64], *, period: str | None = None
) -> Drawn:
    """Draws of all that is estimated in some groups.

    Parameters
    ----------
    rows
        Which of ``breakdown.groups``, ascending.
    period
        The period to look at; None: that of the design.
    """
    inside = np.isin(breakdown.group, rows)
    if _takes_kept(loaded, breakdown, inside, period):
        return loaded.told(_kept(loaded, breakdown, rows))
    # They have all options, and are asked for one after the other.
    asked = (repr(breakdown.grouping), rows.tobytes(), period)
    return loaded.told(loaded.made(asked, lambda: _made(loaded, breakdown, rows, inside, period)))


def variances_of(
    loaded: LoadedRelease, breakdown: Breakdown, rows: NDArray[np.int64], *, period: str | None = None
) -> NDArray[np.float64]:
    """Variance of one answer that is a number in some groups, shape (row,); parameters as those of `draws_of`.

    Also among a part of the population it is that of everybody in the group: most of it is the residual, which is the
    same for all.
    """
    assert isinstance(loaded.design, NumericDesign)
    inside = np.isin(breakdown.group, rows)
    if _takes_kept(loaded, breakdown, inside, period):
        return loaded.answer_variance(breakdown.by)[rows]
    part = loaded.electorate.with_cells(breakdown.cells.filter(pl.Series(inside)))
    design = loaded.design if period is None else loaded.design.at_period(period)
    (variance,) = answer_variances(loaded.latents, design, part, (breakdown.grouping,))
    return variance


def _takes_kept(loaded: LoadedRelease, breakdown: Breakdown, inside: NDArray[np.bool_], period: str | None) -> bool:
    """Whether draws are taken from a breakdown of everybody in the last period that is, or is to be, kept.

    Parameters
    ----------
    inside
        Which cells are looked at. Where that is a small part, making these alone costs less than making all. What is in
        memory already does not count: sums in another order differ in their last digits, and every process has to
        give the same answer under one entity tag, whatever it was asked before.
    """
    grouping = breakdown.grouping
    is_plain = not grouping.where and not grouping.merge and period in (None, loaded.design.common.period)
    if not is_plain or not loaded.keeps(breakdown.groups.height):
        return False
    return int(inside.sum()) >= SMALL_PART * inside.size


def _kept(loaded: LoadedRelease, breakdown: Breakdown, rows: NDArray[np.int64]) -> Drawn:
    groups = breakdown.groups[rows]
    # The draws of a group stay next to each other in memory, as the summary reads them.
    return {
        name: replace(whole, areas=groups, draws=np.ascontiguousarray(whole.draws.T[rows]).T)
        for name, whole in loaded.drawn(breakdown.by).items()
    }


def _made(
    loaded: LoadedRelease,
    breakdown: Breakdown,
    rows: NDArray[np.int64],
    inside: NDArray[np.bool_],
    period: str | None,
) -> Drawn:
    if period in (None, loaded.design.common.period):
        shares = loaded.cell_draws(breakdown.cells, int((breakdown.group >= 0).sum()))
        if shares is not None:
            return {SHARE: _added_up(loaded, breakdown, rows, inside, shares)}
    part = loaded.electorate.with_cells(breakdown.cells.filter(pl.Series(inside)))
    grouping = breakdown.grouping
    design = loaded.design if period is None else loaded.design.at_period(period)
    frames = None if loaded.frames is None else loaded.frames.of_cells(part.frame)
    (made,) = drawn_many(loaded.latents, design, part, (grouping,), turnout=loaded.turnout, frames=frames)
    groups = breakdown.groups[rows]
    return {name: replace(one, areas=groups) for name, one in made.items()}


def _added_up(
    loaded: LoadedRelease,
    breakdown: Breakdown,
    rows: NDArray[np.int64],
    inside: NDArray[np.bool_],
    shares: NDArray[np.float32],
) -> AreaDraws:
    groups, cells = breakdown.groups[rows], np.flatnonzero(inside)
    n_people = breakdown.cells["n_people"].to_numpy()[cells]
    group = np.searchsorted(rows, breakdown.group[cells])
    weights = (n_people / groups["n_people"].to_numpy()[group]).astype(np.float32)
    # A row for each group: its cells are read one after the other.
    total = sparse.csr_array((weights, (group, cells)), shape=(rows.size, shares.shape[0])) @ shares
    draws = np.clip(total.astype(np.float64), 0, 1).T
    return AreaDraws(groups, draws, loaded.latents.n_chains, loaded.latents.points, loaded.latents.fit)
