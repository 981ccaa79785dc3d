"""Interviews as stored: the declared columns as received, in one zstd Parquet payload per wave.

Bytes are the same for the same table, so that a payload's hash identifies its content.
"""

import io

import polars as pl

from polling.errors import PayloadDamaged

__all__ = ["from_payload", "to_payload"]


def to_payload(received: pl.DataFrame) -> bytes:
    """Write interviews as received (every column String), respondents already replaced by pseudonyms.

    No statistics are written: the least and the largest value of a column are two people's answers.
    """
    buffer = io.BytesIO()
    received.write_parquet(buffer, compression="zstd", statistics=False)
    return buffer.getvalue()


def from_payload(content: bytes) -> pl.DataFrame:
    """Read a payload back.

    Raises
    ------
    PayloadDamaged
        If the bytes are not a payload.
    """
    try:
        return pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise PayloadDamaged(
            f"A payload of {len(content):,} bytes cannot be read. Restore the database from a backup."
        ) from error
