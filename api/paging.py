"""Cut a page out of an answer: some of its rows, then of the groups that are withheld."""

from typing import Any, NamedTuple

from msgspec import Struct, structs

from api.flat_tables import ROWS, WITHHELD

__all__ = ["Page", "cut"]


class Page(NamedTuple):
    """Which rows are sent."""

    start: int
    """Rows before it."""
    limit: int | None
    """How many there are at most; None: all that follow."""


def cut[P: Struct](payload: P, page: Page) -> tuple[P, int | None]:
    """An answer with the rows of a page, and where the next one begins; None after the last.

    The pages of an answer, one after the other, have each of its rows and withheld groups once, in order.
    """
    changes: dict[str, Any] = {}
    stop = None if page.limit is None else page.start + page.limit
    before = 0
    for name in (*ROWS[type(payload)], WITHHELD):
        value = getattr(payload, name)
        rows = value if isinstance(value, list) else [] if value is None else [value]
        kept = rows[max(page.start - before, 0) : None if stop is None else max(stop - before, 0)]
        changes[name] = kept if isinstance(value, list) else kept[0] if kept else None
        before += len(rows)
    return structs.replace(payload, **changes), stop if stop is not None and stop < before else None
