"""Read a table from strangers' bytes: CSV as text, Parquet with its own types, recognised by content and not by name.

CSV goes through the standard library's reader in strict mode: unlike faster readers it tells a short record from a
blank cell, keeps "01" apart from "1", never inflates compressed bytes, and numbers records rightly across quoted
line breaks. The delimiter is the one of comma, semicolon, tab and bar under which the header makes most sense.
"""

import csv
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import polars as pl

from polling.faults import FaultLog, listing

__all__ = ["MAX_ROWS", "Table", "as_text", "read_table"]

MAX_ROWS = 5_000_000
"""More rows than any poll or frame has; a few kilobytes of Parquet can claim billions."""

_DELIMITERS = (",", ";", "\t", "|")
_FOREIGN = {
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\x1f\x8b": "compressed (gzip)",
    b"\x28\xb5\x2f\xfd": "compressed (zstd)",
    b"BZh": "compressed (bzip2)",
    b"\xfd7zXZ": "compressed (xz)",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"$FL2": "an SPSS file",
    b"<stata_dta>": "a Stata file",
    b"%PDF": "a PDF",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
_PARQUET = b"PAR1"


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it was sent."""

    data: pl.DataFrame
    """One row per record; String columns from CSV (empty = null), the file's own types from Parquet."""
    header: tuple[str, ...]
    """All columns of the file, also those that were not asked for."""
    typed: bool
    """Whether the file says itself what is a number (Parquet) or holds text only (CSV)."""
    damaged_rows: frozenset[int] = field(default_factory=frozenset)
    """Records with too few or too many fields, already recorded as faults; header = 1."""


def read_table(content: bytes, log: FaultLog, *, expected: Collection[str] = (), only: bool = False) -> Table | None:
    """Read a CSV or Parquet table, recording what is wrong with it as a file.

    Parameters
    ----------
    content
        The bytes of the file.
    log
        Receives the faults.
    expected
        Column names that help to recognise the delimiter.
    only
        True: keep only the expected columns.

    Returns
    -------
    Table or None
        None if there is nothing that could be checked further.
    """
    if content.startswith(_PARQUET):
        return _read_parquet(content, log, expected if only else None)
    for magic, what in _FOREIGN.items():
        if content.startswith(magic):
            log.add(f"the file is {what}", "Send UTF-8 text with commas (CSV), or Parquet.")
            return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        log.add("the file is not UTF-8 text", "Save it as CSV in UTF-8.", row=row)
        return None
    if not text.strip():
        log.add("the file is empty", "Send a header and one line per record.")
        return None
    if "\x00" in text:
        row = text.count("\n", 0, text.index("\x00")) + 1
        log.add("the text contains a NUL character", "Save it as CSV in UTF-8 (not UTF-16).", row=row)
        return None
    return _read_csv(text, log, expected, only=only)


def _read_csv(text: str, log: FaultLog, expected: Collection[str], *, only: bool) -> Table | None:
    delimiter = _delimiter(text, expected)
    # newline="" hands the reader every line end as it is: \n, \r\n, and the \r alone of old Macs.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records: list[list[str]] = []
    try:
        records.extend(reader)
    except csv.Error as error:
        # A cell above the reader's limit of 131,072 characters ends here as well.
        remedy = "Close every quote, double quotes inside quotes, and keep cells below 131,072 characters."
        log.add(f"the text cannot be read as CSV: {error}", remedy, row=len(records) + 1)
        return None
    while records and not any(records[-1]):
        records.pop()
    header = records[0] if records else []
    if not header:
        log.add("the first line is empty", "Begin with the header.", row=1)
        return None
    # A file without header would be quoted with the answers of its first interview.
    quoted = not only or any(name in expected for name in header)
    if not _header_is_usable(header, log, quoted=quoted):
        return None

    damaged = {row: len(record) for row, record in enumerate(records[1:], start=2) if len(record) != len(header)}
    for row in damaged:
        records[row - 1] += [""] * (len(header) - len(records[row - 1]))
    for width in sorted(set(damaged.values())):
        reason = "the line is empty" if width == 0 else f"the line has {width} fields, the header has {len(header)}"
        remedy = f"Give every line {len(header)} fields; quote a field that holds the delimiter."
        rows = pl.Series([row for row, other in damaged.items() if other == width], dtype=pl.UInt32)
        log.add_rows(rows, None, reason, remedy)
    wanted = [(place, name) for place, name in enumerate(header) if name and (not only or name in expected)]
    columns = {
        name: pl.Series(name, [record[place] or None for record in records[1:]], dtype=pl.String)
        for place, name in wanted
    }
    height = len(records) - 1
    data = pl.DataFrame(columns) if columns else pl.DataFrame(height=height)
    return Table(data, tuple(name for name in header if name), typed=False, damaged_rows=frozenset(damaged))


def _delimiter(text: str, expected: Collection[str]) -> str:
    first = io.StringIO(text, newline="").readline()

    def sense(delimiter: str) -> tuple[int, int]:
        try:
            names = next(csv.reader([first], delimiter=delimiter), [])
        except csv.Error:
            return (0, 0)
        return (sum(name in expected for name in names), len(names))

    return max(_DELIMITERS, key=sense)


def _header_is_usable(header: Sequence[str], log: FaultLog, *, quoted: bool) -> bool:
    twice = sorted({name for name in header if name and header.count(name) > 1})
    for name in twice:
        places = [str(place) for place, other in enumerate(header, start=1) if other == name]
        reason = f"the header names it {len(places)} times, in columns {listing(places)}"
        log.add(reason, "Rename or remove all but one.", row=1, column=name if quoted else None)
    return not twice


def _read_parquet(content: bytes, log: FaultLog, wanted: Collection[str] | None) -> Table | None:
    try:
        lazy = pl.scan_parquet(io.BytesIO(content))
        header = lazy.collect_schema().names()
        height = int(lazy.select(pl.len()).collect().item()) if header else 0
        if height > MAX_ROWS:
            log.add(f"the file has {height:,} rows, the limit is {MAX_ROWS:,}", "Send it in parts.")
            return None
        columns = header if wanted is None else [name for name in header if name in wanted]
        data = lazy.select(columns).collect() if columns else pl.DataFrame(height=height)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        log.add(f"the file begins like Parquet and cannot be read: {reason}", "Write it again.")
        return None
    if not header:
        log.add("the file has no columns", "Send one row per record and the declared columns.")
        return None
    return Table(data, tuple(header), typed=True)


def as_text(series: pl.Series) -> pl.Series | None:
    """A column of text, numbers or dates as String; None for lists, structures, bytes and times of day."""
    dtype = series.dtype
    if isinstance(dtype, pl.Datetime):
        # Software without a date type writes midnights.
        midnight = (series.dt.date().cast(dtype) == series.dt.replace_time_zone(None).cast(dtype)).all()
        return series.dt.strftime("%Y-%m-%d" if midnight else "%Y-%m-%dT%H:%M:%S")
    if dtype == pl.Date:
        return series.dt.strftime("%Y-%m-%d")
    if dtype.is_float():
        # Whole numbers with blanks become floats in some software: 3.0 was the code 3.
        whole = (series.is_null() | (series.is_finite() & (series == series.round()) & (series.abs() < 2**53))).all()
        return series.cast(pl.Int64 if whole else dtype).cast(pl.String)
    if dtype in (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Null) or dtype.is_integer() or dtype.is_decimal():
        return series.cast(pl.String)
    return None
