"""Tables of cells: columns of levels (String) and ``n_people``, one row per combination of levels.

What every operation on frames takes and gives. The people of a cell are a number >= 0, fractional after raking.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.errors import FrameError

__all__ = ["PEOPLE", "Built", "columns_of", "complete_cells", "empty_cells", "grid", "named", "require_cells", "total"]

PEOPLE = "n_people"
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Built:
    """Cells, and what has to be said of how they were made."""

    cells: pl.DataFrame
    """Columns of levels (String) and ``n_people`` (Float64), sorted by the levels."""
    told: tuple[str, ...] = ()
    """What was done and found, in sentences."""
    assumptions: tuple[str, ...] = ()
    """What is taken for true without being known from the tables."""
    warnings: tuple[str, ...] = ()
    """What may be wrong with them."""


def columns_of(table: pl.DataFrame) -> tuple[str, ...]:
    """The columns of levels, in the order of the table."""
    return tuple(column for column in table.columns if column != PEOPLE)


def require_cells(name: str, table: pl.DataFrame) -> pl.DataFrame:
    """Check a table of cells.

    Parameters
    ----------
    name
        What errors call it.

    Returns
    -------
    polars.DataFrame
        The same with levels as String and ``n_people`` as Float64, in the same order.

    Raises
    ------
    FrameError
        If there are no people, a number of them is missing, negative or not finite, a level is missing or is no text,
        or a combination of levels occurs twice.
    """
    columns = columns_of(table)
    if PEOPLE not in table.columns or not columns:
        raise FrameError(f"{name} needs columns of levels and {PEOPLE}; it has {', '.join(table.columns) or 'none'}")
    for column in columns:
        if not isinstance(table[column].dtype, pl.String | pl.Categorical | pl.Enum):
            raise FrameError(f"{name}: {column} is {table[column].dtype}, and levels are text; cast it to String")
        if n := table[column].null_count():
            raise FrameError(f"{name}: {n:,} rows have no {column}; fill it in, the people live somewhere")
    if not table[PEOPLE].dtype.is_numeric():
        raise FrameError(f"{name}: {PEOPLE} is {table[PEOPLE].dtype}; give numbers of people")
    table = table.select(pl.col(columns).cast(pl.String), pl.col(PEOPLE).cast(pl.Float64))
    wrong = table.filter(~(pl.col(PEOPLE).is_finite() & (pl.col(PEOPLE) >= 0)).fill_null(value=False))
    if wrong.height:
        raise FrameError(
            f"{name}: {named(wrong)[0]} has {wrong[PEOPLE][0]} people; a number has to be finite and 0 or more"
        )
    if (twice := table.filter(table.select(columns).is_duplicated())).height:
        raise FrameError(f"{name}: {named(twice)[0]} occurs twice; add the rows up first")
    if not total(table) > 0:
        raise FrameError(f"{name} has nobody: its numbers of people are all 0")
    return table


def total(cells: pl.DataFrame) -> float:
    """All people of a table."""
    return float(cells[PEOPLE].sum())


def named(cells: pl.DataFrame, *, most: int = _SHOWN) -> list[str]:
    """The first few cells in words: their levels with strokes between them."""
    return [" / ".join(map(str, row)) for row in cells.select(columns_of(cells)).head(most).iter_rows()]


def grid(levels: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """Every combination of levels, the last column running fastest; without ``n_people``."""
    rows = list(itertools.product(*levels.values()))
    return pl.DataFrame(rows, schema=dict.fromkeys(levels, pl.String), orient="row")


def complete_cells(cells: pl.DataFrame, levels: Mapping[str, Sequence[str]]) -> Built:
    """Add the combinations of levels that a table lacks, with 0 people, and put its columns in order.

    Parameters
    ----------
    levels
        Column -> its levels; all columns of the table.

    Raises
    ------
    FrameError
        If the table has other columns, or a level that is not one of these.
    """
    if set(columns_of(cells)) != set(levels):
        raise FrameError(f"the cells have {', '.join(columns_of(cells))}, and not {', '.join(levels)}")
    for column, known in levels.items():
        strange = cells.filter(~pl.col(column).is_in(list(known)))
        if strange.height:
            raise FrameError(
                f"{strange.height:,} cells have {column} {strange[column][0]!r}, which is not one of "
                f"{', '.join(known[:8])}{' ...' if len(known) > 8 else ''}; merge it into one of them, or declare it"
            )
    whole = grid(levels).join(cells, on=list(levels), how="left", maintain_order="left")
    n_created = whole[PEOPLE].null_count()
    told = (f"{n_created:,} cells that no table has were created with 0 people.",) if n_created else ()
    return Built(whole.with_columns(pl.col(PEOPLE).fill_null(0.0)), told)


def empty_cells(cells: pl.DataFrame) -> str:
    """A sentence on the cells where nobody lives; "" if there are none."""
    empty = cells.filter(pl.col(PEOPLE) == 0)
    if not empty.height:
        return ""
    more = ", ..." if empty.height > _SHOWN else ""
    return f"{empty.height:,} of {cells.height:,} cells are without people: {', '.join(named(empty))}{more}."


def row_of(name: str, cells: pl.DataFrame, table: pl.DataFrame, on: Sequence[str]) -> NDArray[np.int64]:
    """For each cell the row of a table that has the same levels in ``on``.

    Raises
    ------
    FrameError
        If the table has no such row.
    """
    rows = table.select(on).with_row_index("\x00row")
    found = cells.join(rows, on=list(on), how="left", maintain_order="left")
    lost = found.filter(pl.col("\x00row").is_null())
    if lost.height:
        what = " / ".join(str(lost[column][0]) for column in on)
        raise FrameError(
            f"{name} says nothing of {' / '.join(on)} {what}; complete it, with 0 people where there are none"
        )
    return found["\x00row"].cast(pl.Int64).to_numpy()
