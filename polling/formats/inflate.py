"""Inflate gzip and zstd up to a limit: a hundred kilobytes can hold gigabytes."""

import io
import zlib
from collections.abc import Iterator

from polling.faults import FaultLog

__all__ = ["inflated"]

_STEP = 1 << 20


def inflated(content: bytes, name: str, log: FaultLog, *, limit: int) -> bytes | None:
    """What a compressed file holds, or None after recording why not.

    Parameters
    ----------
    content
        The compressed bytes; several members one after the other are one content.
    name
        ``gzip`` or ``zstd``.
    limit
        Bytes it may become.
    """
    parts = bytearray()
    try:
        for part in _gzip(content) if name == "gzip" else _zstd(content):
            parts += part
            if len(parts) > limit:
                reason = f"the file holds more than {limit / 1e6:,.0f} MB when it is unpacked"
                log.add(reason, "Send it in parts, or ask the operator to raise max_inflated_mb.")
                return None
    except (OSError, zlib.error, EOFError) as error:
        log.add(f"the file begins like {name} and cannot be unpacked: {str(error)[:120]}", "Compress it again.")
        return None
    return bytes(parts)


def _gzip(content: bytes) -> Iterator[bytes]:
    import gzip

    with gzip.open(io.BytesIO(content)) as stream:
        while part := stream.read(_STEP):
            yield part


def _zstd(content: bytes) -> Iterator[bytes]:
    import pyarrow as pa

    with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
        while part := stream.read(_STEP):
            yield part
