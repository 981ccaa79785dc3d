"""Check the frame: the population, one row per district and combination of levels, with the number of people."""

import polars as pl

from polling.declaration import SurveyDeclaration
from polling.faults import FaultLog, did_you_mean, listing
from polling.folder_files import column_as_text, has_columns, rows_where
from polling.reading import FIRST_ROW
from polling.tabular import Table

__all__ = ["check_frame", "check_frame_districts"]


def check_frame(table: Table, declaration: SurveyDeclaration, log: FaultLog) -> pl.DataFrame | None:
    """Bring the frame into canonical form.

    Parameters
    ----------
    table
        As read.
    declaration
        The survey.
    log
        Receives every fault, under the table's file name.

    Returns
    -------
    polars.DataFrame or None
        District and demographics (String) and ``n_people`` (Float64), sorted; None if a column is missing.
    """
    cell = tuple(dict.fromkeys(name for name in declaration.cell_columns if name))  # a name twice is a fault already
    count, ignored = declaration.frame_count, declaration.frame_ignore
    complete = has_columns(table, (*cell, count), ignored, ignore_key="frame.ignore", log=log)
    for name in table.header:
        if name not in (*cell, count, *ignored):
            remedy = f"{did_you_mean(name, cell)} Declare it as a demographic, or list it in frame.ignore."
            log.add("the column is not declared", remedy, row=1, column=name)
    columns = []
    for name in cell:
        if name not in table.header:
            continue
        text = column_as_text(table.data[name], log)
        if text is None:
            complete = False
            continue
        _fault_rows(text.is_null(), name, f"{name} is blank", "Fill it in: people without it cannot be placed.", log)
        if levels := declaration.levels.get(name):
            _check_levels(text, levels, log)
        columns.append(text)
    if count in table.header:
        n_people = _check_counts(table.data[count], log)
        complete = complete and n_people is not None
        if n_people is not None:
            columns.append(n_people.alias("n_people"))
    if not complete:
        return None
    frame = pl.DataFrame(columns).select(*cell, "n_people")
    _check_duplicates(frame, cell, log)
    return frame.sort(cell)


def check_frame_districts(
    frame: pl.DataFrame, districts: pl.DataFrame, declaration: SurveyDeclaration, frame_log: FaultLog, log: FaultLog
) -> None:
    """Every district of the frame is in the districts table, and the other way round."""
    name = declaration.geography.district
    known, lived_in = set(districts["code"].drop_nulls()), set(frame[name].drop_nulls())
    for code in sorted(lived_in - known):
        remedy = f"Add it to {declaration.geography.districts_file}, or correct it. {did_you_mean(code, known)}"
        frame_log.add("the district is not in the districts table", remedy, column=name, value=code)
    for code in sorted(known - lived_in):
        remedy = f"Add its people to {declaration.frame_file}, or remove the district."
        log.add("the district has no cell in the frame", remedy, column="code", value=code)


def _check_levels(text: pl.Series, levels: tuple[str, ...], log: FaultLog) -> None:
    """One fault per strange level, at its first row: a mistake in a level repeats in every district."""
    rows = pl.DataFrame({"level": text}).with_row_index("row", offset=FIRST_ROW).drop_nulls()
    strange = rows.filter(~pl.col("level").is_in(levels)).group_by("level", maintain_order=True).agg(pl.col("row"))
    for level, found in strange.iter_rows():
        reason = f"not a declared level of {text.name} ({listing(levels)}), in {_rows(len(found))}"
        remedy = f"{did_you_mean(level, levels)} Correct the frame, or declare the level."
        log.add(reason, remedy, row=found[0], column=text.name, value=level)
    present = set(text)
    for level in levels:
        if level not in present:
            reason = "the level is declared and missing from the frame"
            remedy = f"Add its cells (with 0 people if nobody has it), or remove it from demographics.{text.name}."
            log.add(reason, remedy, column=text.name, value=level)


def _check_counts(series: pl.Series, log: FaultLog) -> pl.Series | None:
    if series.dtype.is_numeric() and not series.dtype.is_nested():
        text, number = series.cast(pl.String), series.cast(pl.Float64)
    elif series.dtype == pl.String:
        text, number = series, series.cast(pl.Float64, strict=False)
    else:
        log.add(f"the column holds {series.dtype}", "Give numbers of people.", row=1, column=series.name)
        return None
    column = series.name
    _fault_rows(text.is_null(), column, "the count is missing", "Give the number of people, 0 if there are none.", log)
    unusable = text.is_not_null() & ~number.is_finite().fill_null(value=False)
    _fault_rows(unusable, column, "the count is not a finite number", "Give the number of people.", log, shown=text)
    negative = (number < 0).fill_null(value=False) & ~unusable
    _fault_rows(negative, column, "the count is negative", "Give 0 or more people.", log, shown=text)
    if number.count() == len(number) and not log and number.sum() == 0:
        log.add("nobody lives in the frame: every count is 0", "Give the numbers of people.", column=column)
    return number


def _check_duplicates(frame: pl.DataFrame, cell: tuple[str, ...], log: FaultLog) -> None:
    first = frame.with_row_index("\x00row", offset=FIRST_ROW).select(pl.col("\x00row").first().over(cell)).to_series()
    own = pl.Series(range(FIRST_ROW, frame.height + FIRST_ROW), dtype=first.dtype)
    for row in rows_where(first != own):
        found = " / ".join(str(frame[name][row - FIRST_ROW]) for name in cell)
        reason = f"the same cell as in row {first[row - FIRST_ROW]}"
        log.add(reason, "Add the two together or correct one.", row=row, value=found)


def _fault_rows(
    mask: pl.Series, column: str, reason: str, remedy: str, log: FaultLog, *, shown: pl.Series | None = None
) -> None:
    if mask.any():
        rows = mask.arg_true() + FIRST_ROW
        log.add_rows(rows, None if shown is None else shown.filter(mask), reason, remedy, column=column)


def _rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n:,} rows"
