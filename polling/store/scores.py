"""How close releases came to what is known to have happened. A score is written once and stays."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from polling.store.dialect import insert_into
from polling.store.tables import Fit, KnownResult, Release, ReleaseScore

__all__ = ["ScoreRecord", "add_score", "list_scores", "questions_to_score", "unscored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRecord:
    """How close a release came to a current result."""

    release_id: str
    number: int
    published_at: datetime
    engine: str
    n_interviews: int
    """Exact: to be rounded for readers."""
    data_through: date | None
    result_id: str
    refers_to: date
    scored_at: datetime
    scores: Any | None
    """A list of objects, see ``jobs.release_scores``; None if there are none."""
    unscored: str | None
    """Why there are none."""

    @property
    def lead_days(self) -> int | None:
        """Days from the release's last interview to the result; negative if it was later. None: no date is told."""
        return None if self.data_through is None else (self.refers_to - self.data_through).days


def add_score(
    session: Session,
    release_id: str,
    result_id: str,
    *,
    scores: Any | None,
    unscored: str | None,
    now: datetime,
) -> None:
    """Keep the scores of a release, or why it has none; what is there already stays."""
    new = insert_into(session, ReleaseScore).values(
        release_id=release_id, result_id=result_id, scored_at=now, scores=scores, unscored=unscored
    )
    session.execute(new.on_conflict_do_nothing())


def list_scores(session: Session, survey_id: str, question_id: str) -> list[ScoreRecord]:
    """Scores of a question's releases against its current results: the latest result first, then releases in order."""
    found = (
        select(ReleaseScore, Release, Fit, KnownResult)
        .join(Release, Release.id == ReleaseScore.release_id)
        .join(Fit, Fit.id == Release.fit_id)
        .join(KnownResult, KnownResult.id == ReleaseScore.result_id)
        .where(
            KnownResult.survey_id == survey_id, KnownResult.question_id == question_id, KnownResult.state == "current"
        )
        .order_by(KnownResult.refers_to.desc(), Release.number)
    )
    return [
        ScoreRecord(
            release_id=release.id,
            number=release.number,
            published_at=release.published_at,
            engine=fit.engine,
            n_interviews=fit.n_interviews,
            data_through=fit.data_through,
            result_id=result.id,
            refers_to=result.refers_to,
            scored_at=score.scored_at,
            scores=score.scores,
            unscored=score.unscored,
        )
        for score, release, fit, result in session.execute(found)
    ]


def unscored(session: Session, survey_id: str, question_id: str) -> list[tuple[str, str]]:
    """Ids of release and current result that were not looked at together, the newest releases first."""
    found = _missing(select(Release.id, KnownResult.id)).where(
        Release.survey_id == survey_id, Release.question_id == question_id
    )
    rows = session.execute(found.order_by(Release.number.desc(), KnownResult.refers_to.desc()))
    return [(release_id, result_id) for release_id, result_id in rows]


def questions_to_score(session: Session) -> list[tuple[str, str]]:
    """Survey and question of releases that were not compared with a current result, sorted."""
    found = _missing(select(Release.survey_id, Release.question_id)).distinct()
    return sorted((survey_id, question_id) for survey_id, question_id in session.execute(found))


def _missing(selected: Any) -> Any:
    there = exists().where(ReleaseScore.release_id == Release.id, ReleaseScore.result_id == KnownResult.id)
    same = (KnownResult.survey_id == Release.survey_id) & (KnownResult.question_id == Release.question_id)
    return selected.join(KnownResult, same).where(KnownResult.state == "current", ~there)
