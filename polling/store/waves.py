"""Waves as they stand, or stood at a moment.

A wave stands as its last event says: which version, in which state. "As known
on" a past moment is the same question with the events up to that moment, so
the two cannot answer differently. Who writes is ``polling.store.deliveries``.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import batched
from typing import Final

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session
from sqlalchemy.sql import Select

from polling.errors import WaveNotFound
from polling.store.tables import Wave, WaveEvent, WavePart, WaveVersion
from polling.store.wave_records import CountedPart, WaveRecord, WaveVersionRecord

__all__ = [
    "find_wave",
    "get_wave",
    "key_version_used",
    "list_versions",
    "list_waves",
    "load_parts",
    "load_parts_of",
    "load_payloads",
    "load_quarantine",
    "state_at",
]

_AT_A_TIME: Final = 500
"""Waves whose parts one statement asks for: databases limit the parameters of one."""


def find_wave(session: Session, survey_id: str, pollster: str, reference: str) -> WaveRecord | None:
    """The wave that a pollster calls ``reference``, or None."""
    mine = (Wave.survey_id == survey_id) & (Wave.pollster == pollster) & (Wave.reference == reference)
    row = session.execute(_waves().where(mine)).one_or_none()
    return None if row is None else _record(*row)


def get_wave(session: Session, survey_id: str, name: str, *, pollster: str | None = None) -> WaveRecord:
    """One wave of a survey, by its id or by its pollster's reference.

    Parameters
    ----------
    pollster
        Whose waves may be seen; None for everybody's, and then a reference is understood if one pollster alone
        uses it.

    Raises
    ------
    WaveNotFound
        If the survey has no such wave, also if another survey or pollster has it.
    """
    mine = _waves().where(Wave.survey_id == survey_id)
    if pollster is not None:
        mine = mine.where(Wave.pollster == pollster)
    if (row := session.execute(mine.where(Wave.id == name)).one_or_none()) is not None:
        return _record(*row)
    called = session.execute(mine.where(Wave.reference == name)).all()
    if len(called) != 1:
        raise WaveNotFound(survey_id, name, pollsters=[wave.pollster for wave, _, _ in called])
    return _record(*called[0])


def list_waves(session: Session, survey_id: str, pollster: str | None = None) -> list[WaveRecord]:
    """Waves of a survey in the order in which they were first received, all or one pollster's."""
    return _list(session, _waves(), survey_id, pollster)


def state_at(session: Session, survey_id: str, moment: datetime, *, pollster: str | None = None) -> list[WaveRecord]:
    """The waves of a survey as they stood at a moment; those that came later are not there."""
    return _list(session, _waves(moment), survey_id, pollster)


def list_versions(session: Session, wave_id: str) -> list[WaveVersionRecord]:
    """Every delivery of a wave, oldest first."""
    mine = select(WaveVersion).where(WaveVersion.wave_id == wave_id).order_by(WaveVersion.version)
    return [
        WaveVersionRecord(
            version=row.version,
            survey_version=row.survey_version,
            content_sha256=row.content_sha256,
            n_interviews=row.n_interviews,
            n_quarantined=row.n_quarantined,
            n_without_consent=row.n_without_consent,
            questions=tuple(row.questions),
            fieldwork_start=row.fieldwork_start,
            fieldwork_end=row.fieldwork_end,
            facts=row.facts,
            flags=tuple(row.flags),
            key_version=row.key_version,
            received_at=row.received_at,
            received_by=row.received_by,
            reason=row.reason,
            file_name=row.file_name,
        )
        for row in session.scalars(mine.execution_options(populate_existing=True))
    ]


def load_parts(
    session: Session, survey_id: str, *, at: datetime | None = None, question_id: str | None = None
) -> list[CountedPart]:
    """The interviews that are counted, or were at a moment, in the order in which waves were first received.

    Parameters
    ----------
    question_id
        Only of waves that asked it.
    """
    counted = [
        wave
        for wave in _list(session, _waves(at), survey_id, None)
        if wave.is_counted and (question_id is None or question_id in wave.questions)
    ]
    return _parts(session, [(wave, wave.version) for wave in counted], at)


def load_parts_of(session: Session, those: Iterable[WaveRecord]) -> list[CountedPart]:
    """The interviews of waves as they stand, wave by wave and part by part. Special-category data."""
    return _parts(session, [(wave, wave.version) for wave in those])


