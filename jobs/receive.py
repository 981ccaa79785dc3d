"""Receive one delivery of a wave of interviews: all of it, or nothing.

The file is read, converted and pseudonymised before the transaction begins
(``jobs.delivery``): that is the slow part, and a faulty file never reaches the
database. Then one write transaction stores the wave, or the next version of
one that it says it replaces, and does what follows from that
(``jobs.restate``): no wave without its refits, no refit without its wave.

The same reference, bytes, dates and facts, sent again, give the same answer
again. What contradicts that is a conflict: see ``polling.store.deliveries``,
``jobs.respondents``.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy.orm import Session

from jobs.delivery import PreparedDelivery, form_faults, known_of, prepare, read_delivery, with_consent
from jobs.quality import held_because, quality_flags
from jobs.restate import REFIT, restate
from jobs.settings import Settings
from jobs.wave_facts import check_facts
from polling.errors import WaveConflict
from polling.faults import Fault, FaultLog
from polling.secrets import SecretsFile
from polling.store import deliveries, queue, waves
from polling.store.columns import Json
from polling.store.deliveries import Delivery
from polling.store.engine import Store
from polling.store.records import JobRecord
from polling.store.wave_events import data_sequence
from polling.store.wave_records import NewWave, WaveRecord

__all__ = ["ReceivedWave", "is_first", "jobs_asked_by", "receive_wave"]

MAX_REASON = 1000


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
    """Rows of erased respondents, which were neither stored nor set aside; told when the delivery is stored, and kept
    nowhere."""
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
    with store.read() as session:
        known = known_of(session, survey_id)
        declaration = known.survey.bundle.declaration
        reference = _reference(session, survey_id, pollster, reference, replaces)
        faults = form_faults(pollster, reference, fieldwork_start, fieldwork_end, now=now)
        _check_reason(reason, faults, replaces=replaces is not None)
        delivery = Delivery(
            survey_id=survey_id,
            pollster=pollster,
            reference=reference,
            content_sha256=hashlib.sha256(content).hexdigest(),
            fieldwork_start=fieldwork_start,
            fieldwork_end=fieldwork_end,
            facts=check_facts(facts or {}, declaration, faults),
            replaces=replaces is not None,
        )
        repeated = deliveries.find_repeated(session, delivery) if not faults else None
    if repeated is not None:
        return _again(store, repeated, also)
    fieldwork = (fieldwork_start, fieldwork_end)
    read = read_delivery(content, declaration, settings, pollster=pollster, fieldwork=fieldwork, faults=faults)
    prepared = prepare(read, delivery, known, secrets, fieldwork=fieldwork, file_name=file_name)
    with store.read() as session:  # the slow part of the comparisons, outside the write transaction
        new = _flagged(session, prepared)
        seen = prepared.refuse(session, after=0)
    with store.write() as session:
        before = data_sequence(session, survey_id)
        wave, created = deliveries.add_wave(
            session, new, now=now, actor=actor, replaces=delivery.replaces, reason=reason
        )
        if created:
            prepared.confirm(session, secrets, after=seen, now=now)
            answer = ReceivedWave(
                wave,
                created=True,
                jobs=restate(session, secrets, settings, (wave,), after=before, now=now),
                first_of_pollster=is_first(session, wave),
                n_suppressed=prepared.n_suppressed,
                faults=read.faults,
                n_faults=read.n_faults,
                flags=new.flags,
            )
            if also is not None:
                also(session, answer)
            return answer
    return _again(store, wave, also)  # the same file arrived twice at the same moment


def _flagged(session: Session, prepared: PreparedDelivery) -> NewWave:
    """With what the quality checks notice, and why it waits for an analyst if it does."""
    new = prepared.new
    flags = quality_flags(
        session,
        prepared.known.survey,
        prepared.read.conversion,
        pollster=new.pollster,
        reference=new.reference,
        pseudonyms=prepared.pseudonyms,
        questions=new.questions,
        fieldwork=prepared.fieldwork,
        key_version=new.key_version,
    )
    flags = with_consent(flags, prepared)
    return replace(new, flags=tuple(one.to_json() for one in flags), held=held_because(flags))


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
