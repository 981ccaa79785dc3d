"""Whose turn it is: the order in which due jobs start, fair between surveys.

    level = max(0, priority - minutes waited / 10)

Urgent work comes first, and what waits becomes more urgent: ten minutes count as much as one step of priority, so that
nothing waits for ever. Among equals surveys take turns: first comes the survey whose last start is longest ago, so a
burst of waves of one survey does not keep the others waiting; within a survey, what is due longest comes first.

There are two lanes, whose jobs wait for no job of the other: what is computed or fetched, and what is sent to webhooks.
Whoever takes jobs takes them from one lane, and a start in one costs nobody a turn in the other.

Times come from the clocks of hosts, and a clock may be set back. A job that was asked for, or started, later than now
would then wait for the hour to come round again; it is due at once instead.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from polling.store.tables import Job

__all__ = ["POSTED", "Lane", "in_lane", "in_turn", "is_abandoned", "is_due", "lane_of"]

type Lane = Literal["work", "post"]

POSTED: Final = frozenset({"webhook", "webhook-replay"})
"""Kinds of the lane ``post``; all others are of the lane ``work``."""

AGEING = timedelta(minutes=10)
"""So much waiting is worth one step of priority."""
MEMORY = timedelta(hours=1)
"""Starts longer ago than this give nobody a later turn."""
SKEW = timedelta(minutes=1)
"""Clocks of hosts may differ by this much."""
FAR = timedelta(minutes=10)
"""A lease that ends this much later than any lease can was given by a clock that has been set back since."""

_NEVER = datetime.min.replace(tzinfo=UTC)


def is_due(now: datetime) -> ColumnElement[bool]:
    """Whether a job waits, and its time has come."""
    set_back = or_(Job.last_asked_at > now + SKEW, Job.started_at > now + SKEW)
    return and_(Job.state == "queued", or_(Job.run_after <= now, set_back))


def is_abandoned(now: datetime, lease: timedelta) -> ColumnElement[bool]:
    """Whether a job runs, and its worker has been silent for too long."""
    return and_(Job.state == "running", or_(Job.lease_until <= now, Job.lease_until > now + lease + FAR))


def lane_of(kind: str) -> Lane:
    """The lane of jobs of a kind."""
    return "post" if kind in POSTED else "work"


def in_lane(lane: Lane) -> ColumnElement[bool]:
    """Whether a job is of the lane."""
    return Job.kind.in_(POSTED) if lane == "post" else Job.kind.not_in(POSTED)


def in_turn(session: Session, now: datetime, lane: Lane = "work") -> list[str]:
    """Ids of the jobs of a lane that may start now, in the order in which they should."""
    running = aliased(Job)
    same_work = select(running.id).where(running.kind == Job.kind, running.key == Job.key, running.state == "running")
    about = (Job.id, Job.kind, Job.key, Job.survey_id, Job.priority, Job.run_after, Job.first_asked_at)
    due = session.execute(select(*about).where(is_due(now), in_lane(lane), ~same_work.exists())).all()
    if len(due) < 2:
        return [job.id for job in due]
    # An expression: by the column itself SQLite would group along an index, and read every job that there ever was.
    survey = func.coalesce(Job.survey_id, "")
    starts = (
        select(survey.label("survey"), Job.priority, func.max(Job.started_at).label("at"))
        .where(Job.started_at > now - MEMORY, in_lane(lane))
        .group_by(survey, Job.priority)
    )
    began: dict[str, list[tuple[int, datetime]]] = {}
    for start in session.execute(starts):
        began.setdefault(start.survey, []).append((start.priority, min(start.at, now)))

    def last_turn(survey_id: str | None, priority: int) -> datetime:
        """The last start of something as urgent: what is less urgent costs nobody a turn."""
        return max((at for other, at in began.get(survey_id or "", ()) if other <= priority), default=_NEVER)

    places = [
        (
            max(0, job.priority - (now - min(now, job.first_asked_at)) // AGEING),
            last_turn(job.survey_id, job.priority),
            job.run_after,
            job.kind,
            job.key,
            job.id,
        )
        for job in due
    ]
    return [place[-1] for place in sorted(places)]
