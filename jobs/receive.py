"""Receive one delivery of a wave of interviews: all of it, or nothing.

The file is read, converted and pseudonymised before the transaction begins:
that is the slow part, and a faulty file never reaches the database. Then one
write transaction stores the wave, or the next version of one that it says it
replaces, and does what follows from that (``jobs.restate``): no wave without
its refits, no refit without its wave.

The same reference, bytes, dates and facts, sent again, give the same answer
again. What contradicts that is a conflict: see ``polling.store.deliveries``,
``jobs.respondents``.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

import polars as pl
from sqlalchemy.orm import Session

from jobs import ledger
from jobs.door import admit, refuse_erased_meanwhile
from jobs.quality import held_because, quality_flags
from jobs.respondents import refuse_repeated
from jobs.restate import REFIT, restate
from jobs.settings import Settings
from jobs.wave_facts import check_facts
from polling.codebook import counted_answer
from polling.declaration import SurveyDeclaration
from polling.errors import WaveConflict, WaveRejected
from polling.faults import Fault, FaultLog
from polling.payload import to_payload
from polling.pseudonyms import pseudonymise
from polling.quarantine import to_quarantine
from polling.secrets import PseudonymKey, SecretsFile
from polling.store import deliveries, queue, suppression, surveys, waves
from polling.store.columns import Json
from polling.store.deliveries import Delivery
from polling.store.engine import Store
from polling.store.records import JobRecord
from polling.store.wave_events import data_sequence
from polling.store.wave_records import NewWave, WaveRecord
from polling.wave_file import ReadWave, read_wave

__all__ = [
    "ReceivedWave",
    "answered_questions",
    "aside_bytes",
    "form_faults",
    "is_first",
    "jobs_asked_by",
    "pseudonymised",
    "read_delivery",
    "receive_wave",
]

MAX_NAME = 200
MAX_REASON = 1000
TIME_ZONES = timedelta(days=1)
"""Where it is tomorrow already, fieldwork may have ended."""


@dataclass(frozen=True, slots=True)
class ReceivedWave:
    """What was done with a delivery."""

    wave: WaveRecord
    created: bool
    """False if this very delivery was received before; nothing was stored again."""
    jobs: tuple[JobRecord, ...]
    """The refits that it asked for, in the order of the survey's questions."""
    first_of_pollster: bool
    """True if the survey had no wave of this pollster before: a new pollster, or its name mistyped."""
    n_suppressed: int = 0
    """Interviews of erased respondents, which were not stored; told when the delivery is stored, and kept nowhere."""
    faults: tuple[Fault, ...] = ()
    """Of the rows that were set aside; told when the delivery is stored, afterwards see ``jobs.quarantine``."""
    n_faults: int = 0
    flags: tuple[Json, ...] = ()
    """What the quality checks noticed; likewise."""


