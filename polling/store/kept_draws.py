"""Whose draws are kept no longer; see ``jobs.draws`` for the rule."""

from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from polling.store.tables import Fit, FitDraws, QuestionHold, QuestionState, Release, ReleasePin, Serving
from polling.store.telling import needed_fits

__all__ = ["past_their_time", "still_kept"]

DAY = timedelta(days=1)

type Span = tuple[datetime, datetime | None]


def past_their_time(session: Session, *, now: datetime, all_of: timedelta, daily: timedelta) -> list[str]:
    """Ids of fits whose draws may go, oldest first.

    Parameters
    ----------
    all_of
        The draws of every release are kept for so long after it was last served, and those of a fit that never was
        after it was made.
    daily
        The draws of what was served at the end of a day, for so long after that day.

    Whatever their time, draws stay as long as those of another question's release that is answered with them
    (`polling.store.telling`).
    """
    # Sets that are made once: asked for each fit by itself, whether a release of it is served reads every release.
    served = select(Release.fit_id).join(QuestionState, QuestionState.release_id == Release.id)
    pinned = select(Release.fit_id).join(ReleasePin, ReleasePin.release_id == Release.id)
    held_back = select(QuestionHold.fit_id).where(QuestionHold.fit_id.is_not(None))
    old = (
        select(Fit.id)
        .join(FitDraws, FitDraws.fit_id == Fit.id)
        .where(Fit.created_at < now - all_of, *(Fit.id.not_in(needed) for needed in (served, pinned, held_back)))
    )
    candidates = session.scalars(old.order_by(Fit.created_at, Fit.id)).all()
    spans = _served(session, all_of=all_of, now=now)
    over = [one for one in candidates if not any(_is_kept(span, now, all_of, daily) for span in spans[one])]
    needed = needed_fits(session, over)
    return [one for one in over if one not in needed]


def still_kept(session: Session, release_ids: Collection[str]) -> set[str]:
    """Those of some releases whose draws are there."""
    there = select(Release.id).join(FitDraws, FitDraws.fit_id == Release.fit_id).where(Release.id.in_(release_ids))
    return set(session.scalars(there))


def _served(session: Session, *, all_of: timedelta, now: datetime) -> dict[str, list[Span]]:
    """Fit id -> from when until when it was served, for fits that still have draws and are not young."""
    later = aliased(Serving)
    until = (
        select(later.at)
        .where(
            later.survey_id == Serving.survey_id,
            later.question_id == Serving.question_id,
            later.id > Serving.id,
        )
        .order_by(later.id)
        .limit(1)
        .scalar_subquery()
    )
    rows = (
        select(Release.fit_id, Serving.at, until)
        .join(Release, Release.id == Serving.release_id)
        .join(FitDraws, FitDraws.fit_id == Release.fit_id)
        .join(Fit, Fit.id == Release.fit_id)
        .where(Fit.created_at < now - all_of)
    )
    spans: dict[str, list[Span]] = defaultdict(list)
    for fit_id, begin, end in session.execute(rows):
        spans[fit_id].append((begin, end))
    return spans


def _is_kept(span: Span, now: datetime, all_of: timedelta, daily: timedelta) -> bool:
    begin, end = span
    if end is None or end > now - all_of:
        return True
    # The first end of a day in the span that is not too long ago.
    first = max(begin, now - daily).astimezone(UTC)
    midnight = datetime.combine(first.date(), time(), tzinfo=UTC)
    midnight = midnight if midnight >= first else midnight + DAY
    return midnight < end
