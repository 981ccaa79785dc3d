"""Open a wave, take its interviews in batches while fieldwork lasts, close it.

A batch is NDJSON, one interview per line, checked like a file: all of it is
stored or nothing. Its number makes it the same batch when it comes again. One
transaction stores the batch and does what follows (``jobs.restate``), as for a
file; over a quality limit it waits for an analyst (``jobs.open_quality``). A
respondent of an earlier batch, or of another wave of the same fieldwork, is a
fault: a wave asks everybody once.

Until it is closed a wave can be withdrawn, restored and, as a whole, undone
(``jobs.wave_life``); it cannot be corrected by a file.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

import polars as pl
from sqlalchemy.orm import Session

from jobs.delivery import TIME_ZONES, Known, PreparedDelivery, form_faults, known_of, prepare, read_delivery
from jobs.open_quality import flag_batch, judge_closed
from jobs.receive import ReceivedWave, is_first, jobs_asked_by
from jobs.restate import restate
from jobs.settings import Settings
from jobs.wave_facts import check_facts
from jobs.wave_life import Also, ChangedWaves
from polling.errors import WaveRejected
from polling.faults import FaultLog
from polling.formats.recognise import recognise
from polling.payload import payload_column
from polling.secrets import SecretsFile
from polling.store import batches, open_waves, surveys, waves
from polling.store.batches import KnownBatch
from polling.store.columns import Json
from polling.store.deliveries import Delivery
from polling.store.engine import Store
from polling.store.wave_events import data_sequence, lock_survey
from polling.store.wave_records import OPEN, WaveRecord
from polling.wave_file import ReadWave

__all__ = ["MAX_NUMBER", "ReceivedBatch", "close_due", "close_wave", "open_wave", "receive_batch"]

MAX_NUMBER = 1_000_000


@dataclass(frozen=True, slots=True)
class ReceivedBatch:
    """What was done with a batch."""

    number: int
    n_interviews: int
    """Interviews in it; ``received.wave`` has those of the whole wave."""
    received: ReceivedWave


def open_wave(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,
    *,
    survey_id: str,
    pollster: str,
    reference: str,
    fieldwork_start: date,
    closes_on: date | None = None,
    facts: Mapping[str, Json] | None = None,
    now: datetime,
    actor: str,
    also: Also | None = None,
) -> ChangedWaves:
    """Open a wave; the same words again are the same wave.

    Parameters
    ----------
    fieldwork_start
        First day of interviewing; not after the day of ``now`` (plus one, for time zones).
    closes_on
        Last day (UTC) on which it takes batches; the clock closes it afterwards. None: until it is closed.
    facts
        What is said of the wave: see ``jobs.wave_facts``.
    also
        Called with the answer before the transaction ends.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    WaveRejected
        With everything that is wrong with what is said.
    WaveConflict
        If the reference is taken by a wave of which something else was said.
    """
    with store.write() as session:
        survey = surveys.get_survey(session, survey_id)
        faults = form_faults(pollster, reference, fieldwork_start, fieldwork_start, now=now)
        said = check_facts(facts or {}, survey.bundle.declaration, faults)
        if closes_on is not None and closes_on < fieldwork_start:
            faults.add(
                f"the wave closes before its fieldwork starts on {fieldwork_start}",
                "Correct one of the dates.",
                column="closes_on",
                value=closes_on.isoformat(),
            )
        if faults:
            raise WaveRejected(faults.reported(), 0, total=faults.total)
        before = data_sequence(session, survey_id)
        wave, created = open_waves.open_wave(
            session,
            survey_id=survey_id,
            survey_version=survey.version,
            pollster=pollster,
            reference=reference,
            fieldwork_start=fieldwork_start,
            closes_on=closes_on,
            facts=said,
            now=now,
            actor=actor,
        )
        return _answer(session, secrets, settings, wave, changed=created, before=before, now=now, also=also)


def receive_batch(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,
    *,
    survey_id: str,
    wave: str,
    number: int,
    content: bytes,
    pollster: str | None = None,
    now: datetime,
    actor: str,
    also: Callable[[Session, ReceivedBatch], None] | None = None,
) -> ReceivedBatch:
    """Store one batch of an open wave and ask for a refit of every question that it answers.

    Parameters
    ----------
    wave
        Its id, or its pollster's reference.
    number
        1 or more; batches may come in any order.
    content
        The interviews as NDJSON.
    pollster
        Whose waves may be reached; None for everybody's.
    also
        Called in the transaction that stored the batch, or after it was found to be stored, with the answer.

    Raises
    ------
    WaveNotFound
        If there is no such wave, or it is another pollster's.
    WaveRejected
        With every fault of the batch; nothing was stored.
    WaveConflict
        If the number came with other bytes, or the interviews are those of another wave.
    WaveStateRefused
        If the wave is not open (any more).
    """
    sha256 = hashlib.sha256(content).hexdigest()
    with store.read() as session:
        known = known_of(session, survey_id)
        found = waves.get_wave(session, survey_id, wave, pollster=pollster)
        # A number out of range is a fault like others; the database may not even have room for it.
        repeated = batches.find_batch(session, found, number, sha256) if 1 <= number <= MAX_NUMBER else None
        so_far = batches.gathered(session, found)
    if repeated is not None:
        return _again(store, found, repeated, also)
    batches.require_open(found, today=now.date())
    assert found.fieldwork_start is not None  # an open wave has one
    fieldwork = (found.fieldwork_start, now.date() + TIME_ZONES)
    read = _read_batch(content, number, known, settings, pollster=found.pollster, fieldwork=fieldwork)
    # One key for the whole wave, or a respondent of an earlier batch could not be recognised.
    key_version = None if so_far is None else so_far.key_version
    delivery = _delivery(found, sha256)
    prepared = prepare(read, delivery, known, secrets, fieldwork=fieldwork, key_version=key_version)
    with store.read() as session:  # the slow part of the comparisons, outside the write transaction
        new = replace(flag_batch(session, found, prepared), fieldwork_end=_last_day(prepared.read, now))
        seen = prepared.refuse(session, after=0)
    with store.write() as session:
        lock_survey(session, survey_id)
        found = waves.get_wave(session, survey_id, wave, pollster=pollster)
        repeated = batches.find_batch(session, found, number, sha256)
        if repeated is None:
            batches.require_open(found, today=now.date())
            _refuse_known(session, found, prepared)
            prepared.confirm(session, secrets, after=seen, now=now)
            before = data_sequence(session, survey_id)
            stored = batches.add_batch(session, found, number, new, now=now, actor=actor)
            answer = ReceivedWave(
                stored,
                created=True,
                jobs=restate(session, secrets, settings, (stored,), after=before, now=now),
                first_of_pollster=is_first(session, stored),
                n_suppressed=prepared.n_suppressed,
                flags=new.flags,
            )
            batch = ReceivedBatch(number, new.n_interviews, answer)
            if also is not None:
                also(session, batch)
            return batch
    return _again(store, found, repeated, also)  # the same batch arrived twice at the same moment


def _delivery(wave: WaveRecord, sha256: str) -> Delivery:
    """What is said of a batch: what was said of its wave."""
    return Delivery(
        survey_id=wave.survey_id,
        pollster=wave.pollster,
        reference=wave.reference,
        content_sha256=sha256,
        fieldwork_start=wave.fieldwork_start,
        fieldwork_end=None,
        facts=wave.facts,
        replaces=False,
    )


def _read_batch(
    content: bytes, number: int, known: Known, settings: Settings, *, pollster: str, fieldwork: tuple[date, date]
) -> ReadWave:
    faults = FaultLog()
    if not 1 <= number <= MAX_NUMBER:
        faults.add("the number of a batch is out of range", f"Give 1 to {MAX_NUMBER:,}.", value=str(number))
    declaration = known.survey.bundle.declaration
    if recognise(content) == "csv":  # its columns would be missed in vain
        faults.add("a batch is NDJSON, one interview per line", "Send other formats as a wave of their own.")
        raise WaveRejected(faults.reported(), 0, total=faults.total)
    read = read_delivery(content, declaration, settings, pollster=pollster, fieldwork=fieldwork, faults=faults)
    if read.format != "ndjson":
        faults.add("a batch is NDJSON, one interview per line", "Send other formats as a wave of their own.")
        raise WaveRejected(faults.reported(), read.n_interviews, total=faults.total)
    return read


def close_wave(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,
    *,
    survey_id: str,
    wave: str,
    pollster: str | None = None,
    now: datetime,
    actor: str,
    also: Also | None = None,
) -> ChangedWaves:
    """Take no more batches; a wave that is closed already stays as it is, one without interviews is withdrawn.

    A wave over a quality limit is held: see ``jobs.open_quality``.

    Raises
    ------
    WaveNotFound
        If there is no such wave, or it is another pollster's.
    WaveStateRefused
        If it was withdrawn, or was never open.
    """
    with store.write() as session:
        lock_survey(session, survey_id)
        before = data_sequence(session, survey_id)
        found = waves.get_wave(session, survey_id, wave, pollster=pollster)
        after = _closed(session, found, now=now, actor=actor)
        changed = after.changed != found.changed
        return _answer(session, secrets, settings, after, changed=changed, before=before, now=now, also=also)


def close_due(session: Session, secrets: SecretsFile, settings: Settings, *, now: datetime, actor: str) -> None:
    """Close every open wave whose last day has passed."""
    due = open_waves.past_their_date(session, now.date())
    for survey_id in sorted({late.survey_id for late in due}):
        # All of them first: with the first wave closed, nobody else can tell of what it does in another survey.
        lock_survey(session, survey_id)
    for late in due:
        before = data_sequence(session, late.survey_id)
        found = waves.get_wave(session, late.survey_id, late.id)
        after = _closed(session, found, now=now, actor=actor)
        _answer(session, secrets, settings, after, changed=True, before=before, now=now, also=None)


def _closed(session: Session, wave: WaveRecord, *, now: datetime, actor: str) -> WaveRecord:
    """Close a wave, once; it is looked at in the transaction: nothing may join it meanwhile."""
    flags, held = judge_closed(session, wave) if wave.state == OPEN else ((), None)
    return open_waves.close_wave(session, wave, flags=flags, held=held, now=now, actor=actor)


def _answer(
    session: Session,
    secrets: SecretsFile,
    settings: Settings,
    wave: WaveRecord,
    *,
    changed: bool,
    before: int,
    now: datetime,
    also: Also | None,
) -> ChangedWaves:
    jobs = restate(session, secrets, settings, (wave,), after=before, now=now) if changed else ()
    answer = ChangedWaves((wave,), (), jobs) if changed else ChangedWaves((), (wave,), jobs)
    if also is not None:
        also(session, answer)
    return answer


def _again(
    store: Store, wave: WaveRecord, known: KnownBatch, also: Callable[[Session, ReceivedBatch], None] | None
) -> ReceivedBatch:
    """The answer that the batch was given when it was stored."""
    with store.write() if also is not None else store.read() as session:
        jobs = jobs_asked_by(session, replace(wave, received_at=known.received_at))
        answer = ReceivedWave(wave, created=False, jobs=jobs, first_of_pollster=is_first(session, wave))
        batch = ReceivedBatch(known.number, known.n_interviews, answer)
        if also is not None:
            also(session, batch)
    return batch


def _refuse_known(session: Session, wave: WaveRecord, prepared: PreparedDelivery) -> None:
    """Refuse respondents whom an earlier batch of the wave has.

    Raises
    ------
    WaveRejected
        Naming their rows, and none of them.
    """
    received = prepared.received
    column = prepared.known.survey.bundle.declaration.columns_of(wave.pollster).get("respondent")
    if column is None or column not in received.columns:
        return
    so_far = batches.gathered(session, wave)
    parts = [] if so_far is None else waves.load_payloads(session, wave, version=so_far.version)
    before = {one for part in parts for one in payload_column(part, column)}
    rows = prepared.read.conversion.interviews["row"]
    known = rows.filter(received[column].is_in(pl.Series(list(before), dtype=pl.String).implode()))
    if len(known):
        faults = FaultLog()
        reason, remedy = "the respondent is in an earlier batch of this wave", "Leave it out: everybody counts once."
        faults.add_rows(known, None, reason, remedy, column=column)
        raise WaveRejected(faults.reported(), received.height, total=faults.total)


def _last_day(read: ReadWave, now: datetime) -> date:
    """The last day that the interviews tell of, or else the day they came."""
    last = read.conversion.interviews["date"].max() if "date" in read.conversion.interviews.columns else None
    return last if isinstance(last, date) else now.date()
