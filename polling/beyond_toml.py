"""Read the sections of known totals and systematic error, which ``polling.beyond`` documents."""

from polling.beyond import NATION, KnownTotals, MovedBy, Reported, Systematic
from polling.toml_section import Section

__all__ = ["parse_known_totals", "parse_moved_by", "parse_systematic"]

_MOST_SD = 0.25
_CORRELATION = 0.7
"""Of districts, where nobody says otherwise."""


def parse_known_totals(section: Section) -> KnownTotals | None:
    """The section ``known_totals`` of a question; None if it is left out."""
    if "known_totals" not in section.names():
        section.section("known_totals", required=False)
        return None
    own = section.section("known_totals")
    by, source, date = own.text("by"), own.text("source"), own.date("date")
    if "date" not in own.names():
        own.fault("date", "'date' is missing", "Say of when the totals are, such as date = 2024-07-04.")
    listed = own.section("shares")
    shares: dict[str, str | float] = {}
    for option in listed.names():
        if (value := _share(listed, option, by)) is not None:
            shares[option] = value
    if "shares" in own.names() and not listed.names():
        own.fault("shares", "no option has a total", 'Name one and its column: "Yes" = "yes_2024".')
    reported = _reported(own)
    own.close()
    return KnownTotals(by=by, shares=shares, date=date, source=source, reported=reported)


def parse_moved_by(section: Section) -> MovedBy | None:
    """The section ``moved_by`` of a question; None if it is left out."""
    if "moved_by" not in section.names():
        section.section("moved_by", required=False)
        return None
    own = section.section("moved_by")
    moved_by = MovedBy(own.text("question"))
    own.close()
    return moved_by


def parse_systematic(section: Section) -> Systematic | None:
    """The section ``systematic_error`` of a survey or a question; None if it is left out."""
    if "systematic_error" not in section.names():
        section.section("systematic_error", required=False)
        return None
    own = section.section("systematic_error")
    if "national_sd" not in own.names():
        own.fault("national_sd", "'national_sd' is missing", "Say how large it is as a share: three points are 0.03.")
    if "basis" not in own.names():
        remedy = 'Say in a sentence where the scale comes from: basis = "Errors of the polls of 2015 to 2024 ...".'
        own.fault("basis", "'basis' is missing", remedy)
    sd, correlation, basis = own.number("national_sd"), own.number("correlation"), own.maybe_text("basis")
    if sd is not None and sd > _MOST_SD:
        remedy = "Write it as a share: three points are 0.03."
        own.fault("national_sd", f"'national_sd' must be a share of at most {_MOST_SD}", remedy, value=sd)
    if correlation is not None and correlation > 1:
        own.fault("correlation", "'correlation' must be at most 1", "At 1 all districts err alike.", value=correlation)
    own.close()
    return Systematic(sd or _MOST_SD, basis or "", _CORRELATION if correlation is None else correlation)


def _share(listed: Section, option: str, by: str) -> str | float | None:
    """A column, or a number where there is one area."""
    value = listed.number_or_text(option)
    if isinstance(value, float):
        if by != NATION:
            reason = f"one number is no total of every {by}"
            listed.fault(option, reason, f"Name a column of the districts, or write by = {NATION!r}.", value=value)
            return None
        if value >= 1:
            listed.fault(option, "the total must be a share above 0 and below 1", "Write 52% as 0.52.", value=value)
            return None
    return value


def _reported(own: Section) -> Reported | None:
    section = own.section("reported", required=False)
    if "reported" not in own.names():
        return None
    rates = []
    for name in ("sensitivity", "specificity"):
        rate = section.number(name)
        if name not in section.names():
            section.fault(name, f"'{name}' is missing", "Give both rates; 1 means that no report is wrong.")
        elif rate is not None and rate > 1:
            section.fault(name, f"'{name}' must be a share of at most 1", "Write 95% as 0.95.", value=rate)
        rates.append(1.0 if rate is None else rate)
    section.close()
    if sum(rates) <= 1:
        reason = "reports that are wrong as often as right say nothing of what was"
        section.fault(None, reason, "Correct the rates: their sum must be above 1.")
    return Reported(*rates)
