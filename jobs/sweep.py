"""Find the refits that are missing: their jobs crashed, were cancelled, or were never asked for."""

import logging
from datetime import datetime

from sqlalchemy.orm import Session

from jobs.partners import concerned
from jobs.restate import REFIT, ask_refit, tell_asked
from jobs.settings import Settings
from polling.store import fits, queue, surveys, waves
from polling.store.records import JobRecord, SurveyVersionRecord
from polling.store.wave_events import changes_after, lock_survey
from polling.store.wave_records import WaveChange

__all__ = ["sweep"]

# Codes of jobs that would fail again on the same data and the same version of the survey.
SETTLED = frozenset(
    {"fit-refused", "kind-not-supported", "mode-not-told", "no-interviews", "refit-refused", "wave-not-convertible"}
)

log = logging.getLogger("hustings.clock")


def sweep(session: Session, settings: Settings, *, now: datetime) -> int:
    """Ask again for every refit that is missing; how many.

    A question needs one if its counts, or those of a question that is fitted with it,
    changed since the last fit, it has waves and no refit is waiting or running: the last one crashed, or was
    cancelled. What failed for a reason that lies in the data or the survey is
    not asked for again before one of them changes: the same inputs and seed
    would give the same fit, or the same refusal.
    """
    asked: list[JobRecord] = []
    for survey in surveys.list_surveys(session):
        open_jobs = queue.list_jobs(session, survey_id=survey.survey_id, states=("queued", "running"))
        waiting = {job.question_id for job in open_jobs if job.kind == REFIT}
        listed = waves.list_waves(session, survey.survey_id)
        counted = {question_id for wave in listed if wave.is_counted for question_id in wave.questions}
        declaration = surveys.get_declaration(session, survey.survey_id)
        newest = {
            question_id: change  # they come in order
            for change in changes_after(session, survey.survey_id, 0)
            for question_id in sorted(concerned(declaration, change.questions))
            if question_id in counted
        }
        for question_id, change in newest.items():
            if question_id not in waiting and not _seen(session, survey, question_id, change):
                lock_survey(session, survey.survey_id)
                job = ask_refit(session, settings, survey_id=survey.survey_id, question_id=question_id, now=now)
                asked.append(job)
                log.info("asked again for the refit of %s/%s", survey.survey_id, question_id)
    tell_asked(session, asked, now=now)
    return len(asked)


def _seen(session: Session, survey: SurveyVersionRecord, question_id: str, change: WaveChange) -> bool:
    """Tell whether a fit of the newest survey version has seen the change, or was refused for good."""
    if fits.has_seen(
        session, survey.survey_id, question_id, survey_version=survey.version, data_sequence=change.sequence
    ):
        return True
    changed_at = max(survey.created_at, change.at)
    failed = queue.list_jobs(session, survey_id=survey.survey_id, states=("failed",), question_id=question_id)
    return any(job.code in SETTLED and job.last_asked_at >= changed_at for job in failed)
