"""Other forms of an answer, made from its JSON: the numbers are computed once, whatever the form.

Each has an entity tag of its own, as a strong validator must: that of the whole answer in JSON, and what is different.
"""

import gzip
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from api.forms import JSON
from api.table_files import write_table

__all__ = ["COMPRESSED", "GZIP", "Encoded", "Variant", "is_gzip"]

GZIP: Final = "gzip"
COMPRESSED: Final = frozenset({JSON, "csv", "arrow"})
"""Forms that are worth compressing; Parquet is compressed in itself."""
LEAST: Final = 1000
"""Bytes below which nothing is compressed: it would be as many packets."""
LEVEL: Final = 6


class Encoded(bytes):
    """A whole answer as JSON, which knows what it is."""

    payload: type[Struct]

    @classmethod
    def of(cls, payload: Struct) -> "Encoded":
        """Encode an answer."""
        encoded = cls(msgspec.json.encode(payload))
        encoded.payload = type(payload)
        return encoded


class Variant(NamedTuple):
    """How an answer is sent."""

    form: str = JSON
    gzip: bool = False
    """Whether it is compressed, unless it is small."""

    @property
    def is_whole(self) -> bool:
        """Whether it is the answer as it was encoded."""
        return self == Variant()

    def tag(self, whole: str) -> str:
        """Its entity tag, from that of the whole answer."""
        if self.is_whole:
            return whole
        parts = (whole.strip('"'), self.form, *([GZIP] if self.gzip else []))
        return f'"{"-".join(parts)}"'

    def make(self, whole: Encoded) -> bytes:
        """Its bytes."""
        body: bytes = whole
        if self.form != JSON:
            body = write_table(msgspec.json.decode(whole, type=whole.payload), self.form)
        if self.gzip and len(body) >= LEAST:
            return gzip.compress(body, LEVEL, mtime=0)
        return body


def is_gzip(body: bytes) -> bool:
    """Whether a body is compressed; no form of an answer begins with these bytes."""
    return body.startswith(b"\x1f\x8b")
