"""How long jobs take, when an open one will have ended, and which ones nobody needs any more."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.orm import Session, aliased

from polling.store.job_list import job_record, list_jobs
from polling.store.records import JobRecord
from polling.store.tables import Fit, Job, QuestionState, Release
from polling.store.turns import in_turn, lane_of

__all__ = ["Durations", "durations", "expected_ends", "forget_jobs"]

LAST = 10
"""Jobs whose durations tell how long the next one takes."""
MOST = 1000
"""Jobs that one transaction forgets."""

type Typical = Callable[[str, str | None], timedelta | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """How long jobs of the same work waited and ran; only ended ones count."""

    kind: str
    key: str
    n_succeeded: int
    n_failed: int
    queued_s: float | None
    """Median of the seconds from the first request to the start; None if none started."""
    ran_s: float | None
    """Median of the seconds that those which succeeded ran."""
    longest_s: float | None
    last_at: datetime
    """When the last one ended."""


def durations(
    session: Session, *, since: datetime, survey_id: str | None = None, kind: str | None = None
) -> list[Durations]:
    """Durations of the jobs that ended since a moment, by kind and key."""
    ended = select(Job).where(Job.finished_at >= since).order_by(Job.kind, Job.key, Job.finished_at)
    if survey_id is not None:
        ended = ended.where(Job.survey_id == survey_id)
    if kind is not None:
        ended = ended.where(Job.kind == kind)
    groups: dict[tuple[str, str], list[JobRecord]] = {}
    for job in map(job_record, session.scalars(ended.execution_options(populate_existing=True))):
        groups.setdefault((job.kind, job.key), []).append(job)
    return [_durations(*work, jobs) for work, jobs in groups.items()]


def expected_ends(session: Session, jobs: Sequence[JobRecord], *, now: datetime) -> dict[str, datetime]:
    """When open jobs will have ended, as far as that can be told: id -> moment, never before ``now``.

    A fit says so itself once it is under way. Before that the median of the last ten jobs of the same work counts, or
    of the same kind if there are none; for what waits, after all that comes before it, shared by as many workers as
    are busy now.
    """
    asked = {job.id: job for job in jobs if job.state in ("queued", "running")}
    if not asked:
        return {}
    typical_of = _typical(session)

    def typical(job: JobRecord) -> timedelta | None:
        own = typical_of(job.kind, job.key)
        return typical_of(job.kind, None) if own is None else own

    ends: dict[str, datetime] = {}
    running = list_jobs(session, states=("running",))
    for job in running:
        if (end := _told_end(job)) is None and (takes := typical(job)) is not None and job.started_at is not None:
            end = job.started_at + takes
        if end is not None:
            ends[job.id] = max(end, now)
    free = [ends.get(job.id, now) for job in running if lane_of(job.kind) == "work"] or [now]
    heapq.heapify(free)
    queued = {job.id: job for job in list_jobs(session, states=("queued",))}
    for job_id in in_turn(session, now):
        if job_id in queued:
            takes = typical(queued[job_id]) if job_id in asked else typical_of(queued[job_id].kind, None)
            end = heapq.heappop(free) + (takes or timedelta(0))
            heapq.heappush(free, end)
            if takes is not None:
                ends[job_id] = end
    for job in queued.values():
        if job.id in asked and job.id not in ends and (takes := typical(job)) is not None:
            ends[job.id] = max(job.run_after, free[0] if lane_of(job.kind) == "work" else now) + takes
    return {job_id: ends[job_id] for job_id in asked if job_id in ends}


def forget_jobs(session: Session, *, before: datetime) -> int:
    """Delete jobs that ended before a moment; how many.

    The last of each work stays, with what it says of how it ended, and so do those that made the newest fit of a
    question or the one that is served.
    """
    later, newer = aliased(Job), aliased(Fit)
    not_last = exists().where(later.kind == Job.kind, later.key == Job.key, later.first_asked_at > Job.first_asked_at)
    replaced = exists().where(
        newer.survey_id == Fit.survey_id, newer.question_id == Fit.question_id, newer.created_at > Fit.created_at
    )
    newest = select(Fit.id).where(Fit.id == Job.fit_id, ~replaced)
    served = (
        select(Release.id)
        .join(QuestionState, QuestionState.release_id == Release.id)
        .where(Release.fit_id == Job.fit_id)
    )
    old = select(Job.id).where(Job.finished_at < before, not_last, ~newest.exists(), ~served.exists())
    ids = session.scalars(old.order_by(Job.finished_at).limit(MOST)).all()
    session.execute(delete(Job).where(Job.id.in_(ids)))
    return len(ids)


def _told_end(job: JobRecord) -> datetime | None:
    progress: Any = job.progress if isinstance(job.progress, dict) else {}
    told = progress.get("expected_end_at")
    return None if told is None else datetime.fromisoformat(told)


def _typical(session: Session) -> Typical:
    """How long a job of a kind, and of a key if one is given, takes; the database is asked once for each."""
    known: dict[tuple[str, str | None], timedelta | None] = {}

    def of(kind: str, key: str | None) -> timedelta | None:
        if (kind, key) not in known:
            same: list[ColumnElement[bool]] = [Job.kind == kind, Job.state == "succeeded"]
            if key is not None:
                same.append(Job.key == key)
            last = select(Job.started_at, Job.finished_at).where(*same).order_by(Job.started_at.desc()).limit(LAST)
            took = [_seconds(begin, end) for begin, end in session.execute(last) if begin and end]
            known[kind, key] = timedelta(seconds=median(took)) if took else None
        return known[kind, key]

    return of


def _durations(kind: str, key: str, jobs: Sequence[JobRecord]) -> Durations:
    succeeded = [job for job in jobs if job.state == "succeeded"]
    waited = [job.queued_s for job in jobs if job.queued_s is not None]
    ran = [job.ran_s for job in succeeded if job.ran_s is not None]
    return Durations(
        kind=kind,
        key=key,
        n_succeeded=len(succeeded),
        n_failed=len(jobs) - len(succeeded),
        queued_s=median(waited) if waited else None,
        ran_s=median(ran) if ran else None,
        longest_s=max(ran) if ran else None,
        last_at=max(job.finished_at for job in jobs if job.finished_at is not None),
    )


def _seconds(begin: datetime, end: datetime) -> float:
    return max(0.0, (end - begin).total_seconds())
