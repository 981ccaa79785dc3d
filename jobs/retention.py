"""Keep interviews no longer than a survey declares, and counts per cell after that (``polling.purged``).

``[retention] respondents_days`` after the last day of fieldwork, or after the day of its arrival if it tells none, a
delivery is reduced to counts per cell: every version of a wave, with what was set aside, whatever became of it. Open
waves are left until they are closed. The refits that follow count what is left, and say what is missing.

Who declares a window (``[time] window_days``) loses nothing by a longer retention: interviews outside it do not count.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from jobs.erasure import ask_free
from jobs.restate import restate
from jobs.settings import Settings
from polling.payload import from_payload
from polling.purged import reduce_to_counts
from polling.secrets import SecretsFile
from polling.store import retention, surveys, waves
from polling.store.wave_events import data_sequence, lock_survey

__all__ = ["MOST_WAVES", "Purged", "purge", "purge_all"]

MOST_WAVES = 20
"""Waves that one transaction purges; the others wait for the next."""


@dataclass(frozen=True, slots=True)
class Purged:
    """What was purged."""

    waves: tuple[str, ...]
    """Ids of the waves."""
    n_interviews: int
    """Interviews of which only counts are left, in all their versions."""
    n_left: int
    """Waves that are due and wait for the next time."""


def purge(
    session: Session, secrets: SecretsFile, settings: Settings, survey_id: str, *, now: datetime, actor: str
) -> Purged:
    """Reduce to counts the waves of a survey whose time is over, at most ``MOST_WAVES``.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    """
    lock_survey(session, survey_id)
    declaration = surveys.get_declaration(session, survey_id)
    days = declaration.retention.respondents_days
    if days is None:
        return Purged((), 0, 0)
    due = retention.due_parts(session, survey_id, last_day=_last_day(now, days))
    chosen = list(dict.fromkeys(part.wave_id for part in due))[:MOST_WAVES]
    before, n_interviews = data_sequence(session, survey_id), 0
    for part in due:
        if part.wave_id in chosen:
            payload = retention.load_payload(session, part)
            counts = reduce_to_counts(from_payload(payload), declaration, pollster=part.pollster)
            retention.put_counts(session, part, counts, sha256=hashlib.sha256(counts).hexdigest())
            n_interviews += part.n_interviews
    for wave_id in chosen:
        retention.append_purged(session, wave_id, now=now, actor=actor)
    if chosen:
        changed = tuple(waves.get_wave(session, survey_id, wave_id) for wave_id in chosen)
        restate(session, secrets, settings, changed, after=before, now=now)
        ask_free(session, now=now)
    n_due = len({part.wave_id for part in due})
    return Purged(tuple(chosen), n_interviews, n_due - len(chosen))


def purge_all(session: Session, secrets: SecretsFile, settings: Settings, *, now: datetime, actor: str) -> None:
    """Purge what is due in every survey."""
    for survey in surveys.list_surveys(session):
        purge(session, secrets, settings, survey.survey_id, now=now, actor=actor)


def _last_day(now: datetime, days: int) -> date:
    """Fieldwork that ended on this day or before is over for long enough."""
    return now.date() - timedelta(days=days)
