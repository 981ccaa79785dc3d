"""Read one sheet of an .xlsx workbook as text.

Text cells stay as they are, 01001 included; a number that Excel only shows with leading zeros is the number it holds.
Whole numbers lose their ``.0``, dates become 2024-05-01. The sheet is the one that has data; where several have, the
one whose first row names expected columns. Cells with an error value (#N/A) are faults, not blanks.
"""

from collections.abc import Collection

import polars as pl

from polling.faults import FaultLog, listing
from polling.formats.header import header_is_usable
from polling.formats.sample import sample_frame
from polling.formats.table import Table, is_too_large
from polling.formats.workbook import Sheet, look_into

__all__ = ["read_spreadsheet"]

_MIDNIGHT = r"^(\d{4}-\d{2}-\d{2}) 00:00:00$"


def read_spreadsheet(
    content: bytes, log: FaultLog, *, expected: Collection[str], only: bool, limit: int
) -> Table | None:
    """Read a workbook, recording what is wrong with it.

    Parameters
    ----------
    content, log, expected, only
        As `read_exact_csv` takes them.
    limit
        Bytes that the parts of the workbook may have when they are unpacked.

    Raises
    ------
    Exception
        Of whatever kind, if the file is damaged.
    """
    sheets = look_into(content, log, limit=limit)
    if sheets is None:
        return None
    filled = [sheet for sheet in sheets if sheet.n_cells]
    if not filled:
        log.add("the workbook is empty", "Send a header and one line per record.")
        return None
    import fastexcel

    book = fastexcel.read_excel(content)
    chosen = filled[0] if len(filled) == 1 else _chosen(book, filled, log, expected)
    if chosen is None:
        return None
    for row in sorted(set(chosen.errors)):
        log.add("a cell holds an error value, such as #N/A", "Correct the formula, or clear the cell.", row=row)
    if is_too_large(chosen.n_rows, chosen.n_columns, log):
        return None
    cells = book.load_sheet(chosen.name, header_row=None, skip_rows=0, dtypes="string").to_polars()
    header = [(name or "").strip() for name in cells.row(0)] if cells.height else []
    if not header_is_usable(header, log, expected=expected, only=only):
        return None
    wanted = [place for place, name in enumerate(header) if name and (not only or name in expected)]
    body = cells.slice(1)
    blank = pl.all_horizontal(pl.all().is_null() | (pl.all().str.strip_chars() == ""))
    # Rows that were cleared still count as rows of a sheet: blank ones at its end are no records.
    last = body.select(blank.not_().arg_true().last()).item() if body.height else None
    height = 0 if last is None else int(last) + 1
    columns = [_cells(body.to_series(place).head(height)).alias(header[place]) for place in wanted]
    data = pl.DataFrame(columns) if columns else pl.DataFrame(height=height)
    unasked = [place for place, name in enumerate(header) if name and place not in wanted]
    others = pl.DataFrame([body.to_series(place).alias(header[place]) for place in unasked])
    named = tuple(name for name in header if name)
    return Table(data, named, typed=False, format="xlsx", others=sample_frame(others.head(height)))


def _chosen(book: object, sheets: list[Sheet], log: FaultLog, expected: Collection[str]) -> Sheet | None:
    fits = [sheet for sheet in sheets if set(_first_row(book, sheet)) & set(expected)]
    if len(fits) == 1:
        return fits[0]
    names = listing(f"'{sheet.name[:40]}'" for sheet in sheets)
    log.add(f"the workbook has {len(sheets)} sheets with data: {names}", "Keep the one with the interviews.")
    return None


def _first_row(book: object, sheet: Sheet) -> list[str]:
    loaded = book.load_sheet(sheet.name, header_row=None, n_rows=1, dtypes="string")  # type: ignore[attr-defined]
    cells: pl.DataFrame = loaded.to_polars()
    return [str(name) for name in cells.row(0)] if cells.height else []


def _cells(text: pl.Series) -> pl.Series:
    text = text.str.replace(_MIDNIGHT, "$1")
    return text.set((text == "").fill_null(value=False), None)
