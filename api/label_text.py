"""Read the lists that are written in a query: names, and levels with their columns."""

import re

from api.errors import EstimateRefused
from api.group_query import Labels

__all__ = ["labels_from", "names_from"]


def names_from(text: str | None) -> tuple[str, ...]:
    """The names in a list with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else ()


def labels_from(text: str | None, parameter: str) -> Labels:
    """Columns and levels, written column:level with commas between; a level may have commas and colons in it.

    Raises
    ------
    EstimateRefused
        If a column has no level.
    """
    found = []
    # A comma ends a level only where the next column begins.
    for part in re.split(r",(?=\s*\w+\s*:)", text or ""):
        if not part.strip():
            continue
        column, _, level = (piece.strip() for piece in part.partition(":"))
        if not column or not level:
            raise EstimateRefused(
                f"{parameter} names a column and its level with a colon between, such as age:65+ (in a URL, + is %2B); "
                f"got {part.strip()[:80]!r}."
            )
        found.append((column, (level,)))
    return tuple(found)
