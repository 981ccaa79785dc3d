"""What NUTS said of releases, and which releases it has to look at next.

A confirmation speaks of a fit: two releases of one fit share it. Of several of one fit the newest counts that settled
something.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import case, exists, func, select
from sqlalchemy.orm import Session, aliased

from polling.store import outbox
from polling.store.columns import Json
from polling.store.records import ReleaseRecord
from polling.store.release_records import ConfirmationRecord
from polling.store.releases import get_release, lock_state
from polling.store.tables import Confirmation, Fit, FitDraws, Job, QuestionState, Release

__all__ = [
    "KINDS",
    "add_confirmation",
    "find_confirmation",
    "is_coming",
    "is_work_waiting",
    "n_inconclusive",
    "unconfirmed",
]

KINDS = {
    "agrees": "release-confirmed",
    "disagrees": "confirmation-failed",
    "inconclusive": "confirmation-inconclusive",
}
"""State -> kind of the outbox's event."""


def add_confirmation(
    session: Session, release: ReleaseRecord, *, state: str, sentence: str, numbers: Json, now: datetime
) -> ConfirmationRecord:
    """Keep what NUTS said of a release, and tell the outbox."""
    question = lock_state(session, release.survey_id, release.question_id)
    row = Confirmation(
        id=uuid4().hex,
        survey_id=release.survey_id,
        question_id=release.question_id,
        release_id=release.id,
        fit_id=release.fit_id,
        at=now,
        state=state,
        sentence=sentence,
        numbers=numbers,
    )
    session.add(row)
    # What is answered says it: who keeps answers in memory has to learn of it.
    question.version += 1
    session.flush()
    event: Json = {
        "question_id": release.question_id,
        "release_id": release.id,
        "number": release.number,
        "state": state,
        "sentence": sentence,
    }
    outbox.append(session, KINDS[state], release.survey_id, event, now)
    return _record(row)


def find_confirmation(session: Session, fit_id: str) -> ConfirmationRecord | None:
    """What NUTS said of the releases of a fit; None if it was not asked."""
    mine = select(Confirmation).where(Confirmation.fit_id == fit_id)
    settled_first = case((Confirmation.state == "inconclusive", 1), else_=0)
    row = session.scalar(mine.order_by(settled_first, Confirmation.at.desc(), Confirmation.id).limit(1))
    return None if row is None else _record(row)


def n_inconclusive(session: Session, fit_id: str) -> int:
    """How often NUTS settled nothing about a fit."""
    mine = select(func.count()).where(Confirmation.fit_id == fit_id, Confirmation.state == "inconclusive")
    return session.scalars(mine).one()


def unconfirmed(session: Session, *, tries: int, kind: str) -> list[tuple[ReleaseRecord, datetime | None]]:
    """Current releases that NUTS has to look at, in this order, and when it was last tried.

    First those that were never tried, the oldest release first; then those longest ago. A release that NUTS itself
    made is its own reference; one without draws or counts, or with somebody in it who was erased, cannot be compared.

    Parameters
    ----------
    tries
        After so many runs that settled nothing a release is left alone.
    kind
        Of the jobs that confirm: one that failed was a try too.
    """
    settled = exists().where(Confirmation.fit_id == Fit.id, Confirmation.state != "inconclusive")
    failed = (
        select(func.max(Job.finished_at))
        .where(
            Job.kind == kind,
            Job.state == "failed",
            Job.code != "stopped",  # a later request does its work
            Job.survey_id == QuestionState.survey_id,
            Job.question_id == QuestionState.question_id,
            Job.first_asked_at >= Release.published_at,
        )
        .scalar_subquery()
    )
    last = select(func.max(Confirmation.at)).where(Confirmation.fit_id == Fit.id).scalar_subquery()
    found = (
        select(Release.id, last, failed)
        .join(QuestionState, QuestionState.release_id == Release.id)
        .join(Fit, Fit.id == Release.fit_id)
        .where(
            Fit.engine != "nuts",
            Fit.counts.is_not(None),
            Fit.contains_erased_at.is_(None),
            exists().where(FitDraws.fit_id == Fit.id),
            ~settled,
        )
    )
    every = [
        (get_release(session, release_id), max(filter(None, (one, other)), default=None))
        for release_id, one, other in session.execute(found)
    ]
    left = [pair for pair in every if n_inconclusive(session, pair[0].fit_id) < tries]

    def place(pair: tuple[ReleaseRecord, datetime | None]) -> tuple[bool, datetime, str, str]:
        release, tried = pair
        return (tried is not None, tried or release.published_at, release.survey_id, release.question_id)

    return sorted(left, key=place)


def is_work_waiting(session: Session, *, besides: Sequence[str], now: datetime, since: timedelta) -> bool:
    """Whether a job of another kind has been due for this long, and no worker took it."""
    running = aliased(Job)
    same_work = select(running.id).where(running.kind == Job.kind, running.key == Job.key, running.state == "running")
    due = (Job.state == "queued") & (Job.run_after <= now - since) & Job.kind.not_in(besides) & ~same_work.exists()
    return session.scalar(select(Job.id).where(due).limit(1)) is not None


def is_coming(session: Session, *, kind: str, survey_id: str, until: datetime) -> bool:
    """Whether a job of a kind is queued for a survey and will be due by then, or is due already."""
    queued = select(Job.id).where(Job.state == "queued", Job.kind == kind, Job.survey_id == survey_id)
    return session.scalar(queued.where(Job.run_after <= until).limit(1)) is not None


def _record(row: Confirmation) -> ConfirmationRecord:
    return ConfirmationRecord(
        id=row.id,
        release_id=row.release_id,
        fit_id=row.fit_id,
        at=row.at,
        state=row.state,
        sentence=row.sentence,
        numbers=row.numbers,
    )
