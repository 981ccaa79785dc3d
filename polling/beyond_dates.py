"""Say where known totals are of other days than the frame: a share of the people of then is met by those of now.

The date of a frame is what the survey says of it, [frame] date: a day, a month or a year, alone or in words.
"""

import datetime as dt
import re
from collections.abc import Iterator

from polling.declaration import SurveyDeclaration

__all__ = ["MOST_YEARS", "days_of", "distant_totals", "far_from_frame"]

MOST_YEARS = 2
"""Within so many years few people die, move or come of age: about one in ten. Totals that are farther are told of."""
_DAYS_OF_YEAR = 365.25
_WRITTEN = re.compile(r"(?<!\d)((?:19|20)\d\d)(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?)?(?![\d-])")


def days_of(text: str) -> tuple[dt.date, dt.date] | None:
    """The first and the last day that a date in words may be; None if it names no year, or more than one.

    Examples
    --------
    >>> days_of("mid 2021")
    (datetime.date(2021, 1, 1), datetime.date(2021, 12, 31))
    """
    found = {match.groups() for match in _WRITTEN.finditer(text)}
    if len(found) != 1:
        return None
    year, month, day = next(iter(found))
    try:
        first = dt.date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    if day:
        return first, first
    after = dt.date(first.year + 1, 1, 1) if not month or first.month == 12 else first.replace(month=first.month + 1)
    return first, after - dt.timedelta(days=1)


def far_from_frame(declaration: SurveyDeclaration, question: str, date: dt.date | None) -> Iterator[str]:
    """What to know of known totals of other days than the frame.

    Parameters
    ----------
    question, date
        Whose totals they are, and of when; None: nobody says.

    Yields
    ------
    str
        In the form of warnings; nothing where nobody says of when the frame is, see `days_of`.
    """
    frame = days_of(str(declaration.facts.get("frame_date", "")))
    if date is None or frame is None:
        return
    first, last = frame
    # From the nearest of the days that it may be.
    years = max((first - date).days, (date - last).days, 0) / _DAYS_OF_YEAR
    if years > MOST_YEARS:
        yield (
            f"the known totals of {question} are of {date}, and the frame of {declaration.facts['frame_date']}, "
            f"{years:.1f} years apart and more than {MOST_YEARS}: who has died, moved or come of age between is taken "
            "for somebody like the others. Bring the frame to the date of the totals, `hustings frame build` does, or "
            "give totals of the people of the frame"
        )


def distant_totals(declaration: SurveyDeclaration) -> Iterator[str]:
    """The same of every question whose totals are declared, of the days that the declaration says."""
    for one in declaration.questions:
        if one.known_totals is not None:
            yield from far_from_frame(declaration, one.id, one.known_totals.date)
