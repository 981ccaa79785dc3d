"""Whether tables of the same people agree in what they share.

Two tables of numbers that were each rounded by at most r people, with m and k of them for one level of the columns that
they share, differ there by at most r (m + k). More is a contradiction: they are of different people.
"""

import itertools
from collections.abc import Mapping

import numpy as np
import polars as pl

from mrp.errors import FrameError
from mrp.frames.cells import PEOPLE, columns_of

__all__ = ["disagreements"]

_ARITHMETIC = 1e-9
"""Rounding of sums, relative."""


def disagreements(tables: Mapping[str, pl.DataFrame], *, rounding: float) -> float:
    """Compare every two tables in the columns that they share; in their totals, if they share none.

    Parameters
    ----------
    tables
        Name -> table of cells.
    rounding
        How far a number may be from the exact one, in people.

    Returns
    -------
    float
        The largest differences of all pairs, added up: people, all within rounding.

    Raises
    ------
    FrameError
        If two contradict each other, with both and the level.
    """
    away = 0.0
    for one, other in itertools.combinations(tables, 2):
        shared = [column for column in columns_of(tables[one]) if column in columns_of(tables[other])]
        found = _difference(tables[one], tables[other], shared)
        allowed = rounding * (pl.col("m") + pl.col("k")) + _ARITHMETIC * pl.max_horizontal("left", "right")
        wrong = found.filter((pl.col("left") - pl.col("right")).abs() > allowed)
        if wrong.height:
            row = wrong.row(0, named=True)
            where = " / ".join(str(row[column]) for column in shared)
            raise FrameError(
                f"the tables {one!r} and {other!r} contradict each other{f' in {where}' if shared else ''}: "
                f"{row['left']:,.1f} and {row['right']:,.1f} people. Take both from one source and date, or say that "
                "only the proportions of one matter"
            )
        away += float(np.abs(found["left"].to_numpy() - found["right"].to_numpy()).max())
    return away


def _difference(one: pl.DataFrame, other: pl.DataFrame, shared: list[str]) -> pl.DataFrame:
    left, right = _added(one, shared, "left", "m"), _added(other, shared, "right", "k")
    if not shared:
        return pl.concat([left, right], how="horizontal")
    # A level that one of them has not is one where it has nobody.
    both = left.join(right, on=shared, how="full", coalesce=True).sort(shared)
    return both.with_columns(pl.col("left", "right").fill_null(0.0), pl.col("m", "k").fill_null(0))


def _added(table: pl.DataFrame, shared: list[str], name: str, count: str) -> pl.DataFrame:
    sums = (pl.col(PEOPLE).sum().alias(name), pl.len().cast(pl.Int64).alias(count))
    return table.group_by(shared).agg(sums) if shared else table.select(sums)
