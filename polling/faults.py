"""Say what is wrong with a file so that one reading mends it.

A fault names the file, the row, the column, the offending text, why it is wrong and what to do. A file's faults are
collected and answered together: the first ``MAX_REPORTED_FAULTS`` in file order, and how many there are in all.

Rows are records of the file with the header as row 1, as a spreadsheet numbers them: the first interview is row 2,
in Parquet files too, and a quoted line break does not start a new row.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["MAX_REPORTED_FAULTS", "Fault", "FaultLog", "did_you_mean", "listing"]

MAX_REPORTED_FAULTS = 100
MAX_VALUE_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, where it is and what to do about it."""

    file: str | None
    """Name of the file as its sender knows it; None for the only file of a request."""
    row: int | None
    """Record number with the header as row 1, or line number in a TOML file; None if no row is to blame."""
    column: str | None
    """Column of a table or dotted key of a TOML file."""
    value: str | None
    """The text found there, shortened. Never a respondent id."""
    reason: str
    remedy: str

    def __post_init__(self) -> None:
        if self.value is not None and len(self.value) > MAX_VALUE_CHARACTERS:
            object.__setattr__(self, "value", self.value[: MAX_VALUE_CHARACTERS - 1] + "…")

    def __str__(self) -> str:
        row = None if self.row is None else f"row {self.row}"
        place = ", ".join(part for part in (self.file, row, self.column and f"column '{self.column}'") if part)
        found = "" if self.value is None else f" (found '{self.value}')"
        return f"{place + ': ' if place else ''}{self.reason}{found}. {self.remedy}"


class FaultLog:
    """Collects the faults of one file or folder; knows the total even where it does not keep each."""

    def __init__(self, file: str | None = None) -> None:
        self.file = file
        self.total = 0
        self._kept: list[Fault] = []

    def __bool__(self) -> bool:
        return self.total > 0

    def add(
        self,
        reason: str,
        remedy: str,
        *,
        row: int | None = None,
        column: str | None = None,
        value: str | None = None,
    ) -> None:
        """Record one fault of this log's file."""
        self._kept.append(Fault(self.file, row, column, value, reason, remedy))
        self.total += 1

    def add_many(
        self,
        rows: Iterable[tuple[int, str | None]],
        reason: str,
        remedy: str,
        *,
        total: int,
        column: str | None = None,
    ) -> None:
        """Record ``total`` faults of one kind, of which ``rows`` holds the first ones as (row, value)."""
        self._kept += [Fault(self.file, row, column, value, reason, remedy) for row, value in rows]
        self.total += total

    def extend(self, faults: Iterable[Fault], *, total: int) -> None:
        """Take over ``faults``, the first of ``total``."""
        self._kept += faults
        self.total += total

    def merge(self, other: "FaultLog") -> None:
        """Take over the faults of another log."""
        self._kept += other._kept
        self.total += other.total

    def reported(self) -> tuple[Fault, ...]:
        """The first ``MAX_REPORTED_FAULTS``; file by file in order of discovery, within a file by row."""
        files = list(dict.fromkeys(fault.file for fault in self._kept))
        ordered = sorted(self._kept, key=lambda fault: (files.index(fault.file), fault.row or 0))
        return tuple(ordered[:MAX_REPORTED_FAULTS])


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint such as ``Did you mean 'age'?``, or what is known if nothing is near."""
    names = list(known)
    if near := difflib.get_close_matches(name, names, n=1, cutoff=0.6):
        return f"Did you mean '{near[0]}'?"
    return f"Known here: {listing(names)}." if names else "Nothing is known here."


def listing(names: Iterable[str], *, most: int = 8) -> str:
    """Up to ``most`` names in one line, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
