"""The interviews of a release weighted to the margins of its frame, from perturbed counts.

They are raked to every demographic, and to the smallest areas of which each has at least ``min_interviews`` shown
interviews: districts, else a parent of theirs, else none. Weights to smaller areas would rest on few people each. All
that is made here follows from the shown counts and the frame, so that it tells no more than they do.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from api.shown_counts import PERIOD
from mrp.cell_weights import CellWeights, cell_design_effect, rake_cells
from mrp.electorate import Electorate
from mrp.raking import frame_margin

__all__ = ["RakedSample", "rake_sample"]


@dataclass(frozen=True, slots=True)
class RakedSample:
    """Weighted interviews, cell by cell: not to be told row by row."""

    cells: pl.DataFrame
    """Shown counts as `api.shown_counts` has them, with ``weight``, ``unweighted`` (1), and ``noisy``: for how many
    occupied cells a row stands."""
    weights: CellWeights
    n_interviews: int
    design_effect: float
    """What the weights cost (Kish), over everybody."""

    @property
    def n_effective(self) -> float:
        """Interviews after weighting."""
        return self.n_interviews / self.design_effect


def rake_sample(
    counts: pl.DataFrame, electorate: Electorate, *, min_interviews: int, period: str | None = None
) -> RakedSample | None:
    """Weight the interviews of a release.

    Parameters
    ----------
    counts
        As `api.shown_counts.shown_counts` gives them.
    min_interviews
        That each area needs for its level to be raked to.
    period
        Of which interviews are meant; None: all.

    Returns
    -------
    RakedSample or None
        None where no interviews are shown.
    """
    if period is not None:
        counts = counts.filter(pl.col(PERIOD) == period)
    if not counts["n"].sum() > 0:
        return None
    columns = [*_areas(counts, electorate, max(1, min_interviews)), *electorate.demographics]
    weights = rake_cells(counts, [frame_margin(electorate, (column,)) for column in columns])
    n = counts["n"].cast(pl.Float64).to_numpy()
    cells = counts.with_columns(
        weight=pl.Series(weights.weight),
        unweighted=pl.lit(1.0),
        # A cell of one is shown as 0 as often as it is shown as 1: that it is there is not told.
        noisy=(pl.col("n") > 0).cast(pl.Int64) + (pl.col("n") == 1).cast(pl.Int64),
    )
    return RakedSample(cells, weights, int(n.sum()), cell_design_effect(weights.weight, n))


def _areas(counts: pl.DataFrame, electorate: Electorate, least: int) -> Iterable[str]:
    """The column of the smallest areas that each have enough interviews; none if none has."""
    finest = sorted((electorate.district, *electorate.parents), key=lambda one: -len(electorate.levels(one)))
    for column in finest:
        populated = frame_margin(electorate, (column,))
        shown = counts.group_by(column).agg(pl.col("n").sum())
        n = populated.join(shown, on=column, how="left")["n"].fill_null(0)
        if populated.height > 1 and (n >= least).all():
            return (column,)
    return ()
