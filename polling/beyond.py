"""What is declared of a question that its interviews do not say: known totals, and the error that polls share.

===================================  =================================================================================
key in survey.toml                   meaning
===================================  =================================================================================
questions.<id>.known_totals.by       the areas whose totals are known: the district, a kind of area above, or
                                     ``nation``
                          ...date    of when they are, such as 2024-07-04 without quotes
                          ...source  where they come from, text for the disclosure statement
                          ...shares  option = column of the districts with its share of the people of the frame; of
                                     the nation it may be a number. Districts of one area have the same value. Of a
                                     binary question the first option; of others some or all
                          ...reported  ``{ sensitivity = 0.95, specificity = 0.98 }``: of those who did it the share who
                                     say so, and of the others the share who say that they did not. Both 1: every
                                     report is right. Left out, every release warns. Binary questions; of others both 1
questions.<id>.moved_by.question     a binary question with known totals, with which this one is fitted by a label,
                                     ``(1|p|district)``: it moves along, as the effects of areas hang together
systematic_error.national_sd         standard deviation, as a share, of the error of the nation's share of an option
                                     that has one half: 0.03 is three points. At most 0.25
                ...correlation       of the errors of two districts, above 0, at most 1 (default 0.7)
                ...basis             a sentence on where the scale comes from
questions.<id>.systematic_error      the same for one question, instead of the survey's
===================================  =================================================================================
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["NATION", "KnownTotals", "MovedBy", "Reported", "Systematic"]

NATION = "nation"
"""The kind of area that is all of them together."""


@dataclass(frozen=True, slots=True)
class Reported:
    """How right reports of what was done are, both above 0 and at most 1."""

    sensitivity: float
    specificity: float


@dataclass(frozen=True, slots=True)
class KnownTotals:
    """What is known to have been answered rightly, or done."""

    by: str
    shares: Mapping[str, str | float]
    """Option -> column of the districts, or of the nation a number."""
    date: dt.date | None
    source: str
    reported: Reported | None = None
    """None: nobody says how right reports are."""


@dataclass(frozen=True, slots=True)
class MovedBy:
    """The question whose known totals move this one."""

    question: str


@dataclass(frozen=True, slots=True)
class Systematic:
    """The scale of the error that polls share, fixed before anything is scored."""

    national_sd: float
    basis: str
    correlation: float
