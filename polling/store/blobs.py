"""Tables of a survey as bytes, and the hash that names their content.

The hash is over the values, not over the Parquet file: a newer Parquet writer
may compress differently, and the same frame must stay the same frame.
"""

import hashlib
import io

import polars as pl

from polling.store.columns import canonical_json

__all__ = ["table_from_bytes", "table_sha256", "table_to_bytes"]


def table_to_bytes(table: pl.DataFrame) -> bytes:
    """Write a table as zstd Parquet."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", statistics=False)
    return buffer.getvalue()


def table_from_bytes(content: bytes) -> pl.DataFrame:
    """Read what ``table_to_bytes`` wrote."""
    return pl.read_parquet(io.BytesIO(content))


def table_sha256(table: pl.DataFrame) -> str:
    """Hash the names, types and values of a table, in its order of rows and columns."""
    header = canonical_json([[name, str(dtype)] for name, dtype in table.schema.items()])
    lists = [name for name, dtype in table.schema.items() if isinstance(dtype, pl.List)]
    # CSV has no lists; the unit separator cannot be in a code that came from a text file's field.
    flat = table.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join("\x1f") for name in lists)
    # Text is quoted and null is not, so that null and "" differ; floats are written with all their digits.
    rows = flat.write_csv(include_header=False, quote_style="non_numeric")
    return hashlib.sha256(f"{header}\n{rows}".encode()).hexdigest()
