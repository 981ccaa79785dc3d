"""A sample of the columns that nobody asked for: what a survey does not declare is not kept, but it may be refused.

Some rows, evenly spaced over the file so that the same file gives the same sample; cells are shortened text. Reading
all of a file's columns for this would take the memory and time that leaving them out saves.
"""

import csv
import io
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import polars as pl

from polling.formats.header import delimiter_of
from polling.formats.table import as_text

__all__ = ["sample_columns", "sample_frame"]

MOST_ROWS = 2000
MOST_CELLS = 400_000
"""Of a file with thousands of other columns fewer rows are looked at."""
MOST_CHARACTERS = 200
_SMALL = 1_000_000
"""Bytes up to which a text file is read as a whole."""
_CHUNK = 4_000_000


def sample_columns(content: bytes, name: str, header: Sequence[str], expected: Collection[str]) -> pl.DataFrame:
    """Some rows of the columns that are not expected.

    Parameters
    ----------
    content
        The bytes of the file, not compressed.
    name
        What it was recognised as.
    header
        All its columns.
    expected
        The columns that are read anyway.

    Returns
    -------
    polars.DataFrame
        String columns; empty if there are none. Rows that cannot be read are left out: they are faults elsewhere.
    """
    others = [column for column in header if column not in expected]
    if not others:
        return pl.DataFrame()
    most = _rows(len(others))
    rows: Iterator[dict[str, Any]]
    match name:
        case "csv":
            rows = _csv_rows(content, expected, most)
        case "ndjson":
            rows = map(_flat, _lines(content, most))
        case "parquet":
            return _sample_parquet(content, others)
        case "sav" | "dta":
            return _sample_labelled(content, name, others, most)
        case _:
            return pl.DataFrame()
    found = [row for row in rows if row]
    step = max(1, len(found) // most)
    cells = {column: [_short(row.get(column)) for row in found[::step]] for column in others}
    return pl.DataFrame(cells, schema=dict.fromkeys(others, pl.String))


def sample_frame(data: pl.DataFrame) -> pl.DataFrame:
    """Some rows of a table that was read as a whole."""
    if not data.width:
        return pl.DataFrame()
    some = data.gather_every(max(1, data.height // _rows(data.width)))
    texts = [text.str.head(MOST_CHARACTERS) for series in some if (text := as_text(series)) is not None]
    return pl.DataFrame(texts)


def _rows(n_columns: int) -> int:
    return max(20, min(MOST_ROWS, MOST_CELLS // n_columns))


def _csv_rows(content: bytes, expected: Collection[str], most: int) -> Iterator[dict[str, Any]]:
    first = _line_at(content, 0)
    delimiter = delimiter_of(first, expected)
    names = next(_records([first], delimiter), [])
    if len(content) <= _SMALL:
        # Quoted line breaks are read as what they are.
        text = io.StringIO(content.decode("utf-8-sig", "replace"), newline="")
        records = _records(text, delimiter)
        next(records, None)
    else:
        records = (record for line in _lines(content, most) for record in _records([line], delimiter))
    for record in records:
        if len(record) == len(names):
            yield dict(zip(names, record, strict=True))


def _records(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue


def _lines(content: bytes, most: int) -> Iterator[str]:
    """Whole lines after evenly spaced places, each once; the header is not among them."""
    seen = -1
    for place in range(most) if len(content) > _SMALL else ():
        start = content.find(b"\n", place * len(content) // most) + 1
        if start > seen and start:
            seen = start
            yield _line_at(content, start)
    if len(content) <= _SMALL:
        yield from content.decode("utf-8-sig", "replace").splitlines()


def _line_at(content: bytes, start: int) -> str:
    end = content.find(b"\n", start)
    return content[start : end if end >= 0 else len(content)].decode("utf-8-sig", "replace").rstrip("\r")


def _flat(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _short(value: object) -> str | None:
    return None if value is None or value == "" else str(value)[:MOST_CHARACTERS]


def _sample_parquet(content: bytes, others: list[str]) -> pl.DataFrame:
    height = int(pl.scan_parquet(io.BytesIO(content)).select(pl.len()).collect().item())
    width = max(1, _CHUNK // max(1, height))
    step = max(1, height // _rows(len(others)))
    parts = []
    for start in range(0, len(others), width):
        read = pl.read_parquet(io.BytesIO(content), columns=others[start : start + width])
        texts = [as_text(series) for series in read.gather_every(step)]
        parts += [text.str.head(MOST_CHARACTERS) for text in texts if text is not None]
    return pl.DataFrame(parts)


def _sample_labelled(content: bytes, name: str, others: list[str], most: int) -> pl.DataFrame:
    import pyreadstat

    read = pyreadstat.read_sav if name == "sav" else pyreadstat.read_dta
    values, _ = read(io.BytesIO(content), usecols=others, row_limit=most, output_format="dict")
    cells = {column: [_short(value) for value in values[column]] for column in others if column in values}
    return pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))
