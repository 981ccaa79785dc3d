"""What was found at the sources of a survey, and what became of it.

A file is known by its name and the hash of its content: an answer, once given,
stands until one of the two changes. What a look sees without reading (size,
time, tag of a file) is noted too, so that an unchanged file is not read again
and one that is still growing is left alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from polling.store.dialect import insert_into
from polling.store.tables import SourceFile, SourceState

__all__ = [
    "CONFLICT",
    "REFUSED",
    "REJECTED",
    "TAKEN",
    "WAITING",
    "Look",
    "SourceFileRecord",
    "SourceStateRecord",
    "file_of",
    "files_of",
    "forget_answers",
    "forget_values",
    "looks_of",
    "note_file",
    "note_look",
    "note_state",
    "states_of",
    "taken_before",
]

TAKEN, REJECTED, CONFLICT, REFUSED, WAITING = "taken", "rejected", "conflict", "refused", "waiting"
"""What becomes of a file: stored; faulty; contradicts what is stored; not read; perhaps still being written."""

_SEEN = "seen"
_NO_CONTENT = ""
"""In place of the hash of a file that was not read (yet)."""


@dataclass(frozen=True, slots=True)
class SourceStateRecord:
    """How the last look at a source ended."""

    source: str
    checked_at: datetime
    etag: str | None
    last_modified: str | None
    outcome: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class SourceFileRecord:
    """A file that a source offered, and what became of it."""

    source: str
    name: str
    content_sha256: str
    wave_id: str | None
    outcome: str
    detail: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """What a look saw of a file from outside."""

    fingerprint: str
    waiting: bool
    """It was not read yet."""
    since: datetime
    """When it was first seen so."""


def states_of(session: Session, survey_id: str) -> dict[str, SourceStateRecord]:
    """Name of a source -> how the last look at it ended."""
    rows = session.scalars(
        select(SourceState).where(SourceState.survey_id == survey_id).execution_options(populate_existing=True)
    )
    return {
        row.name: SourceStateRecord(row.name, row.checked_at, row.etag, row.last_modified, row.outcome, row.detail)
        for row in rows
    }


def note_state(session: Session, survey_id: str, state: SourceStateRecord) -> None:
    """Note how a look ended."""
    values = {
        "checked_at": state.checked_at,
        "etag": state.etag,
        "last_modified": state.last_modified,
        "outcome": state.outcome,
        "detail": state.detail,
    }
    new = insert_into(session, SourceState).values(survey_id=survey_id, name=state.source, **values)
    session.execute(new.on_conflict_do_update(index_elements=[SourceState.survey_id, SourceState.name], set_=values))


def file_of(session: Session, survey_id: str, source: str, name: str, content_sha256: str) -> SourceFileRecord | None:
    """What became of this content under this name, or None."""
    mine = _of(survey_id, source) & (SourceFile.name == name) & (SourceFile.content_sha256 == content_sha256)
    row = session.scalar(select(SourceFile).where(mine).execution_options(populate_existing=True))
    return None if row is None else _record(row)


def taken_before(session: Session, survey_id: str, source: str, name: str) -> str | None:
    """Id of the wave that a file of this name became last, or None."""
    mine = _of(survey_id, source) & (SourceFile.name == name) & (SourceFile.outcome == TAKEN)
    newest = select(SourceFile.wave_id).where(mine).order_by(SourceFile.at.desc(), SourceFile.id.desc())
    return session.scalar(newest.limit(1))


def files_of(session: Session, survey_id: str, source: str, *, limit: int = 100) -> list[SourceFileRecord]:
    """The last files of a source, newest first, without those that only were seen."""
    mine = select(SourceFile).where(_of(survey_id, source), SourceFile.outcome != _SEEN)
    newest = mine.order_by(SourceFile.at.desc(), SourceFile.id.desc()).limit(limit)
    rows = session.scalars(newest.execution_options(populate_existing=True)).all()
    return [_record(row) for row in rows]


def note_file(session: Session, survey_id: str, file: SourceFileRecord) -> None:
    """Note what became of a file; in the transaction of the effect."""
    values = {"wave_id": file.wave_id, "outcome": file.outcome, "detail": file.detail, "at": file.at}
    _put(session, (survey_id, file.source, file.name, file.content_sha256), values)


def looks_of(session: Session, survey_id: str, source: str) -> dict[str, Look]:
    """Name of a file -> what the last look saw of it."""
    mine = select(SourceFile).where(_of(survey_id, source), SourceFile.content_sha256 == _NO_CONTENT)
    rows = session.scalars(mine.execution_options(populate_existing=True))
    return {row.name: Look(row.detail or "", row.outcome == WAITING, row.at) for row in rows}


def note_look(session: Session, survey_id: str, source: str, name: str, look: Look) -> None:
    """Note what a look saw of a file."""
    outcome = WAITING if look.waiting else _SEEN
    values = {"wave_id": None, "outcome": outcome, "detail": look.fingerprint, "at": look.since}
    _put(session, (survey_id, source, name, _NO_CONTENT), values)


def forget_answers(session: Session, survey_id: str, source: str) -> None:
    """Let every file that was not taken be tried again at the next look."""
    stale = _of(survey_id, source) & (SourceFile.outcome.in_([REJECTED, CONFLICT, REFUSED, _SEEN]))
    session.execute(delete(SourceFile).where(stale))


def forget_values(session: Session, survey_id: str | None = None) -> int:
    """Take out what earlier versions quoted from the cells of rejected files; how many notes that were.

    They began with "3 faults" where today's begin with "3 faults:". Quoted text may hold anything, line ends too, so
    that only the number can be told apart from it.
    """
    old = SourceFile.detail.regexp_match(r"^[0-9,]+ faults\n") & (SourceFile.outcome == REJECTED)
    if survey_id is not None:
        old &= SourceFile.survey_id == survey_id
    rows = session.scalars(select(SourceFile).where(old)).all()
    for row in rows:
        number, _, _ = (row.detail or "").partition("\n")
        row.detail = f"{number}: they are not kept any more. Run `hustings source run --retry` to see them again."
    session.flush()
    return len(rows)


def _put(session: Session, key: tuple[str, str, str, str], values: Mapping[str, object]) -> None:
    unique = [SourceFile.survey_id, SourceFile.source, SourceFile.name, SourceFile.content_sha256]
    named = dict(zip(("survey_id", "source", "name", "content_sha256"), key, strict=True))
    new = insert_into(session, SourceFile).values(**named, **values)
    session.execute(new.on_conflict_do_update(index_elements=unique, set_=dict(values)))


def _of(survey_id: str, source: str) -> ColumnElement[bool]:
    return (SourceFile.survey_id == survey_id) & (SourceFile.source == source)


def _record(row: SourceFile) -> SourceFileRecord:
    return SourceFileRecord(row.source, row.name, row.content_sha256, row.wave_id, row.outcome, row.detail, row.at)
