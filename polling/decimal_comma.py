"""Read 1,5 as 1.5 where a comma is the decimal mark: in CSV delimited by semicolon, and in columns of numbers alone.

Spreadsheets write semicolons where the comma marks decimals, and only there. The point takes the place of the comma
before anything is stored, as digits take the place of a number of Parquet: what was stored says the same to everybody.
A number with both marks (1.234,5), or with two commas, stays as it is and is a fault: which mark is which is a guess.
"""

import polars as pl

from polling.declaration import SurveyDeclaration

__all__ = ["HOW_TO_WRITE", "with_points"]

HOW_TO_WRITE = (
    "Write numbers with a point as decimal mark (a comma is read too in a file delimited by semicolon), without marks "
    "of thousands."
)
_COMMA = r"^(\s*[+-]?\d+),(\d+\s*)$"


def with_points(received: pl.DataFrame, declaration: SurveyDeclaration, *, pollster: str) -> pl.DataFrame:
    """Interviews as text with points in the columns of numbers: weight, timing, numeric questions, banded demographics.

    Labels that the codebook knows are left alone.
    """
    names = declaration.columns_of(pollster)
    known: dict[str, tuple[str, ...]] = {"weight": (), "timing": ()}
    known |= {one.id: () for one in declaration.questions if one.kind == "numeric"}
    known |= {one.name: (*one.levels, *one.recode) for one in declaration.demographics if one.bands}
    columns = {names[name]: labels for name, labels in known.items() if names.get(name) in received.columns}
    return received.with_columns(
        pl.when(pl.col(column).cast(pl.String).is_in(labels))
        .then(pl.col(column).cast(pl.String))
        .otherwise(pl.col(column).cast(pl.String).str.replace(_COMMA, "${1}.${2}"))
        .alias(column)
        for column, labels in columns.items()
    )
