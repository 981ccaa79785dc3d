r"""Cells from weighted records of people (microdata, such as a census sample), and how much each of them rests on.

    N[c] = sum_i w[i],      n_effective[c] = (sum_i w[i])^2 / sum_i w[i]^2,      records i of cell c

with the same effective number of records for each district. A cell of few records is a noisy count: its relative
standard error is about 1 / sqrt(n_effective).

References
----------
Kish (1965), "Survey sampling", Wiley, section 11.7.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from mrp.errors import FrameError
from mrp.frames.cells import PEOPLE, Built, named, total

__all__ = ["CountedPeople", "count_people"]


@dataclass(frozen=True, slots=True)
class CountedPeople:
    """Cells with what they rest on."""

    built: Built
    by_cell: pl.DataFrame
    """``by``, ``n_people``, ``n_records`` and ``n_effective`` of each cell, sorted."""
    by_district: pl.DataFrame
    """The same of each level of the first column."""


def count_people(
    people: pl.DataFrame, by: Sequence[str], *, weight: str | None = None, thin: float = 30.0
) -> CountedPeople:
    """Add up the weights of records by cell.

    Parameters
    ----------
    people
        One row per record, with ``by`` as text.
    by
        Columns of a cell, the district first.
    weight
        Column of weights > 0: how many people a record stands for. None: 1.
    thin
        Cells and districts of fewer effective records are named.

    Raises
    ------
    FrameError
        If there are no records, a column is missing, a level is missing, or a weight is not a number above 0.
    """
    wanted = (*by, *([weight] if weight else []))
    if missing := [column for column in wanted if column not in people.columns]:
        raise FrameError(f"the records have no column {missing[0]!r}; they have {', '.join(people.columns)}")
    if people.is_empty():
        raise FrameError("there are no records to count")
    for column in by:
        if n := people[column].null_count():
            raise FrameError(f"{n:,} records have no {column}; fill it in, or leave them out and weight the others up")
    weights = (pl.col(weight) if weight else pl.lit(1.0)).cast(pl.Float64).alias("\x00w")
    records = people.select(pl.col(*by).cast(pl.String), weights)
    usable = (pl.col("\x00w").is_finite() & (pl.col("\x00w") > 0)).fill_null(value=False)
    if (wrong := records.with_row_index("row").filter(~usable)).height:
        raise FrameError(
            f"the weight of record {wrong['row'][0] + 1:,} is {wrong['\x00w'][0]} ({wrong.height:,} are like it); "
            "a weight has to be a number above 0"
        )
    by_cell, by_district = _added(records, list(by)), _added(records, [by[0]])
    return CountedPeople(_told(by_cell, by_district, list(by), thin), by_cell, by_district)


def _added(records: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    w = pl.col("\x00w")
    return (
        records.group_by(by)
        .agg(w.sum().alias(PEOPLE), pl.len().alias("n_records"), (w.sum() ** 2 / (w**2).sum()).alias("n_effective"))
        .sort(by)
    )


def _told(by_cell: pl.DataFrame, by_district: pl.DataFrame, by: list[str], thin: float) -> Built:
    cells = by_cell.select(*by, PEOPLE)
    told = [f"{by_cell['n_records'].sum():,} records were added up to {by_cell.height:,} cells."]
    warnings = []
    for table, kind in ((by_district, "districts"), (by_cell, "cells")):
        few = table.filter(pl.col("n_effective") < thin).sort("n_effective", *by[:1])
        if few.height:
            share = total(few) / total(table)
            places = named(few.drop("n_records", "n_effective"))
            least = ", ".join(f"{place} ({n:.1f})" for place, n in zip(places, few["n_effective"], strict=False))
            warnings.append(
                f"{few.height:,} of {table.height:,} {kind}, with {share:.1%} of the people, rest on fewer than "
                f"{thin:g} effective records: {least}{', ...' if few.height > len(places) else ''}."
            )
    assumption = "The records, with their weights, stand for everybody in their cell."
    return Built(cells, tuple(told), (assumption,), tuple(warnings))
