"""Checks of fits: what was found, what is to be looked at, and which releases were not checked yet.

A check speaks of a fit: releases of one fit share it. It goes when the fit's counts do because somebody in them was
erased, and stays otherwise: there is nothing of a person in it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from polling.store import outbox
from polling.store.columns import Json
from polling.store.dialect import insert_into
from polling.store.records import ReleaseRecord
from polling.store.releases import get_release, lock_state
from polling.store.tables import Fit, FitCheck, FitDraws, Job, QuestionState, Release

__all__ = [
    "CheckRecord",
    "ConcernRecord",
    "add_check",
    "checks_of",
    "concerns_of",
    "forget_checks",
    "tell",
    "unchecked",
]


@dataclass(frozen=True, slots=True)
class ConcernRecord:
    """Something about a fit that somebody should look at; see ``mrp.checks.concerns.Concern``."""

    check: str
    """The kind of check that found it."""
    kind: str
    severity: str
    """grave | notable"""
    columns: tuple[str, ...]
    levels: tuple[str, ...]
    size: float
    strength: float
    sentence: str
    advice: str


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """What a check of one kind found."""

    fit_id: str
    kind: str
    made_at: datetime
    content: Json
    concerns: Json


def add_check(
    session: Session,
    release: ReleaseRecord,
    *,
    kind: str,
    content: Json,
    concerns: Sequence[Json],
    now: datetime,
) -> None:
    """Keep what a check of a release's fit found, in place of what one of its kind found before."""
    question = lock_state(session, release.survey_id, release.question_id)
    values = {"made_at": now, "concerns": list(concerns), "content": content}
    new = insert_into(session, FitCheck).values(fit_id=release.fit_id, kind=kind, **values)
    session.execute(new.on_conflict_do_update(index_elements=[FitCheck.fit_id, FitCheck.kind], set_=values))
    # What is answered says it: who keeps answers in memory has to learn of it.
    question.version += 1
    session.flush()


def tell(session: Session, release: ReleaseRecord, *, now: datetime) -> None:
    """Tell the outbox that more is known of a release; call it late in a transaction, and before a job is touched."""
    about: Json = {"question_id": release.question_id, "release_id": release.id, "number": release.number}
    outbox.append(session, "release-checked", release.survey_id, about, now)


def checks_of(session: Session, fit_id: str) -> list[CheckRecord]:
    """Everything that was found of a fit, by kind."""
    columns = (FitCheck.kind, FitCheck.made_at, FitCheck.content, FitCheck.concerns)
    rows = session.execute(select(*columns).where(FitCheck.fit_id == fit_id).order_by(FitCheck.kind))
    return [CheckRecord(fit_id, *row) for row in rows]


def concerns_of(session: Session, fit_id: str) -> tuple[ConcernRecord, ...] | None:
    """What to know of a fit, the worst first; empty if it was checked and nothing is wrong, None if it was not."""
    rows = session.execute(select(FitCheck.kind, FitCheck.concerns).where(FitCheck.fit_id == fit_id)).all()
    found = [_concern(kind, one) for kind, concerns in rows for one in concerns]
    ordered = sorted(found, key=lambda one: (one.severity != "grave", -one.strength, one.sentence))
    return tuple(ordered) if rows else None


def forget_checks(session: Session, fit_ids: Collection[str]) -> None:
    """Delete what was found of some fits."""
    session.execute(delete(FitCheck).where(FitCheck.fit_id.in_(fit_ids)))


def unchecked(
    session: Session, *, kinds: Collection[str], job: str, published_before: datetime | None = None
) -> list[ReleaseRecord]:
    """Current releases that were not checked in all these ways, the oldest first.

    Those without draws or counts, or with somebody in them who was erased, cannot be. A job of this kind that failed
    since the release was published was a try, and is not tried again by itself.

    Parameters
    ----------
    kinds
        Of checks.
    job
        Kind of the jobs that make them.
    published_before
        Leave out those published later.
    """
    made = select(func.count()).where(FitCheck.fit_id == Fit.id, FitCheck.kind.in_(kinds)).scalar_subquery()
    failed = exists().where(
        Job.kind == job,
        Job.state == "failed",
        Job.code != "stopped",  # a later request does its work
        Job.survey_id == QuestionState.survey_id,
        Job.question_id == QuestionState.question_id,
        Job.first_asked_at >= Release.published_at,
    )
    found = (
        select(Release.id)
        .join(QuestionState, QuestionState.release_id == Release.id)
        .join(Fit, Fit.id == Release.fit_id)
        .where(
            Fit.counts.is_not(None),
            Fit.contains_erased_at.is_(None),
            exists().where(FitDraws.fit_id == Fit.id),
            made < len(kinds),
            ~failed,
        )
        .order_by(Release.published_at, Release.id)
    )
    if published_before is not None:
        found = found.where(Release.published_at <= published_before)
    return [get_release(session, release_id) for release_id in session.scalars(found)]


def _concern(check: str, value: Any) -> ConcernRecord:
    told = cast(dict[str, Any], value)
    return ConcernRecord(check, **told | {"columns": tuple(told["columns"]), "levels": tuple(told["levels"])})
