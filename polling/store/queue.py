"""The queue of jobs, in the database of what they are about.

Four states decide: queued, running, succeeded, failed. For a pair of kind and
key at most one job is queued and at most one runs, by unique indexes. So a
burst of requests is one job (debounce),

    run_after = min(first_asked + patience, now + quiet),

and a request that comes while the job runs is one more job after it.

Which of the due jobs is next is a matter of turns (``polling.store.turns``).

A worker claims a job with a lease and keeps it by heartbeats. Every claim has a
new token. What a worker writes is checked against it in the same transaction:
``finish`` and ``fail`` raise ``LeaseLost`` if somebody else took the job over,
and the caller's transaction rolls back with all its effects.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from itertools import takewhile
from uuid import uuid4

from sqlalchemy import ColumnElement, Select, case, func, literal, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from polling.errors import LeaseLost
from polling.store import job_events, outbox, turns
from polling.store.columns import Json, UtcDateTime
from polling.store.dialect import insert_into
from polling.store.job_list import explain, get_job, job_record, list_jobs
from polling.store.records import Claim, HeartbeatReply, JobRecord
from polling.store.tables import Job
from polling.store.turns import Lane
from polling.store.wave_events import lock_survey

__all__ = [
    "MAX_ATTEMPTS",
    "ask",
    "cancel",
    "claim",
    "claim_beside",
    "explain",
    "fail",
    "finish",
    "get_job",
    "give_back",
    "heartbeat",
    "list_jobs",
    "next_due",
    "waiting_beside",
]

MAX_ATTEMPTS = 3

_FREE = {"owner": None, "token": None, "lease_until": None}


def ask(
    session: Session,
    *,
    kind: str,
    key: str,
    survey_id: str | None,
    question_id: str | None,
    now: datetime,
    quiet: timedelta,
    patience: timedelta,
    max_attempts: int = MAX_ATTEMPTS,
    priority: int = 0,
) -> JobRecord:
    """Ask for work to be done; requests for the same work share one queued job.

    Parameters
    ----------
    kind, key
        What the work is. A queued job with both the same takes this request in.
    quiet
        The job starts when nobody has asked for this long ...
    patience
        ... but never later than this after the first request.
    max_attempts
        Starts, crashes included, after which the job has failed.
    priority
        0 is the most urgent; of several requests the most urgent counts.
    """
    new = insert_into(session, Job).values(
        id=uuid4().hex,
        kind=kind,
        key=key,
        priority=priority,
        survey_id=survey_id,
        question_id=question_id,
        state="queued",
        asked=1,
        first_asked_at=now,
        last_asked_at=now,
        not_later_than=now + patience,
        run_after=now + min(quiet, patience),
        attempt=0,
        max_attempts=max_attempts,
        cancel_requested=False,
    )
    coming = new.excluded
    # `not_later_than` is first_asked + patience, kept because the two stores add times differently.
    limit = case((coming.not_later_than < Job.not_later_than, coming.not_later_than), else_=Job.not_later_than)
    merged = new.on_conflict_do_update(
        index_elements=[Job.kind, Job.key],
        index_where=text("state = 'queued'"),
        set_={
            "asked": Job.asked + 1,
            "priority": case((coming.priority < Job.priority, coming.priority), else_=Job.priority),
            "last_asked_at": coming.last_asked_at,
            "not_later_than": limit,
            "run_after": case((coming.run_after < limit, coming.run_after), else_=limit),
        },
    )
    fresh = session.scalars(merged.returning(Job), execution_options={"populate_existing": True})
    return job_record(fresh.one())


def next_due(session: Session, *, now: datetime, lease: timedelta, lane: Lane = "work") -> datetime | None:
    """When the next job of a lane is due, or the next lease runs out; None if there is neither.

    A job may be due and wait all the same: for another one of the same work that is running.
    """
    moment = case(
        (turns.is_due(now) | turns.is_abandoned(now, lease), literal(now, UtcDateTime)),
        (Job.state == "queued", Job.run_after),
        else_=Job.lease_until,
    )
    mine = select(func.min(moment)).where(Job.state.in_(("queued", "running")), turns.in_lane(lane))
    first: datetime | None = session.scalar(mine)
    return first


def claim(session: Session, *, owner: str, now: datetime, lease: timedelta, lane: Lane = "work") -> Claim | None:
    """Take the job of a lane whose turn it is, or one whose worker has died.

    A job that died at its last attempt has failed with code ``crashed``. The one that is taken is not told of here:
    claims do not wait for each other.
    """
    if session.scalar(select(Job.id).where(turns.is_abandoned(now, lease), turns.in_lane(lane)).limit(1)) is not None:
        # It may have to be ended, and told of. The outbox comes before any job: others wait for a job with it in hand.
        outbox.hold(session)
    while (dead := _next_abandoned(session, now, lease, lane)) is not None:
        if dead.cancel_requested:
            _end(session, dead, now, code="cancelled", detail="It was cancelled; its worker died before it could stop.")
        elif dead.attempt >= dead.max_attempts:
            detail = f"Its worker died in each of {dead.attempt} attempts; ask for it again once the cause is known."
            _end(session, dead, now, code="crashed", detail=detail)
        else:
            return _take(session, dead, owner=owner, now=now, lease=lease)
    due = _next_due(session, now, lane)
    return None if due is None else _take(session, due, owner=owner, now=now, lease=lease)


def waiting_beside(session: Session, like: JobRecord, *, questions: Collection[str], now: datetime) -> int:
    """How many jobs `claim_beside` would give, one after the other, if nothing else became due."""
    return len(_beside(session, like, questions, now))


def claim_beside(
    session: Session, like: JobRecord, *, questions: Collection[str], owner: str, now: datetime, lease: timedelta
) -> Claim | None:
    """Take the job whose turn is next if it is of the same kind and survey as one that is being done.

    For whoever has hands free while a job is done and will do nothing else. Nobody's turn is passed over: if the next
    turn is that of another survey, or of a question that is not among ``questions``, there is nothing to take. A job
    that was tried before is not taken either.
    """
    for job_id in _beside(session, like, questions, now):
        job = _lock_first(session, select(Job).where(Job.id == job_id, turns.is_due(now)))
        if job is not None:  # else another worker takes it
            return _take(session, job, owner=owner, now=now, lease=lease)
    return None


def heartbeat(
    session: Session, claim: Claim, *, now: datetime, lease: timedelta, progress: Json = None
) -> HeartbeatReply:
    """Keep a job for ``lease`` from now; learn whether it should stop.

    Raises
    ------
    LeaseLost
        If the job was taken over.
    """
    alive = update(Job).where(*_fence(claim)).values(lease_until=now + lease)
    if progress is not None:
        alive = alive.values(progress=progress)
    cancel_requested = session.scalar(alive.returning(Job.cancel_requested))
    if cancel_requested is None:
        raise LeaseLost(f"Job '{claim.job.id}'")
    return HeartbeatReply(cancel_requested=cancel_requested)


def finish(
    session: Session, claim: Claim, *, now: datetime, code: str, detail: str, fit_id: str | None = None
) -> JobRecord:
    """End a job well, in the transaction of its effects.

    Raises
    ------
    LeaseLost
        If the job was taken over; the caller's transaction must roll back.
    """
    job = _leave(session, claim, state="succeeded", code=code, detail=detail, fit_id=fit_id, finished_at=now)
    job_events.tell(session, job, now=now)
    return job


def fail(
    session: Session,
    claim: Claim,
    *,
    now: datetime,
    code: str,
    detail: str,
    retry_after: timedelta | None = None,
    fit_id: str | None = None,
) -> JobRecord:
    """End a job badly, or put it back into the queue; tell of it (``job_events``) when all else is done.

    Call it first in a transaction that puts back a job of a question: it locks the survey.

    Parameters
    ----------
    retry_after
        Try again after this time, if attempts are left. If a newer request for
        the same work is queued, this job has failed and that one counts for both.

    Raises
    ------
    LeaseLost
        If the job was taken over; the caller's transaction must roll back.
    """
    if retry_after is not None and claim.attempt < claim.job.max_attempts:
        back = {"code": code, "detail": detail, "attempt": claim.attempt}
        return _put_back(session, claim, now=now, after=retry_after, values=back)
    return _leave(session, claim, state="failed", code=code, detail=detail, fit_id=fit_id, finished_at=now)


def give_back(session: Session, claim: Claim, *, now: datetime, after: timedelta = timedelta(0)) -> JobRecord:
    """Put a job back because its worker stops, or has more urgent work; the attempt is not counted, and it is told.

    Parameters
    ----------
    after
        It is not started again before this time has passed.

    Raises
    ------
    LeaseLost
        If the job was taken over.
    """
    back = {"code": None, "detail": None, "attempt": claim.attempt - 1}
    job = _put_back(session, claim, now=now, after=after, values=back)
    job_events.tell(session, job, now=now)
    return job


def cancel(session: Session, job_id: str, *, now: datetime) -> JobRecord:
    """Cancel a queued job now, or ask the worker of a running one to stop; an ended job stays as it is.

    Raises
    ------
    JobNotFound
        If no job has this id.
    """
    job = get_job(session, job_id)
    if job.survey_id is not None:
        lock_survey(session, job.survey_id)  # who asks for refits of its questions does so too
    ended = {"state": "failed", "code": "cancelled", "detail": "It was cancelled before it started."}
    queued = update(Job).where(Job.id == job_id, Job.state == "queued").values(**ended, finished_at=now)
    withdrawn = session.scalar(queued.returning(Job.id)) is not None
    session.execute(update(Job).where(Job.id == job_id, Job.state == "running").values(cancel_requested=True))
    job = get_job(session, job_id)
    if withdrawn:
        job_events.tell(session, job, now=now)
    return job


def _next_abandoned(session: Session, now: datetime, lease: timedelta, lane: Lane) -> Job | None:
    abandoned = select(Job).where(turns.is_abandoned(now, lease), turns.in_lane(lane))
    return _lock_first(session, abandoned.order_by(Job.lease_until, Job.kind, Job.key))


def _next_due(session: Session, now: datetime, lane: Lane) -> Job | None:
    due = (
        _lock_first(session, select(Job).where(Job.id == one, turns.is_due(now)))
        for one in turns.in_turn(session, now, lane)
    )
    # On PostgreSQL another worker may be taking what is first, or have taken it.
    return next((job for job in due if job is not None), None)


def _beside(session: Session, like: JobRecord, questions: Collection[str], now: datetime) -> list[str]:
    """Ids of the jobs that come next, up to the first that is not like the one given."""
    in_turn = turns.in_turn(session, now, turns.lane_of(like.kind))
    mine = select(Job.id).where(
        Job.kind == like.kind,
        Job.survey_id == like.survey_id,
        Job.question_id.in_(questions),
        Job.attempt == 0,
        turns.is_due(now),
    )
    alike = set(session.scalars(mine))
    return list(takewhile(alike.__contains__, in_turn))


def _lock_first(session: Session, jobs: Select[Job]) -> Job | None:
    # On SQLite the transaction holds the write lock already and FOR UPDATE is left out.
    first = jobs.limit(1).with_for_update(of=Job, skip_locked=True)
    return session.scalar(first.execution_options(populate_existing=True))


def _take(session: Session, job: Job, *, owner: str, now: datetime, lease: timedelta) -> Claim:
    token = uuid4().hex
    job.state, job.owner, job.token, job.lease_until = "running", owner, token, now + lease
    job.attempt += 1
    job.started_at = now
    job.progress = job.code = job.detail = None
    session.flush()
    return Claim(job=job_record(job), owner=owner, attempt=job.attempt, token=token)


def _end(session: Session, job: Job, now: datetime, *, code: str, detail: str) -> None:
    job.state, job.code, job.detail, job.finished_at = "failed", code, detail, now
    job.owner = job.token = job.lease_until = None
    session.flush()
    job_events.tell(session, job_record(job), now=now)


def _leave(session: Session, claim: Claim, **values: object) -> JobRecord:
    if session.scalar(update(Job).where(*_fence(claim)).values(**_FREE, **values).returning(Job.id)) is None:
        raise LeaseLost(f"Job '{claim.job.id}'")
    return get_job(session, claim.job.id)


def _put_back(
    session: Session, claim: Claim, *, now: datetime, after: timedelta, values: Mapping[str, object]
) -> JobRecord:
    if claim.job.survey_id is not None and claim.job.question_id is not None:
        # Before the job: whoever asks for refits has the survey, and may have the outbox in hand when it waits for a
        # job of the same work. This one is told of, and would wait for the outbox with the job in hand.
        lock_survey(session, claim.job.survey_id)
    held = select(Job.cancel_requested).where(*_fence(claim)).with_for_update()
    if session.scalar(held):
        stopped = "It was cancelled while it was running."
        return _leave(session, claim, state="failed", code="cancelled", detail=stopped, finished_at=now)
    again = {"state": "queued", "run_after": now + after, "not_later_than": now + after, "progress": None}
    try:
        # A savepoint: only the index knows for sure that no newer request came meanwhile.
        with session.begin_nested():
            return _leave(session, claim, **values, **again)
    except IntegrityError:
        newer = update(Job).where(Job.kind == claim.job.kind, Job.key == claim.job.key, Job.state == "queued")
        newer_id = session.scalar(newer.values(asked=Job.asked + claim.job.asked).returning(Job.id))
        detail = f"{values['detail'] or 'Its worker stopped.'} Job {newer_id}, asked for later, does the work."
        code = values["code"] or "stopped"
        return _leave(session, claim, state="failed", code=code, detail=detail, finished_at=now)


def _fence(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    return (
        Job.id == claim.job.id,
        Job.owner == claim.owner,
        Job.attempt == claim.attempt,
        Job.token == claim.token,
        Job.state == "running",
    )
