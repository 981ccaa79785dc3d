"""What is known to have happened: one result for a question and day, in versions.

Who changes results has the question's row locked first (``polling.store.releases.lock_state``), as has who publishes: a
release is either seen by whoever adds a result, or sees the result.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import uuid4

import polars as pl
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from polling.errors import ResultConflict, ResultNotFound
from polling.store.blobs import table_from_bytes, table_to_bytes
from polling.store.releases import lock_state
from polling.store.tables import KnownResult

__all__ = [
    "KnownResultRecord",
    "NewResult",
    "add_result",
    "current_results",
    "get_result",
    "list_results",
    "load_table",
    "withdraw_result",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewResult:
    """A result to be stored."""

    survey_id: str
    survey_version: int
    question_id: str
    refers_to: date
    source: str
    content_sha256: str
    table: pl.DataFrame
    """See ``polling.known_result``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownResultRecord:
    """One version of a result, without its table."""

    id: str
    survey_id: str
    question_id: str
    refers_to: date
    version: int
    state: str
    """current | replaced | withdrawn"""
    source: str
    content_sha256: str
    n_rows: int
    survey_version: int
    added_at: datetime
    actor: str
    reason: str | None
    ended_at: datetime | None
    ended_by: str | None
    ended_reason: str | None


def add_result(
    session: Session, new: NewResult, *, reason: str | None, actor: str, now: datetime
) -> tuple[KnownResultRecord, bool]:
    """Store a result, as the next version of its day.

    Parameters
    ----------
    reason
        Why it takes the place of the current version; None where there is none.

    Returns
    -------
    tuple
        The result, and whether it is new: the same content and source again is the same version.

    Raises
    ------
    QuestionNotFound
        If the survey never asked this.
    ResultConflict
        If another result of that day is current and no reason is given.
    """
    lock_state(session, new.survey_id, new.question_id)
    of_day = (
        KnownResult.survey_id == new.survey_id,
        KnownResult.question_id == new.question_id,
        KnownResult.refers_to == new.refers_to,
    )
    current = session.scalars(select(KnownResult).where(*of_day, KnownResult.state == "current")).one_or_none()
    if current is not None:
        if (current.content_sha256, current.source) == (new.content_sha256, new.source):
            return _record(current), False
        if reason is None:
            raise ResultConflict(
                f"A result of {new.refers_to} is known already (version {current.version}, {current.source}). Say in "
                "the reason why this one takes its place, or withdraw it."
            )
        _end(current, "replaced", reason=reason, actor=actor, now=now)
        session.flush()  # before the next one: one of a day is current
    version = session.scalar(select(func.max(KnownResult.version)).where(*of_day))
    row = KnownResult(
        id=uuid4().hex,
        survey_id=new.survey_id,
        question_id=new.question_id,
        refers_to=new.refers_to,
        version=(version or 0) + 1,
        state="current",
        source=new.source,
        content_sha256=new.content_sha256,
        payload=table_to_bytes(new.table),
        n_rows=new.table.height,
        survey_version=new.survey_version,
        added_at=now,
        actor=actor,
        reason=reason if version else None,
    )
    session.add(row)
    session.flush()
    return _record(row), True


def withdraw_result(
    session: Session, survey_id: str, question_id: str, result_id: str, *, reason: str, actor: str, now: datetime
) -> KnownResultRecord:
    """Take a result back: nothing is scored against it any more, and its scores are not shown.

    Raises
    ------
    ResultNotFound
        If the question has no such result.
    ResultConflict
        If it is not current.
    """
    lock_state(session, survey_id, question_id)
    row = _get(session, survey_id, question_id, result_id)
    if row.state != "current":
        raise ResultConflict(f"The result of {row.refers_to}, version {row.version}, was {row.state} already.")
    _end(row, "withdrawn", reason=reason, actor=actor, now=now)
    session.flush()
    return _record(row)


def list_results(session: Session, survey_id: str, question_id: str) -> list[KnownResultRecord]:
    """All versions of all results of a question: the latest day first, of one day the newest version first."""
    mine = select(KnownResult).where(KnownResult.survey_id == survey_id, KnownResult.question_id == question_id)
    ordered = mine.order_by(KnownResult.refers_to.desc(), KnownResult.version.desc())
    return [_record(row) for row in session.scalars(ordered.execution_options(populate_existing=True))]


def current_results(session: Session, survey_id: str, question_id: str) -> list[KnownResultRecord]:
    """The results that hold, the latest day first."""
    return [one for one in list_results(session, survey_id, question_id) if one.state == "current"]


def get_result(session: Session, survey_id: str, question_id: str, result_id: str) -> KnownResultRecord:
    """One version of a result.

    Raises
    ------
    ResultNotFound
        If the question has none of this id.
    """
    return _record(_get(session, survey_id, question_id, result_id))


def load_table(session: Session, result_id: str) -> pl.DataFrame:
    """What a result says; see ``polling.known_result``."""
    payload = session.scalars(select(KnownResult.payload).where(KnownResult.id == result_id)).one()
    return table_from_bytes(payload)


def _get(session: Session, survey_id: str, question_id: str, result_id: str) -> KnownResult:
    row = session.get(KnownResult, result_id, populate_existing=True)
    if row is None or (row.survey_id, row.question_id) != (survey_id, question_id):
        raise ResultNotFound(question_id, result_id)
    return row


def _end(row: KnownResult, state: str, *, reason: str, actor: str, now: datetime) -> None:
    row.state, row.ended_at, row.ended_by, row.ended_reason = state, now, actor, reason


def _record(row: KnownResult) -> KnownResultRecord:
    return KnownResultRecord(
        id=row.id,
        survey_id=row.survey_id,
        question_id=row.question_id,
        refers_to=row.refers_to,
        version=row.version,
        state=row.state,
        source=row.source,
        content_sha256=row.content_sha256,
        n_rows=row.n_rows,
        survey_version=row.survey_version,
        added_at=row.added_at,
        actor=row.actor,
        reason=row.reason,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
        ended_reason=row.ended_reason,
    )
