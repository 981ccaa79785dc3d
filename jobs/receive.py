"""Receive one wave of interviews: all of it, or nothing.

The file is read, converted and pseudonymised before the transaction begins:
that is the slow part, and a faulty file never reaches the database. Then one
write transaction stores the wave, asks for a refit of every question that the
wave answers, says that what is served lacks this wave, and tells the outbox.
No wave without its refit, no refit without its wave.

The same reference, bytes and dates, sent again, give the same answer again.
Other dates, the same bytes under another reference, or the same respondents in
another form are a conflict: see ``polling.store.waves``, ``jobs.respondents``.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

import polars as pl
from sqlalchemy.orm import Session

from jobs.respondents import refuse_repeated
from jobs.settings import Settings
from polling.codebook import counted_answer
from polling.declaration import SurveyDeclaration
from polling.errors import WaveRejected
from polling.faults import FaultLog
from polling.payload import to_payload
from polling.pseudonyms import pseudonymise
from polling.secrets import PseudonymKey, SecretsFile
from polling.store import outbox, queue, releases, surveys, waves
from polling.store.engine import Store
from polling.store.records import JobRecord, NewWave, WaveRecord
from polling.wave_file import ReadWave, read_wave

__all__ = ["REFIT", "ReceivedWave", "ask_refit", "receive_wave", "refit_key"]

MAX_NAME = 200
TIME_ZONES = timedelta(days=1)
"""Where it is tomorrow already, fieldwork may have ended."""
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
    first_of_pollster: bool
    """True if the survey had no wave of this pollster before: a new pollster, or its name mistyped."""


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
        First and last day of interviewing; not after the day of ``now`` (plus one, for time zones). Interviews
        with a date lie within them.
    now
        Time of arrival (UTC, aware).

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    WaveRejected
        With every fault of the file; nothing was stored.
    WaveConflict
        If the reference was used for other bytes or dates, the bytes for another reference, or the respondents
        are those of another wave.
    SecretsError
        If waves are stored and the secrets file lacks the key of their pseudonyms.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    with store.read() as session:
        survey = surveys.get_survey(session, survey_id)
        known = waves.find_wave(session, survey_id, pollster, reference)
        if known is not None and known.content_sha256 == sha256:
            waves.require_same_fieldwork(known, fieldwork_start, fieldwork_end)
            return _again(session, known)
        used = waves.key_version_used(session, survey_id)
    declaration = survey.bundle.declaration
    faults = _form_faults(pollster, reference, fieldwork_start, fieldwork_end, now=now)
    read = _read(content, declaration, pollster=pollster, fieldwork=(fieldwork_start, fieldwork_end), faults=faults)
    answered = _answered(read, declaration)
    key = secrets.pseudonym_key(survey_id, used=used)
    received, pseudonyms = _pseudonymised(read, declaration, key, pollster=pollster)
    refuse = partial(
        refuse_repeated,
        declaration=declaration,
        pseudonyms=pseudonyms,
        pollster=pollster,
        reference=reference,
        content_sha256=sha256,
        questions=answered,
        fieldwork=(fieldwork_start, fieldwork_end),
        key_version=key.version,
    )
    payload = to_payload(received)
    with store.read() as session:  # the slow part of the comparison, outside the write transaction
        seen = refuse(session, after=0)
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
                key_version=key.version,
            ),
            now=now,
        )
        if not created:  # the same file arrived twice at the same moment
            return _again(session, wave)
        refuse(session, after=seen)  # those that arrived meanwhile
        first = _is_first(session, wave)
        asked = []
        for question_id in answered:
            asked.append(ask_refit(session, settings, survey_id=survey_id, question_id=question_id, now=now))
            reason = f"Wave {reference} of {pollster} is not in it yet."
            releases.mark_stale(session, survey_id, question_id, now, reason)
        outbox.append(session, "wave-received", survey_id, {"wave_id": wave.id, "questions": list(answered)}, now)
    return ReceivedWave(wave, created=True, jobs=tuple(asked), first_of_pollster=first)


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


def _again(session: Session, wave: WaveRecord) -> ReceivedWave:
    """The answer that the wave was given when it was stored."""
    return ReceivedWave(wave, created=False, jobs=_jobs_of(session, wave), first_of_pollster=_is_first(session, wave))


def _is_first(session: Session, wave: WaveRecord) -> bool:
    return waves.list_waves(session, wave.survey_id, wave.pollster)[0].id == wave.id


def _jobs_of(session: Session, wave: WaveRecord) -> tuple[JobRecord, ...]:
    """The refits that a wave asked for: those that were being asked for at the moment it was received."""
    found = []
    for question_id in wave.questions:
        jobs = queue.list_jobs(session, wave.survey_id, question_id=question_id)
        found += [
            job for job in jobs if job.kind == REFIT and job.first_asked_at <= wave.received_at <= job.last_asked_at
        ][:1]
    return tuple(found)


def _form_faults(pollster: str, reference: str, start: date, end: date, *, now: datetime) -> FaultLog:
    """What is wrong with what is said about the wave, as distinct from what is in it."""
    faults = FaultLog()
    for name, value in (("pollster", pollster), ("reference", reference)):
        if not value.strip() or len(value) > MAX_NAME or not value.isprintable():
            remedy = f"Give 1 to {MAX_NAME} printable characters."
            faults.add(f"the {name} is not usable", remedy, column=name, value=value)
    if end < start:
        reason = f"fieldwork ends before it starts on {start}"
        faults.add(reason, "Exchange the dates, or correct one.", column="fieldwork_end", value=end.isoformat())
    if end > (latest := now.date() + TIME_ZONES):
        reason = f"fieldwork cannot end after {latest}, the day after the wave arrived"
        faults.add(reason, "Correct the date, or send the wave later.", column="fieldwork_end", value=end.isoformat())
    return faults


def _read(
    content: bytes,
    declaration: SurveyDeclaration,
    *,
    pollster: str,
    fieldwork: tuple[date, date],
    faults: FaultLog,
) -> ReadWave:
    """The wave, or every fault of the form and of the file together."""
    if any(fault.column == "pollster" for fault in faults.reported()):  # whose columns these are is not known
        raise WaveRejected(faults.reported(), n_rows=0)
    # Dates that contradict themselves would make a fault of every interview.
    days = fieldwork if fieldwork[0] <= fieldwork[1] else None
    try:
        read = read_wave(content, declaration, pollster=pollster, fieldwork=days)
    except WaveRejected as rejected:
        faults.extend(rejected.faults, total=rejected.n_faults)
        raise WaveRejected(faults.reported(), rejected.n_rows, total=faults.total) from None
    if faults:
        raise WaveRejected(faults.reported(), read.n_interviews, total=faults.total)
    return read


def _answered(read: ReadWave, declaration: SurveyDeclaration) -> tuple[str, ...]:
    """Questions that somebody who is counted answered: the ones of which a refit would see something new."""
    kept = read.conversion.interviews.filter(~pl.col("excluded"))
    asked = [question for question in declaration.questions if question.id in read.conversion.questions_asked]
    counted = kept.select(counted_answer(question) for question in asked)
    return tuple(series.name for series in counted if series.null_count() < len(series))


def _pseudonymised(
    read: ReadWave, declaration: SurveyDeclaration, key: PseudonymKey, *, pollster: str
) -> tuple[pl.DataFrame, frozenset[str]]:
    """The interviews as received, respondents replaced by pseudonyms, and these; none if the survey has no such id."""
    column = declaration.columns_of(pollster).get("respondent")
    if column not in read.received.columns:
        return read.received, frozenset()
    pseudonyms = pseudonymise(read.received[column], key.secret)
    return read.received.with_columns(pseudonyms), frozenset(pseudonyms.drop_nulls())
