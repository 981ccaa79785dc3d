"""Periods on a regular grid: a time without interviews is a latent period, not a missing one.

Labels sort in time: "2024-05-31" (a day), "2024-W22" (an ISO week), "2024-05" (a month), "17" (a number). Any other
labels, such as names of waves, are periods in the order given, without gaps; `mrp.counts.observed_levels` gives them in
`natural_order`.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Literal

__all__ = ["PeriodKind", "natural_order", "period_grid", "period_label"]

type PeriodKind = Literal["day", "week", "month"]

_PATTERNS: dict[PeriodKind, re.Pattern[str]] = {
    "day": re.compile(r"\d{4}-\d\d-\d\d"),
    "week": re.compile(r"\d{4}-W\d\d"),
    "month": re.compile(r"\d{4}-\d\d"),
}


def period_label(day: date, kind: PeriodKind) -> str:
    """The period that a day is in, e.g. "2024-W22"."""
    if kind == "day":
        return day.isoformat()
    if kind == "month":
        return f"{day:%Y-%m}"
    year, week, _ = day.isocalendar()
    return f"{year:04d}-W{week:02d}"


def period_grid(labels: Sequence[str]) -> tuple[str, ...]:
    """All periods from the first to the last of ``labels``, in order, those between them included."""
    distinct = list(dict.fromkeys(labels))
    for kind, pattern in _PATTERNS.items():
        if distinct and all(pattern.fullmatch(label) for label in distinct):
            return _calendar(min(distinct), max(distinct), kind)
    if distinct and all(label.isdecimal() for label in distinct):
        numbers = [int(label) for label in distinct]
        return tuple(str(number) for number in range(min(numbers), max(numbers) + 1))
    return tuple(distinct)


def natural_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Distinct labels, sorted with the numbers inside them compared as numbers: "wave 2", "wave 9", "wave 10"."""
    return tuple(sorted(set(labels), key=_natural_key))


def _natural_key(label: str) -> tuple[list[str | int], str]:
    # Text and digits take turns, so that text is only ever compared with text and a number with a number.
    parts = re.split(r"([0-9]+)", label)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], label


def _calendar(first: str, last: str, kind: PeriodKind) -> tuple[str, ...]:
    day, end = _first_day(first, kind), _first_day(last, kind)
    grid = []
    while day <= end:
        grid.append(period_label(day, kind))
        day = (day.replace(day=1) + timedelta(days=32)).replace(day=1) if kind == "month" else day + _STEP[kind]
    return tuple(grid)


_STEP: dict[PeriodKind, timedelta] = {"day": timedelta(days=1), "week": timedelta(days=7)}


def _first_day(label: str, kind: PeriodKind) -> date:
    if kind == "week":
        return date.fromisocalendar(int(label[:4]), int(label[-2:]), 1)
    return date.fromisoformat(label if kind == "day" else f"{label}-01")
