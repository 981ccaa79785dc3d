"""Which releases tell who belongs to a population, for the estimates of other questions.

A release is answered together with the release of the other question that was served when it was published: what it
says of a population never changes by itself. If nothing of the other question was served by then, its first release
counts; if that release was taken back, the one that took its place; if its draws had to be deleted, as an erasure
demands, the next one that has draws. Which one it is stands in every answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from polling.population import Population
from polling.store import releases, serving, surveys
from polling.store.fits import get_fit
from polling.store.records import ReleaseRecord
from polling.store.tables import FitDraws, Release

__all__ = ["TellingRelease", "needed_fits", "telling_questions", "telling_release"]


@dataclass(frozen=True, slots=True)
class TellingRelease:
    """A release of a question that tells who belongs to a population."""

    release: ReleaseRecord
    newest: int
    """Number of the release of its question that is served now."""
    meets_totals: bool = False
    """Whether its draws meet known totals, so that what respondents say of themselves is put right by area."""


def telling_questions(populations: Iterable[Population]) -> tuple[str, ...]:
    """The questions that tell who belongs to some populations, each once."""
    return tuple(dict.fromkeys(one.question for one in populations))


def telling_release(session: Session, release: ReleaseRecord, question_id: str) -> TellingRelease | None:
    """The release of another question that a release is answered with; None if there is none with draws yet."""
    survey_id = release.survey_id
    current = releases.current_release(session, survey_id, question_id)
    if current is None:
        return None
    then = serving.served_at(session, survey_id, question_id, release.published_at)
    found = None if then is None else releases.get_release(session, then)
    while found is not None and (after := serving.successor(session, found)) is not None:
        if after.kind != "rolled-back":
            break
        found = releases.get_release(session, after.release_id)
    if found is None or not found.has_draws:
        later = releases.list_releases(session, survey_id, question_id)
        usable = [one for one in later if one.has_draws and (found is None or one.number > found.number)]
        found = min(usable, key=lambda one: one.number, default=None)
    return None if found is None else TellingRelease(found, current.number, _meets_totals(session, found))


def _meets_totals(session: Session, release: ReleaseRecord) -> bool:
    inputs: Any = get_fit(session, release.fit_id).inputs
    noted = inputs.get("known_totals") if isinstance(inputs, dict) else None
    # Those of another question move this one, and are not met by it.
    return noted is not None and noted["question"] == release.question_id


def needed_fits(session: Session, fit_ids: Iterable[str]) -> set[str]:
    """Those of some fits that the releases of other questions, as far as their draws are kept, are answered with."""
    going = set(fit_ids)
    if not going:
        return set()
    rows = session.execute(select(Release.survey_id, Release.question_id).where(Release.fit_id.in_(going)).distinct())
    questions: dict[str, set[str]] = {}
    for survey_id, question_id in rows:
        questions.setdefault(survey_id, set()).add(question_id)
    needed: set[str] = set()
    for survey_id, asked in questions.items():
        versions = surveys.list_versions(session, survey_id)
        declared = [surveys.get_declaration(session, survey_id, one.version) for one in versions]
        telling = {one for each in declared for one in telling_questions(each.populations)}
        if wanted := asked & telling:
            needed |= _needed(session, survey_id, wanted, telling, going)
    return needed & going


def _needed(session: Session, survey_id: str, wanted: set[str], telling: set[str], going: set[str]) -> set[str]:
    with_draws = (
        select(Release.id)
        .join(FitDraws, FitDraws.fit_id == Release.fit_id)
        .where(Release.survey_id == survey_id, Release.question_id.not_in(telling), Release.fit_id.not_in(going))
    )
    answering = [releases.get_release(session, one) for one in session.scalars(with_draws).all()]
    found = (telling_release(session, one, question) for one in answering for question in wanted)
    return {one.release.fit_id for one in found if one is not None}
