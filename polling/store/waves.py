"""Waves as they were received.

One rule decides about a repeated delivery, per survey and pollster:

=============  ==========  ===========================================================================
reference      bytes       answer
=============  ==========  ===========================================================================
new            new         stored
known          the same    the wave stored before; WaveConflict if it was said to have other fieldwork
known          other       WaveConflict
new            known       WaveConflict naming the reference
=============  ==========  ===========================================================================

Every wave gets the next number of its survey's data history, ``sequence``. A
fit notes how far the history went when its inputs were read, so that "older"
is a comparison of two integers and not of clocks.
"""

import hashlib
from datetime import date, datetime
from uuid import uuid4

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from polling.errors import SurveyNotFound, WaveConflict, WaveNotFound
from polling.store.records import NewWave, WaveRecord
from polling.store.tables import Survey, Wave

__all__ = [
    "ACCEPTED",
    "add_wave",
    "data_sequence",
    "find_wave",
    "get_wave",
    "key_version_used",
    "list_waves",
    "load_payload",
    "load_payloads",
    "require_same_fieldwork",
    "waves_after",
]

ACCEPTED = "accepted"


def find_wave(session: Session, survey_id: str, pollster: str, reference: str) -> WaveRecord | None:
    """The wave that a pollster calls ``reference``, or None."""
    mine = select(Wave).where(Wave.survey_id == survey_id, Wave.pollster == pollster, Wave.reference == reference)
    row = session.scalar(mine)
    return None if row is None else _record(row)


def add_wave(session: Session, new: NewWave, *, now: datetime) -> tuple[WaveRecord, bool]:
    """Store a wave, or find that it was stored before.

    Returns
    -------
    tuple
        The wave, and whether this call stored it.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    WaveConflict
        If the reference holds other bytes or another fieldwork, or the bytes have another reference.
    """
    # The lock makes two deliveries of one file meet here one after the other, and numbers follow the order of commits.
    if session.scalar(select(Survey.id).where(Survey.id == new.survey_id).with_for_update()) is None:
        raise SurveyNotFound(new.survey_id)
    if (known := _known(session, new)) is not None:
        return known, False
    bump = update(Survey).where(Survey.id == new.survey_id).values(data_sequence=Survey.data_sequence + 1)
    sequence = session.scalars(bump.returning(Survey.data_sequence)).one()
    row = Wave(
        id=uuid4().hex,
        survey_id=new.survey_id,
        survey_version=new.survey_version,
        sequence=sequence,
        pollster=new.pollster,
        reference=new.reference,
        content_sha256=new.content_sha256,
        payload_sha256=hashlib.sha256(new.payload).hexdigest(),
        n_interviews=new.n_interviews,
        questions=list(new.questions),
        fieldwork_start=new.fieldwork_start,
        fieldwork_end=new.fieldwork_end,
        received_at=now,
        state=ACCEPTED,
        key_version=new.key_version,
        payload=new.payload,
    )
    session.add(row)
    session.flush()
    return _record(row), True


def require_same_fieldwork(wave: WaveRecord, start: date | None, end: date | None) -> None:
    """Refuse a repeated delivery that says other dates: keeping the first ones without a word would lose a correction.

    Raises
    ------
    WaveConflict
        Naming both.
    """
    if (wave.fieldwork_start, wave.fieldwork_end) != (start, end):
        raise WaveConflict(
            wave.reference,
            f"the same file was received with fieldwork {wave.fieldwork_start} to {wave.fieldwork_end}, now it comes "
            f"with {start} to {end}. The dates of a stored wave are not changed; repeat the first ones to see it.",
            existing_reference=wave.reference,
        )


def get_wave(session: Session, survey_id: str, wave_id: str) -> WaveRecord:
    """One wave of a survey.

    Raises
    ------
    WaveNotFound
        If the survey has no such wave, also if another survey has it.
    """
    row = session.scalar(select(Wave).where(Wave.survey_id == survey_id, Wave.id == wave_id))
    if row is None:
        raise WaveNotFound(survey_id, wave_id)
    return _record(row)


