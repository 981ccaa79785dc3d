"""Interviews as stored: the declared columns as received, in one zstd Parquet payload per wave.

Bytes are the same for the same table, so that a payload's hash identifies its content. What the codes of labelled
columns (SPSS, Stata) stand for is kept beside the rows.
"""

import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import polars as pl

from polling.enums import without_unused
from polling.errors import PayloadDamaged

__all__ = ["count_shared", "from_payload", "payload_column", "payload_labels", "to_payload"]

_LABELS = "hustings.value_labels"


def to_payload(received: pl.DataFrame, value_labels: Mapping[str, Mapping[str, str]] | None = None) -> bytes:
    """Write interviews as received (every column String or Enum), respondents already replaced by pseudonyms.

    Of an Enum the texts that nobody gave are left out: they may be those of interviews that are gone. No statistics
    are written: the least and the largest value of a column are two people's answers.

    Parameters
    ----------
    value_labels
        Column -> code -> the text that stands for it in the column; None: no column has labels.
    """
    buffer = io.BytesIO()
    metadata = {_LABELS: json.dumps(value_labels, sort_keys=True)} if value_labels else None
    # Higher levels take twice the time and make these columns no smaller.
    received = without_unused(received)
    received.write_parquet(buffer, compression="zstd", compression_level=1, statistics=False, metadata=metadata)
    return buffer.getvalue()


def from_payload(content: bytes, columns: Collection[str] | None = None) -> pl.DataFrame:
    """Read a payload back, every column String or Enum as it was written (String before Enums were written).

    Payloads that are to be joined have different Enums: see ``polling.enums.as_texts``.

    Parameters
    ----------
    columns
        Read only these, as far as the payload has them; None: all.

    Raises
    ------
    PayloadDamaged
        If the bytes are not a payload.
    """
    if columns is None:
        return _read(content)
    return _read(content, *(name for name in _names(content) if name in columns))


def payload_labels(content: bytes) -> dict[str, dict[str, str]]:
    """What the codes of labelled columns stand for: column -> code -> text; empty where the file had no labels.

    Raises
    ------
    PayloadDamaged
        If the bytes are not a payload.
    """
    with _damage(content):
        labels: dict[str, dict[str, str]] = json.loads(pl.read_parquet_metadata(io.BytesIO(content)).get(_LABELS, "{}"))
    return labels


def payload_column(content: bytes, name: str) -> list[str]:
    """One column of a payload without its blanks, and nothing else of it read; empty if there is no such column.

    Raises
    ------
    PayloadDamaged
        If the bytes are not a payload.
    """
    return _read(content, name)[name].drop_nulls().to_list() if name in _names(content) else []


def count_shared(waves: Sequence[Sequence[bytes]], name: str, texts: pl.Series) -> list[int]:
    """Of each wave, how many of some texts are in a column of its payloads; nothing else of them is read.

    Parameters
    ----------
    waves
        The payloads of each wave.
    texts
        Each counts once.

    Raises
    ------
    PayloadDamaged
        If the bytes are not a payload.
    """
    # Of all waves at once: reading a hundred of them one by one takes six times as long.
    readers = [
        pl.scan_parquet(io.BytesIO(one)).select(pl.lit(number, pl.UInt32).alias("wave"), pl.col(name).cast(pl.String))
        for number, payloads in enumerate(waves)
        for one in payloads
        if name in _names(one)
    ]
    if not readers:
        return [0] * len(waves)
    shared = pl.concat(readers).filter(pl.col(name).is_in(texts.cast(pl.String).implode()))
    with _damage(*(one for payloads in waves for one in payloads)):
        found = dict(shared.group_by("wave").agg(pl.col(name).n_unique()).collect().iter_rows())
    return [found.get(number, 0) for number in range(len(waves))]


def _names(content: bytes) -> list[str]:
    with _damage(content):
        return list(pl.read_parquet_schema(io.BytesIO(content)))


def _read(content: bytes, *columns: str) -> pl.DataFrame:
    with _damage(content):
        return pl.read_parquet(io.BytesIO(content), columns=list(columns) or None)


@contextmanager
def _damage(*contents: bytes) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        which = "A payload" if len(contents) == 1 else f"One of {len(contents):,} payloads"
        n_bytes = sum(map(len, contents))
        raise PayloadDamaged(
            f"{which} of {n_bytes:,} bytes cannot be read. Restore the database from a backup."
        ) from error
