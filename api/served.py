"""Find the release that answers for a question, and say what is known of it, or why there is none."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from api.data_notes import data_notes
from api.errors import EstimateRefused, NoReleaseYet
from api.populations import Populations, find_populations
from polling.errors import ReleaseNotFound
from polling.store import checks, confirmations, fits, queue, releases, serving
from polling.store.records import QuestionStateRecord, ReleaseRecord
from polling.store.release_records import ConfirmationRecord

__all__ = ["Served", "find_earlier", "find_served"]


@dataclass(frozen=True, slots=True)
class Served:
    """The release that answers, and how stale it is."""

    release: ReleaseRecord
    state: QuestionStateRecord
    stale_since: datetime | None
    stale_reason: str | None
    data_notes: tuple[str, ...]
    """What to know of the interviews behind it."""
    confirmation: ConfirmationRecord | None
    """What NUTS said of it, if it was asked."""
    concerns: tuple[str, ...] = ()
    """What checks of it found that is gravely wrong, the worst first, in the form of warnings."""
    populations: Populations = field(default_factory=Populations)
    """Whom it can be asked about besides everybody."""


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
    state = releases.question_state(session, survey_id, question_id)
    if at is not None:
        if (then := releases.release_at(session, survey_id, question_id, at)) is None:
            raise NoReleaseYet(
                f"Nothing was published for question '{question_id}' of survey '{survey_id}' by "
                f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC."
            )
        release_id = then.id
    if release_id is None:
        if state.release_id is None:
            raise NoReleaseYet(_why_none(session, state))
        return _served(session, releases.get_release(session, state.release_id), state)
    release = releases.get_release(session, release_id)
    if (release.survey_id, release.question_id) != (survey_id, question_id):
        raise ReleaseNotFound(f"'{release_id}'")
    served = _served(session, release, state)
    if release.id == state.release_id or (after := serving.successor(session, release, at=at)) is None:
        return served
    return replace(served, stale_since=after.at, stale_reason=after.sentence)


def find_earlier(session: Session, served: Served, release_id: str | None = None) -> Served:
    """Find the release that another one is compared with: by default the question's release before it.

    Raises
    ------
    ReleaseNotFound
        If the question has no release of this id.
    EstimateRefused
        If it is not earlier, or there is none before.
    """
    release = served.release
    if release_id is None:
        listed = releases.list_releases(session, release.survey_id, release.question_id)
        before = [one for one in listed if one.number < release.number]
        if not before:
            raise EstimateRefused(f"Release {release.number} is the first of its question: there is none before it.")
        release_id = max(before, key=lambda one: one.number).id
    earlier = find_served(session, release.survey_id, release.question_id, release_id)
    if earlier.release.number >= release.number:
        raise EstimateRefused(
            f"before names release {earlier.release.number}, which is not earlier than release {release.number}. Name "
            "an earlier one in before, or a later one in release."
        )
    return earlier


def _served(session: Session, release: ReleaseRecord, state: QuestionStateRecord) -> Served:
    notes = data_notes(fits.get_fit(session, release.fit_id), has_draws=release.has_draws)
    confirmation = confirmations.find_confirmation(session, release.fit_id)
    found = checks.concerns_of(session, release.fit_id) or ()
    grave = tuple(one.sentence.rstrip(".") for one in found if one.severity == "grave")
    populations = find_populations(session, release)
    return Served(release, state, state.stale_since, state.stale_reason, tuple(notes), confirmation, grave, populations)


def _why_none(session: Session, state: QuestionStateRecord) -> str:
    mine = queue.list_jobs(session, survey_id=state.survey_id, question_id=state.question_id, limit=1)
    begin = f"Question '{state.question_id}' of survey '{state.survey_id}' has no release yet."
    if state.hold is not None:
        return f"{begin} {state.hold.sentence}"
    if not mine:
        return f"{begin} No wave that asks it was received."
    job = mine[0]
    if job.state == "queued":
        return f"{begin} Its first fit is waiting to start (job {job.id})."
    if job.state == "running":
        return f"{begin} Its first fit is running (job {job.id})."
    return f"{begin} The last fit ended without a release: {job.detail or job.code} (job {job.id})"
