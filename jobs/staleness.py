"""Raise an alarm when what is served has been stale for too long: once for each time that it became stale."""

import logging
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from jobs.settings import Settings
from polling.store import alarms

__all__ = ["raise_alarms"]

log = logging.getLogger("hustings.clock")


def raise_alarms(session: Session, settings: Settings, *, now: datetime) -> int:
    """Say of every question that is stale for longer than ``stale_alarm_s`` that it is; how many are.

    A warning in the log and an event ``question-stale`` in the outbox, once; `hustings doctor` says it for as long as
    it lasts.
    """
    stale = alarms.stale_since(session, now - timedelta(seconds=settings.stale_alarm_s))
    for state in stale:
        if state.stale_since is not None and alarms.raise_alarm(session, state, now=now):
            place, since = f"{state.survey_id}/{state.question_id}", f"{state.stale_since:%Y-%m-%d %H:%M}"
            log.warning("%s is stale since %s UTC: %s", place, since, state.stale_reason)
    return len(stale)
