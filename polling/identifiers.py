"""Refuse columns that look like direct identifiers: nobody may send them, stored or not.

A column is judged by its name (``polling.identifier_names``) together with what it holds, or by what it holds alone:

================  ====================================================================================================
kind              what its values must look like
================  ====================================================================================================
names             letters and no digits, under such a name
e-mail addresses  1% of them contain one, under any name
phone numbers     20% are written like one; under such a name half have 7 to 15 digits
addresses         20% have a street and a number; coordinates to 100 m under such a name
network           20% are IP or MAC addresses
birth dates       full dates that all lie 16 years or more before the fieldwork, over 20 years or more
postcodes         half are postcodes of a few households (British, Dutch, Canadian, Irish, Portuguese, Brazilian, ZIP+4)
numbers           80% have the form and the check digits of a payment card, bank account or national number
================  ====================================================================================================

An identifier tells people apart: values that ten or more respondents share on average are labels, whatever they look
like. Declared columns are exempt from the rules on names; declared columns and respondents' ids may still not be
e-mail or network addresses, declared answers nor phone numbers, addresses and personal numbers either. What looks like
that and is none is named in ``[columns] not_identifiers``. At most ``SAMPLED`` values per column are looked at, evenly
spaced, so that the same file gives the same answer; they are never quoted.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

import numpy as np
import polars as pl

from polling.declaration import SurveyDeclaration
from polling.faults import FaultLog
from polling.identifier_names import announced
from polling.identifier_numbers import FORMS

__all__ = ["SAMPLED", "find_identifiers"]

SAMPLED = 2000
_LOOKS = 500_000
"""Values looked at in all: of a file with thousands of columns fewer of each."""
_SHARED = 10
"""Respondents per value above which a value is a label."""
_FEW = 20
"""Below so many values nothing can be said about sharing."""
_ADULT = timedelta(days=16 * 365)
_GENERATION = timedelta(days=20 * 365)

_EMAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"
_PHONE = (
    r"^(?:\+[1-9][\d ()./-]{6,17}\d|00[1-9][\d ()./-]{7,17}\d"
    r"|(?:1[ .-])?\(?[2-9]\d{2}\)?[ .-]\d{3}[ .-]\d{4}"
    r"|\(?0\d{1,5}\)?[ ./-]\d{2,4}(?:[ .-]?\d{2,4}){1,3}"
    r"|07\d{9}|01[567]\d{8,9}|0[67]\d{8})$"
)
_NETWORK = (
    r"^(?:(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)"
    r"|(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|(?:[0-9A-Fa-f]{1,4}:){1,6}(?::[0-9A-Fa-f]{1,4}){1,6}"
    r"|(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2})$"
)
_STREET = (
    r"(?i)^(?:\d{1,5}[a-z]?,? (?:\S+ ){0,4}(?:street|st\.?|avenue|ave\.?|road|rd\.?|lane|ln\.?|drive|dr\.?"
    r"|boulevard|blvd\.?|court|crescent|terrace|square|close|parkway)\b.*"
    r"|(?:.*\S)?(?:stra(?:ß|ss)e|str\.|gasse|allee|platz|weg|damm|straat|laan|plein"
    r"|gatan|vägen|gata|veien|gade|vej|katu|tie) \d{1,4}[a-z]?\b.*"
    r"|\d{1,4},? ?(?:bis|ter)?,? ?(?:rue|avenue|boulevard|chemin|place|allée|impasse|quai|route) .+"
    r"|(?:calle|c/|avenida|avda?\.?|plaza|via|viale|piazza|corso|rua|travessa|ulica|ul\.|al\.) .*\d.*)$"
)
_POSTCODE = (
    r"(?i)^(?:[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[1-9]\d{3} ?[A-Z]{2}|[ABCEGHJ-NPRSTVXY]\d[A-Z] ?\d[A-Z]\d"
    r"|\d{5}-\d{4}|(?:[AC-FHKNPRTV-Y]\d{2}|D6W) ?[0-9AC-FHKNPRTV-Y]{4}|\d{4}-\d{3}|\d{5}-\d{3})$"
)
_DAY = r"^(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})(?:[T ].*)?$"
_PLAIN = r"^[+-]?\d{0,6}(?:[.,]\d{0,2})?$"
_CONTENT = (
    ("e-mail addresses", _EMAIL, 0.01),
    ("network addresses", _NETWORK, 0.2),
    ("phone numbers", _PHONE, 0.2),
    ("street addresses", _STREET, 0.2),
    ("postcodes of a few households", _POSTCODE, 0.5),
)
_LONG = r"^[A-Za-z0-9](?:[A-Za-z .+-]*\d){6}[A-Za-z0-9 .+-]*$"
_FIRST_LOOK = (*_CONTENT, ("dates", _DAY, 0.95), ("long numbers", _LONG, 0.8))
_SAYS = {
    "name": "names of persons",
    "email": "e-mail addresses",
    "phone": "phone numbers",
    "address": "addresses or coordinates",
    "network": "network addresses",
    "birth date": "birth dates",
    "postcode": "postcodes of a few households",
    "number": "personal numbers",
}
_SUPPORT = {
    "name": (r"^[^\d]*\p{L}[^\d]*$", 0.5),
    "email": (r"\p{L}", 0.5),
    "phone": (r"^\+?(?:[ ()./-]*\d){7,15}$", 0.5),
    "address": (r"\p{L}.*\d|\d.*\p{L}|\p{L} +\p{L}|^-?\d{1,3}[.,]\d{3,}$", 0.5),
    "network": (r"\d", 0.5),
    "birth date": (rf"{_DAY}|^\d{{8}}$", 0.5),
    "postcode": (_POSTCODE, 0.05),
    "number": (r"(?:\d\D*){6}", 0.5),
}
"""What values must match, and how many of them, to be what the name of the column announces."""
_OF_ANSWERS = frozenset({"e-mail addresses", "network addresses", "phone numbers", "street addresses", *FORMS})
_OF_RESPONDENTS = frozenset({"e-mail addresses", "network addresses"})
_REMEDY = (
    "Direct identifiers must not be sent, even in a column that is not stored. Remove the column; "
    "if it holds none, the survey names it in [columns] not_identifiers."
)


def find_identifiers(
    columns: Iterable[pl.Series],
    declaration: SurveyDeclaration,
    log: FaultLog,
    *,
    pollster: str,
    fieldwork_end: date | None = None,
) -> frozenset[str]:
    """Record a fault for every column that looks like a direct identifier.

    Parameters
    ----------
    columns
        Columns of the file as text, all of them or some; those that the survey does not declare may be a sample.
    log
        Receives the faults; without values.
    fieldwork_end
        Birth dates are recognised before it; None: only by name.

    Returns
    -------
    frozenset of str
        The columns at fault, whose values must not be quoted by other faults either.
    """
    columns = [series for series in columns if isinstance(series.dtype, pl.String | pl.Enum)]
    names = declaration.columns_of(pollster)
    silent = {names[name] for name in ("date", "weight") if name in names} | set(declaration.not_identifiers)
    kinds: dict[str, frozenset[str]] = dict.fromkeys(names.values(), _OF_ANSWERS)
    if "respondent" in names:
        kinds[names["respondent"]] = _OF_RESPONDENTS
    found = set()
    for name, values in _suspicious([series for series in columns if series.name not in silent], set(kinds)):
        if reason := _Column(values, fieldwork_end).reason(name, kinds.get(name)):
            found.add(name)
            log.add(reason, _REMEDY, row=1, column=name)
    return frozenset(found)


def _suspicious(columns: list[pl.Series], declared: set[str]) -> Iterator[tuple[str, pl.Series]]:
    """The columns that deserve a closer look, with the values to look at.

    All columns are matched in one go: one at a time, thousands of them would take a minute.
    """
    most = max(20, min(SAMPLED, _LOOKS // max(1, len(columns))))
    samples = [series.gather_every(max(1, len(series) // most)).cast(pl.String) for series in columns]
    if not samples:
        return
    lengths = [len(sample) for sample in samples]
    place = pl.Series("place", np.repeat(np.arange(len(samples)), lengths))
    values = (
        pl.DataFrame([pl.concat([sample.alias("value") for sample in samples]), place])
        .with_columns(pl.col("value").str.strip_chars())
        .filter(pl.col("value") != "")
    )
    shares = values.group_by("place").agg(
        (pl.col("value").str.contains(pattern).mean() >= share).alias(kind) for kind, pattern, share in _FIRST_LOOK
    )
    looks = dict(zip(shares["place"], shares.select(pl.any_horizontal(pl.exclude("place"))).to_series(), strict=True))
    for number, sample in enumerate(samples):
        if number in looks and (looks[number] or (sample.name not in declared and announced(sample.name))):
            yield sample.name, values.filter(pl.col("place") == number)["value"]


class _Column:
    """The values of one column, without blanks."""

    def __init__(self, values: pl.Series, fieldwork_end: date | None) -> None:
        self.values = values
        self.fieldwork_end = fieldwork_end

    def reason(self, name: str, kinds: frozenset[str] | None) -> str | None:
        """Why the column is refused; ``kinds`` are those that a declared column may still be refused for."""
        if not len(self.values):
            return None
        if kinds is None and (said := announced(name)) and self._supports(*said):
            return f"the column is named like {_SAYS[said[0]]} and holds what could be some"
        if self.values.str.contains(_PLAIN).all():
            return None
        for kind, pattern, share in _CONTENT:
            if (kinds is None or kind in kinds) and (seen := self._share(pattern)) >= share:
                return f"the column holds {kind} ({seen:.0%} of the values looked at)"
        if kinds is None and self._are_birth_dates():
            return "the column holds dates that look like birth dates"
        return next((f"the column holds {kind}" for kind in self._numbers() if kinds is None or kind in kinds), None)

    def _supports(self, kind: str, certain: bool) -> bool:
        """Whether the values can be what the name of the column announces."""
        pattern, share = _SUPPORT[kind]
        # First names are shared by many; an unmistakable column name is believed unless there are a handful of values.
        return self._share(pattern, shared=kind != "name" or not certain) >= share

    def _share(self, pattern: str, *, shared: bool = True) -> float:
        """How many of the values match; 0 if matching values are labels that many respondents share."""
        matching = self.values.filter(self.values.str.contains(pattern))
        least = len(matching) / _SHARED if shared else _SHARED
        if len(matching) >= _FEW and matching.n_unique() <= least:
            return 0.0
        return len(matching) / len(self.values)

    def _are_birth_dates(self) -> bool:
        if self.fieldwork_end is None or len(self.values) < _FEW or self._share(_DAY) < 0.95:
            return False
        text = self.values.str.extract(r"^(\S+?)(?:[T ].*)?$").str.replace_all("[/.]", "-")
        for form in ("%Y-%m-%d", "%d-%m-%Y", "%m-%d-%Y"):
            days = text.str.to_date(form, strict=False).drop_nulls().sort()
            if len(days) >= 0.95 * len(self.values):
                # Without the odd mistyped year at either end.
                first, last = days[len(days) // 100], days[len(days) - 1 - len(days) // 100]
                return bool(last <= self.fieldwork_end - _ADULT and last - first >= _GENERATION)
        return False

    def _numbers(self) -> list[str]:
        """Kinds of numbers that nearly all values are; few values are looked at first."""
        long = self.values.filter(self.values.str.contains(_LONG))
        if len(long) < max(5, 0.8 * len(self.values)) or (len(long) >= _FEW and long.n_unique() <= len(long) / _SHARED):
            return []
        few = long.head(20).to_list()
        likely = [kind for kind, is_one in FORMS.items() if sum(map(is_one, few)) >= 0.5 * len(few)]
        many = long.head(500).to_list() if likely else []
        return [kind for kind in likely if sum(map(FORMS[kind], many)) >= 0.8 * len(many)]
