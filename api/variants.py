"""Other forms of an answer, and its pages, made from its JSON: the numbers are computed once, whatever is sent.

Each has an entity tag of its own, as a strong validator must: that of the whole answer in JSON, and what is different.
"""

import gzip
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct, structs

from api.forms import JSON
from api.paging import Page, cut
from api.table_files import write_table

__all__ = ["COMPRESSED", "GZIP", "LEAST", "LEVEL", "Encoded", "PageBytes", "Variant", "is_gzip"]

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


class PageBytes(bytes):
    """A page of an answer in some form, which knows where the next one begins."""

    next_cursor: str | None = None

    @classmethod
    def of(cls, body: bytes, next_cursor: str | None) -> "PageBytes":
        """The body of a page."""
        page = cls(body)
        page.next_cursor = next_cursor
        return page


class Variant(NamedTuple):
    """How an answer is sent."""

    form: str = JSON
    gzip: bool = False
    """Whether it is compressed, unless it is small."""
    page: Page | None = None
    """Which rows; None: all."""

    @property
    def is_whole(self) -> bool:
        """Whether it is the answer as it was encoded."""
        return self == Variant()

    def tag(self, whole: str) -> str:
        """Its entity tag, from that of the whole answer."""
        if self.is_whole:
            return whole
        page = [] if self.page is None else [f"{self.page.start}+{self.page.limit or ''}"]
        parts = (whole.strip('"'), self.form, *page, *([GZIP] if self.gzip else []))
        return f'"{"-".join(parts)}"'

    def make(self, whole: Encoded, cursor_at: Callable[[int], str]) -> bytes:
        """Its bytes.

        Parameters
        ----------
        cursor_at
            The cursor of the page that begins after so many rows.
        """
        if self.page is None and self.form == JSON:
            return self._packed(whole)
        payload, next_cursor = msgspec.json.decode(whole, type=whole.payload), None
        if self.page is not None:
            payload, after = cut(payload, self.page)
            next_cursor = None if after is None else cursor_at(after)
            payload = structs.replace(payload, next_cursor=next_cursor)
        body = msgspec.json.encode(payload) if self.form == JSON else write_table(payload, self.form)
        return PageBytes.of(self._packed(body), next_cursor)

    def _packed(self, body: bytes) -> bytes:
        return gzip.compress(body, LEVEL, mtime=0) if self.gzip and len(body) >= LEAST else body


def is_gzip(body: bytes) -> bool:
    """Whether a body is compressed; no form of an answer begins with these bytes."""
    return body.startswith(b"\x1f\x8b")