def key_version_used(session: Session, survey_id: str) -> int:
    """The newest version of the survey's pseudonym key that a stored wave depends on; 0 if there is no wave."""
    return session.scalar(select(func.max(Wave.key_version)).where(Wave.survey_id == survey_id)) or 0


def list_waves(session: Session, survey_id: str, pollster: str | None = None) -> list[WaveRecord]:
    """Waves of a survey in order of storing, all or one pollster's."""
    mine = select(Wave).where(Wave.survey_id == survey_id).order_by(Wave.sequence)
    if pollster is not None:
        mine = mine.where(Wave.pollster == pollster)
    return [_record(row) for row in session.scalars(mine)]


def waves_after(session: Session, survey_id: str, question_id: str, sequence: int) -> list[WaveRecord]:
    """Accepted waves that asked a question and were stored after ``sequence``, oldest first."""
    newer = select(Wave).where(Wave.survey_id == survey_id, Wave.sequence > sequence, Wave.state == ACCEPTED)
    rows = session.scalars(newer.order_by(Wave.sequence))
    return [_record(row) for row in rows if question_id in row.questions]


def load_payload(session: Session, survey_id: str, wave_id: str) -> bytes:
    """The interviews of one wave, as received. Special-category data.

    Raises
    ------
    WaveNotFound
        If the survey has no such wave.
    """
    payload = session.scalar(select(Wave.payload).where(Wave.survey_id == survey_id, Wave.id == wave_id))
    if payload is None:
        raise WaveNotFound(survey_id, wave_id)
    return payload


def load_payloads(session: Session, survey_id: str) -> list[tuple[WaveRecord, bytes]]:
    """Every accepted wave of a survey with its interviews, in order of storing."""
    accepted = select(Wave, Wave.payload).where(Wave.survey_id == survey_id, Wave.state == ACCEPTED)
    return [(_record(row), payload) for row, payload in session.execute(accepted.order_by(Wave.sequence))]


def data_sequence(session: Session, survey_id: str) -> int:
    """How many times the survey's data changed; read it in the transaction that reads the waves.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    """
    sequence = session.scalar(select(Survey.data_sequence).where(Survey.id == survey_id))
    if sequence is None:
        raise SurveyNotFound(survey_id)
    return sequence


def _known(session: Session, new: NewWave) -> WaveRecord | None:
    if (wave := find_wave(session, new.survey_id, new.pollster, new.reference)) is not None:
        if wave.content_sha256 == new.content_sha256:
            require_same_fieldwork(wave, new.fieldwork_start, new.fieldwork_end)
            return wave
        raise WaveConflict(
            new.reference,
            f"reference '{new.reference}' was received on {wave.received_at:%Y-%m-%d %H:%M} UTC with other content. "
            "Send the new content under a new reference.",
            existing_reference=wave.reference,
        )
    same_bytes = select(Wave).where(
        Wave.survey_id == new.survey_id, Wave.pollster == new.pollster, Wave.content_sha256 == new.content_sha256
    )
    if (row := session.scalar(same_bytes)) is not None:
        raise WaveConflict(
            new.reference,
            f"the same file was received as '{row.reference}'. Its interviews would count twice.",
            existing_reference=row.reference,
        )
    return None


def _record(row: Wave) -> WaveRecord:
    return WaveRecord(
        id=row.id,
        survey_id=row.survey_id,
        survey_version=row.survey_version,
        sequence=row.sequence,
        pollster=row.pollster,
        reference=row.reference,
        content_sha256=row.content_sha256,
        payload_sha256=row.payload_sha256,
        n_interviews=row.n_interviews,
        questions=tuple(row.questions),
        fieldwork_start=row.fieldwork_start,
        fieldwork_end=row.fieldwork_end,
        received_at=row.received_at,
        state=row.state,
        key_version=row.key_version,
    )
