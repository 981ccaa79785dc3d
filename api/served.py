"""Find the release that answers for a question, and say what is known of it, or why there is none."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from api.data_notes import data_notes
from api.errors import NoReleaseYet
from polling.errors import QuestionNotFound, ReleaseNotFound
from polling.store import fits, queue, releases, surveys
from polling.store.records import QuestionStateRecord, ReleaseRecord

__all__ = ["Served", "find_served"]


@dataclass(frozen=True, slots=True)
class Served:
    """The release that answers, and how stale it is."""

    release: ReleaseRecord
    state: QuestionStateRecord
    stale_since: datetime | None
    stale_reason: str | None
    data_notes: tuple[str, ...]
    """What to know of the interviews behind it."""


def find_served(
    session: Session,
    survey_id: str,
    question_id: str,
    release_id: str | None = None,
    *,
    at: datetime | None = None,
) -> Served:
    """Find the release that answers: the current one, the one asked for, or the one that was current at a moment.

    Raises
    ------
    SurveyNotFound, QuestionNotFound
        If either does not exist.
    ReleaseNotFound
        If the question has no release of this id.
    NoReleaseYet
        If nothing is published for the question, or nothing was at that moment.
    """
    try:
        state = releases.question_state(session, survey_id, question_id)
    except QuestionNotFound:
        # The survey itself says more: that it does not exist, or what it asks.
        surveys.get_survey(session, survey_id).bundle.declaration.question(question_id)
        raise
    if at is not None:
        if (then := releases.release_at(session, survey_id, question_id, at)) is None:
            raise NoReleaseYet(
                f"Nothing was published for question '{question_id}' of survey '{survey_id}' by "
                f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC."
            )
        release_id = then.id
    if release_id is None:
        if state.release_id is None:
            raise NoReleaseYet(_why_none(session, survey_id, question_id))
        return _served(session, releases.get_release(session, state.release_id), state)
    release = releases.get_release(session, release_id)
    if (release.survey_id, release.question_id) != (survey_id, question_id):
        raise ReleaseNotFound(f"'{release_id}'")
    if release.id == state.release_id:
        return _served(session, release, state)
    later = releases.list_releases(session, survey_id, question_id)
    successor = min((one for one in later if one.number > release.number), key=lambda one: one.number)
    served = _served(session, release, state)
    return replace(served, stale_since=successor.published_at, stale_reason=f"Release {successor.number} replaced it.")


def _served(session: Session, release: ReleaseRecord, state: QuestionStateRecord) -> Served:
    notes = data_notes(fits.get_fit(session, release.fit_id), has_draws=release.has_draws)
    return Served(release, state, state.stale_since, state.stale_reason, tuple(notes))


def _why_none(session: Session, survey_id: str, question_id: str) -> str:
    mine = queue.list_jobs(session, survey_id=survey_id, question_id=question_id, limit=1)
    begin = f"Question '{question_id}' of survey '{survey_id}' has no release yet."
    if not mine:
        return f"{begin} No wave that asks it was received."
    job = mine[0]
    if job.state == "queued":
        return f"{begin} Its first fit is waiting to start (job {job.id})."
    if job.state == "running":
        return f"{begin} Its first fit is running (job {job.id})."
    return f"{begin} The last fit ended without a release: {job.detail or job.code} (job {job.id})"
