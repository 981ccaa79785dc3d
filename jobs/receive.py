"""Receive one wave of interviews: all of it, or nothing.

The file is read, converted and pseudonymised before the transaction begins:
that is the slow part, and a faulty file never reaches the database. Then one
write transaction stores the wave, asks for a refit of every question that the
wave answers, says that what is served lacks this wave, and tells the outbox.
No wave without its refit, no refit without its wave.

The same reference and bytes, sent again, give the same answer again.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl
from sqlalchemy.orm import Session

from jobs.settings import Settings
from polling.declaration import SurveyDeclaration
from polling.errors import WaveRejected
from polling.faults import Fault
from polling.payload import to_payload
from polling.pseudonyms import pseudonymise
from polling.secrets import SecretsFile
from polling.store import outbox, queue, releases, surveys, waves
from polling.store.engine import Store
from polling.store.records import JobRecord, NewWave, WaveRecord
from polling.wave_file import ReadWave, read_wave

__all__ = ["REFIT", "ReceivedWave", "ask_refit", "receive_wave", "refit_key"]

MAX_NAME = 200
REFIT = "refit"
"""The kind of job that fits one question and publishes the result."""


@dataclass(frozen=True, slots=True)
class ReceivedWave:
    """What was done with a wave."""

    wave: WaveRecord
    created: bool
    """False if the same bytes were received before under the same reference; nothing was stored again."""
    jobs: tuple[JobRecord, ...]
    """The refits that this wave asked for, in the order of the survey's questions."""


def receive_wave(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,
    *,
    survey_id: str,
    pollster: str,
    reference: str,
    content: bytes,
    fieldwork_start: date,
    fieldwork_end: date,
    now: datetime,
) -> ReceivedWave:
    """Store a wave and ask for a refit of every question that it answers.

    Parameters
    ----------
    survey_id, pollster, reference
        Whose wave it is; ``reference`` is the pollster's own name for it,
        unique per survey and pollster.
    content
        The file as sent, CSV or Parquet.
    fieldwork_start, fieldwork_end
        First and last day of interviewing.
    now
        Time of arrival (UTC, aware).

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    WaveRejected
        With every fault of the file; nothing was stored.
    WaveConflict
        If the reference was used for other bytes, or the bytes for another reference.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    with store.read() as session:
        survey = surveys.get_survey(session, survey_id)
        known = waves.find_wave(session, survey_id, pollster, reference)
        if known is not None and known.content_sha256 == sha256:
            return ReceivedWave(known, created=False, jobs=_jobs_of(session, known))
    declaration = survey.bundle.declaration
    faults = _name_faults(pollster, reference, fieldwork_start, fieldwork_end)
    if faults:
        raise WaveRejected(faults, n_rows=0)
    read = read_wave(content, declaration, pollster=pollster)
    answered = _answered(read, declaration)
    payload, key_version = _payload(read, declaration, secrets, survey_id=survey_id, pollster=pollster)
    with store.write() as session:
        wave, created = waves.add_wave(
            session,
            NewWave(
                survey_id=survey_id,
                survey_version=survey.version,
                pollster=pollster,
                reference=reference,
                content_sha256=sha256,
                payload=payload,
                n_interviews=read.n_interviews,
                questions=answered,
                fieldwork_start=fieldwork_start,
                fieldwork_end=fieldwork_end,
                key_version=key_version,
            ),
            now=now,
        )
        if not created:  # the same file arrived twice at the same moment
            return ReceivedWave(wave, created=False, jobs=_jobs_of(session, wave))
        asked = []
        for question_id in answered:
            asked.append(ask_refit(session, settings, survey_id=survey_id, question_id=question_id, now=now))
            reason = f"Wave {reference} of {pollster} is not in it yet."
            releases.mark_stale(session, survey_id, question_id, now, reason)
        outbox.append(session, "wave-received", survey_id, {"wave_id": wave.id, "questions": list(answered)}, now)
    return ReceivedWave(wave, created=True, jobs=tuple(asked))


def refit_key(survey_id: str, question_id: str) -> str:
    """The queue key of a question's refit; two asks with the same key are one job."""
    return f"{survey_id}/{question_id}"


def ask_refit(session: Session, settings: Settings, *, survey_id: str, question_id: str, now: datetime) -> JobRecord:
    """Ask for a refit of one question; a burst of asks makes one job."""
    return queue.ask(
        session,
        kind=REFIT,
        key=refit_key(survey_id, question_id),
        survey_id=survey_id,
        question_id=question_id,
        now=now,
        quiet=settings.quiet,
        patience=settings.patience,
        max_attempts=settings.max_attempts,
    )


def _jobs_of(session: Session, wave: WaveRecord) -> tuple[JobRecord, ...]:
    """The refits that a wave asked for: those that were being asked for at the moment it was received."""
    found = []
    for question_id in wave.questions:
        jobs = queue.list_jobs(session, wave.survey_id, question_id=question_id)
        found += [
            job for job in jobs if job.kind == REFIT and job.first_asked_at <= wave.received_at <= job.last_asked_at
        ][:1]
    return tuple(found)


def _name_faults(pollster: str, reference: str, start: date, end: date) -> list[Fault]:
    """What is wrong with what is said about the wave, as distinct from what is in it."""
    faults = []
    for name, value in (("pollster", pollster), ("reference", reference)):
        if not value.strip() or len(value) > MAX_NAME or not value.isprintable():
            faults.append(
                Fault(
                    None, None, name, value, f"the {name} is not usable", f"Give 1 to {MAX_NAME} printable characters."
                )
            )
    if end < start:
        faults.append(
            Fault(
                None,
                None,
                "fieldwork_end",
                end.isoformat(),
                f"fieldwork ends before it starts on {start}",
                "Exchange the dates, or correct one.",
            )
        )
    return faults


def _answered(read: ReadWave, declaration: SurveyDeclaration) -> tuple[str, ...]:
    """Questions that somebody who is counted answered: the ones of which a refit would see something new."""
    counted = read.conversion.interviews.filter(~pl.col("excluded"))
    return tuple(
        question.id for question in declaration.questions if counted[question.id].null_count() < counted.height
    )


def _payload(
    read: ReadWave, declaration: SurveyDeclaration, secrets: SecretsFile, *, survey_id: str, pollster: str
) -> tuple[bytes, int]:
    """The interviews as received, respondents replaced by pseudonyms, and the version of the key."""
    key = secrets.pseudonym_key(survey_id)
    received = read.received
    column = declaration.columns_of(pollster).get("respondent")
    if column in received.columns:
        received = received.with_columns(pseudonymise(received[column], key.secret))
    return to_payload(received), key.version
