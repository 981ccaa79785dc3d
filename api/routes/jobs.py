"""Follow the work that waves ask for, and cancel it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.orm import Session

from api.auth import Principal
from api.list_pages import LISTED, ListPage
from api.payloads import JobLink, JobList, JobPayload
from api.problems import documented
from api.services import Services
from jobs import job_acts
from polling.errors import JobNotFound
from polling.store import queue, surveys, waves
from polling.store.job_history import expected_ends
from polling.store.records import JobRecord

__all__ = ["describe_job", "job_link", "jobs_routes"]

BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


@get(
    "/v1/surveys/{survey_id:str}/jobs",
    operation_id="listJobs",
    summary="Jobs of a survey",
    tags=["jobs"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 422),
    dependencies=LISTED,
)
def list_jobs(
    survey_id: FromPath[str],
    page: NamedDependency[ListPage],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> JobList:
    """Jobs, newest first. A pollster's key sees those of the questions that its own waves asked.

    They are left out of a page, so that it may have fewer than `limit` although others follow.
    """
    basis = ("jobs", survey_id)
    begin = page.after(*basis)
    after = (BEGIN + timedelta(microseconds=begin.start), begin.key) if begin else None
    with services.store.read() as session:
        surveys.list_versions(session, survey_id)
        visible = _visible_questions(session, survey_id, principal)
        listed, last = page.cut(queue.list_jobs(session, survey_id=survey_id, after=after, limit=page.limit + 1))
        found = [job for job in listed if visible is None or job.question_id in visible]
        ends = expected_ends(session, found, now=services.now())
    jobs = [describe_job(job, ends.get(job.id), of_all=visible is None) for job in found]
    at = (last.first_asked_at - BEGIN) // timedelta(microseconds=1) if last else 0
    return JobList(survey=survey_id, jobs=jobs, next_cursor=page.next_cursor(last.id, at, *basis) if last else None)


@get(
    "/v1/surveys/{survey_id:str}/jobs/{job_id:str}",
    operation_id="getJob",
    summary="One job",
    tags=["jobs"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def get_job(
    survey_id: FromPath[str],
    job_id: FromPath[str],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> JobPayload:
    """How far a job is and when it should have ended, or how it ended."""
    with services.store.read() as session:
        surveys.list_versions(session, survey_id)
        visible = _visible_questions(session, survey_id, principal)
        job = queue.get_job(session, job_id)
        ends = expected_ends(session, [job], now=services.now())
    if job.survey_id != survey_id or (visible is not None and job.question_id not in visible):
        raise JobNotFound(job_id)
    return describe_job(job, ends.get(job.id), of_all=visible is None)


@post(
    "/v1/surveys/{survey_id:str}/jobs/{job_id:str}/cancel",
    operation_id="cancelJob",
    summary="Cancel a job",
    tags=["jobs"],
    status_code=200,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def cancel_job(
    survey_id: FromPath[str],
    job_id: FromPath[str],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> JobPayload:
    """A job that waits ends at once; one that runs is asked to stop, and has stopped a second or two later.

    A job that has ended stays as it is. What it would have published is asked for again with the next wave, or within
    the hour: to keep fits from being published, hold the question.
    """
    with services.store.read() as session:
        surveys.list_versions(session, survey_id)
    job, _ = job_acts.cancel(
        services.store,
        services.secrets,
        job_id=job_id,
        survey_id=survey_id,
        now=services.now(),
        actor=principal.actor,
    )
    return describe_job(job)


def describe_job(job: JobRecord, expected_end: datetime | None = None, *, of_all: bool = True) -> JobPayload:
    """A job as it is shown.

    Parameters
    ----------
    of_all
        False: to somebody who may not know what others contributed. How the job ended is told by its code then: its
        sentence may have exact counts over all pollsters, or name a wave of another one.
    """
    progress: dict[str, Any] = job.progress if isinstance(job.progress, dict) else {}
    return JobPayload(
        id=job.id,
        survey=job.survey_id,
        question=job.question_id,
        kind=job.kind,
        state=job.state,
        code=job.code,
        detail=job.detail if of_all else _told_to_a_pollster(job),
        progress=1.0 if job.state == "succeeded" else progress.get("share"),
        stage=progress.get("stage"),
        expected_end_at=expected_end,
        cancel_requested=job.cancel_requested,
        asked=job.asked,
        attempt=job.attempt,
        run_after=job.run_after,
        started_at=job.started_at,
        finished_at=job.finished_at,
        queued_s=job.queued_s,
        ran_s=job.ran_s,
        fit_id=job.fit_id,
        url=_url(job),
    )


def job_link(job: JobRecord) -> JobLink:
    """A job in one line."""
    return JobLink(id=job.id, question=job.question_id, state=job.state, url=_url(job))


def _told_to_a_pollster(job: JobRecord) -> str | None:
    if job.code is None:
        return None
    if job.state in ("queued", "running"):
        return "An attempt failed; it is tried again."
    return _TOLD.get(job.code, "It did not end with a release. Ask those who run the survey: they can read why.")


_TOLD = {
    "published": "It was published.",
    "disclosure-incomplete": "It was not published: who paid, the mode or the sample source is not told of its waves.",
    "fit-rejected": "The fit did not pass its checks and was not published.",
    "superseded": "A release that rests on newer data is served already.",
    "held": "The fit is kept and not published: an analyst holds the question.",
    "cancelled": "It was cancelled.",
    "crashed": "The worker died again and again; it was given up.",
}


def _url(job: JobRecord) -> str:
    return f"/v1/surveys/{job.survey_id}/jobs/{job.id}"


def _visible_questions(session: Session, survey_id: str, principal: Principal) -> frozenset[str] | None:
    if principal.only_pollster is None:
        return None
    mine = waves.list_waves(session, survey_id, principal.only_pollster)
    return frozenset(question for wave in mine for question in wave.questions)


jobs_routes = Router("/", route_handlers=[list_jobs, get_job, cancel_job])
