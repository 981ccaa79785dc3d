"""Which questions are stale for too long, and of which that was said."""

from datetime import datetime

from sqlalchemy.orm import Session

from polling.store import outbox
from polling.store.columns import Json
from polling.store.dialect import insert_into
from polling.store.records import QuestionStateRecord
from polling.store.releases import list_question_states
from polling.store.tables import QuestionAlarm

__all__ = ["raise_alarm", "stale_since"]


def stale_since(session: Session, moment: datetime) -> list[QuestionStateRecord]:
    """Questions that have been stale since a moment, or for longer."""
    every = list_question_states(session)
    return [one for one in every if one.stale_since is not None and one.stale_since <= moment]


def raise_alarm(session: Session, state: QuestionStateRecord, *, now: datetime) -> bool:
    """Tell the outbox that a question is stale, unless that was told since it became so; tells whether it was."""
    known = session.get(QuestionAlarm, (state.survey_id, state.question_id), populate_existing=True)
    if known is not None and known.stale_since == state.stale_since:
        return False
    told = {"stale_since": state.stale_since, "at": now}
    new = insert_into(session, QuestionAlarm).values(survey_id=state.survey_id, question_id=state.question_id, **told)
    key = [QuestionAlarm.survey_id, QuestionAlarm.question_id]
    session.execute(new.on_conflict_do_update(index_elements=key, set_=told))
    event: Json = {
        "question_id": state.question_id,
        "release_id": state.release_id,
        "stale_since": None if state.stale_since is None else state.stale_since.isoformat(),
        "stale_reason": state.stale_reason,
    }
    outbox.append(session, "question-stale", state.survey_id, event, now)
    return True
