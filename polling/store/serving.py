"""What was served when: every publication and every roll back, in order.

The pointer to what is served now is in the question's state; this is its
history, so that what was answered at a moment stays known after a roll back.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from polling.store.records import ReleaseRecord
from polling.store.release_records import ServingRecord
from polling.store.tables import Release, Serving

__all__ = ["note", "served_at", "successor"]


def note(
    session: Session, release: Release, *, now: datetime, actor: str | None = None, reason: str | None = None
) -> None:
    """Note that a release is served from now on: published, or by somebody's act."""
    row = Serving(
        survey_id=release.survey_id,
        question_id=release.question_id,
        release_id=release.id,
        at=now,
        kind="published" if actor is None else "rolled-back",
        actor=actor,
        reason=reason,
    )
    session.add(row)
    session.flush()


def served_at(session: Session, survey_id: str, question_id: str, moment: datetime) -> str | None:
    """Id of the release that was served at a moment; None if none was."""
    mine = (Serving.survey_id == survey_id) & (Serving.question_id == question_id)
    by_then = select(Serving.release_id).where(mine, Serving.at <= moment)
    return session.scalar(by_then.order_by(Serving.id.desc()).limit(1))


def successor(session: Session, release: ReleaseRecord, *, at: datetime | None = None) -> ServingRecord | None:
    """What took a release's place; None if nothing did.

    Parameters
    ----------
    at
        A moment at which it was served, if it was served more than once. Default: the last time.
    """
    mine = (Serving.survey_id == release.survey_id) & (Serving.question_id == release.question_id)
    own = select(Serving.id).where(mine, Serving.release_id == release.id)
    if at is not None:
        own = own.where(Serving.at <= at)
    last = session.scalar(own.order_by(Serving.id.desc()).limit(1))
    if last is None:
        return None
    later = select(Serving, Release.number).join(Release, Release.id == Serving.release_id)
    row = session.execute(later.where(mine, Serving.id > last).order_by(Serving.id).limit(1)).one_or_none()
    if row is None:
        return None
    serving, number = row
    return ServingRecord(
        release_id=serving.release_id,
        number=number,
        at=serving.at,
        kind=serving.kind,
        actor=serving.actor,
        reason=serving.reason,
    )
