r"""Split the raw swing between two polls: other people, or other minds?

With s_1, s_2 the composition of the two samples (shares of their interviews by cell) and p_1, p_2 the opinion in the
cells at the two periods, per draw of one fit (Kitagawa 1955):

    mix   = sum_i (s_2i - s_1i) (p_1i + p_2i) / 2         the samples are made of different people
    mind  = sum_i (s_1i + s_2i) / 2 (p_2i - p_1i)         people of the same kind answer differently
    noise = raw swing - mix - mind                        chance in who was drawn within cells

mix + mind = sum s_2 p_2 - sum s_1 p_1 exactly, so that the noise is what the model does not believe of the raw swing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from mrp.cell_pass import add_up
from mrp.design import Design
from mrp.errors import CountsError, ShapeMismatch
from mrp.latents import LatentDraws
from mrp.quantity import Quantity, Simulated, quantities

__all__ = ["MixAndMind", "mix_and_mind", "mix_and_mind_of_groups", "opposite", "swing_table"]

type Floats = NDArray[np.float64]

_NUMBERS = ("n_before", "y_before", "n_after", "y_after")


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
    both = pl.concat(parts, how="diagonal").with_columns(pl.col(_NUMBERS).fill_null(0))
    if not by:
        return both.sum()
    return both.group_by(by).agg(pl.col(_NUMBERS).sum()).sort(by)


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
    n1, y1, n2, y2 = (table[name].cast(pl.Float64).to_numpy() for name in _NUMBERS)
    _require_interviews(n1, n2)
    s = np.column_stack([n1 / n1.sum(), n2 / n2.sum()])
    p1, p2 = before.astype(np.float64) @ s, after.astype(np.float64) @ s
    raw = float(y2.sum() / n2.sum() - y1.sum() / n1.sum())
    return _split(raw, p1, p2, source, interval=interval, also=also)


def mix_and_mind_of_groups(
    tables: Sequence[pl.DataFrame],
    latents: LatentDraws,
    before: Design,
    after: Design,
    *,
    interval: float = 0.9,
    also: tuple[float, ...] = (),
) -> tuple[MixAndMind, ...]:
    """Split the swings of several groups in one pass over their cells: the same as `mix_and_mind` of each.

    Parameters
    ----------
    tables
        Of each group, as `swing_table` returns, by what the design reads of a cell (`Design.cell_columns`).
    latents
        Draws of a fit.
    before, after
        Its design at the two periods.
    interval, also
        As in `mix_and_mind`.

    Raises
    ------
    CountsError
        If a group has no interviews in one of the polls.
    FrameError
        If a cell has a level that the model has not seen.
    """
    if not tables:
        return ()
    counts = [[table[name].cast(pl.Float64).to_numpy() for name in _NUMBERS] for table in tables]
    for n1, _, n2, _ in counts:
        _require_interviews(n1, n2)
    # Two rows of weights for each group: what either poll is composed of.
    shares = [n / n.sum() for n1, _, n2, _ in counts for n in (n1, n2)]
    ends = np.cumsum([0, *(table.height for table in tables)])
    row = np.repeat(np.arange(len(shares)), [share.size for share in shares])
    cell = np.concatenate([np.arange(ends[k // 2], ends[k // 2 + 1]) for k in range(len(shares))])
    entries = (np.concatenate(shares).astype(np.float32), (row, cell))
    weights = sparse.csc_array(entries, shape=(len(shares), int(ends[-1])))
    cells = pl.concat(tables)
    of_period = []
    for design in (before, after):
        total = np.zeros((len(shares), latents.draws.shape[0]))
        rows = design.rows(cells) if design.has_terms else None
        add_up(total, latents.draws, rows, weights)
        of_period.append(total.reshape(len(tables), 2, -1))
    return tuple(
        _split(float(y2.sum() / n2.sum() - y1.sum() / n1.sum()), p1.T, p2.T, latents, interval=interval, also=also)
        for (n1, y1, n2, y2), p1, p2 in zip(counts, *of_period, strict=True)
    )


def opposite(split: MixAndMind) -> MixAndMind:
    """The swing of everything but the option: every part turned round."""
    return MixAndMind(-split.raw_swing, *(_negative(one) for one in (split.mix, split.mind, split.noise)))


def _split(
    raw: float, p1: Floats, p2: Floats, source: Simulated, *, interval: float, also: tuple[float, ...]
) -> MixAndMind:
    """Parts of a swing.

    Parameters
    ----------
    p1, p2
        Draws of the opinion of people composed as either poll, at the two periods, shape (draw, poll).
    """
    mix = ((p1[:, 1] - p1[:, 0]) + (p2[:, 1] - p2[:, 0])) / 2
    mind = ((p2[:, 0] - p1[:, 0]) + (p2[:, 1] - p1[:, 1])) / 2
    parts = quantities(np.column_stack([mix, mind, raw - mix - mind]), source, interval=interval, also=also)
    return MixAndMind(raw, *parts)


def _negative(one: Quantity) -> Quantity:
    return Quantity(
        -one.mean, one.sd, -one.high, -one.low, one.mc_error, tuple((-high, -low) for low, high in one.further)
    )


def _require_interviews(n1: Floats, n2: Floats) -> None:
    if not (n1.sum() > 0 and n2.sum() > 0):
        raise CountsError(f"a swing needs interviews in both polls; they have {n1.sum():.0f} and {n2.sum():.0f}")
