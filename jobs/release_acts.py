"""What analysts do with what is served: hold a question, end the hold, go back to an earlier release, ask NUTS.

Each act is one transaction: what is served, the audit entry, the outbox, the refit that follows. Doing a thing that is
done already changes nothing and says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from jobs import ledger
from jobs.confirm_ask import ask_confirmation
from jobs.erasure import finish_question
from jobs.restate import ask_refit, tell_asked
from jobs.score_ask import ask_scores_of_new
from jobs.settings import Settings
from polling.secrets import SecretsFile
from polling.store import by_hand, releases, waves
from polling.store.columns import Json
from polling.store.engine import Store
from polling.store.records import JobRecord, QuestionStateRecord, ReleaseRecord
from polling.store.wave_events import lock_survey

__all__ = ["Also", "ServedNow", "confirm", "end_hold", "hold", "roll_back"]

type Also = Callable[[Session, ServedNow], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedNow:
    """What is served for a question after an act."""

    changed: bool
    """False if it stood so already."""
    state: QuestionStateRecord
    release: ReleaseRecord | None
    published: ReleaseRecord | None = None
    """The release that was published because a hold ended."""
    jobs: tuple[JobRecord, ...] = ()


def hold(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,  # noqa: ARG001 (the same for every act)
    *,
    survey_id: str,
    question_id: str,
    reason: str,
    now: datetime,
    actor: str,
    also: Also | None = None,
) -> ServedNow:
    """Keep new fits of a question back until the hold ends; what is served stays.

    Parameters
    ----------
    reason
        Why; shown beside the estimates.
    also
        Called with the answer before the transaction ends.

    Raises
    ------
    SurveyNotFound, QuestionNotFound
        If either does not exist.
    """
    with store.write() as session:
        releases.question_state(session, survey_id, question_id)
        changed = by_hand.hold(session, survey_id, question_id, actor=actor, reason=reason, now=now)
        answer = _answer(session, survey_id, question_id, changed=changed)
        if changed:
            _record(session, secrets, "question-held", answer, {"reason": reason}, now=now, actor=actor)
        return _told(session, answer, also)


def end_hold(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,
    *,
    survey_id: str,
    question_id: str,
    reason: str,
    now: datetime,
    actor: str,
    also: Also | None = None,
) -> ServedNow:
    """Publish the newest fit that was kept back, and those to come; parameters as for ``hold``.

    If none was kept and what is served lacks something, a refit is asked for: so it is after a roll back.

    Raises
    ------
    SurveyNotFound, QuestionNotFound
        If either does not exist.
    """
    with store.write() as session:
        lock_survey(session, survey_id)  # who receives waves asks for refits first and looks at the question then
        releases.question_state(session, survey_id, question_id)
        changed, published = by_hand.end_hold(session, survey_id, question_id, actor=actor, reason=reason, now=now)
        if changed:
            finish_question(session, survey_id=survey_id, question_id=question_id, now=now)
        if published is not None:
            ask_scores_of_new(session, survey_id=survey_id, question_id=question_id, now=now)
        state = releases.question_state(session, survey_id, question_id)
        lacking = changed and published is None and (state.release_id is None or state.stale_since is not None)
        jobs: tuple[JobRecord, ...] = ()
        if lacking and _has_interviews(session, survey_id, question_id):
            jobs = (ask_refit(session, settings, survey_id=survey_id, question_id=question_id, now=now),)
            tell_asked(session, jobs, now=now)
        answer = _answer(session, survey_id, question_id, changed=changed, published=published, jobs=jobs)
        if changed:
            _record(session, secrets, "question-released", answer, {"reason": reason}, now=now, actor=actor)
        return _told(session, answer, also)


def roll_back(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,  # noqa: ARG001 (the same for every act)
    *,
    survey_id: str,
    question_id: str,
    release_id: str,
    reason: str,
    now: datetime,
    actor: str,
    also: Also | None = None,
) -> ServedNow:
    """Serve an earlier release, and hold the question; parameters as for ``hold``.

    Raises
    ------
    SurveyNotFound, QuestionNotFound, ReleaseNotFound
        If one does not exist.
    ReleaseRefused
        If the release is served already, cannot answer any more, or has somebody in it who was erased.
    """
    with store.write() as session:
        taken_back = releases.question_state(session, survey_id, question_id).release_id
        by_hand.roll_back(session, survey_id, question_id, release_id, actor=actor, reason=reason, now=now)
        finish_question(session, survey_id=survey_id, question_id=question_id, now=now)
        answer = _answer(session, survey_id, question_id, changed=True)
        detail: dict[str, Json] = {"reason": reason, "taken_back": taken_back}
        _record(session, secrets, "release-rolled-back", answer, detail, now=now, actor=actor)
        return _told(session, answer, also)


def confirm(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,
    *,
    survey_id: str,
    question_id: str,
    now: datetime,
    actor: str,
) -> JobRecord:
    """Ask NUTS about what is served; see ``jobs.confirm_ask.ask_confirmation``."""
    with store.write() as session:
        job = ask_confirmation(session, settings, survey_id=survey_id, question_id=question_id, now=now)
        answer = _answer(session, survey_id, question_id, changed=True)
        _record(session, secrets, "confirmation-asked", answer, {}, now=now, actor=actor)
    return job


def _answer(
    session: Session,
    survey_id: str,
    question_id: str,
    *,
    changed: bool,
    published: ReleaseRecord | None = None,
    jobs: tuple[JobRecord, ...] = (),
) -> ServedNow:
    return ServedNow(
        changed=changed,
        state=releases.question_state(session, survey_id, question_id),
        release=releases.current_release(session, survey_id, question_id),
        published=published,
        jobs=jobs,
    )


def _has_interviews(session: Session, survey_id: str, question_id: str) -> bool:
    listed = waves.list_waves(session, survey_id)
    return any(wave.is_counted and question_id in wave.questions for wave in listed)


def _record(
    session: Session,
    secrets: SecretsFile,
    action: str,
    answer: ServedNow,
    detail: dict[str, Json],
    *,
    now: datetime,
    actor: str,
) -> None:
    ledger.record(
        session,
        secrets,
        actor=actor,
        action=action,
        survey_id=answer.state.survey_id,
        subject=answer.state.question_id,
        detail=detail | {"release": answer.state.release_id},
        now=now,
    )


def _told(session: Session, answer: ServedNow, also: Also | None) -> ServedNow:
    if also is not None:
        also(session, answer)
    return answer
