"""Add up the counts of several deliveries."""

from collections.abc import Sequence

import polars as pl

__all__ = ["add_numbers"]


def add_numbers(tables: Sequence[pl.DataFrame], by: tuple[str, ...]) -> pl.DataFrame:
    """Cells with the same ``by`` are added, column by column; sorted by ``by``.

    Parameters
    ----------
    tables
        At least one, all with the columns ``by`` and the same numbers.
    """
    whole = pl.concat(tables)
    sums = pl.exclude(by).sum() if by else pl.all().sum()
    return whole.group_by(by).agg(sums).sort(by) if by else whole.select(sums)
