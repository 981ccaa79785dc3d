"""Read NDJSON: one flat JSON object per line.

A number keeps the digits it was written with (1.50 stays 1.50), true and false become text, null and "" and a name
that an object lacks are blank. Lists and objects within a cell, a name twice in one object and lines that are no
object are faults with their line. Lines are numbered like the records of CSV: the first is row 2, as if a header
stood above them, so that row numbers mean the same interview in every format.
"""

import json
from collections.abc import Collection
from typing import Any

import polars as pl

from polling.faults import FaultLog
from polling.formats.exact_csv import text_is_usable
from polling.formats.table import MAX_CELLS, MAX_COLUMNS, Table, is_too_large

__all__ = ["read_ndjson"]

_BOM = b"\xef\xbb\xbf"
_CHUNK = 20_000
_FIRST_ROW = 2
_MOST_BROKEN = 1000
"""A file with more broken lines is not read to its end."""
_REMEDY = 'Write one object per line, such as {"id": "a1", "age": "18-29"}.'


class _Strange(Exception):
    """A value that fits into no cell."""


def read_ndjson(content: bytes, log: FaultLog, *, expected: Collection[str], only: bool) -> Table | None:
    """Read an NDJSON file, recording what is wrong with it; the parameters are those of `read_exact_csv`."""
    if not text_is_usable(content, log):
        return None
    table = _Table(log, frozenset(expected) if only else None)
    start, row = len(_BOM) if content.startswith(_BOM) else 0, _FIRST_ROW - 1
    content = content.rstrip()
    if is_too_large(content.count(b"\n") + 1, 0, log):
        return None
    while start < len(content):
        end = content.find(b"\n", start)
        end = len(content) if end < 0 else end
        row += 1
        table.take(row, content[start:end])
        start = end + 1
        if (row - 1) * table.width > MAX_CELLS:
            is_too_large(row - 1, len(table.header), log, n_kept=table.width)
            return None
        if table.n_broken > _MOST_BROKEN:
            log.add(f"more than {_MOST_BROKEN:,} lines cannot be read", "Mend these first.")
            return None
    return table.finished()


class _Table:
    """Objects turned into columns chunk by chunk; a column begins with the first object that has it."""

    def __init__(self, log: FaultLog, wanted: frozenset[str] | None) -> None:
        self._log = log
        self._wanted = wanted
        self.header: dict[str, None] = {}
        self._chunk: list[dict[str, str | None]] = []
        self._done: list[pl.DataFrame] = []
        self._damaged: list[int] = []
        self._kept: dict[str, None] = {}

    @property
    def width(self) -> int:
        return len(self._kept)

    @property
    def n_broken(self) -> int:
        return len(self._damaged)

    def take(self, row: int, line: bytes) -> None:
        cells: dict[str, str | None] = {}
        try:
            for name, value in _object(line):
                if name in cells or (name not in self.header and len(self.header) > MAX_COLUMNS):
                    raise _Strange(f"the object names {name[:60]!r} twice" if name in cells else "too many names")
                cells[name] = _text(name, value)
                self.header[name] = None
        except _Strange as strange:
            self._log.add(str(strange), _REMEDY, row=row)
            self._damaged.append(row)
            cells = {}
        kept = {name: text for name, text in cells.items() if name and (self._wanted is None or name in self._wanted)}
        self._kept.update(dict.fromkeys(kept))
        self._chunk.append(kept)
        if len(self._chunk) == _CHUNK:
            self._flush()

    def _flush(self) -> None:
        columns = {name: [cells.get(name) for cells in self._chunk] for name in self._kept}
        schema = dict.fromkeys(columns, pl.String)
        self._done.append(pl.DataFrame(columns, schema=schema) if columns else pl.DataFrame(height=len(self._chunk)))
        self._chunk.clear()

    def finished(self) -> Table | None:
        self._flush()
        height = sum(part.height for part in self._done)
        names = tuple(name for name in self.header if name)
        if self._damaged and len(self._damaged) == height:
            return None  # what the objects lack is not known
        if not names:
            self._log.add("the objects have no names", _REMEDY)
            return None
        columns = [
            pl.concat([part[name] if name in part.columns else _nulls(part.height) for part in self._done]).alias(name)
            for name in self._kept
        ]
        return Table(
            pl.DataFrame(columns) if columns else pl.DataFrame(height=height),
            names,
            typed=False,
            damaged_rows=pl.Series(self._damaged, dtype=pl.UInt32),
            format="ndjson",
        )


def _object(line: bytes) -> list[tuple[str, Any]]:
    text = line.decode().strip()
    if not text:
        raise _Strange("the line is empty")
    if not text.startswith("{"):
        raise _Strange("the line is no JSON object")
    try:
        # Digits as they are: 01001 sent as text stays text, 1.50 stays 1.50, and no number is too large.
        pairs: list[tuple[str, Any]] = json.loads(
            text, object_pairs_hook=_Pairs, parse_float=str, parse_int=str, parse_constant=str
        )
    except RecursionError:
        raise _Strange("the line is nested too deeply") from None
    except ValueError as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be decoded"
        raise _Strange(f"the line is no JSON object: {reason}") from None
    return pairs


class _Pairs(list[tuple[str, Any]]):
    """The pairs of an object, told apart from a list."""


def _text(name: str, value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        what = "an object" if isinstance(value, _Pairs) else "a list"
        raise _Strange(f"{name[:60]!r} holds {what}, not text or a number")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Strange(f"{name[:60]!r} holds half a character (a lone surrogate)") from None
    return value


def _nulls(height: int) -> pl.Series:
    return pl.Series([None] * height, dtype=pl.String)
