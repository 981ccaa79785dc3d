"""A change of waves, and everything that has to follow in its transaction.

Whatever moved the counts of a question, or of one that is fitted with it, asks for its refit, says of what is
served what it lacks and why, and tells the outbox; an event that moved no
count (a wave that is held, or one withdrawn before it counted) tells the
outbox alone. A question whose last wave went keeps being served, and says so:
a refit would have nothing to fit.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from jobs import ledger
from jobs.partners import concerned
from jobs.settings import Settings
from jobs.urgency import PRIORITIES
from polling.secrets import SecretsFile
from polling.store import job_events, outbox, queue, releases, surveys, waves
from polling.store.columns import Json
from polling.store.records import JobRecord
from polling.store.telling import telling_questions
from polling.store.wave_events import changes_after, list_events
from polling.store.wave_records import WaveRecord, describe_missing

__all__ = ["REFIT", "ask_refit", "refit_key", "restate", "tell_asked"]

REFIT = "refit"
"""The kind of job that fits one question and publishes the result."""
AHEAD = timedelta(milliseconds=1)
"""So much earlier starts the refit of a question that tells who belongs to a population than of those that are answered
with it: their releases then know its newest."""

log = logging.getLogger("hustings.waves")


def restate(
    session: Session,
    secrets: SecretsFile,
    settings: Settings,
    changed: tuple[WaveRecord, ...],
    *,
    after: int,
    now: datetime,
) -> tuple[JobRecord, ...]:
    """Do what follows from every change of a survey's waves in this transaction.

    Parameters
    ----------
    changed
        The waves, as they stand now; of one survey, at least one.
    after
        The survey's ``data_sequence`` before the changes.

    Returns
    -------
    tuple
        The refits that were asked for, in the order of the survey's questions.
    """
    survey_id = changed[0].survey_id
    changes = changes_after(session, survey_id, after)
    moved = {question_id for change in changes for question_id in change.questions}
    listed = waves.list_waves(session, survey_id)
    counted = {question_id for wave in listed if wave.is_counted for question_id in wave.questions}
    asked = []
    declaration = surveys.get_declaration(session, survey_id)
    with_partners = concerned(declaration, moved)
    telling = telling_questions(declaration.populations)
    moved_by = [(change, concerned(declaration, change.questions)) for change in changes]
    for question in declaration.questions:
        if question.id not in with_partners or (question.id not in moved and question.id not in counted):
            continue
        mine = [change for change, of in moved_by if question.id in of]
        if question.id in counted:
            quiet = settings.quiet - AHEAD if question.id in telling else settings.quiet
            asked.append(
                ask_refit(session, settings, survey_id=survey_id, question_id=question.id, now=now, quiet=quiet)
            )
            releases.mark_stale(session, survey_id, question.id, now, describe_missing(mine))
        else:
            left = "No wave that asks this question is left; what is served is of interviews that count no more."
            releases.mark_stale(session, survey_id, question.id, now, f"{mine[-1].happened} {left}")
    tell_asked(session, asked, now=now)
    for wave in changed:
        event = list_events(session, wave.id)[-1]
        told: dict[str, Json] = {"version": wave.version, "state": wave.state, "waiting": wave.waiting}
        asking: dict[str, Json] = {"wave_id": wave.id, "questions": list(wave.questions)}
        outbox.append(session, f"wave-{event.kind}", survey_id, asking | told, now)
        about: dict[str, Json] = {"pollster": wave.pollster, "reference": wave.reference, "reason": event.reason}
        ledger.record(
            session,
            secrets,
            actor=event.actor,
            action=f"wave-{event.kind}",
            survey_id=survey_id,
            subject=wave.id,
            detail=about | told,
            now=now,
        )
        # Ids alone: names and reasons are for those who may see the wave.
        log.info("wave %s of %s: %s, version %d, %s", wave.id, survey_id, event.kind, wave.version, wave.state)
    for job in asked:
        log.info("refit of %s asked for: job %s", job.key, job.id)
    return tuple(asked)


def refit_key(survey_id: str, question_id: str) -> str:
    """The queue key of a question's refit; two asks with the same key are one job."""
    return f"{survey_id}/{question_id}"


def ask_refit(
    session: Session,
    settings: Settings,
    *,
    survey_id: str,
    question_id: str,
    now: datetime,
    quiet: timedelta | None = None,
) -> JobRecord:
    """Ask for a refit of one question; a burst of asks makes one job. Then ``tell_asked``.

    Parameters
    ----------
    quiet
        The time without a further ask after which it starts. Default: that of the settings.
    """
    return queue.ask(
        session,
        kind=REFIT,
        key=refit_key(survey_id, question_id),
        survey_id=survey_id,
        question_id=question_id,
        now=now,
        quiet=settings.quiet if quiet is None else quiet,
        patience=settings.patience,
        max_attempts=settings.max_attempts,
        priority=PRIORITIES[REFIT],
    )


def tell_asked(session: Session, asked: Iterable[JobRecord], *, now: datetime) -> None:
    """Tell the outbox of jobs that were asked for; of those that waited already it knows.

    With the survey locked, and after all questions: whoever waits for one of them with the outbox in hand would wait
    for ever.
    """
    for job in asked:
        if job.asked == 1:
            job_events.tell(session, job, now=now)
