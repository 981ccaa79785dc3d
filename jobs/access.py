"""Give a respondent a copy of what is stored of them, in a form that other programs read (GDPR Art. 15 and 20).

Everything that is stored of an interview, in every version of every wave, also what was set aside: the answers as they
were received, and as the survey's codebook reads them. Giving it out is noted in the audit chain.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

import polars as pl
from sqlalchemy.orm import Session

from jobs import ledger
from jobs.erasure import pseudonyms_of
from jobs.erasure_receipt import gaps_of
from polling.codebook import convert
from polling.declaration import SurveyDeclaration
from polling.payload import from_payload, payload_column
from polling.secrets import SecretsFile
from polling.store import erasure, surveys
from polling.store.engine import Store
from polling.store.erasure import StoredPart

__all__ = ["AccessExport", "StoredInterview", "as_csv", "read_respondent"]

_DEFUSED = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would take a cell that begins so for a formula."""


@dataclass(frozen=True, slots=True)
class StoredInterview:
    """One interview of a respondent."""

    pollster: str
    reference: str
    version: int
    state: str
    """How its wave stands: open, accepted, held or withdrawn."""
    counted: bool
    """Whether this version of the wave is counted."""
    set_aside: bool
    """Whether it is in quarantine, and so in no count."""
    received_at: datetime
    fieldwork_start: date | None
    fieldwork_end: date | None
    as_received: Mapping[str, str | None]
    """Column -> what was sent; the respondent's id as it was given with the request."""
    as_read: Mapping[str, str | None]
    """What the codebook makes of it; empty of what was set aside, or cannot be read any more."""


@dataclass(frozen=True, slots=True)
class AccessExport:
    """Everything that is stored of a respondent in one survey."""

    survey: str
    title: str
    respondent: str
    made_at: datetime
    interviews: tuple[StoredInterview, ...]
    not_searched: tuple[str, ...]
    """What could not be searched, and why."""


def read_respondent(
    store: Store,
    secrets: SecretsFile,
    *,
    survey_id: str,
    respondent: str,
    pollster: str | None = None,
    now: datetime,
    actor: str,
) -> AccessExport:
    """Everything that is stored of a respondent; parameters and refusals as for ``jobs.erasure.erase``."""
    with store.write() as session:
        found = pseudonyms_of(session, secrets, survey_id, respondent, pollster)
        declaration = surveys.get_declaration(session, survey_id)
        columns = erasure.respondent_columns(session, survey_id)
        ids = frozenset({*found.texts, respondent, respondent.strip()})
        interviews: list[StoredInterview] = []
        purged: set[tuple[str, str]] = set()
        for part in erasure.stored_parts(session, survey_id, pollster):
            if part.payload is None:
                purged.add((part.pollster, part.reference))
            interviews += _of_part(part, columns[part.pollster], ids, respondent, declaration)
        _record(session, secrets, survey_id, interviews, now=now, actor=actor)
    gaps = tuple(str(one) for one in gaps_of(len(purged), found.lost))
    return AccessExport(survey_id, declaration.title, respondent, now, tuple(interviews), gaps)


def as_csv(export: AccessExport) -> str:
    """One line per answer; cells that a spreadsheet would compute are defused with an apostrophe."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(
        ("pollster", "wave", "version", "state", "counted", "set_aside", "received_at", "form", "name", "value")
    )
    for one in export.interviews:
        about = (one.pollster, one.reference, one.version, one.state, one.counted, one.set_aside)
        for form, answers in (("as received", one.as_received), ("as read", one.as_read)):
            for name, value in answers.items():
                cells = (*about, one.received_at.isoformat(), form, name, value)
                lines.writerow([_defused(cell) for cell in cells])
    return text.getvalue()


def _of_part(
    part: StoredPart, columns: tuple[str, ...], ids: frozenset[str], respondent: str, declaration: SurveyDeclaration
) -> list[StoredInterview]:
    found = []
    for content, set_aside in ((part.payload, False), (part.quarantine, True)):
        if content is None:
            continue
        here = [column for column in columns if not ids.isdisjoint(payload_column(content, column))]
        if not here:
            continue
        rows = from_payload(content)
        rows = rows.filter(pl.any_horizontal(pl.col(column).is_in([*ids]) for column in here))
        for row in rows.iter_slices(1):
            received = row.select(pl.all().cast(pl.String)).row(0, named=True)
            found.append(
                StoredInterview(
                    pollster=part.pollster,
                    reference=part.reference,
                    version=part.version,
                    state=part.state,
                    counted=part.counted and not set_aside,
                    set_aside=set_aside,
                    received_at=part.received_at,
                    fieldwork_start=part.fieldwork_start,
                    fieldwork_end=part.fieldwork_end,
                    as_received={name: respondent if value in ids else value for name, value in received.items()},
                    as_read={} if set_aside else _as_read(row, declaration, part.pollster),
                )
            )
    return found


def _as_read(row: pl.DataFrame, declaration: SurveyDeclaration, pollster: str) -> dict[str, str | None]:
    conversion = convert(row, replace(declaration, backtest=None), pollster=pollster)
    if conversion.n_faults:
        return {}
    return conversion.interviews.drop("row").select(pl.all().cast(pl.String)).row(0, named=True)


def _record(
    session: Session,
    secrets: SecretsFile,
    survey_id: str,
    interviews: list[StoredInterview],
    *,
    now: datetime,
    actor: str,
) -> None:
    """That it was read, of which waves; not of whom."""
    waves = sorted({f"{one.pollster}: {one.reference}" for one in interviews})
    ledger.record(
        session,
        secrets,
        actor=actor,
        action="access",
        survey_id=survey_id,
        detail={"n_interviews": len(interviews), "waves": waves},
        now=now,
    )


def _defused(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_DEFUSED) else cell
