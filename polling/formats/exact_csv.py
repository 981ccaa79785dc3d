"""Read any CSV exactly, and name every record that is wrong.

The standard library's reader in strict mode tells a short record from a blank cell, keeps "01" apart from "1", never
inflates compressed bytes, and numbers records rightly across quoted line breaks. The delimiter is the one of comma,
semicolon, tab and bar under which the header makes most sense. A quoted blank cell is a blank cell.

This is the reference: ``polling.formats.plain_csv`` reads the usual files fast and has to agree with it.
"""

import csv
import io
from array import array
from collections.abc import Collection, Iterator

import polars as pl

from polling.faults import FaultLog
from polling.formats.header import MAX_LINE_BYTES, delimiter_of, header_is_usable
from polling.formats.plain_csv import is_utf8
from polling.formats.table import MAX_CELLS, MAX_ROWS, Table, is_too_large

__all__ = ["read_exact_csv", "text_is_usable"]

_CHUNK = 20_000  # records turned into columns at a time: cells as Python strings take some 50 bytes each
_BOM = b"\xef\xbb\xbf"
_FIRST_ROW = 2


def read_exact_csv(content: bytes, log: FaultLog, *, expected: Collection[str], only: bool) -> Table | None:
    """Read a CSV file, recording what is wrong with it.

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
    if not text_is_usable(content, log):
        return None
    # Line breaks at the end hold nothing, except within an open quote, which is a fault in any case.
    content = content.removeprefix(_BOM).rstrip(b"\r\n")
    # newline="" hands the reader every line end as it is: \n, \r\n, and the \r alone of old Macs.
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")
    first = text.readline(MAX_LINE_BYTES)
    if len(first) == MAX_LINE_BYTES:
        log.add(f"the first line has {MAX_LINE_BYTES:,} characters or more", "Begin with a header.", row=1)
        return None
    delimiter = delimiter_of(first, expected)
    text.seek(0)
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    records = _Records(reader, log)
    header = next(iter(records), [])
    wanted = [place for place, name in enumerate(header) if name and (not only or name in expected)]
    # Without quotes every line is a record: what is too large is found before it is read.
    n_lines = max(content.count(b"\n"), content.count(b"\r")) if b'"' not in content else 0
    usable = not records.broken and header_is_usable(header, log, expected=expected, only=only)
    if not usable or is_too_large(n_lines, len(header), log, n_kept=len(wanted)):
        return None
    columns = _Columns(wanted, len(header))
    for record in records:
        columns.take(record)
        if columns.n_rows > MAX_ROWS or columns.n_rows * len(wanted) > MAX_CELLS:
            is_too_large(columns.n_rows, len(header), log, n_kept=len(wanted))
            return None
    if records.broken:
        return None
    columns.report_damage(log, len(header))
    data = columns.table([header[place] for place in wanted])
    named = tuple(name for name in header if name)
    return Table(data, named, typed=False, damaged_rows=columns.damaged(), decimal_comma=delimiter == ";")


def text_is_usable(content: bytes, log: FaultLog) -> bool:
    """Whether bytes are UTF-8 text; records the fault with its line."""
    if not is_utf8(content):
        try:
            content.decode()
        except UnicodeDecodeError as error:
            row = content.count(b"\n", 0, error.start) + 1
            log.add("the file is not UTF-8 text", "Save it as CSV in UTF-8.", row=row)
        return False
    if not content.removeprefix(_BOM).strip():
        log.add("the file is empty", "Send a header and one line per record.")
        return False
    if (place := content.find(b"\x00")) >= 0:
        row = content.count(b"\n", 0, place) + 1
        log.add("the text contains a NUL character", "Save it as CSV in UTF-8 (not UTF-16).", row=row)
        return False
    return True


class _Records:
    """The records of a file, up to the first that cannot be read."""

    def __init__(self, reader: Iterator[list[str]], log: FaultLog) -> None:
        self._reader = reader
        self._log = log
        self._row = 0
        self.broken = False

    def __iter__(self) -> Iterator[list[str]]:
        try:
            for record in self._reader:
                self._row += 1
                yield record
        except csv.Error as error:
            # A cell above the reader's limit of 131,072 characters ends here as well.
            remedy = "Close every quote, double quotes inside quotes, and keep cells below 131,072 characters."
            self._log.add(f"the text cannot be read as CSV: {error}", remedy, row=self._row + 1)
            self.broken = True


class _Columns:
    """Records turned into columns chunk by chunk."""

    def __init__(self, wanted: list[int], width: int) -> None:
        self._wanted = wanted
        self._width = width
        self._chunk: list[list[str]] = []
        self._done: list[list[pl.Series]] = [[] for _ in wanted]
        self._rows, self._widths = array("I"), array("I")  # of damaged records
        self.n_rows = 0
        self._n_sound = 0
        """Rows up to the last that is not blank; blank records at the end are no records."""

    def take(self, record: list[str]) -> None:
        self.n_rows += 1
        if any(record):
            self._n_sound = self.n_rows
        if len(record) != self._width:
            self._rows.append(self.n_rows - 1 + _FIRST_ROW)
            self._widths.append(len(record))
            record = (record + [""] * self._width)[: self._width]
        self._chunk.append(record)
        if len(self._chunk) == _CHUNK:
            self._flush()

    def _flush(self) -> None:
        for done, place in zip(self._done, self._wanted, strict=True):
            done.append(pl.Series([record[place] or None for record in self._chunk], dtype=pl.String))
        self._chunk.clear()

    def damaged(self) -> pl.Series:
        rows = pl.Series(self._rows, dtype=pl.UInt32)
        return rows.filter(rows < self._n_sound + _FIRST_ROW)

    def report_damage(self, log: FaultLog, width: int) -> None:
        rows = pl.DataFrame({"row": self._rows, "width": self._widths}, schema={"row": pl.UInt32, "width": pl.UInt32})
        rows = rows.filter(pl.col("row") < self._n_sound + _FIRST_ROW)
        for found in rows["width"].unique().sort().to_list():
            reason = "the line is empty" if found == 0 else f"the line has {found} fields, the header has {width}"
            remedy = f"Give every line {width} fields; quote a field that holds the delimiter."
            log.add_rows(rows.filter(pl.col("width") == found)["row"], None, reason, remedy)

    def table(self, names: list[str]) -> pl.DataFrame:
        self._flush()
        if not names:
            return pl.DataFrame(height=self._n_sound)
        columns = [pl.concat(done).alias(name) for done, name in zip(self._done, names, strict=True)]
        return pl.DataFrame(columns).head(self._n_sound)
