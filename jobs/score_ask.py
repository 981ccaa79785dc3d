"""Ask for releases to be compared with what happened: when a result is added, and when a release follows one."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from jobs.urgency import PRIORITIES
from polling.store import known_results, queue, scores
from polling.store.records import JobRecord
from polling.store.releases import lock_state

__all__ = ["SCORE", "ask_missing_scores", "ask_scores", "ask_scores_of_new"]

SCORE = "score"
"""The kind of job that compares a question's releases with its known results."""


def ask_scores(session: Session, *, survey_id: str, question_id: str, now: datetime) -> JobRecord:
    """Ask for the scores that are missing; call it while the question's row is locked, before the outbox is."""
    return queue.ask(
        session,
        kind=SCORE,
        key=f"{survey_id}/{question_id}",
        survey_id=survey_id,
        question_id=question_id,
        now=now,
        quiet=timedelta(0),
        patience=timedelta(0),
        priority=PRIORITIES[SCORE],
    )


def ask_scores_of_new(session: Session, *, survey_id: str, question_id: str, now: datetime) -> JobRecord | None:
    """The same after a publication, in its transaction; None where no result is known."""
    if not known_results.current_results(session, survey_id, question_id):
        return None
    return ask_scores(session, survey_id=survey_id, question_id=question_id, now=now)


def ask_missing_scores(session: Session, *, now: datetime) -> int:
    """Ask again for scores that are missing, whatever became of the jobs that should have made them; how many."""
    waiting = {job.key for job in queue.list_jobs(session, states=("queued", "running")) if job.kind == SCORE}
    missing = [pair for pair in scores.questions_to_score(session) if "/".join(pair) not in waiting]
    for survey_id, question_id in missing:
        lock_state(session, survey_id, question_id)
        ask_scores(session, survey_id=survey_id, question_id=question_id, now=now)
    return len(missing)
