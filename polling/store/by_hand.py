"""What an analyst does with what is served: hold it, let go of it, go back to an earlier release.

While a question is held, fits are made and kept, and none is published: ``releases.publish`` asks for the hold in its
own transaction, under the lock that these acts take. The newest fit that was kept back is published when the hold ends.
A roll back serves an earlier release and holds the question, since the next fit would undo it. A fit whose verdict
found problems is not published by any of them.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from polling.errors import DisclosureIncomplete, FitRefused, ReleaseNotFound, ReleaseRefused
from polling.store import outbox, serving
from polling.store.columns import Json
from polling.store.fits import get_fit, has_draws
from polling.store.records import ReleaseRecord
from polling.store.releases import clear_stale, current_release, get_release, lock_state, mark_stale, publish
from polling.store.tables import QuestionHold, Release

__all__ = ["end_hold", "hold", "keep_back", "roll_back"]


def hold(session: Session, survey_id: str, question_id: str, *, actor: str, reason: str, now: datetime) -> bool:
    """Keep new fits of a question back; tells whether anything changed: a hold stays the one it is.

    Raises
    ------
    QuestionNotFound
        If the survey never asked this.
    """
    state = lock_state(session, survey_id, question_id)
    if _held(session, survey_id, question_id) is not None:
        return False
    session.add(QuestionHold(survey_id=survey_id, question_id=question_id, at=now, actor=actor, reason=reason))
    state.version += 1
    session.flush()
    event: Json = {"question_id": question_id, "release_id": state.release_id, "actor": actor, "reason": reason}
    outbox.append(session, "question-held", survey_id, event, now)
    return True


def end_hold(
    session: Session, survey_id: str, question_id: str, *, actor: str, reason: str, now: datetime
) -> tuple[bool, ReleaseRecord | None]:
    """End a hold, and publish the newest fit that was kept back if it still may be.

    Returns
    -------
    tuple
        Whether there was a hold, and the release that was published, if one was.

    Raises
    ------
    QuestionNotFound
        If the survey never asked this.
    """
    state = lock_state(session, survey_id, question_id)
    held = _held(session, survey_id, question_id)
    if held is None:
        return False, None
    fit_id = held.fit_id
    session.delete(held)
    state.version += 1
    session.flush()
    event: dict[str, Json] = {"question_id": question_id, "actor": actor, "reason": reason}
    outbox.append(session, "question-released", survey_id, event, now)
    # Its draws are gone where somebody in it was erased meanwhile.
    if fit_id is None or not has_draws(session, fit_id):
        return True, None
    before = current_release(session, survey_id, question_id)
    try:
        release = publish(session, fit_id=fit_id, now=now)
    except DisclosureIncomplete as incomplete:
        mark_stale(session, survey_id, question_id, now, str(incomplete))
        return True, None
    except FitRefused:  # what is served has come to rest on newer data
        return True, None
    return True, None if release == before else release


def keep_back(session: Session, fit_id: str) -> None:
    """Keep a publishable fit for the end of the hold, unless a newer one is kept already."""
    fit = get_fit(session, fit_id)
    state = lock_state(session, fit.survey_id, fit.question_id)
    held = _held(session, fit.survey_id, fit.question_id)
    if held is None or not fit.publishable:
        return
    kept = None if held.fit_id is None else get_fit(session, held.fit_id)
    if kept is None or (kept.survey_version, kept.data_sequence) <= (fit.survey_version, fit.data_sequence):
        held.fit_id = fit_id
        state.version += 1
        session.flush()


def roll_back(
    session: Session, survey_id: str, question_id: str, release_id: str, *, actor: str, reason: str, now: datetime
) -> ReleaseRecord:
    """Serve a release that was published before, and hold the question.

    Raises
    ------
    QuestionNotFound
        If the survey never asked this.
    ReleaseNotFound
        If the question has no such release.
    ReleaseRefused
        If it is served already, cannot answer any more, or has somebody in it who was erased.
    """
    state = lock_state(session, survey_id, question_id)
    release = get_release(session, release_id)
    if (release.survey_id, release.question_id) != (survey_id, question_id) or state.release_id is None:
        raise ReleaseNotFound(f"'{release_id}'")
    if state.release_id == release_id:
        raise ReleaseRefused(release.number, "it is served already. Hold the question to keep it.")
    if release.contains_erased_at is not None:
        raise ReleaseRefused(release.number, "it contains the answers of somebody who was erased since.")
    if not release.has_draws:
        raise ReleaseRefused(release.number, "its draws are not kept any more, so that it cannot answer.")
    taken_back_id = state.release_id
    state.release_id = release_id
    state.version += 1
    serving.note(session, session.get_one(Release, release_id), now=now, actor=actor, reason=reason)
    held = _held(session, survey_id, question_id)
    if held is None:
        held = QuestionHold(survey_id=survey_id, question_id=question_id)
        session.add(held)
    held.at, held.actor, held.reason, held.taken_back_id = now, actor, reason, taken_back_id
    session.flush()
    clear_stale(session, state, release.fit_id)
    event: Json = {
        "question_id": question_id,
        "release_id": release_id,
        "number": release.number,
        "taken_back_id": taken_back_id,
        "actor": actor,
        "reason": reason,
    }
    outbox.append(session, "release-rolled-back", survey_id, event, now)
    return get_release(session, release_id)


def _held(session: Session, survey_id: str, question_id: str) -> QuestionHold | None:
    return session.get(QuestionHold, (survey_id, question_id), populate_existing=True)
