"""Releases: published fits, and what is served for each question now.

Publishing is one transaction: the release, its number, the pointer to what is
current, how stale that is, and the outbox row. A fit that rests on older data,
or an older survey version, than what is served does not replace it. Staleness
is cleared only as far as the fit's own data reach: a wave that arrived while
the fit was running keeps the new release stale. While an analyst holds the
question nothing is published (``polling.store.by_hand``).
"""

from datetime import datetime
from uuid import uuid4

from sqlalchemy import exists, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import Select

from polling.disclosure_items import missing_items
from polling.errors import (
    DisclosureIncomplete,
    FitNotPublishable,
    FitSuperseded,
    QuestionHeld,
    QuestionNotFound,
    ReleaseNotFound,
)
from polling.store import outbox, serving, surveys
from polling.store.columns import Json
from polling.store.fit_inputs import partners_noted
from polling.store.fit_waves import waves_of_fit
from polling.store.fits import get_fit
from polling.store.records import FitRecord, QuestionStateRecord, ReleaseRecord
from polling.store.states import state_record, states
from polling.store.tables import Fit, FitDraws, QuestionState, Release
from polling.store.wave_events import changes_after
from polling.store.wave_records import describe_missing

__all__ = [
    "clear_stale",
    "current_release",
    "get_release",
    "list_question_states",
    "list_releases",
    "lock_state",
    "mark_stale",
    "publish",
    "question_state",
    "release_at",
]


def publish(session: Session, *, fit_id: str, now: datetime) -> ReleaseRecord:
    """Make a fit the one that is served.

    The fit that is served already is not released a second time; its release
    is returned, and its staleness brought up to date.

    Raises
    ------
    FitNotFound
        If no fit has this id.
    FitNotPublishable
        If its verdict has problems.
    FitSuperseded
        If what is served rests on newer data or a newer version of the survey.
    DisclosureIncomplete
        If its disclosure statement would lack a required item.
    QuestionHeld
        If an analyst keeps new fits back; see ``by_hand.keep_back``.
        Like the others it is raised before anything is written, so the caller
        may catch it and go on with the transaction.
    """
    fit = get_fit(session, fit_id)
    if not fit.publishable:
        raise FitNotPublishable(fit_id)
    state = lock_state(session, fit.survey_id, fit.question_id)
    current = None if state.release_id is None else get_release(session, state.release_id)
    if current is not None and current.fit_id == fit_id:
        clear_stale(session, state, fit_id)
        return current
    _refuse_older(fit, current)
    _refuse_undisclosed(session, fit)
    if (hold := question_state(session, fit.survey_id, fit.question_id).hold) is not None:
        raise QuestionHeld(fit_id, hold.sentence)
    release = Release(
        id=uuid4().hex,
        survey_id=fit.survey_id,
        question_id=fit.question_id,
        number=state.last_number + 1,
        fit_id=fit_id,
        published_at=now,
    )
    session.add(release)
    session.flush()
    state.last_number = release.number
    state.release_id = release.id
    state.version += 1
    serving.note(session, release, now=now)
    clear_stale(session, state, fit_id)
    event: Json = {"question_id": fit.question_id, "release_id": release.id, "number": release.number, "fit_id": fit_id}
    outbox.append(session, "release-published", fit.survey_id, event, now)
    return get_release(session, release.id)


def current_release(session: Session, survey_id: str, question_id: str) -> ReleaseRecord | None:
    """What is served for a question, or None before its first release."""
    now_served = (QuestionState.survey_id == survey_id) & (QuestionState.question_id == question_id)
    row = session.execute(
        _releases().join(QuestionState, QuestionState.release_id == Release.id).where(now_served)
    ).one_or_none()
    return None if row is None else _record(*row)


def get_release(session: Session, release_id: str) -> ReleaseRecord:
    """One release.

    Raises
    ------
    ReleaseNotFound
        If no release has this id.
    """
    row = session.execute(_releases().where(Release.id == release_id)).one_or_none()
    if row is None:
        raise ReleaseNotFound(f"'{release_id}'")
    return _record(*row)


def release_at(session: Session, survey_id: str, question_id: str, moment: datetime) -> ReleaseRecord | None:
    """What was served for a question at a moment, or None if nothing was published by then."""
    release_id = serving.served_at(session, survey_id, question_id, moment)
    return None if release_id is None else get_release(session, release_id)


def list_releases(
    session: Session,
    survey_id: str,
    question_id: str | None = None,
    *,
    before: int | None = None,
    limit: int | None = None,
) -> list[ReleaseRecord]:
    """Releases of a survey or of one of its questions, newest first.

    Parameters
    ----------
    before
        Only those with a smaller number.
    """
    mine = _releases().where(Release.survey_id == survey_id).limit(limit)
    if question_id is not None:
        mine = mine.where(Release.question_id == question_id)
    if before is not None:
        mine = mine.where(Release.number < before)
    newest_first = mine.order_by(Release.published_at.desc(), Release.question_id, Release.number.desc())
    return [_record(*row) for row in session.execute(newest_first)]


