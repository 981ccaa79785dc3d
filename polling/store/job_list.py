"""Look at jobs: one, many, and the reason why one has not started."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from polling.errors import JobNotFound
from polling.store.records import JobRecord
from polling.store.tables import Job
from polling.store.turns import in_lane, in_turn, lane_of

__all__ = ["explain", "get_job", "job_record", "list_jobs"]


def get_job(session: Session, job_id: str) -> JobRecord:
    """One job.

    Raises
    ------
    JobNotFound
        If no job has this id.
    """
    row = session.get(Job, job_id, populate_existing=True)
    if row is None:
        raise JobNotFound(job_id)
    return job_record(row)


def list_jobs(
    session: Session,
    survey_id: str | None = None,
    states: Collection[str] | None = None,
    *,
    question_id: str | None = None,
    kind: str | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int | None = None,
) -> list[JobRecord]:
    """Jobs of a survey (or all), newest request first.

    Parameters
    ----------
    after
        When one was first asked for, and its id: only those that come after it.
    """
    jobs = select(Job).order_by(Job.first_asked_at.desc(), Job.id).limit(limit)
    if survey_id is not None:
        jobs = jobs.where(Job.survey_id == survey_id)
    if question_id is not None:
        jobs = jobs.where(Job.question_id == question_id)
    if kind is not None:
        jobs = jobs.where(Job.kind == kind)
    if states is not None:
        jobs = jobs.where(Job.state.in_(states))
    if after is not None:
        moment, last = after
        same_moment = and_(Job.first_asked_at == moment, Job.id > last)
        jobs = jobs.where(or_(Job.first_asked_at < moment, same_moment))
    return [job_record(row) for row in session.scalars(jobs.execution_options(populate_existing=True))]


def explain(session: Session, job_id: str, *, now: datetime) -> str:
    """Say in a sentence why a job has not started, what it does, or how it ended.

    Raises
    ------
    JobNotFound
        If no job has this id.
    """
    job = get_job(session, job_id)
    if job.state == "running":
        return _explain_running(job, now)
    if job.state != "queued":
        return job.detail or f"It {job.state}."
    if job.run_after > now:
        if job.attempt:
            return f"Attempt {job.attempt} of {job.max_attempts} failed; it tries again at {_clock(job.run_after)}."
        return f"It waits until {_clock(job.run_after)} for more requests, to answer them all at once."
    same_work = select(Job.id).where(Job.kind == job.kind, Job.key == job.key, Job.state == "running")
    if (running := session.scalar(same_work)) is not None:
        return f"It waits for job {running}, which does the same work for earlier requests."
    lane = lane_of(job.kind)
    n_running = session.scalars(select(func.count()).where(Job.state == "running", in_lane(lane))).one()
    n_before = in_turn(session, now, lane).index(job_id)
    return (
        f"It is due since {_clock(job.run_after)} and waits for a worker: "
        f"{n_running} running, {n_before} to start before it. If none is running, start one with `hustings worker`."
    )


def _explain_running(job: JobRecord, now: datetime) -> str:
    if job.lease_until is not None and job.lease_until <= now:
        return f"Its worker has given no sign of life since {_clock(job.lease_until)}; another will take it over."
    since = "" if job.started_at is None else f" since {_clock(job.started_at)}"
    stopping = "; it was asked to stop" if job.cancel_requested else ""
    return f"It runs{since}, attempt {job.attempt} of {job.max_attempts}{stopping}."


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def job_record(row: Job) -> JobRecord:
    """The record of a row."""
    return JobRecord(
        id=row.id,
        kind=row.kind,
        key=row.key,
        priority=row.priority,
        survey_id=row.survey_id,
        question_id=row.question_id,
        state=row.state,
        asked=row.asked,
        first_asked_at=row.first_asked_at,
        last_asked_at=row.last_asked_at,
        run_after=row.run_after,
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        owner=row.owner,
        lease_until=row.lease_until,
        cancel_requested=row.cancel_requested,
        progress=row.progress,
        code=row.code,
        detail=row.detail,
        fit_id=row.fit_id,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
