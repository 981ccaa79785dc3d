"""Read the usual CSV fast, or say that it is not the usual one.

A file without a quote character whose records all have as many fields as the header needs no CSV reader: what stands
between two delimiters is the cell. That much is checked by counting bytes, and Polars reads every column as text.
Anything else (quotes, records of uneven length, lone carriage returns, bytes that are not UTF-8, a cell of gigantic
size, a faulty header) is left to ``polling.formats.exact_csv``, which reads the same files the same way, ten
times slower, and knows where the faults are.
"""

import codecs
import csv
import io
from collections.abc import Collection

import polars as pl

from polling.faults import FaultLog
from polling.formats.header import MAX_LINE_BYTES, delimiter_of, header_is_usable
from polling.formats.table import MAX_CELLS, MAX_ROWS, Table

__all__ = ["is_utf8", "read_plain_csv"]

_CHUNK = 1 << 20  # bytes looked at at a time: what fits into the cache of a core
_BOM = b"\xef\xbb\xbf"
_NEWLINE = 10


def read_plain_csv(content: bytes, *, expected: Collection[str] = (), only: bool = False) -> Table | None:
    """Read a CSV file that has nothing unusual about it.

    Parameters
    ----------
    content
        The bytes of the file.
    expected
        Column names that help to recognise the delimiter.
    only
        True: keep only the expected columns.

    Returns
    -------
    Table or None
        None if the exact reader has to look; without a fault, there is none.
    """
    given = content.removeprefix(_BOM)
    unix = None if b'"' in given or b"\x00" in given or not is_utf8(given) else _unix_lines(given)
    if not unix:
        return None
    first, _, _ = unix[:MAX_LINE_BYTES].partition(b"\n")
    header, delimiter = _header(first, expected)
    # With one column a blank line is no record to Polars and a fault to the exact reader.
    if len(header) < 2 or not header_is_usable(header, FaultLog(), expected=expected, only=only):
        return None
    wanted = [place for place, name in enumerate(header) if name and (not only or name in expected)]
    n_rows = _rows_if_even(unix, delimiter, len(header))
    # A byte order mark below the header is a character of the first cell, and Polars would not take it for one.
    marked = unix.startswith(_BOM, len(first) + 1)
    if n_rows is None or n_rows > MAX_ROWS or n_rows * len(wanted) > MAX_CELLS or marked:
        return None
    data = _read(unix, delimiter, len(header), wanted) if n_rows else _no_rows(wanted)
    # Blank records at the end are no interviews: the exact reader takes them away.
    if data.height != n_rows or _ends_blank(unix, delimiter):
        return None
    if wanted:
        data.columns = [header[place] for place in wanted]
    else:
        data = pl.DataFrame(height=n_rows)
    return Table(data, tuple(name for name in header if name), typed=False, decimal_comma=delimiter == ";")


def _header(line: bytes, expected: Collection[str]) -> tuple[list[str], str]:
    """The names and the delimiter; no names where the line is blank, or too long for a header."""
    if not line.strip() or len(line) == MAX_LINE_BYTES:
        return [], ","
    delimiter = delimiter_of(line.decode(), expected)
    try:
        return next(csv.reader([line.decode()], delimiter=delimiter), []), delimiter
    except csv.Error:  # a name of gigantic size
        return [], delimiter


def _read(content: bytes, delimiter: str, n_columns: int, wanted: list[int]) -> pl.DataFrame:
    lazy = pl.scan_csv(
        io.BytesIO(content),
        has_header=False,
        skip_lines=1,
        schema={str(place): pl.String for place in range(n_columns)},
        separator=delimiter,
        quote_char=None,
    )
    return lazy.select(str(place) for place in wanted or [0]).collect()


def _no_rows(wanted: list[int]) -> pl.DataFrame:
    return pl.DataFrame(schema={str(place): pl.String for place in wanted})


def _unix_lines(content: bytes) -> bytes | None:
    """The content with line feeds as line ends, one at the end at most; None where a carriage return means more."""
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n")
    if b"\r" in content:
        return None
    return content.rstrip(b"\n") if content.endswith(b"\n\n") else content


def is_utf8(content: bytes) -> bool:
    """Whether bytes are UTF-8, without making a text of them that may take four times the memory."""
    if content.isascii():
        return True
    decode = codecs.getincrementaldecoder("utf-8")().decode
    view = memoryview(content)
    try:
        for start in range(0, len(content), _CHUNK):
            decode(view[start : start + _CHUNK], final=start + _CHUNK >= len(content))
    except UnicodeDecodeError:
        return False
    return True


def _rows_if_even(content: bytes, delimiter: str, n_columns: int) -> int | None:
    """How many records stand below the header if all have ``n_columns`` fields of usual size; else None.

    Polars would fill a short record in silence, and overlook what is too much where not all columns are wanted.
    """
    mark = delimiter.encode()
    closing = content.translate(None, delete=bytes(set(range(256)) - {_NEWLINE, mark[0]}))
    n_lines = len(closing) // n_columns + (not content.endswith(b"\n"))
    if closing.removesuffix(b"\n") + b"\n" != (mark * (n_columns - 1) + b"\n") * n_lines:
        return None
    return None if _has_long_line(content, csv.field_size_limit()) else n_lines - 1


def _has_long_line(content: bytes, limit: int) -> bool:
    """Whether a line is longer than a cell may be: one that is not has no cell that is longer."""
    half = limit // 2
    # Such a line fills one of these stretches at least, and few stretches have no line end.
    for start in range(0, len(content) - half + 1, half):
        if content.find(b"\n", start, start + half) < 0:
            end = content.find(b"\n", start)
            if (end if end >= 0 else len(content)) - content.rfind(b"\n", 0, start) > limit:
                return True
    return False


def _ends_blank(content: bytes, delimiter: str) -> bool:
    """Whether the last record is blank: such records are not counted as interviews."""
    last = content[content.rfind(b"\n", 0, -1) + 1 :]
    return not last.strip(delimiter.encode() + b"\n")
