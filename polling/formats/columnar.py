"""Read Parquet: its own types, only the columns that are wanted."""

import io
from collections.abc import Collection

import polars as pl

from polling.faults import FaultLog
from polling.formats.table import Table, is_too_large

__all__ = ["read_parquet"]


def read_parquet(content: bytes, log: FaultLog, *, expected: Collection[str], only: bool) -> Table | None:
    """Read a Parquet file, recording what is wrong with it; the parameters are those of `read_exact_csv`.

    Raises
    ------
    polars.exceptions.PolarsError, polars.exceptions.PanicException, OSError, ValueError
        If the file is damaged.
    """
    lazy = pl.scan_parquet(io.BytesIO(content))
    header = lazy.collect_schema().names()
    if not header:
        log.add("the file has no columns", "Send one row per record and the declared columns.")
        return None
    wanted = [name for name in header if not only or name in expected]
    height = int(lazy.select(pl.len()).collect().item())
    if is_too_large(height, len(header), log, n_kept=len(wanted)):
        return None
    data = lazy.select(wanted).collect() if wanted else pl.DataFrame(height=height)
    return Table(data, tuple(header), typed=True, format="parquet")
