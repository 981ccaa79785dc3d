"""Read SPSS (.sav, .zsav) and Stata (.dta) files with value labels and user-missing codes.

Columns with labels or user-missing codes become text by ``polling.formats.labels``; all others keep their type: dates
are dates, numbers numbers, and text stays as it is, 01001 included. Metadata are read first, so that a file which is
too large is refused before its rows are read. ReadStat hands out Python objects, some 50 bytes per cell, so the rows
come in chunks.
"""

import io
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import polars as pl

from polling.faults import FaultLog
from polling.formats.labels import code_text, texts_of
from polling.formats.table import Table, is_too_large

__all__ = ["read_labelled"]

_CHUNK_CELLS = 2_000_000


def read_labelled(content: bytes, log: FaultLog, *, name: str, expected: Collection[str], only: bool) -> Table | None:
    """Read an SPSS or Stata file, recording what is wrong with it.

    Parameters
    ----------
    content, log, expected, only
        As `read_exact_csv` takes them.
    name
        ``sav`` or ``dta``.

    Raises
    ------
    Exception
        Of whatever kind, if the file is damaged.
    """
    import pyreadstat

    read = pyreadstat.read_sav if name == "sav" else pyreadstat.read_dta
    # A file made by a pipe does not know its number of rows; then the reader finds out.
    _, meta = read(io.BytesIO(content), metadataonly=True, user_missing=True, output_format="dict")
    header = tuple(meta.column_names)
    if not header:
        log.add("the file has no columns", "Send one row per record and the declared columns.")
        return None
    wanted = [column for column in header if not only or column in expected]
    n_known = meta.number_rows if meta.number_rows is not None and meta.number_rows >= 0 else None
    if is_too_large(n_known or 0, len(header), log, n_kept=len(wanted)):
        return None
    # Of a file without any wanted column only the number of rows is of interest.
    used = wanted or [header[0]]
    parts: dict[str, list[pl.Series]] = {column: [] for column in used}
    columns = {column: _Column(column, meta) for column in used}
    n_rows = 0
    for chunk in _chunks(read, content, used, n_known):
        n_rows += len(next(iter(chunk.values())))
        if is_too_large(n_rows, len(header), log, n_kept=len(wanted)):
            return None
        for column, values in chunk.items():
            parts[column].append(columns[column].take(values))
    if not wanted:
        return Table(pl.DataFrame(height=n_rows), header, typed=True, format=name)
    if not n_rows:
        return Table(pl.DataFrame(schema=dict.fromkeys(wanted, pl.String)), header, typed=True, format=name)
    data = pl.DataFrame([columns[column].whole(parts[column]) for column in wanted])
    labels = {column: columns[column].texts for column in wanted if columns[column].texts}
    return Table(data, header, typed=True, format=name, value_labels=labels)


def _chunks(
    read: Callable[..., Any], content: bytes, used: list[str], n_rows: int | None
) -> Iterator[dict[str, list[Any]]]:
    size = max(_CHUNK_CELLS // len(used), 1)
    offset = 0
    while n_rows is None or offset < n_rows:
        options = {"usecols": used, "user_missing": True, "output_format": "dict"}
        chunk, _ = read(io.BytesIO(content), row_offset=offset, row_limit=size, **options)
        values = {column: _as_list(chunk[column]) for column in used}
        found = len(values[used[0]])
        offset += found
        yield values
        if found < size:
            return


def _as_list(values: Any) -> list[Any]:
    listed: list[Any] = values if isinstance(values, list) else values.tolist()
    return listed


class _Column:
    """One column: whether it holds codes, and the codes that were met so far."""

    def __init__(self, name: str, meta: Any) -> None:
        self._name = name
        self._is_number = meta.readstat_variable_types.get(name) != "string"
        labels = meta.variable_value_labels.get(name, {})
        self._labels = {self._code(code): str(label) for code, label in labels.items()}
        self._ranges: list[Mapping[str, Any]] = meta.missing_ranges.get(name, [])
        self._is_coded = bool(self._labels or self._ranges)
        self._missing: set[str] = set()
        self._met: dict[str, None] = {}
        self.texts: dict[str, str] = {}

    def take(self, values: list[Any]) -> pl.Series:
        """The values of a chunk: codes as text, or as they are if the column has no labels so far."""
        values = [None if value == "" or value != value else value for value in values]  # noqa: PLR0124 -- NaN
        if self._is_number and any(isinstance(value, str) for value in values):
            self._is_coded = True  # a user-missing code of Stata, .a to .z, which nothing announced
        if not self._is_coded:
            return pl.Series(self._name, values, strict=False)
        codes = {value: self._code(value) for value in dict.fromkeys(values) if value is not None}
        self._met.update(dict.fromkeys(codes.values()))
        self._missing |= {code for value, code in codes.items() if self._is_missing(value)}
        return pl.Series(self._name, list(map(codes.get, values)), dtype=pl.String)

    def whole(self, parts: list[pl.Series]) -> pl.Series:
        """All rows, codes replaced by what stands for them."""
        if not self._is_coded:
            return pl.concat([part.to_frame() for part in parts], how="vertical_relaxed").to_series()
        parts = [part if part.dtype == pl.String else self.take(part.to_list()) for part in parts]
        texts = texts_of(self._met, self._labels, missing=self._missing)
        self.texts = {code: text for code, text in texts.items() if code != text or code in self._labels}
        return pl.concat(parts).replace({code: text for code, text in texts.items() if code != text})

    def _code(self, value: Any) -> str:
        if self._is_number and isinstance(value, str):
            return "." + value  # as Stata writes it
        return code_text(value)

    def _is_missing(self, value: Any) -> bool:
        return (self._is_number and isinstance(value, str)) or any(_is_within(value, one) for one in self._ranges)


def _is_within(value: Any, between: Mapping[str, Any]) -> bool:
    try:
        return bool(between["lo"] <= value <= between["hi"])
    except TypeError:  # a date
        return False
