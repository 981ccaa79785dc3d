"""Figures of how the house stands, for whoever watches it: counts and times, no interviews and no names of pollsters.

Read often, so each is one statement that an index or a small table answers: open jobs, one row per question, and fits
that are new since the last look.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Text, case, func, null, select, type_coerce
from sqlalchemy.orm import Session

from polling.store.columns import UtcDateTime
from polling.store.tables import (
    Fit,
    Job,
    QuestionHold,
    QuestionState,
    Release,
    Wave,
    WaveEvent,
    WaveVersion,
)
from polling.store.wave_records import COUNTED

__all__ = [
    "FitFigure",
    "JobFigure",
    "QuestionFigure",
    "fits_after",
    "open_jobs",
    "questions",
    "waiting_since",
    "workers",
]

NOT_MOVING = ("opened", "closed")
"""Events that bring no interviews."""


@dataclass(frozen=True, slots=True)
class JobFigure:
    """Jobs of a kind that wait or run."""

    kind: str
    state: str
    n: int
    due_since: datetime | None
    """Since when the first of them has been due; None if none is, or they run."""


@dataclass(frozen=True, slots=True)
class QuestionFigure:
    """How a question stands."""

    survey_id: str
    question_id: str
    published_at: datetime | None
    """When what is served was published; None before the first release."""
    is_stale: bool
    is_held: bool


@dataclass(frozen=True, slots=True)
class FitFigure:
    """A stored fit."""

    id: str
    engine: str
    publishable: bool
    seconds: float
    """Of all its stages."""
    created_at: datetime


def open_jobs(session: Session, now: datetime) -> list[JobFigure]:
    """Jobs that wait or run, by kind and state."""
    due = case(((Job.state == "queued") & (Job.run_after <= now), Job.run_after), else_=null())
    found = (
        select(Job.kind, Job.state, func.count().label("n"), type_coerce(func.min(due), UtcDateTime).label("since"))
        .where(Job.state.in_(("queued", "running")))
        .group_by(Job.kind, Job.state)
        .order_by(Job.kind, Job.state)
    )
    return [JobFigure(row.kind, row.state, row.n, row.since) for row in session.execute(found)]


def workers(session: Session, now: datetime) -> int:
    """Workers that are doing a job and gave a sign of life in time."""
    alive = select(func.count(Job.owner.distinct())).where(Job.state == "running", Job.lease_until > now)
    return session.scalars(alive).one()


def questions(session: Session) -> list[QuestionFigure]:
    """Every question, by survey."""
    held = (QuestionHold.survey_id == QuestionState.survey_id) & (QuestionHold.question_id == QuestionState.question_id)
    found = (
        select(
            QuestionState.survey_id,
            QuestionState.question_id,
            Release.published_at,
            QuestionState.stale_since.is_not(None).label("is_stale"),
            QuestionHold.question_id.is_not(None).label("is_held"),
        )
        .outerjoin(Release, Release.id == QuestionState.release_id)
        .outerjoin(QuestionHold, held)
        .order_by(QuestionState.survey_id, QuestionState.question_id)
    )
    return [QuestionFigure(*row) for row in session.execute(found)]


def waiting_since(session: Session) -> dict[tuple[str, str], datetime]:
    """Since when the oldest delivery of a counted wave has been missing from what is served, by survey and question.

    Only questions that are stale are looked at: what a question lacks makes it so.
    """
    asks = type_coerce(WaveVersion.questions, Text)
    # The ids are a JSON list. Taking one out of it tells on both stores whether it is there; LIKE has wildcards.
    is_asked = func.replace(asks, '"' + QuestionState.question_id + '"', "") != asks
    counted = (WaveVersion.wave_id == Wave.id) & (WaveVersion.version == Wave.version)
    missing = (WaveEvent.survey_id == QuestionState.survey_id) & (
        WaveEvent.sequence > func.coalesce(Fit.data_sequence, 0)
    )
    found = (
        select(QuestionState.survey_id, QuestionState.question_id, func.min(WaveEvent.at))
        .outerjoin(Release, Release.id == QuestionState.release_id)
        .outerjoin(Fit, Fit.id == Release.fit_id)
        .join(WaveEvent, missing)
        .join(Wave, Wave.id == WaveEvent.wave_id)
        .join(WaveVersion, counted)
        .where(
            QuestionState.stale_since.is_not(None),
            Wave.state.in_(COUNTED),
            WaveEvent.state.in_(COUNTED),
            # What waits for an analyst is not counted, and no release can have it.
            WaveEvent.waiting.is_(None),
            WaveEvent.kind.not_in(NOT_MOVING),
            is_asked,
        )
        .group_by(QuestionState.survey_id, QuestionState.question_id)
    )
    return {(survey_id, question_id): since for survey_id, question_id, since in session.execute(found)}


def fits_after(session: Session, moment: datetime | None) -> Sequence[FitFigure]:
    """Fits that were stored after a moment, or all of them."""
    mine = (Fit.survey_id == QuestionState.survey_id) & (Fit.question_id == QuestionState.question_id)
    # By way of the questions: the index of fits begins with them.
    found = select(Fit.id, Fit.engine, Fit.publishable, Fit.seconds, Fit.created_at).join_from(
        QuestionState, Fit, mine if moment is None else mine & (Fit.created_at > moment)
    )
    return [
        FitFigure(row.id, row.engine, row.publishable, sum((row.seconds or {}).values()), row.created_at)
        for row in session.execute(found)
    ]
