"""Read the lists that are written in a query: names, numbers, levels with their columns, merged levels."""

import re

from api.errors import EstimateRefused, IntervalOutOfRange
from api.labels import Labels, Merged, Merges

__all__ = ["intervals_from", "labels_from", "merges_from", "names_from"]

MOST_INTERVALS = 10


def names_from(text: str | None) -> tuple[str, ...]:
    """The names in a list with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else ()


def intervals_from(text: str) -> tuple[float, ...]:
    """The probabilities of intervals in a list with commas.

    Raises
    ------
    IntervalOutOfRange
        If one is no number; `api.group_query.prepare_query` refuses those that are no probability.
    EstimateRefused
        If one is named twice, or there are more than ``MOST_INTERVALS``.
    """
    parts = names_from(text)
    if wrong := [repr(part) for part in parts if not _is_number(part)] or ([] if parts else [repr(text)]):
        raise IntervalOutOfRange(wrong)
    intervals = tuple(map(float, parts))
    if len(set(intervals)) < len(intervals):
        raise EstimateRefused(f"interval names one twice: {', '.join(parts)[:200]}. Name each once.")
    if len(intervals) > MOST_INTERVALS:
        raise EstimateRefused(f"interval names {len(intervals)}; an answer has {MOST_INTERVALS} at most.")
    return intervals


def labels_from(text: str | None, parameter: str) -> Labels:
    """Columns and levels, written column:level with commas between; a level may have commas and colons in it.

    Raises
    ------
    EstimateRefused
        If a column has no level.
    """
    found = []
    for part in _parts(text):
        column, _, level = (piece.strip() for piece in part.partition(":"))
        if not column or not level:
            raise EstimateRefused(
                f"{parameter} names a column and its level with a colon between, such as age:65+ (in a URL, + is %2B); "
                f"got {part.strip()[:80]!r}."
            )
        found.append((column, (level,)))
    return tuple(found)


def merges_from(text: str | None) -> Merges:
    """Merged levels, written column:level|level=name with commas between.

    The name follows the last =, so that levels may have it in them, and commas and colons as in `labels_from`.

    Raises
    ------
    EstimateRefused
        If column, levels or name are missing.
    """
    found = []
    for part in _parts(text):
        column, _, rest = part.partition(":")
        levels, _, name = rest.rpartition("=")
        members = tuple(level.strip() for level in levels.split("|"))
        if not column.strip() or not all(members) or not name.strip():
            raise EstimateRefused(
                "merge names a column, levels with | between, and what they are called together, such as "
                f"age:18-29|30-39=young (in a URL, | is %7C and + is %2B); got {part.strip()[:80]!r}."
            )
        found.append(Merged(column.strip(), members, name.strip()))
    return tuple(found)


def _parts(text: str | None) -> list[str]:
    """The pieces of a list with commas, of which each begins with a column; others are part of a level."""
    return [part for part in re.split(r",(?=\s*\w+\s*:)", text or "") if part.strip()]


def _is_number(text: str) -> bool:
    # As JSON writes numbers: Python itself reads digits of every script, and underscores between them.
    return re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", text, re.ASCII) is not None
