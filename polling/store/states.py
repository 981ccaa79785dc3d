"""Read the states of questions: what is served, why it is stale, and whether an analyst holds it."""

from sqlalchemy import select
from sqlalchemy.sql import Select

from polling.store.records import QuestionStateRecord
from polling.store.release_records import HoldRecord
from polling.store.tables import QuestionHold, QuestionState, Release

__all__ = ["state_record", "states"]


def states() -> Select[QuestionState, QuestionHold | None, int | None]:
    """States of all questions with their holds, and the number of the release that was taken back."""
    mine = (QuestionHold.survey_id == QuestionState.survey_id) & (QuestionHold.question_id == QuestionState.question_id)
    found = select(QuestionState, QuestionHold, Release.number).outerjoin(QuestionHold, mine)
    found = found.outerjoin(Release, Release.id == QuestionHold.taken_back_id)
    return found.execution_options(populate_existing=True)


def state_record(row: QuestionState, held: QuestionHold | None, taken_back: int | None) -> QuestionStateRecord:
    """The record of a row of ``states``: what an analyst holds is stale by that."""
    hold, since, reason = None, row.stale_since, row.stale_reason
    if held is not None:
        hold = HoldRecord(at=held.at, actor=held.actor, reason=held.reason, taken_back=taken_back, fit_id=held.fit_id)
        # What is held is stale by that alone: nobody can tell what the next fit would say.
        since = held.at if since is None else min(since, held.at)
        reason = " ".join(filter(None, (hold.sentence, row.stale_reason)))
    return QuestionStateRecord(
        survey_id=row.survey_id,
        question_id=row.question_id,
        version=row.version,
        release_id=row.release_id,
        stale_since=since,
        stale_reason=reason,
        hold=hold,
    )
