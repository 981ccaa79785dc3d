"""Which releases NUTS confirms, and when: by hand at once, and at night one after the other.

The clock begins a night (task ``confirm``); every confirmation that ends asks for the next one, until the time of the
night is used up or nothing is left. So one runs at a time, however many workers there are, and what was not reached
comes first on the next night.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from jobs.settings import Settings
from jobs.urgency import PRIORITIES
from polling.errors import ReleaseNotFound, ReleaseRefused
from polling.store import confirmations, leases, queue, releases
from polling.store.fits import get_fit
from polling.store.records import JobRecord, ReleaseRecord

__all__ = ["CONFIRM", "NIGHT", "ask_confirmation", "ask_next", "begin_night"]

CONFIRM = "confirm"
"""The kind of job that fits what a release was fitted on with NUTS, and compares the two."""
NIGHT = "confirm"
"""The clock's task that begins a night."""
TRIES = 3
"""Runs that settle nothing after which a release is left alone; each takes twice the draws of the one before."""


def ask_confirmation(
    session: Session, settings: Settings, *, survey_id: str, question_id: str, now: datetime
) -> JobRecord:
    """Ask for the release that is served to be confirmed at once; a waiting request is the same job.

    Raises
    ------
    SurveyNotFound, QuestionNotFound
        If either does not exist.
    ReleaseNotFound
        If nothing is served for the question.
    ReleaseRefused
        If NUTS made the release itself, or it cannot be compared any more.
    """
    releases.question_state(session, survey_id, question_id)
    release = releases.current_release(session, survey_id, question_id)
    if release is None:
        raise ReleaseNotFound(f"of question '{question_id}' yet, so that there is nothing to confirm")
    if get_fit(session, release.fit_id).engine == "nuts":
        raise ReleaseRefused(release.number, "NUTS made it itself, so that there is nothing to confirm.")
    if not release.has_draws or release.contains_erased_at is not None:
        raise ReleaseRefused(release.number, "its draws are not kept, or are of somebody who was erased since.")
    return _ask(session, settings, release, now=now)


def begin_night(session: Session, settings: Settings, *, now: datetime) -> JobRecord | None:
    """Ask for the first confirmation of a night; None if there is nothing to do."""
    return _ask_for_one(session, settings, since=now, now=now) if settings.confirm_budget_s > 0 else None


def ask_next(session: Session, settings: Settings, *, now: datetime) -> JobRecord | None:
    """Ask for the next confirmation while it is night; None if it is day, or nothing is left.

    Call it in the transaction in which one ended.
    """
    began = leases.last_run(session, NIGHT)
    if began is None or now >= began + timedelta(seconds=settings.confirm_budget_s):
        return None
    return _ask_for_one(session, settings, since=began, now=now)


def _ask_for_one(session: Session, settings: Settings, *, since: datetime, now: datetime) -> JobRecord | None:
    if any(job.kind == CONFIRM for job in queue.list_jobs(session, states=("queued", "running"))):
        return None  # the one that ends will ask
    for release, tried in confirmations.unconfirmed(session, tries=TRIES, kind=CONFIRM):
        if tried is None or tried < since:
            return _ask(session, settings, release, now=now)
    return None


def _ask(session: Session, settings: Settings, release: ReleaseRecord, *, now: datetime) -> JobRecord:
    return queue.ask(
        session,
        kind=CONFIRM,
        key=f"{release.survey_id}/{release.question_id}",
        survey_id=release.survey_id,
        question_id=release.question_id,
        now=now,
        quiet=timedelta(0),
        patience=timedelta(0),
        max_attempts=settings.max_attempts,
        priority=PRIORITIES[CONFIRM],
    )
