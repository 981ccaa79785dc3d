"""Write the table of an answer: CSV, Parquet, or an Arrow stream; and name the file."""

import io
import json
import re
from typing import Any

import polars as pl
from msgspec import Struct

from api.flat_tables import flat_table, head_of
from polling.spreadsheet import defuse

__all__ = ["file_name", "write_arrow", "write_parquet", "write_table"]

HEAD = "hustings"
"""Key of what the answer says besides its rows, as JSON, in the metadata of Parquet and Arrow."""
MOMENT = "%Y-%m-%dT%H:%M:%S%.fZ"
ENDINGS = {"csv": "csv", "parquet": "parquet", "arrow": "arrows", "nc": "nc"}


def write_table(payload: Struct, form: str) -> bytes:
    """The table of an answer in one of the forms of `api.forms.TABLES` besides JSON.

    CSV is as RFC 4180 has it, in UTF-8, nothing for null; a cell that a spreadsheet would take for a formula begins
    with an apostrophe.
    """
    table = flat_table(payload)
    if form == "csv":
        return defuse(table).write_csv(line_terminator="\r\n", datetime_format=MOMENT).encode()
    metadata = {HEAD: json.dumps(head_of(payload), ensure_ascii=False)}
    return write_parquet(table, metadata) if form == "parquet" else write_arrow(table, metadata)


def write_parquet(table: pl.DataFrame, metadata: dict[str, str]) -> bytes:
    """A Parquet file with zstd, and key-value metadata."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", metadata=metadata)
    return buffer.getvalue()


def write_arrow(table: pl.DataFrame, metadata: dict[str, str]) -> bytes:
    """An Arrow IPC stream with texts of 32-bit offsets, which every reader knows, and metadata of the schema."""
    import pyarrow as pa  # a tenth of a second, once somebody asks for it

    arrow = table.to_arrow()
    plain = [one.with_type(pa.string()) if pa.types.is_large_string(one.type) else one for one in arrow.schema]
    arrow = arrow.cast(pa.schema(plain, metadata=metadata))
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, arrow.schema) as stream:
        stream.write_table(arrow)
    return buffer.getvalue()


def file_name(form: str, *parts: Any) -> str:
    """A file name of harmless characters."""
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', '-'.join(map(str, parts))).strip('.-')}.{ENDINGS[form]}"
