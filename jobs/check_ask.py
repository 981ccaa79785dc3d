"""Which releases are checked, and when: the newest of each question, as soon as nothing else is to be done.

The clock looks every few seconds (task ``check``) for a release that is served and was not checked, and asks for one
check at a time: what was replaced meanwhile is never looked at. What needs fits of its own waits until the release has
been served for a while.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from jobs.settings import Settings
from jobs.urgency import PRIORITIES
from polling.errors import ReleaseNotFound, ReleaseRefused
from polling.store import checks, queue, releases
from polling.store.records import JobRecord, ReleaseRecord

__all__ = [
    "AREAS",
    "AT_ONCE",
    "CHECK",
    "LEFT_OUT",
    "POLLSTERS",
    "PREDICTIVE",
    "PRIORS",
    "REST",
    "SENSITIVITY",
    "SETTLED",
    "ask_check",
    "ask_next_check",
    "kinds",
]

CHECK = "check"
"""The kind of job that checks the release that is served."""
PREDICTIVE, LEFT_OUT, PRIORS, SENSITIVITY = "posterior-predictive", "left-out", "priors", "sensitivity"
POLLSTERS, AREAS = "held-out-pollsters", "held-out-areas"


AT_ONCE = (PREDICTIVE, LEFT_OUT, PRIORS, SENSITIVITY)
"""Kinds of checks that need no other fit."""
SETTLED = timedelta(seconds=10)
"""How long it has to be served before it is checked: a wave that comes next would wait for the check to give way."""
REST = timedelta(minutes=2)
"""How long a release has to be served before its model is fitted again: not while waves keep coming."""


def kinds(settings: Settings, *, since: timedelta) -> tuple[str, ...]:
    """Kinds of checks that are made of a release that has been served for so long."""
    return (*AT_ONCE, POLLSTERS, AREAS) if settings.check_budget_s > 0 and since >= REST else AT_ONCE


def ask_check(session: Session, settings: Settings, *, survey_id: str, question_id: str, now: datetime) -> JobRecord:
    """Ask for the release that is served to be checked at once; a waiting request is the same job.

    Raises
    ------
    SurveyNotFound, QuestionNotFound
        If either does not exist.
    ReleaseNotFound
        If nothing is served for the question.
    ReleaseRefused
        If it cannot be checked any more.
    """
    releases.question_state(session, survey_id, question_id)
    release = releases.current_release(session, survey_id, question_id)
    if release is None:
        raise ReleaseNotFound(f"of question '{question_id}' yet, so that there is nothing to check")
    if not release.has_draws or release.contains_erased_at is not None:
        raise ReleaseRefused(release.number, "its draws are not kept, or are of somebody who was erased since.")
    return _ask(session, settings, release, now=now)


def ask_next_check(session: Session, settings: Settings, *, now: datetime) -> JobRecord | None:
    """Ask for one release that was not checked; None if there is none, or a check is on its way."""
    if any(job.kind == CHECK for job in queue.list_jobs(session, states=("queued", "running"))):
        return None
    for wanted, since in ((AT_ONCE, SETTLED), (kinds(settings, since=REST), REST)):
        waiting = checks.unchecked(session, kinds=wanted, job=CHECK, published_before=now - since)
        if waiting:
            return _ask(session, settings, waiting[0], now=now)
    return None


def _ask(session: Session, settings: Settings, release: ReleaseRecord, *, now: datetime) -> JobRecord:
    return queue.ask(
        session,
        kind=CHECK,
        key=f"{release.survey_id}/{release.question_id}",
        survey_id=release.survey_id,
        question_id=release.question_id,
        now=now,
        quiet=timedelta(0),
        patience=timedelta(0),
        max_attempts=settings.max_attempts,
        priority=PRIORITIES[CHECK],
    )
