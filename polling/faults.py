"""Say what is wrong with a file so that one reading mends it.

A fault names the file, the row, the column, the offending text, why it is wrong and what to do. A file's faults are
collected and answered together. Equal ones (file, column, text, reason, remedy) are one that counts them and names the
first ``MAX_ROWS`` rows, and what is reported stands for all: at most ``MAX_REPORTED_FAULTS``, whose counts add up.

Rows are records of the file with the header as row 1, as a spreadsheet numbers them: the first interview is row 2,
in Parquet files too, and a quoted line break does not start a new row.
"""

import difflib
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl

__all__ = ["MAX_REPORTED_FAULTS", "MAX_ROWS", "Fault", "FaultLog", "did_you_mean", "listing", "near", "without_values"]

MAX_REPORTED_FAULTS = 100
MAX_ROWS = 100
MAX_VALUE_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, where it is and what to do about it; perhaps in many rows."""

    file: str | None
    """Name of the file as its sender knows it; None for the only file of a request."""
    row: int | None
    """Record number with the header as row 1, or line number in a TOML file; None if no row is to blame. The first."""
    column: str | None
    """Column of a table or dotted key of a TOML file."""
    value: str | None
    """The text found there, shortened. Never a respondent id."""
    reason: str
    remedy: str
    count: int = 1
    """How many times it was found."""
    rows: tuple[int, ...] = ()
    """The rows, in order; the first ``MAX_ROWS`` of them."""

    def __post_init__(self) -> None:
        if self.value is not None and len(self.value) > MAX_VALUE_CHARACTERS:
            object.__setattr__(self, "value", self.value[: MAX_VALUE_CHARACTERS - 1] + "…")
        if self.row is not None and not self.rows:
            object.__setattr__(self, "rows", (self.row,))

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.file, self._rows(), self.column and f"column '{self.column}'") if part)
        found = "" if self.value is None else f" (found '{self.value}')"
        return f"{place + ': ' if place else ''}{self.reason}{found}. {self.remedy}"

    def _rows(self) -> str | None:
        if self.row is None or self.count == 1:
            row = None if self.row is None else f"row {self.row}"
            return row if self.count == 1 else f"{self.count:,} times"
        few = ", ".join(map(str, self.rows[:5]))
        more = f" and {self.count - 5:,} more" if self.count > 5 else ""
        return f"rows {few}{more}"


class FaultLog:
    """Collects the faults of one file or folder, equal ones as one with its rows and their number."""

    def __init__(self, file: str | None = None) -> None:
        self.file = file
        self.total = 0
        self._kept: dict[Hashable, Fault] = {}

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
        self.extend([Fault(self.file, row, column, value, reason, remedy)], total=1)

    def add_rows(
        self,
        rows: pl.Series,
        values: pl.Series | None,
        reason: str,
        remedy: str,
        *,
        column: str | None = None,
    ) -> None:
        """Record one fault per row.

        Parameters
        ----------
        rows
            Row numbers.
        values
            The text found in each, String; None if it must not be shown.
        """
        shown = pl.Series([None] * len(rows), dtype=pl.String) if values is None else values
        alike = (
            pl.DataFrame([rows.alias("row"), shown.alias("value")])
            .sort("row", maintain_order=True)
            .group_by("value", maintain_order=True)
            .agg(pl.col("row").head(MAX_ROWS), pl.len().alias("count"))
        )
        for value, some, count in alike.head(MAX_REPORTED_FAULTS).iter_rows():
            fault = Fault(self.file, some[0], column, value, reason, remedy, count, tuple(some))
            self.extend([fault], total=count)
        if (rest := alike.slice(MAX_REPORTED_FAULTS)).height:  # so many different values are a fault of the column
            some, count = rest["row"].explode().head(MAX_ROWS).to_list(), int(rest["count"].sum())
            self.extend([Fault(self.file, some[0], column, None, reason, remedy, count, tuple(some))], total=count)

    def extend(self, faults: Iterable[Fault], *, total: int) -> None:
        """Take over ``faults``, which stand for ``total``."""
        for fault in faults:
            key = (fault.file, fault.column, fault.value, fault.reason, fault.remedy)
            known = self._kept.get(key)
            if known is None:
                self._kept[key] = fault
            elif len(known.rows) == MAX_ROWS and fault.rows and fault.rows[0] > known.rows[-1]:
                self._kept[key] = replace(known, count=known.count + fault.count)
            else:
                self._kept[key] = _together((known, fault))
        self.total += total

    def merge(self, other: "FaultLog") -> None:
        """Take over the faults of another log."""
        self.extend(other._kept.values(), total=other.total)

    def reported(self) -> tuple[Fault, ...]:
        """At most ``MAX_REPORTED_FAULTS`` that stand for all; file by file in order of discovery, within it by row.

        Where there are more, the last ones of the kind become one without a value: same column and reason, or if
        these are too many, same column and remedy, same column, same file.
        """
        files = {file: place for place, file in enumerate(dict.fromkeys(fault.file for fault in self._kept.values()))}
        ordered = sorted(self._kept.values(), key=lambda fault: (files[fault.file], fault.row or 0))
        if len(ordered) <= MAX_REPORTED_FAULTS:
            return tuple(ordered)
        kinds: dict[Hashable, list[Fault]] = {}
        for kind_of in _KINDS:
            kinds = {}
            for fault in ordered:
                kinds.setdefault(kind_of(fault), []).append(fault)
            if len(kinds) <= MAX_REPORTED_FAULTS:
                break
        share = MAX_REPORTED_FAULTS // len(kinds)
        told: list[Fault] = []
        for faults in kinds.values():
            told += faults if len(faults) <= share else [*faults[: share - 1], _together(faults[share - 1 :])]
        return tuple(sorted(told, key=lambda fault: (files[fault.file], fault.row or 0)))


_KINDS: tuple[Callable[[Fault], Hashable], ...] = (
    lambda fault: (fault.file, fault.column, fault.reason),
    lambda fault: (fault.file, fault.column, fault.remedy),
    lambda fault: (fault.file, fault.column),
    lambda fault: fault.file,
)
"""Which faults are of one kind, from the finest to the coarsest."""
_HINT = re.compile(r"^Did you mean '.*?'\? ", re.DOTALL)


def _together(faults: Sequence[Fault]) -> Fault:
    """One fault that stands for several of one file."""
    first = faults[0]
    rows = sorted(row for fault in faults for row in fault.rows)[:MAX_ROWS]
    return Fault(
        first.file,
        rows[0] if rows else first.row,
        first.column if all(fault.column == first.column for fault in faults) else None,
        first.value if all(fault.value == first.value for fault in faults) else None,
        first.reason if all(fault.reason == first.reason for fault in faults) else f"{first.reason}, and others",
        first.remedy,
        sum(fault.count for fault in faults),
        tuple(rows),
    )


def without_values(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """The same faults without what was found in cells, for texts that are kept: no erasure would reach it there.

    A hint about a cell goes too: the label that is nearest to an answer mostly is the answer.
    """
    log = FaultLog()
    for fault in faults:
        in_a_cell = fault.value is not None or (fault.row is not None and fault.row > 1)
        remedy = _HINT.sub("", fault.remedy) if in_a_cell else fault.remedy
        log.extend([replace(fault, value=None, remedy=remedy)], total=fault.count)
    return log.reported()


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint such as ``Did you mean 'age'?``, or what is known if nothing is near."""
    names = list(known)
    if hint := near(name, names):
        return hint
    return f"Known here: {listing(names)}." if names else "Nothing is known here."


def near(name: str, known: Iterable[str]) -> str:
    """A hint such as ``Did you mean 'age'?``; "" if nothing is near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"Did you mean '{found[0]}'?" if found else ""


def listing(names: Iterable[str], *, most: int = 8) -> str:
    """Up to ``most`` names in one line, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
