"""Numbers, days and answers as people read them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Protocol

from api.answer_payloads import GroupsHead
from api.charts.chart import ABSENT
from api.charts.measures import is_of_means, number

__all__ = [
    "apart",
    "capital",
    "chance",
    "count",
    "day",
    "ends",
    "in_interval",
    "in_total",
    "listed",
    "moment",
    "percent",
    "plain",
    "points",
    "sentence",
    "sure",
    "value",
    "what",
    "wide",
]


class Interval(Protocol):
    """Ends of a central interval."""

    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def percent(share: float) -> str:
    """A share: 0.537 is "54%"; "<1%" and ">99%" where rounding would say nobody or everybody."""
    rounded = round(100 * share)
    if rounded <= 0 < share:
        return "<1%"
    if rounded >= 100 and share < 1:
        return ">99%"
    return f"{rounded:d}%"


def ends(low: float, high: float) -> str:
    """An interval of shares: "49 to 57%"."""
    return f"{percent(low).removesuffix('%')} to {percent(high)}"


def in_interval(row: Interval) -> str:
    """The interval of an estimate: "49 to 57%"; of a mean "20.1 to 26.7"; "" where the option does not stand."""
    if row.low is None or row.high is None:
        return ""
    if getattr(row, "mean", None) is not None:
        return f"{number(row.low)} to {number(row.high)}"
    return ends(row.low, row.high)


def in_total(row: Any) -> str:
    """The interval of an estimate with the error that polls share, as `in_interval`; empty where there is none."""
    low, high = getattr(row, "total_low", None), getattr(row, "total_high", None)
    if low is None or high is None:
        return ""
    return f"{number(low)} to {number(high)}" if getattr(row, "mean", None) is not None else ends(low, high)


def value(row: Any) -> str:
    """An estimate: "54%"; a mean: "23.4"; of an option that cannot be chosen there "does not stand"."""
    mean = getattr(row, "mean", None)
    if mean is not None:
        return number(mean)
    return ABSENT if row.low is None else percent(row.share)


def points(difference: float) -> str:
    """A difference of shares: "+3.2 points", "−1.0 points", "0.0 points"."""
    text = f"{abs(100 * difference):.1f}"
    sign = "" if text == "0.0" else "+" if difference > 0 else "−"
    return f"{sign}{text} points"


def apart(difference: float, answer: GroupsHead) -> str:
    """A difference of shares in points, of means in their unit: "+3.2 points", "−1.24 minutes"."""
    if not is_of_means(answer):
        return points(difference)
    return f"{'+' if difference > 0 else ''}{number(difference)} {answer.unit or ''}".rstrip()


def wide(width: float, answer: GroupsHead) -> str:
    """How wide an interval is, in points or in the unit of means."""
    return number(width) if is_of_means(answer) else count(100 * width)


def what(answer: GroupsHead) -> str:
    """What is answered: "Share of “yes”", "Mean, minutes"."""
    if is_of_means(answer):
        return f"Mean, {answer.unit}" if answer.unit else "Mean"
    return f"Share of “{answer.option}”"


def chance(probability: float) -> str:
    """A probability: "97%", "more than 99%", "less than 1%"."""
    if probability > 0.99:
        return "more than 99%"
    if probability < 0.01:
        return "less than 1%"
    return f"{round(100 * probability):d}%"


def sure(interval: float) -> str:
    """The probability of an interval: 0.9 is "90%"."""
    return f"{100 * interval:g}%"


def count(n: float) -> str:
    """A number with thousands apart."""
    return f"{n:,.0f}"


def day(when: date | datetime | None) -> str:
    """A day: "25 February 2026"."""
    return "an unknown day" if when is None else f"{when.day} {when:%B %Y}"


def moment(when: datetime) -> str:
    """A moment: "2 March 2026, 12:01 UTC"."""
    utc = when.astimezone(UTC)
    return f"{day(utc)}, {utc:%H:%M} UTC"


def capital(sentence: str) -> str:
    """A sentence or a name as a line begins with it: "adults" is "Adults", "US adults" stays."""
    return sentence[:1].upper() + sentence[1:]


def sentence(text: str) -> str:
    """A warning as a sentence: with a capital, and a full stop."""
    return capital(text if text.endswith((".", "!", "?")) else f"{text}.")


def plain(value: object) -> str:
    """A value of a table whose columns are not known beforehand."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.3g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def listed(names: Sequence[str], joint: str = "and") -> str:
    """Names in a sentence: "a, b and c"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {joint} {names[-1]}"
