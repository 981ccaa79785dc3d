"""Lists page by page: what comes next begins after the last that was listed, whatever was added meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from litestar.di import Provide
from litestar.params import QueryParameter

from api.cursors import Cursor, read_cursor, write_cursor
from api.errors import RequestRefused

__all__ = ["LISTED", "ListPage"]

MOST = 1000
DEFAULT = 200


@dataclass(frozen=True, slots=True)
class ListPage:
    """Which part of a list is wanted."""

    limit: int = DEFAULT
    cursor: str | None = None

    def after(self, *basis: str | None) -> Cursor | None:
        """After what it begins; None: with the first.

        Parameters
        ----------
        basis
            What tells the list from all others.

        Raises
        ------
        CursorRefused
            If the cursor is none, or of another list.
        """
        if self.cursor is None:
            return None
        cursor = read_cursor(self.cursor)
        cursor.require(basis)
        return cursor

    def cut[T](self, found: Sequence[T]) -> tuple[Sequence[T], T | None]:
        """The page, and the last of it if more follow.

        Parameters
        ----------
        found
            What comes after `after`, as far as one more than ``limit``.
        """
        listed = found[: self.limit]
        return listed, listed[-1] if len(found) > len(listed) else None

    def next_cursor(self, key: str, number: int, *basis: str | None) -> str:
        """The cursor of what comes after something that has this key and number."""
        return write_cursor(key, number, basis)


def list_page(
    limit: Annotated[int, QueryParameter(description=f"How many, from 1 to {MOST:,}.")] = DEFAULT,
    cursor: Annotated[str | None, QueryParameter(description="The `next_cursor` of the page before.")] = None,
) -> ListPage:
    """Which part of a list is wanted, from the request."""
    if not 1 <= limit <= MOST:
        raise RequestRefused(f"limit must be from 1 to {MOST:,}.")
    return ListPage(limit, cursor)


LISTED = {"page": Provide(list_page, sync_to_thread=False)}