def receive_wave(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,
    *,
    survey_id: str,
    pollster: str,
    reference: str | None,
    content: bytes,
    fieldwork_start: date,
    fieldwork_end: date,
    now: datetime,
    actor: str,
    facts: Mapping[str, Json] | None = None,
    replaces: str | None = None,
    reason: str | None = None,
    file_name: str | None = None,
    also: Callable[[Session, ReceivedWave], None] | None = None,
) -> ReceivedWave:
    """Store a wave, or a corrected version of one, and ask for a refit of every question that this touches.

    Parameters
    ----------
    survey_id, pollster, reference
        Whose wave it is; ``reference`` is the pollster's own name for it,
        unique per survey and pollster. None: that of the wave it replaces.
    content
        The file as sent.
    fieldwork_start, fieldwork_end
        First and last day of interviewing; not after the day of ``now`` (plus one, for time zones). Interviews
        with a date lie within them.
    now
        Time of arrival (UTC, aware).
    actor
        Who sends it: ``key:<prefix>``, ``cli:<user>``, ``source:<name>``.
    facts
        What is said of the wave: see ``jobs.wave_facts``.
    replaces
        Reference or id of the wave of this pollster that this delivery corrects: its interviews, its dates or its
        facts.
    reason
        Why; needed with ``replaces``, and meaningless without.
    also
        Called in the transaction that stored the wave, or after it was found to be stored, with the answer.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    WaveNotFound
        If it replaces a wave that the pollster does not have.
    WaveRejected
        With every fault of the file; nothing was stored.
    WaveConflict
        If it contradicts what was received before, or the respondents are those of another wave.
    ErasedMeanwhile
        If somebody in it was erased while it was read; send it again.
    SecretsError
        If waves are stored and the secrets file lacks the key of their pseudonyms, or has another one; likewise for
        the list of erased respondents.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    with store.read() as session:
        survey = surveys.get_survey(session, survey_id)
        declaration = survey.bundle.declaration
        reference = _reference(session, survey_id, pollster, reference, replaces)
        faults = form_faults(pollster, reference, fieldwork_start, fieldwork_end, now=now)
        _check_reason(reason, faults, replaces=replaces is not None)
        said = check_facts(facts or {}, declaration, faults)
        delivery = Delivery(
            survey_id=survey_id,
            pollster=pollster,
            reference=reference,
            content_sha256=sha256,
            fieldwork_start=fieldwork_start,
            fieldwork_end=fieldwork_end,
            facts=said,
            replaces=replaces is not None,
        )
        known = deliveries.find_repeated(session, delivery) if not faults else None
        used = waves.key_version_used(session, survey_id)
        listed = suppression.load(session, survey_id)
    if known is not None:
        return _again(store, known, also)
    read = read_delivery(
        content, declaration, settings, pollster=pollster, fieldwork=(fieldwork_start, fieldwork_end), faults=faults
    )
    read, n_suppressed = admit(read, listed, secrets, declaration, pollster=pollster)
    answered = answered_questions(read, declaration)
    key = secrets.pseudonym_key(survey_id, used=used)
    received, pseudonyms = pseudonymised(read, declaration, key, pollster=pollster)
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
    with store.read() as session:
        flags = quality_flags(
            session,
            survey,
            read.conversion,
            pollster=pollster,
            reference=reference,
            pseudonyms=pseudonyms,
            questions=answered,
            fieldwork=(fieldwork_start, fieldwork_end),
            key_version=key.version,
        )
    new = NewWave(
        survey_id=survey_id,
        survey_version=survey.version,
        pollster=pollster,
        reference=reference,
        content_sha256=sha256,
        payload=to_payload(received, read.value_labels),
        n_interviews=read.n_interviews,
        n_without_consent=read.n_without_consent,
        questions=answered,
        fieldwork_start=fieldwork_start,
        fieldwork_end=fieldwork_end,
        key_version=key.version,
        facts=said,
        flags=tuple(one.to_json() for one in flags),
        held=held_because(flags),
        n_quarantined=0 if read.quarantine is None else read.quarantine.height,
        quarantine=aside_bytes(read, declaration, key, pollster=pollster),
        file_name=file_name,
    )
    with store.read() as session:  # the slow part of the comparison, outside the write transaction
        seen = refuse(session, after=0)
    with store.write() as session:
        before = data_sequence(session, survey_id)
        wave, created = deliveries.add_wave(
            session, new, now=now, actor=actor, replaces=delivery.replaces, reason=reason
        )
        if created:
            refuse_erased_meanwhile(session, read, listed, secrets, declaration, pollster=pollster)
            ledger.bind_pseudonym_key(session, survey_id, key, now=now)
            refuse(session, after=seen)  # those that arrived meanwhile
            jobs = restate(session, secrets, settings, (wave,), after=before, now=now)
            answer = ReceivedWave(
                wave,
                created=True,
                jobs=jobs,
                first_of_pollster=is_first(session, wave),
                n_suppressed=n_suppressed,
                faults=read.faults,
                n_faults=read.n_faults,
                flags=new.flags,
            )
            if also is not None:
                also(session, answer)
            return answer
    return _again(store, wave, also)  # the same file arrived twice at the same moment


def _again(store: Store, wave: WaveRecord, also: Callable[[Session, ReceivedWave], None] | None) -> ReceivedWave:
    """The answer that the delivery was given when it was stored."""
    with store.write() if also is not None else store.read() as session:
        first = is_first(session, wave)
        answer = ReceivedWave(wave, created=False, jobs=jobs_asked_by(session, wave), first_of_pollster=first)
        if also is not None:
            also(session, answer)
    return answer


def _reference(session: Session, survey_id: str, pollster: str, reference: str | None, replaces: str | None) -> str:
    """The reference of the delivery: its own, or that of the wave it replaces."""
    if replaces is None:
        return reference or ""
    replaced = waves.get_wave(session, survey_id, replaces, pollster=pollster).reference
    if reference not in (None, replaced):
        raise WaveConflict(
            reference or "",
            f"it says that it replaces '{replaced}'. A corrected wave keeps its reference: send it as '{replaced}'.",
            existing_reference=replaced,
        )
    return replaced


def is_first(session: Session, wave: WaveRecord) -> bool:
    """Whether the survey had no wave of its pollster before."""
    return wave.version == 1 and waves.list_waves(session, wave.survey_id, wave.pollster)[0].id == wave.id


def jobs_asked_by(session: Session, wave: WaveRecord) -> tuple[JobRecord, ...]:
    """The refits that a wave asked for: those that were being asked for at the moment it was received."""
    found = []
    for question_id in wave.questions:
        jobs = queue.list_jobs(session, wave.survey_id, question_id=question_id)
        found += [
            job for job in jobs if job.kind == REFIT and job.first_asked_at <= wave.received_at <= job.last_asked_at
        ][:1]
    return tuple(found)


def _check_reason(reason: str | None, faults: FaultLog, *, replaces: bool) -> None:
    if replaces and not (reason and reason.strip()):
        remedy = "Say why the wave is corrected: others read it beside the estimates."
        faults.add("a wave that replaces another needs a reason", remedy, column="reason")
    elif reason is not None and not replaces:
        faults.add(
            "only a wave that replaces another has a reason", "Leave it out, or say what it replaces.", column="reason"
        )
    elif reason is not None and (len(reason) > MAX_REASON or not reason.isprintable()):
        faults.add(
            "the reason is not usable", f"Give 1 to {MAX_REASON:,} printable characters.", column="reason", value=reason
        )


def form_faults(pollster: str, reference: str, start: date, end: date, *, now: datetime) -> FaultLog:
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


def read_delivery(
    content: bytes,
    declaration: SurveyDeclaration,
    settings: Settings,
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
        read = read_wave(
            content, declaration, pollster=pollster, fieldwork=days, inflated_bytes=settings.max_inflated_mb * 1_000_000
        )
    except WaveRejected as rejected:
        faults.extend(rejected.faults, total=rejected.n_faults)
        raise WaveRejected(faults.reported(), rejected.n_rows, total=faults.total) from None
    if faults:
        raise WaveRejected(faults.reported(), read.n_interviews, total=faults.total)
    return read


def answered_questions(read: ReadWave, declaration: SurveyDeclaration) -> tuple[str, ...]:
    """Questions that somebody who is counted answered: the ones of which a refit would see something new."""
    kept = read.conversion.interviews.filter(~pl.col("excluded"))
    asked = [question for question in declaration.questions if question.id in read.conversion.questions_asked]
    counted = kept.select(counted_answer(question) for question in asked)
    return tuple(series.name for series in counted if series.null_count() < len(series))


def pseudonymised(
    read: ReadWave, declaration: SurveyDeclaration, key: PseudonymKey, *, pollster: str
) -> tuple[pl.DataFrame, pl.Series]:
    """The interviews as received, respondents replaced by pseudonyms, and these; none if the survey has no such id."""
    column = declaration.columns_of(pollster).get("respondent")
    if column not in read.received.columns:
        return read.received, pl.Series(dtype=pl.String)
    pseudonyms = pseudonymise(read.received[column], key.secret)
    return read.received.with_columns(pseudonyms), pseudonyms.drop_nulls()


def aside_bytes(read: ReadWave, declaration: SurveyDeclaration, key: PseudonymKey, *, pollster: str) -> bytes | None:
    """The rows set aside as they are stored, respondents replaced by pseudonyms; None if there are none."""
    aside = read.quarantine
    if aside is None:
        return None
    column = declaration.columns_of(pollster).get("respondent")
    if column in aside.columns:
        aside = aside.with_columns(pseudonymise(aside[column], key.secret))
    return to_quarantine(aside)
