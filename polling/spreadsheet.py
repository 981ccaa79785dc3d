"""Make a table safe to be opened in a spreadsheet, which takes some texts for formulas and computes them."""

import re

import polars as pl

__all__ = ["defuse"]

_FORMULA = r"^[=+\-@\t\r]"
"""What a spreadsheet takes for the beginning of a formula, or skips before one."""


def defuse(table: pl.DataFrame) -> pl.DataFrame:
    """The table with every text, and every name of a column, that begins like a formula behind an apostrophe.

    Numbers are left alone: one with a sign is no text.
    """
    texts = [name for name, kind in table.schema.items() if kind == pl.String]
    defused = table.with_columns(
        pl.when(pl.col(name).str.contains(_FORMULA)).then("'" + pl.col(name)).otherwise(pl.col(name)).alias(name)
        for name in texts
    )
    return defused.rename({name: f"'{name}" for name in table.columns if re.match(_FORMULA, name)})
