"""The list of erased respondents: codes that recognise them, and nothing that names them.

    code of an id        = HMAC(HMAC(suppression key, "id"        + scope), id)           first 128 bits, hexadecimal
    code of a pseudonym  = HMAC(HMAC(suppression key, "pseudonym" + scope), pseudonym)

The key is one that nothing else uses: who has the list and the pseudonyms' keys, and not this key, cannot look
anybody up. The scope is a pollster, whose ids are its own, or every pollster of the survey. Ids are compared without
the blanks around them. Codes of ids keep a respondent out at the door, where ids are known; codes of pseudonyms find
one in what is stored, where only pseudonyms are: in a backup that was put back.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

import polars as pl
from sqlalchemy import select
from sqlalchemy.orm import Session

from polling.pseudonyms import pseudonymise
from polling.store.tables import Suppression, Survey

__all__ = ["Codes", "Entry", "SuppressionList", "add", "case_of", "codes_of", "entries", "load", "merged", "put"]


@dataclass(frozen=True, slots=True)
class Codes:
    """What one respondent is recognised by."""

    id_code: str
    pseudonym_codes: tuple[str, ...]
    """One per version of the pseudonym key."""


@dataclass(frozen=True, slots=True)
class SuppressionList:
    """The erased respondents of a survey."""

    ids: frozenset[str]
    pseudonyms: frozenset[str]
    n: int = field(compare=False, default=0)
    """How many entries it has."""

    def has_ids(self, ids: pl.Series, *, key: bytes, pollster: str) -> pl.Series:
        """Which ids (text, null allowed) of a pollster's file are on the list."""
        return _listed(ids.str.strip_chars(), self.ids, key, "id", pollster)

    def has_pseudonyms(self, ids: pl.Series, *, key: bytes, pollster: str) -> pl.Series:
        """Which pseudonyms (null allowed) of a pollster's wave are on the list."""
        return _listed(ids, self.pseudonyms, key, "pseudonym", pollster)


@dataclass(frozen=True, slots=True)
class Entry:
    """One respondent on the list of one survey."""

    survey_id: str
    id_mac: str
    pseudonym_macs: tuple[str, ...]
    """Sorted."""
    case_number: str
    created_at: datetime

    def is_in(self, other: "Entry | None") -> bool:
        """Whether another entry of the same respondent has all that this one has."""
        return other is not None and set(self.pseudonym_macs) <= set(other.pseudonym_macs)


def codes_of(respondent: str, pseudonyms: Iterable[str], key: bytes, *, pollster: str | None) -> Codes:
    """The codes of a respondent.

    Parameters
    ----------
    respondent
        The id.
    pseudonyms
        What stands for it, under each version of the pseudonym key.
    pollster
        Whose id it is; None for every pollster's.
    """
    ids = pseudonymise(pl.Series([respondent.strip()]), _subkey(key, "id", pollster))
    found = pseudonymise(pl.Series(list(pseudonyms), dtype=pl.String), _subkey(key, "pseudonym", pollster))
    return Codes(ids[0], tuple(sorted(found)))


def load(session: Session, survey_id: str) -> SuppressionList:
    """The list of a survey."""
    rows = session.scalars(
        select(Suppression).where(Suppression.survey_id == survey_id).execution_options(populate_existing=True)
    ).all()
    pseudonyms = frozenset(code for row in rows for code in row.pseudonym_macs)
    return SuppressionList(frozenset(row.id_mac for row in rows), pseudonyms, len(rows))


def case_of(session: Session, survey_id: str, codes: Codes) -> str | None:
    """The case under which a respondent is on the list."""
    mine = (Suppression.survey_id == survey_id) & (Suppression.id_mac == codes.id_code)
    return session.scalar(select(Suppression.case_number).where(mine))


def add(session: Session, survey_id: str, codes: Codes, *, case_number: str, now: datetime) -> None:
    """Put a respondent on the list, or add codes under newer keys to the entry of this case."""
    row = session.get(Suppression, case_number)
    if row is None:
        session.add(
            Suppression(
                case_number=case_number,
                survey_id=survey_id,
                id_mac=codes.id_code,
                pseudonym_macs=list(codes.pseudonym_codes),
                created_at=now,
            )
        )
    else:
        row.pseudonym_macs = sorted({*row.pseudonym_macs, *codes.pseudonym_codes})
    session.flush()


def entries(session: Session) -> tuple[Entry, ...]:
    """The lists of all surveys, one entry per respondent."""
    rows = session.scalars(select(Suppression).order_by(Suppression.created_at, Suppression.case_number))
    return merged(
        Entry(row.survey_id, row.id_mac, tuple(row.pseudonym_macs), row.case_number, row.created_at) for row in rows
    )


def merged(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """One entry per respondent of a survey, with all codes; the last one says the case."""
    found: dict[tuple[str, str], Entry] = {}
    for one in entries:
        before = found.get((one.survey_id, one.id_mac))
        codes = {*one.pseudonym_macs, *(before.pseudonym_macs if before else ())}
        found[one.survey_id, one.id_mac] = replace(one, pseudonym_macs=tuple(sorted(codes)))
    return tuple(found.values())


def put(session: Session, noted: Iterable[Entry]) -> tuple[Entry, ...]:
    """Put on the lists what they lack, as far as the surveys are there; the entries that were new or had new codes."""
    surveys = set(session.scalars(select(Survey.id)))
    known = {(one.survey_id, one.id_mac): one for one in entries(session)}
    changed = []
    for one in noted:
        before = known.get((one.survey_id, one.id_mac))
        if one.survey_id not in surveys or one.is_in(before):
            continue
        case_number = one.case_number if before is None else before.case_number
        codes = Codes(one.id_mac, one.pseudonym_macs)
        add(session, one.survey_id, codes, case_number=case_number, now=one.created_at)
        changed.append(replace(one, case_number=case_number))
    return tuple(changed)


def _listed(texts: pl.Series, codes: frozenset[str], key: bytes, kind: str, pollster: str) -> pl.Series:
    found = pl.Series([False] * len(texts), dtype=pl.Boolean)
    if not codes:
        return found
    wanted = pl.Series(sorted(codes), dtype=pl.String)
    for scope in (pollster, None):
        coded = pseudonymise(texts, _subkey(key, kind, scope))
        found = found | coded.is_in(wanted.implode()).fill_null(value=False)
    return found


def _subkey(key: bytes, kind: str, pollster: str | None) -> bytes:
    # No pollster is called "": its name has one character or more.
    return hmac.digest(key, f"hustings suppression {kind}\x00{pollster or ''}".encode(), "sha256")
