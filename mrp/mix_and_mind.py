r"""Split the raw swing between two polls: other people, or other minds?

With s_1, s_2 the composition of the two samples (shares of their interviews by cell) and p_1, p_2 the opinion in the
cells at the two periods, per draw of one fit (Kitagawa 1955):

    mix   = sum_i (s_2i - s_1i) (p_1i + p_2i) / 2         the samples are made of different people
    mind  = sum_i (s_1i + s_2i) / 2 (p_2i - p_1i)         people of the same kind answer differently
    noise = raw swing - mix - mind                        chance in who was drawn within cells

mix + mind = sum s_2 p_2 - sum s_1 p_1 exactly, so that the noise is what the model does not believe of the raw swing.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.errors import CountsError, ShapeMismatch
from mrp.quantity import Quantity, Simulated, quantities

__all__ = ["MixAndMind", "mix_and_mind", "swing_table"]

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MixAndMind:
    """Parts of a raw swing, on the scale of shares; their means add up to it."""

    raw_swing: float
    mix: Quantity
    mind: Quantity
    noise: Quantity


def swing_table(before: pl.DataFrame, after: pl.DataFrame, *, by: tuple[str, ...]) -> pl.DataFrame:
    """Cells of two polls side by side.

    Parameters
    ----------
    before, after
        Counts as `mrp.counts.collapse` returns: ``by``, ``n``, ``y``; rows of one cell are added up.

    Returns
    -------
    polars.DataFrame
        ``by``, then ``n_before``, ``y_before``, ``n_after``, ``y_after``; every cell of either, sorted, 0 where a poll
        did not reach it. Its cells are what shares are wanted for (`mrp.poststratification.cell_shares`).
    """
    parts = [
        counts.select(*by, pl.col("n", "y").name.suffix(f"_{when}"))
        for when, counts in (("before", before), ("after", after))
    ]
    numbers = ("n_before", "y_before", "n_after", "y_after")
    both = pl.concat(parts, how="diagonal").with_columns(pl.col(numbers).fill_null(0))
    if not by:
        return both.sum()
    return both.group_by(by).agg(pl.col(numbers).sum()).sort(by)


def mix_and_mind(
    table: pl.DataFrame,
    before: Floats,
    after: Floats,
    source: Simulated,
    *,
    interval: float = 0.9,
    also: tuple[float, ...] = (),
) -> MixAndMind:
    """Split the swing between two polls.

    Parameters
    ----------
    table
        As `swing_table` returns.
    before, after
        Opinion in the cells of ``table`` at the two periods, joint draws of one fit, shape (draw, cell).
    source
        The draws they come from (`LatentDraws`), for the Monte-Carlo errors.
    interval
        Probability of the intervals, in (0, 1).
    also
        Those of further intervals.

    Raises
    ------
    ShapeMismatch
        If the draws do not line up with the cells.
    CountsError
        If one of the polls has no interviews.
    ValueError
        If an interval is not inside (0, 1).
    """
    for name, draws in (("before", before), ("after", after)):
        if draws.ndim != 2 or draws.shape[1] != table.height or len(draws) != len(before):
            raise ShapeMismatch(name, f"({len(before)}, {table.height})", draws.shape)
    n1, y1, n2, y2 = (table[c].cast(pl.Float64).to_numpy() for c in ("n_before", "y_before", "n_after", "y_after"))
    if not (n1.sum() > 0 and n2.sum() > 0):
        raise CountsError(f"a swing needs interviews in both polls; they have {n1.sum():.0f} and {n2.sum():.0f}")
    s1, s2 = n1 / n1.sum(), n2 / n2.sum()
    p1, p2 = before.astype(np.float64), after.astype(np.float64)
    mix = (p1 + p2) @ (s2 - s1) / 2
    mind = (p2 - p1) @ (s1 + s2) / 2
    raw = float(y2.sum() / n2.sum() - y1.sum() / n1.sum())
    parts = quantities(np.column_stack([mix, mind, raw - mix - mind]), source, interval=interval, also=also)
    return MixAndMind(raw, *parts)
