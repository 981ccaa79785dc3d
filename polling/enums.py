"""Columns of few different texts as `polars.Enum`: a byte or two per interview instead of sixteen, and each text once.

The texts of an Enum made here are those that occur, in order, so that equal columns are equal whatever file they came
in. (A Categorical numbers its texts in the order in which a process met them.)
"""

from collections.abc import Collection

import numpy as np
import polars as pl

__all__ = ["as_enums", "as_texts", "without_unused"]

_MOST = 4096
"""Different texts. Districts, days and labels are fewer, respondents of large waves more."""
_SAMPLED = 10_000


def as_enums(table: pl.DataFrame, *, but: Collection[str | None] = ()) -> pl.DataFrame:
    """Make Enums of the String columns whose texts are at most 4,096 and occur twice on average.

    Parameters
    ----------
    but
        Columns that become String, whatever they are.
    """
    table = as_texts(table, but)
    names = [name for name, dtype in table.schema.items() if dtype == pl.String and name not in but]
    most = min(_MOST, table.height // 2)
    # Some rows nearly always tell all there is; the columns of which they do not are looked at as a whole.
    for rows in (table.gather_every(max(1, table.height // _SAMPLED)), table):
        if not names:
            break
        found = rows.select(pl.col(names).drop_nulls().unique().sort().implode())
        kinds = {name: pl.Enum(found[name][0]) for name in names if 0 < len(found[name][0]) <= most}
        coded = table.select(pl.col(name).cast(kind, strict=False) for name, kind in kinds.items())
        names = [one.name for one in coded if one.null_count() > table[one.name].null_count()]
        table = table.with_columns(one for one in coded if one.name not in names)
    return table


def as_texts(table: pl.DataFrame, columns: Collection[str | None] | None = None) -> pl.DataFrame:
    """Make String of the Enum and Categorical columns, or of those that are named."""
    kinds = (pl.Enum, pl.Categorical)
    return table.with_columns(
        one.cast(pl.String)
        for one in table
        if isinstance(one.dtype, kinds) and (columns is None or one.name in columns)
    )


def without_unused(table: pl.DataFrame) -> pl.DataFrame:
    """Enums without the texts that do not occur any more, as in a table of which rows were removed."""
    return table.with_columns(_without_unused(one) for one in table if isinstance(one.dtype, pl.Enum))


def _without_unused(column: pl.Series) -> pl.Series:
    assert isinstance(column.dtype, pl.Enum)
    texts = column.dtype.categories
    is_used = np.zeros(len(texts), dtype=bool)
    for rows in (column.gather_every(max(1, len(column) // _SAMPLED)), column):
        is_used[rows.to_physical().drop_nulls().to_numpy()] = True
        if is_used.all():
            return column
    used = texts.filter(pl.Series(is_used))
    return column.cast(pl.String).cast(pl.Enum(used) if len(used) else pl.String)
