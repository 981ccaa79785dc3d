"""Bring a frame to other districts by a weighted crosswalk, as after a boundary change.

    N[new, c] = sum_old weight[old, new] N[old, c],        sum_new weight[old, new] = 1

The weights are shares of an old district's people who live in each new one. Everybody of an old district is taken to be
alike in where they live: the people who change districts have its demographics.
"""

import polars as pl

from mrp.errors import FrameError
from mrp.frames.cells import PEOPLE, Built, columns_of, require_cells

__all__ = ["cross_districts"]

_COLUMNS = ("old", "new", "weight")
_SUMS_TO_ONE = 1e-6


def cross_districts(cells: pl.DataFrame, crosswalk: pl.DataFrame, *, district: str) -> Built:
    """Move people to new districts; there are as many afterwards.

    Parameters
    ----------
    cells
        With the column ``district``.
    crosswalk
        ``old`` and ``new`` (codes) and ``weight`` in [0, 1], which sums to 1 for every old district to a millionth.

    Raises
    ------
    FrameError
        If a column is missing, a weight is none, those of a district do not sum to 1, a pair occurs twice, or the
        crosswalk does not say where the people of a district go.
    """
    cells = require_cells("the frame", cells)
    if district not in columns_of(cells):
        raise FrameError(f"the frame has no column {district!r}; it has {', '.join(columns_of(cells))}")
    for column in _COLUMNS:
        if column not in crosswalk.columns:
            raise FrameError(f"the crosswalk has no column {column!r}; it needs {', '.join(_COLUMNS)}")
        if n := crosswalk[column].null_count():
            raise FrameError(f"the crosswalk: {n:,} rows have no {column}; fill it in")
    crosswalk = crosswalk.select(pl.col("old", "new").cast(pl.String), pl.col("weight").cast(pl.Float64))
    if (wrong := crosswalk.filter(~pl.col("weight").is_between(0, 1))).height:
        row = wrong.row(0, named=True)
        raise FrameError(
            f"the crosswalk: the weight of {row['old']} in {row['new']} is {row['weight']:g}; it is a share of the old "
            "district's people, from 0 to 1"
        )
    if (twice := crosswalk.filter(crosswalk.select("old", "new").is_duplicated())).height:
        raise FrameError(f"the crosswalk has {twice['old'][0]} to {twice['new'][0]} twice; add the weights up first")
    sums = crosswalk.group_by("old").agg(pl.col("weight").sum()).sort("old")
    if (wrong := sums.filter((pl.col("weight") - 1).abs() > _SUMS_TO_ONE)).height:
        more = f" and {wrong.height - 1:,} more districts" if wrong.height > 1 else ""
        raise FrameError(
            f"the crosswalk: the weights of {wrong['old'][0]}{more} sum to {wrong['weight'][0]:.6g}; they have to sum "
            "to 1, or people would be lost or made"
        )
    lived = cells.filter(pl.col(PEOPLE) > 0)[district].unique()
    if lost := sorted(set(lived) - set(sums["old"])):
        raise FrameError(
            f"the crosswalk does not say where the people of {', '.join(lost[:5])}{' ...' if len(lost) > 5 else ''} "
            "go; add their rows"
        )
    share = crosswalk.with_columns(pl.col("weight") / pl.col("weight").sum().over("old")).filter(pl.col("weight") > 0)
    names = columns_of(cells)
    moved = (
        cells.join(share, left_on=district, right_on="old", how="inner")
        .with_columns(pl.col("new").alias(district), (pl.col(PEOPLE) * pl.col("weight")).alias(PEOPLE))
        .group_by(names)
        .agg(pl.col(PEOPLE).sum())
        .sort(names)
    )
    n_split = share.group_by("old").len().filter(pl.col("len") > 1).height
    told = [
        f"{lived.len():,} districts became {moved[district].n_unique():,}; {n_split:,} of the old ones were divided."
    ]
    if unused := sorted(set(sums["old"]) - set(cells[district])):
        told.append(f"The crosswalk has districts that the frame has not: {', '.join(unused[:5])}.")
    assumption = "The people of a divided district are alike in where they live: each part has its demographics."
    return Built(moved, tuple(told), (assumption,) if n_split else ())
