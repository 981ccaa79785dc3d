"""Read a table that a recipe for a frame names: a census table, records, interviews, shares, a crosswalk.

    [tables.age]
    file = "ts007.csv"
    by = ["district", "age"]             # columns that are read, as the frame calls them
    number = "Observation"               # of people, the weight of a record, a share; records may do without
    columns = { district = "Area code", age = "Age band" }     # what the file calls them, where it differs
    records = true                       # one row per person: rows may be alike
    leave_blank_out = ["past"]           # rows that are blank there; all other blanks are faults
    [tables.age.recode.age]
    "16 to 24" = "18-29"                 # many to one: cells that become alike are added up
    [tables.age.leave_out]
    age = ["Total"]                      # rows that are none of the people, or all of them

Rows that say the same of the same cell twice, before any recoding, are faults.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from polling.by_text import composed
from polling.faults import FaultLog, did_you_mean, listing
from polling.folder_files import column_as_text, has_columns, read_folder_file
from polling.reading import FIRST_ROW
from polling.tabular import Table, read_table
from polling.toml_section import Section

__all__ = ["NUMBER", "RecipeTable", "TableDeclaration", "parse_table", "read_recipe_table"]

NUMBER = "number"
"""The column of people, weights or shares in what is read."""
_ROW = "\x00row"


@dataclass(frozen=True, slots=True)
class TableDeclaration:
    """What a recipe says of a table."""

    name: str
    file: str
    by: tuple[str, ...]
    number: str | None
    columns: Mapping[str, str]
    recode: Mapping[str, Mapping[str, str]]
    leave_out: Mapping[str, tuple[str, ...]]
    leave_blank_out: tuple[str, ...]
    records: bool


@dataclass(frozen=True, slots=True)
class RecipeTable:
    """A table that was read and checked."""

    declared: TableDeclaration
    data: pl.DataFrame
    """The columns ``by`` (String, no gaps) and ``number`` (Float64, >= 0)."""
    sha256: str
    """Of the bytes of the file."""


def parse_table(name: str, section: Section) -> TableDeclaration:
    """Read ``[tables.NAME]``."""
    by = section.texts("by")
    if not by:
        section.fault("by", "'by' is missing", 'Name the columns that are read: by = ["district", "age"].')
    records, number = section.flag("records"), section.maybe_text("number")
    if number is None and not records:
        section.fault("number", "'number' is missing", 'Name the column of people, or write "records = true".')
    recode = {one: section.section("recode").labels(one) for one in section.section("recode", required=False).names()}
    out = section.section("leave_out", required=False)
    leave_out = {one: out.texts(one) or () for one in out.names()}
    columns, blank = section.labels("columns"), section.texts("leave_blank_out") or ()
    named = (("recode", recode), ("leave_out", leave_out), ("columns", columns), ("leave_blank_out", blank))
    for key, names in named:
        for one in names:
            if by and one not in by:
                section.fault(f"{key}.{one}", "not one of the columns of 'by'", did_you_mean(one, by))
    file = section.text("file")
    section.close()
    return TableDeclaration(name, file, by or (), number, columns, recode, leave_out, blank, records)


def read_recipe_table(
    folder: Path, declared: TableDeclaration, levels: Mapping[str, Sequence[str]], recipe_log: FaultLog
) -> tuple[RecipeTable | None, FaultLog]:
    """Read a table and find every fault of it.

    Parameters
    ----------
    levels
        Columns of which no other levels are expected than these.
    recipe_log
        Receives what is wrong with the recipe: the file is not there.

    Returns
    -------
    tuple
        The table, or None, and a log under the file's name.
    """
    log = FaultLog(declared.file)
    key = f"tables.{declared.name}.file"
    if not declared.file or not declared.by:
        return None, log
    content = read_folder_file(folder, declared.file, key=key, declaration_log=recipe_log)
    data = None if content is None else _read(content, declared, levels, log)
    if content is None or data is None or log:
        return None, log
    return RecipeTable(declared, data, hashlib.sha256(content).hexdigest()), log


def _read(
    content: bytes, declared: TableDeclaration, levels: Mapping[str, Sequence[str]], log: FaultLog
) -> pl.DataFrame | None:
    """The rows that count, recoded and added up; None where there is nothing to be checked further."""
    of = {name: declared.columns.get(name, name) for name in declared.by}
    wanted = (*of.values(), *([declared.number] if declared.number else []))
    table = read_table(content, log, expected=wanted, only=True)
    if table is None or log or not has_columns(table, wanted, (), ignore_key="", log=log):
        return None
    columns = [_labels(table, name, file_column, log) for name, file_column in of.items()]
    number = _numbers(table, declared, log)
    labels = [column for column in columns if column is not None]
    if len(labels) < len(columns):
        return None
    data = pl.DataFrame([*labels, number]).with_row_index(_ROW, offset=FIRST_ROW)
    for name, out in declared.leave_out.items():
        data = data.filter(~pl.col(name).is_in(list(out)).fill_null(value=False))
    data = data.drop_nulls(list(declared.leave_blank_out)) if declared.leave_blank_out else data
    if data.is_empty():
        log.add("the table has no rows", "Add them, or leave fewer out.")
        return None
    _check_rows(data, declared, of, log)
    for name, recode in declared.recode.items():
        data = data.with_columns(pl.col(name).replace(recode))
    _check_levels(data, of, levels, declared.name, log)
    data = data.drop(_ROW)
    if declared.records:
        return data
    return data.group_by(declared.by, maintain_order=True).agg(pl.col(NUMBER).sum())


def _labels(table: Table, name: str, file_column: str, log: FaultLog) -> pl.Series | None:
    text = column_as_text(table.data[file_column], log)
    return None if text is None else composed(text.cast(pl.String).str.strip_chars()).alias(name)


def _numbers(table: Table, declared: TableDeclaration, log: FaultLog) -> pl.Series:
    column = declared.number
    if column is None:
        return pl.repeat(1.0, table.data.height, dtype=pl.Float64, eager=True).alias(NUMBER)
    series = table.data[column]
    if series.dtype.is_numeric():
        text, number = series.cast(pl.String), series.cast(pl.Float64)
    else:
        text = series.cast(pl.String).str.strip_chars()
        text = text.set((text == "").fill_null(value=False), None)
        if table.decimal_comma:
            text = text.str.replace(r"^([+-]?\d+),(\d+)$", "${1}.${2}")
        number = text.cast(pl.Float64, strict=False)
    finite = number.is_finite().fill_null(value=False)
    for wrong, reason, remedy in (
        (text.is_null(), "the number is missing", "Fill it in, 0 where there is nobody."),
        (text.is_not_null() & ~finite, "not a number", "Write it without thousands separators, such as 12345.5."),
        (finite & (number < 0), "the number is below 0", "Give 0 or more."),
        (finite & (number == 0) & declared.records, "the weight is 0", "Leave out records that stand for nobody."),
    ):
        if wrong.any():
            log.add_rows(wrong.arg_true() + FIRST_ROW, text.filter(wrong), reason, remedy, column=column)
    return number.alias(NUMBER)


def _check_rows(data: pl.DataFrame, declared: TableDeclaration, of: Mapping[str, str], log: FaultLog) -> None:
    for name, file_column in of.items():
        blank = data.filter(pl.col(name).is_null())
        if blank.height:
            remedy = f"Fill it in: people without {name} cannot be placed."
            log.add_rows(blank[_ROW], None, f"{name} is blank", remedy, column=file_column)
    if declared.records:
        return
    key = list(of)
    again = data.with_columns(pl.col(_ROW).first().over(key).alias("\x00first")).filter(
        pl.col(_ROW) != pl.col("\x00first")
    )
    for row in again.head(100).iter_rows(named=True):
        found = " / ".join(str(row[name]) for name in key)
        log.add(f"the same cell as in row {row['\x00first']}", "Keep one, or add them up.", row=row[_ROW], value=found)


def _check_levels(
    data: pl.DataFrame, of: Mapping[str, str], levels: Mapping[str, Sequence[str]], name: str, log: FaultLog
) -> None:
    for column, known in levels.items():
        if column not in of:
            continue
        strange = data.filter(pl.col(column).is_not_null() & ~pl.col(column).is_in(list(known)))
        for label, rows in strange.group_by(column, maintain_order=True).agg(pl.col(_ROW)).iter_rows():
            reason = f"not a declared level of {column} ({listing(known)})"
            remedy = f"{did_you_mean(label, known)} Add it to [tables.{name}.recode.{column}] or leave_out."
            where = pl.Series(rows, dtype=pl.UInt32)
            log.add_rows(where, pl.Series([label] * len(rows)), reason, remedy, column=of[column])
