"""Read the tables of a survey folder, and name what is there in words."""

from pathlib import Path

import polars as pl

from polling.faults import FaultLog, did_you_mean, listing, near
from polling.reading import FIRST_ROW
from polling.tabular import Table, as_text, read_table

__all__ = ["column_as_text", "has_columns", "read_folder_file", "read_folder_table", "rows_where"]


def read_folder_table(folder: Path, name: str, *, key: str, declaration_log: FaultLog) -> tuple[Table | None, FaultLog]:
    """Read one table of the folder.

    Parameters
    ----------
    folder
        Where the tables lie.
    name
        File name as declared; "" where the declaration lacks it (a fault recorded there already).
    key
        The key of the declaration that names the file; a missing file is a fault of that key.
    declaration_log
        Receives faults of the declaration.

    Returns
    -------
    tuple
        The table, or None, and a log under the file's own name.
    """
    log = FaultLog(name)
    if not name:
        return None, log
    content = read_folder_file(folder, name, key=key, declaration_log=declaration_log)
    if content is None:
        return None, log
    table = read_table(content, log)
    if table is not None and table.data.height == 0:
        log.add("the table has no rows", "Add them.")
        return None, log
    return table, log


def read_folder_file(folder: Path, name: str, *, key: str, declaration_log: FaultLog) -> bytes | None:
    """The bytes of a file of the folder, or None after recording why not."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        declaration_log.add("the file lies outside the folder", "Name a file within it.", column=key, value=name)
        return None
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        present = sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
        there = near(name, present) or f"{folder} has {listing(present) or 'no files'}."
        if not folder.is_dir():
            there = f"There is no folder {folder}."
        remedy = f"{there} Or say where the tables lie with --data."
        declaration_log.add("there is no such file", remedy, column=key, value=name)
    except OSError as error:
        reason = f"the file cannot be read: {error.strerror}"
        declaration_log.add(reason, "Check its permissions.", column=key, value=name)
    return None


def has_columns(
    table: Table, wanted: tuple[str, ...], ignored: tuple[str, ...], *, ignore_key: str, log: FaultLog
) -> bool:
    """Whether every wanted column is there; also records columns that are to be ignored and do not exist.

    An ignored column may hold what must not be used. If its name is mistyped, it would be loaded.
    """
    missing = [name for name in wanted if name not in table.header]
    for name in missing:
        others = [other for other in table.header if other not in wanted]
        log.add("the column is missing", did_you_mean(name, others), row=1, column=name)
    for name in ignored:
        if name not in table.header:
            remedy = f"{did_you_mean(name, table.header)} Correct {ignore_key} in survey.toml."
            log.add("the column to be ignored is missing", remedy, row=1, column=name)
    return not missing


def column_as_text(series: pl.Series, log: FaultLog) -> pl.Series | None:
    """A column as String with blanks as null, or None after recording why it is no text."""
    text = as_text(series)
    if text is None:
        log.add(f"the column holds {series.dtype}", "Use text or numbers.", row=1, column=series.name)
        return None
    if text.str.contains("\x00", literal=True).any():
        log.add("a text contains a NUL character", "Remove it: it cannot be stored.", column=series.name)
        return None
    return text.set((text.str.strip_chars() == "").fill_null(value=False), None)


def rows_where(mask: pl.Series) -> list[int]:
    """Row numbers (header = 1) at which a mask is true."""
    return (mask.arg_true() + FIRST_ROW).to_list()