def load_payloads(session: Session, wave: WaveRecord, *, version: int | None = None) -> list[bytes]:
    """The interviews of one wave, as received, part by part; what was purged is not there. Special-category data.

    Parameters
    ----------
    version
        Of this version. Default: of the one that stands.
    """
    parts = _parts(session, [(wave, wave.version if version is None else version)])
    return [part.payload for part in parts if part.payload is not None]


def load_quarantine(session: Session, wave: WaveRecord, *, version: int) -> list[bytes]:
    """The rows of a version that are set aside, part by part. Special-category data."""
    mine = (WavePart.wave_id == wave.id) & (WavePart.version == version) & WavePart.quarantine.is_not(None)
    return [one for one in session.scalars(select(WavePart.quarantine).where(mine).order_by(WavePart.number)) if one]


def key_version_used(session: Session, survey_id: str) -> int:
    """The newest version of the survey's pseudonym key that a stored wave depends on; 0 if there is no wave."""
    newest = select(func.max(WaveVersion.key_version)).join(Wave, Wave.id == WaveVersion.wave_id)
    return session.scalar(newest.where(Wave.survey_id == survey_id)) or 0


type _Rows = Select[Wave, WaveEvent, WaveVersion]


def _waves(at: datetime | None = None) -> _Rows:
    last = select(func.max(WaveEvent.id)).where(WaveEvent.wave_id == Wave.id)
    if at is not None:
        last = last.where(WaveEvent.at <= at)
    version = (WaveVersion.wave_id == Wave.id) & (WaveVersion.version == WaveEvent.version)
    return (
        select(Wave, WaveEvent, WaveVersion)
        .join(WaveEvent, WaveEvent.id == last.correlate(Wave).scalar_subquery())
        .outerjoin(WaveVersion, version)
        .execution_options(populate_existing=True)
    )


def _list(session: Session, rows: _Rows, survey_id: str, pollster: str | None) -> list[WaveRecord]:
    mine = rows.where(Wave.survey_id == survey_id).order_by(Wave.sequence)
    if pollster is not None:
        mine = mine.where(Wave.pollster == pollster)
    return [_record(*row) for row in session.execute(mine)]


def _parts(
    session: Session, versions: Sequence[tuple[WaveRecord, int]], at: datetime | None = None
) -> list[CountedPart]:
    """The parts of versions of waves, in the order in which these are given."""
    found: dict[str, list[CountedPart]] = {wave.id: [] for wave, _ in versions}
    by_id = {wave.id: wave for wave, _ in versions}
    columns = (WavePart.wave_id, WavePart.number, WavePart.payload_sha256, WavePart.payload, WavePart.counts)
    for some in batched(versions, _AT_A_TIME):
        mine = tuple_(WavePart.wave_id, WavePart.version).in_([(wave.id, version) for wave, version in some])
        rows = select(*columns).where(mine).order_by(WavePart.wave_id, WavePart.number)
        if at is not None:
            rows = rows.where(WavePart.received_at <= at)
        for row in session.execute(rows):
            part = CountedPart(
                wave=by_id[row.wave_id],
                number=row.number,
                payload_sha256=row.payload_sha256,
                payload=row.payload,
                counts=row.counts,
            )
            found[row.wave_id].append(part)
    return [part for parts in found.values() for part in parts]


def _record(row: Wave, event: WaveEvent, version: WaveVersion | None) -> WaveRecord:
    if version is None:  # an open wave that has no interview yet
        version = WaveVersion(
            survey_version=0,
            content_sha256="",
            n_interviews=0,
            n_quarantined=0,
            n_without_consent=0,
            questions=[],
            facts={},
            flags=[],
            key_version=0,
            received_at=row.created_at,
            received_by=event.actor,
        )
    return WaveRecord(
        id=row.id,
        survey_id=row.survey_id,
        pollster=row.pollster,
        reference=row.reference,
        sequence=row.sequence,
        changed=event.sequence,
        state=event.state,
        version=event.version,
        waiting=event.waiting,
        created_at=row.created_at,
        closes_on=row.closes_on,
        survey_version=version.survey_version,
        content_sha256=version.content_sha256,
        n_interviews=version.n_interviews,
        n_quarantined=version.n_quarantined,
        n_without_consent=version.n_without_consent,
        questions=tuple(version.questions),
        fieldwork_start=version.fieldwork_start,
        fieldwork_end=version.fieldwork_end,
        facts=version.facts,
        flags=tuple(version.flags),
        key_version=version.key_version,
        received_at=version.received_at,
        received_by=version.received_by,
        reason=version.reason,
        file_name=version.file_name,
    )
