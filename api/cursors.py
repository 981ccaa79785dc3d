"""Where the next page of an answer begins: a text that says nothing to its reader, bound to release and query.

The release is in the cursor, so that pages are pages of one answer also when a new release came meanwhile. The rest is
a check: of the release, of everything that was asked but the form and the size of the page, and of the place.
"""

import base64
import binascii
import hashlib
from collections.abc import Hashable
from dataclasses import dataclass

import msgspec

from api.errors import CursorRefused

__all__ = ["Cursor", "read_cursor", "write_cursor"]

N_CHECK = 12
MOST = 500
"""Characters of a cursor; ours have fewer."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in an answer."""

    release_id: str
    start: int
    """Rows before it."""
    check: bytes

    def require(self, basis: Hashable) -> None:
        """Refuse a cursor of another answer.

        Parameters
        ----------
        basis
            What it must have been written for.

        Raises
        ------
        CursorRefused
            If it was written for something else, or altered.
        """
        if self.check != _check(basis, self.release_id, self.start):
            raise CursorRefused("It belongs to another query or another release")


def write_cursor(release_id: str, start: int, basis: Hashable) -> str:
    """The text of a place in the answer that ``basis`` tells from all others."""
    content = msgspec.msgpack.encode((release_id, start, _check(basis, release_id, start)))
    return base64.urlsafe_b64encode(content).decode("ascii").rstrip("=")


def read_cursor(text: str) -> Cursor:
    """What a text says; whether it belongs here, `Cursor.require` tells.

    Raises
    ------
    CursorRefused
        If it is no cursor.
    """
    try:
        if len(text) > MOST:
            raise ValueError(text)
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        release_id, start, check = msgspec.msgpack.decode(content, type=tuple[str, int, bytes])
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise CursorRefused("It is none that was given out here") from None
    return Cursor(release_id, start, check)


def _check(basis: Hashable, release_id: str, start: int) -> bytes:
    return hashlib.blake2b(repr((basis, release_id, start)).encode(), digest_size=N_CHECK).digest()
