"""By what a fit is checked: everybody, each column by itself, and pairs of columns of the population."""

import itertools
from dataclasses import dataclass

import polars as pl

from mrp.electorate import Electorate
from mrp.terms import OBSERVED

__all__ = ["MOST_GROUPS", "Margin", "margins_of", "with_parents"]

MOST_GROUPS = 400
"""Pairs with more groups are not looked at: there are few interviews in each, and districts are looked at alone."""


@dataclass(frozen=True, slots=True)
class Margin:
    """Columns whose groups are checked: none (everybody), one or two."""

    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """As in "age" or "age and educ"."""
        return " and ".join(self.columns) or "everybody"


def margins_of(electorate: Electorate, counts: pl.DataFrame) -> tuple[Margin, ...]:
    """The margins by which counts can be checked.

    Parameters
    ----------
    counts
        The district and the demographics, and of period, pollster and mode those that there are.

    Returns
    -------
    tuple
        Everybody; the district, its parents, each demographic, and each column of `mrp.terms.OBSERVED` that the counts
        have, if it has two levels; pairs of demographics, and of a parent and a demographic, of `MOST_GROUPS` groups
        at most.
    """
    table = with_parents(counts, electorate)
    n_levels = {column: table[column].drop_nulls().n_unique() for column in table.columns}
    asked = [column for column in OBSERVED if column in counts.columns and column not in electorate.cell_columns]
    singles = [one for one in (*electorate.cell_columns, *electorate.parents, *asked) if n_levels[one] > 1]
    demographics = [name for name in electorate.demographics if name in singles]
    parents = [name for name in electorate.parents if name in singles]
    pairs = [*itertools.combinations(demographics, 2), *itertools.product(parents, demographics)]
    small = [pair for pair in pairs if n_levels[pair[0]] * n_levels[pair[1]] <= MOST_GROUPS]
    return (Margin(()), *(Margin((one,)) for one in singles), *map(Margin, small))


def with_parents(counts: pl.DataFrame, electorate: Electorate) -> pl.DataFrame:
    """Counts with the parent areas of their districts."""
    parents = [name for name in electorate.parents if name not in counts.columns]
    if not parents:
        return counts
    districts = electorate.districts.select(pl.col("code").cast(pl.String).alias(electorate.district), *parents)
    return counts.with_columns(pl.col(electorate.district).cast(pl.String)).join(
        districts, on=electorate.district, how="left", maintain_order="left"
    )
