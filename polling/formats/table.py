"""A table as it was sent, whatever the format, and the limits that a table has to keep."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from polling.faults import FaultLog

__all__ = ["INFLATED_BYTES", "MAX_CELLS", "MAX_COLUMNS", "MAX_ROWS", "Table", "as_text", "is_too_large"]

MAX_ROWS = 5_000_000
"""More rows than any poll or frame has; a few kilobytes of Parquet can claim billions."""
MAX_COLUMNS = 10_000
"""The widest panels have a few thousand."""
MAX_CELLS = 30_000_000
"""Cells of the columns that are kept; 16 bytes each, blank or not."""
INFLATED_BYTES = 256_000_000
"""What a compressed file may become, unless a setting says otherwise."""


def _no_rows() -> pl.Series:
    return pl.Series(dtype=pl.UInt32)


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it was sent."""

    data: pl.DataFrame
    """One row per record. String columns (blank = null) from text and spreadsheets; the file's own types from Parquet,
    SPSS and Stata, except that columns with value labels or user-missing codes are String, see
    ``polling.formats.labels``. What was read in another process has Enums of few texts, see ``polling.enums``."""
    header: tuple[str, ...]
    """All columns of the file, also those that were not asked for."""
    typed: bool
    """Whether the file says itself what is a number (Parquet, SPSS, Stata) or holds text only."""
    damaged_rows: pl.Series = field(default_factory=_no_rows)
    """Records with too few or too many fields (UInt32), already recorded as faults; header = 1."""
    format: str = "csv"
    """What the file was recognised as: a name of ``polling.formats.recognise.FORMATS``."""
    value_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Column -> code -> the text that stands for it in ``data``."""
    decimal_comma: bool = False
    """Whether a comma in a number is its decimal mark: in CSV delimited by semicolon, which is written where it is."""
    others: pl.DataFrame = field(default_factory=pl.DataFrame)
    """Some rows of the columns that were not asked for, as shortened text (``polling.formats.sample``)."""


def is_too_large(n_rows: int, n_columns: int, log: FaultLog, *, n_kept: int | None = None) -> bool:
    """Whether a table exceeds a limit; records the fault that names it.

    Parameters
    ----------
    n_rows, n_columns
        Size of the table in the file.
    n_kept
        Columns of it that are to be kept; default all.
    """
    kept = n_columns if n_kept is None else n_kept
    if n_columns > MAX_COLUMNS:
        log.add(f"the file has {n_columns:,} columns, the limit is {MAX_COLUMNS:,}", "Send the declared columns only.")
    elif n_rows > MAX_ROWS:
        log.add(f"the file has {n_rows:,} rows, the limit is {MAX_ROWS:,}", "Send it in parts.")
    elif n_rows * kept > MAX_CELLS:
        reason = f"the file has {n_rows:,} rows of {kept:,} columns, the limit is {MAX_CELLS:,} cells"
        log.add(reason, "Send it in parts.")
    else:
        return False
    return True


def as_text(series: pl.Series) -> pl.Series | None:
    """A column of text, numbers or dates as String; None for lists, structures, bytes and times of day."""
    dtype = series.dtype
    if dtype == pl.String:
        return series
    if isinstance(dtype, pl.Datetime):
        # Software without a date type writes midnights.
        midnight = (series.dt.date().cast(dtype) == series.dt.replace_time_zone(None).cast(dtype)).all()
        return series.dt.strftime("%Y-%m-%d" if midnight else "%Y-%m-%dT%H:%M:%S")
    if dtype == pl.Date:
        return _days_as_text(series)
    if dtype.is_float():
        # Whole numbers with blanks become floats in some software: 3.0 was the code 3.
        whole = (series.is_null() | (series.is_finite() & (series == series.round()) & (series.abs() < 2**53))).all()
        return series.cast(pl.Int64 if whole else dtype).cast(pl.String)
    if dtype in (pl.Categorical, pl.Enum, pl.Boolean, pl.Null) or dtype.is_integer() or dtype.is_decimal():
        return series.cast(pl.String)
    return None


def _days_as_text(series: pl.Series) -> pl.Series:
    """Dates as 2018-11-06. Interviews have few different days: each day from the first to the last is written once."""
    number = series.to_physical()
    first, last = number.min(), number.max()
    if not isinstance(first, int) or not isinstance(last, int) or last - first >= len(series):
        return series.dt.strftime("%Y-%m-%d")
    days = pl.int_range(first, last + 1, dtype=pl.Int32, eager=True).cast(pl.Date).dt.strftime("%Y-%m-%d")
    return days.gather(number - first).alias(series.name)