def mark_stale(session: Session, survey_id: str, question_id: str, since: datetime, reason: str) -> None:
    """Say that what is served for a question lacks something.

    The oldest ``since`` is kept, the newest ``reason`` shown: first "a wave is
    not in it yet", then perhaps "the refit was rejected", about the same wave.

    Raises
    ------
    QuestionNotFound
        If the survey never asked this.
    """
    state = lock_state(session, survey_id, question_id)
    oldest = since if state.stale_since is None else min(state.stale_since, since)
    _set_stale(state, oldest, reason)
    session.flush()


def clear_stale(session: Session, state: QuestionState, fit_id: str) -> None:
    """Say of what is served, this fit, what it lacks: the changes of waves that it does not know of."""
    fit = get_fit(session, fit_id)
    changes = changes_after(session, fit.survey_id, fit.data_sequence)
    used = {fit.question_id, *partners_noted(fit.inputs)}
    missing = [change for change in changes if not used.isdisjoint(change.questions)]
    if missing:
        _set_stale(state, missing[0].at, describe_missing(missing))
    else:
        _set_stale(state, None, None)
    session.flush()


def question_state(session: Session, survey_id: str, question_id: str) -> QuestionStateRecord:
    """What is served for a question, and whether it is stale.

    Raises
    ------
    SurveyNotFound, QuestionNotFound
        If there is no such survey, or it never asked this.
    """
    mine = (QuestionState.survey_id == survey_id) & (QuestionState.question_id == question_id)
    row = session.execute(states().where(mine)).one_or_none()
    if row is None:
        # The survey itself says more: that it does not exist, or what it asks.
        surveys.get_declaration(session, survey_id).question(question_id)
        raise QuestionNotFound(survey_id, question_id)
    return state_record(*row)


def list_question_states(session: Session, survey_id: str | None = None) -> list[QuestionStateRecord]:
    """States of all questions: a few dozen small rows, cheap enough to poll for changes of ``version``."""
    every = states().order_by(QuestionState.survey_id, QuestionState.question_id)
    if survey_id is not None:
        every = every.where(QuestionState.survey_id == survey_id)
    return [state_record(*row) for row in session.execute(every)]


def lock_state(session: Session, survey_id: str, question_id: str) -> QuestionState:
    """The row of a question, for whoever changes what is served; others wait for the end of this transaction.

    Raises
    ------
    QuestionNotFound
        If the survey never asked this.
    """
    row = session.get(QuestionState, (survey_id, question_id), with_for_update=True, populate_existing=True)
    if row is None:
        raise QuestionNotFound(survey_id, question_id)
    return row


def _refuse_older(fit: FitRecord, current: ReleaseRecord | None) -> None:
    if current is None:
        return
    if fit.survey_version < current.survey_version:
        reason = f"it uses version {fit.survey_version} of the survey, the release {current.survey_version}"
        raise FitSuperseded(fit.id, current.number, reason)
    if fit.data_sequence < current.data_sequence:
        reason = f"its data end at change {fit.data_sequence} of the survey's data, the release's at "
        raise FitSuperseded(fit.id, current.number, f"{reason}{current.data_sequence}")


def _refuse_undisclosed(session: Session, fit: FitRecord) -> None:
    declaration = surveys.get_declaration(session, fit.survey_id, fit.survey_version)
    if missing := missing_items(declaration, lambda: [(one.name, one.facts) for one in waves_of_fit(session, fit)]):
        raise DisclosureIncomplete(fit.id, missing)


def _set_stale(state: QuestionState, since: datetime | None, reason: str | None) -> None:
    if (state.stale_since, state.stale_reason) != (since, reason):
        state.stale_since, state.stale_reason = since, reason
        state.version += 1


def _releases() -> Select[Release, Fit, bool]:
    has_draws = exists().where(FitDraws.fit_id == Fit.id)
    found = select(Release, Fit, has_draws).join(Fit, Release.fit_id == Fit.id)
    return found.execution_options(populate_existing=True)


def _record(release: Release, fit: Fit, has_draws: bool) -> ReleaseRecord:
    return ReleaseRecord(
        id=release.id,
        survey_id=release.survey_id,
        question_id=release.question_id,
        number=release.number,
        fit_id=release.fit_id,
        published_at=release.published_at,
        survey_version=fit.survey_version,
        engine=fit.engine,
        data_through=fit.data_through,
        data_sequence=fit.data_sequence,
        n_interviews=fit.n_interviews,
        contains_erased_at=fit.contains_erased_at,
        has_draws=has_draws,
    )
