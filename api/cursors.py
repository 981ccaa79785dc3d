"""Where the next page of an answer or a list begins: a text that says nothing to its reader, bound to what was asked.

The release of an answer is in it, so that pages are pages of one answer also when a new release came meanwhile. The
rest is a check: of everything that was asked but the form and the size of the page, and of the place.
"""

import base64
import binascii
import hashlib
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Annotated

import msgspec

from api.errors import CursorRefused

__all__ = ["Cursor", "read_cursor", "write_cursor"]

Key = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{0,64}$")]
Start = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""Of a cursor that was made up, the key is looked for in the database before the check tells."""
N_CHECK = 12
MOST = 500
"""Characters of a cursor; ours have fewer."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in an answer."""

    key: str
    """The release of an answer; of a list what was listed last."""
    start: int
    """Rows before it; or a number of what was listed last."""
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
        if self.check != _check(basis, self.key, self.start):
            raise CursorRefused("It belongs to another query or another release")


def write_cursor(key: str, start: int, basis: Hashable) -> str:
    """The text of a place in the answer that ``basis`` tells from all others."""
    content = msgspec.msgpack.encode((key, start, _check(basis, key, start)))
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
        key, start, check = msgspec.msgpack.decode(content, type=tuple[Key, Start, bytes])
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise CursorRefused("It is none that was given out here") from None
    return Cursor(key, start, check)


def _check(basis: Hashable, key: str, start: int) -> bytes:
    return hashlib.blake2b(repr((basis, key, start)).encode(), digest_size=N_CHECK).digest()
