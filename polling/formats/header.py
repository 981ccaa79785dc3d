"""Find the delimiter of a CSV file in its first line, and judge a header."""

import csv
import io
from collections import Counter
from collections.abc import Collection, Sequence

from polling.faults import FaultLog, listing
from polling.formats.table import MAX_COLUMNS

__all__ = ["MAX_LINE_BYTES", "delimiter_of", "header_is_usable"]

DELIMITERS = (",", ";", "\t", "|")
MAX_LINE_BYTES = 4_000_000
"""What the first line may have: many times what the names of all columns need."""


def delimiter_of(first_line: str, expected: Collection[str]) -> str:
    """The delimiter under which the header makes most sense: most expected names, then most names."""

    def sense(delimiter: str) -> tuple[int, int]:
        try:
            names = next(csv.reader(io.StringIO(first_line, newline=""), delimiter=delimiter), [])
        except csv.Error:
            return (0, 0)
        return (sum(name in expected for name in names), len(names))

    return max(DELIMITERS, key=sense)


def header_is_usable(header: Sequence[str], log: FaultLog, *, expected: Collection[str], only: bool) -> bool:
    """Whether the names identify columns; records the faults.

    Parameters
    ----------
    header
        Every cell of the first record, nameless columns as "".
    expected, only
        With ``only``, a header without any expected name is not quoted: a file without header would be quoted with
        the answers of its first interview.
    """
    if not any(header):
        log.add("the first line is empty", "Begin with the header.", row=1)
        return False
    if len(header) > MAX_COLUMNS:
        reason = f"the header has {len(header):,} columns, the limit is {MAX_COLUMNS:,}"
        log.add(reason, "Send the declared columns only.", row=1)
        return False
    quoted = not only or any(name in expected for name in header)
    twice = sorted(name for name, count in Counter(header).items() if name and count > 1)
    for name in twice:
        places = [str(place) for place, other in enumerate(header, start=1) if other == name]
        reason = f"the header names it {len(places)} times, in columns {listing(places)}"
        log.add(reason, "Rename or remove all but one.", row=1, column=name if quoted else None)
    return not twice
