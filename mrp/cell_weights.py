"""Weight interviews that are known as counts of cells, and say what the weights cost.

Raked to the margins of the population (`mrp.raking`), all interviews of a cell weigh the same. A level where nobody was
interviewed has nothing that could be weighted up: its people are left out of their margin, and named. What the weights
cost is Kish's design effect, n sum(n_c w_c^2) / (sum n_c w_c)^2, by which interviews are divided to get effective ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.errors import CountsError, FrameError
from mrp.raking import MarginGap, rake

__all__ = ["CellWeights", "UnseenLevel", "cell_design_effect", "rake_cells"]

type Floats = NDArray[np.float64]

_NEXT_TO_NONE = 1e-9
"""Interviews of a cell that has none, so that it gets the weight which its levels have."""


@dataclass(frozen=True, slots=True)
class UnseenLevel:
    """People of whom nobody was interviewed."""

    column: str
    level: str
    frame_share: float


@dataclass(frozen=True, slots=True)
class CellWeights:
    """What an interview in each cell weighs."""

    weight: Floats
    """>= 0, mean 1 over interviews, shape (cell,); 0 in cells of a level that nobody interviewed has."""
    gaps: tuple[MarginGap, ...]
    """How far the weighted interviews still are from the margins of the levels that were interviewed."""
    unseen: tuple[UnseenLevel, ...]
    converged: bool

    @property
    def margins(self) -> tuple[str, ...]:
        """The columns that the weights are raked to."""
        return tuple(column for gap in self.gaps for column in gap.margin)


def rake_cells(cells: pl.DataFrame, margins: Sequence[pl.DataFrame], *, max_rounds: int = 1000) -> CellWeights:
    """Weights with which the interviews have the margins of the population.

    Parameters
    ----------
    cells
        The columns of the margins, and ``n`` interviews >= 0; one row per cell, or several.
    margins
        Tables of one column and ``n_people``, as `mrp.raking.frame_margin` gives.
    max_rounds
        As in `mrp.raking.rake`.

    Raises
    ------
    CountsError
        If a count is negative or not finite, or there are no interviews.
    FrameError
        If a margin has more than one column, or nobody lives where somebody was interviewed; or as
        `mrp.raking.rake` raises.
    """
    n = cells["n"].cast(pl.Float64).to_numpy()
    if not (np.isfinite(n) & (n >= 0)).all() or not n.sum() > 0:
        raise CountsError("cells need counts of interviews, finite and >= 0, and not all 0, to be weighted")
    seen = [_seen(cells, margin) for margin in margins]
    known = np.ones(cells.height, dtype=np.bool_)
    for margin in seen:
        known &= cells[margin.columns[0]].is_in(margin[margin.columns[0]].to_list()).to_numpy()
    raked = rake(
        cells.filter(pl.Series(known)), seen, weight=np.maximum(n[known], _NEXT_TO_NONE), max_rounds=max_rounds
    )
    weight = np.zeros(cells.height)
    weight[known] = raked.weight / np.maximum(n[known], _NEXT_TO_NONE)
    weight *= n.sum() / (weight @ n)
    unseen = tuple(one for margin in margins for one in _unseen(cells, margin))
    return CellWeights(weight, raked.gaps, unseen, raked.converged)


def cell_design_effect(weight: Floats, n: Floats) -> float:
    """Kish's design effect of the interviews of cells; 1 where there are none.

    Parameters
    ----------
    weight, n
        What an interview weighs, and how many there are, shape (cell,).
    """
    total = float(weight @ n)
    return float(n.sum() * (weight**2 @ n) / total**2) if total > 0 else 1.0


def _seen(cells: pl.DataFrame, margin: pl.DataFrame) -> pl.DataFrame:
    """The levels of a margin of which somebody was interviewed."""
    if len(margin.columns) != 2:
        raise FrameError(f"a margin of cells is one column and n_people, got {', '.join(margin.columns)}")
    found = cells.filter(pl.col("n") > 0)[margin.columns[0]].unique().to_list()
    return margin.filter(pl.col(margin.columns[0]).is_in(found))


def _unseen(cells: pl.DataFrame, margin: pl.DataFrame) -> list[UnseenLevel]:
    column = margin.columns[0]
    left = margin.join(_seen(cells, margin), on=column, how="anti", maintain_order="left").filter(
        pl.col("n_people") > 0
    )
    whole = float(margin["n_people"].sum())
    return [UnseenLevel(column, str(level), n_people / whole) for level, n_people in left.iter_rows()]
