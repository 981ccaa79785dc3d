"""Columns and levels that are named in a query: who is counted, and what is taken together."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from api.errors import EstimateRefused, UnknownChoice
from mrp.electorate import Electorate

__all__ = ["DISTRICT", "Labels", "Merged", "Merges", "find_labels", "find_merges", "merges_districts", "one_of"]

DISTRICT = "district"

type Labels = tuple[tuple[str, tuple[str, ...]], ...]
"""Columns, and for each the levels of which one is meant."""


class Merged(NamedTuple):
    """Levels that are taken together."""

    column: str
    levels: tuple[str, ...]
    name: str
    """What they are called together."""


type Merges = tuple[Merged, ...]


def find_labels(labels: Labels, electorate: Electorate) -> Labels:
    """Columns and levels as the electorate calls them; several levels of one column together.

    Raises
    ------
    UnknownChoice
        If there is no such column, or no such level in it.
    """
    found: dict[str, list[str]] = {}
    for name, levels in labels:
        column = _column(name, electorate)
        for level in levels:
            one_of(name, level, electorate.levels(column))
            if level not in found.setdefault(column, []):
                found[column].append(level)
    return tuple((column, tuple(levels)) for column, levels in found.items())


def find_merges(
    merges: Merges, electorate: Electorate, columns: Sequence[str]
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Merged levels as the electorate calls them: column, new name, levels.

    Parameters
    ----------
    columns
        Of the breakdown.

    Raises
    ------
    UnknownChoice
        If there is no such column, or no such level in it.
    EstimateRefused
        If a column is not one of the breakdown, fewer than two levels are merged, a level is merged twice, or the new
        name is that of a level or of other merged levels.
    """
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for merged in merges:
        column = _column(merged.column, electorate)
        known = electorate.levels(column)
        for level in merged.levels:
            one_of(merged.column, level, known)
        if column not in columns:
            place = "by" if column in electorate.demographics else "level"
            raise EstimateRefused(
                f"merge takes levels of {merged.column} together, which the answer does not tell apart: name "
                f"{merged.column} in {place}, or count these people alone with where."
            )
        if len(set(merged.levels)) < 2:
            raise EstimateRefused(
                f"merge names one level of {merged.column} for {merged.name!r}. Name several, with | between."
            )
        names = found.setdefault(column, {})
        if merged.name in known or merged.name in names:
            other = f"a level of {merged.column}" if merged.name in known else "the name of other merged levels"
            raise EstimateRefused(
                f"merge calls levels of {merged.column} {merged.name!r}, which is {other}. Rename them."
            )
        for level in merged.levels:
            if taken := next((name for name, levels in names.items() if level in levels), None):
                raise EstimateRefused(
                    f"merge puts {merged.column} {level!r} into {taken!r} and into {merged.name!r}. Choose one."
                )
        names[merged.name] = tuple(dict.fromkeys(merged.levels))
    return found


def merges_districts(merges: Merges, electorate: Electorate) -> bool:
    """Whether districts are taken together."""
    return any(_column(merged.column, electorate) == electorate.district for merged in merges)


def one_of(what: str, value: str, allowed: Iterable[str]) -> str:
    """The value, if it is one of those allowed; otherwise `UnknownChoice` names them."""
    allowed = tuple(allowed)
    if value not in allowed:
        raise UnknownChoice(what, value, allowed)
    return value


def _column(name: str, electorate: Electorate) -> str:
    known = (*electorate.cell_columns, *electorate.parents)
    if name == DISTRICT and name not in known:
        return electorate.district
    return one_of("column", name, known)
