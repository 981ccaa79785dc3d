"""Waves that take batches of interviews while fieldwork lasts.

What was said when a wave was opened is its version 0, without interviews. The
first batch makes version 1, and every batch is one part of it: ``number``,
chosen by the pollster, in any order. So a batch that is sent again is known by
its number and bytes, and the counts "as known on" a moment are those of the
parts that had come by then. Closing changes no count.

The hash of version 1 is that of its batches and of the wave's id: the bytes of
a file never equal it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from polling.errors import WaveConflict, WaveStateRefused, WaveWithdrawn
from polling.store.columns import Json, json_sha256
from polling.store.tables import Wave, WavePart, WaveVersion
from polling.store.wave_events import append_event, lock_survey, next_sequence
from polling.store.wave_records import ACCEPTED, HELD, OPEN, WITHDRAWN, NewWave, Standing, WaveRecord
from polling.store.waves import find_wave, get_wave, list_versions

__all__ = ["KnownBatch", "add_batch", "close_wave", "find_batch", "open_wave", "past_their_date", "require_open"]

SAID, GATHERED = 0, 1
"""The versions of an open wave: what was said of it, and its interviews."""


@dataclass(frozen=True, slots=True)
class KnownBatch:
    """A batch that was received before."""

    number: int
    n_interviews: int
    received_at: datetime


def open_wave(
    session: Session,
    *,
    survey_id: str,
    survey_version: int,
    pollster: str,
    reference: str,
    fieldwork_start: date,
    closes_on: date | None,
    facts: Mapping[str, Json],
    now: datetime,
    actor: str,
) -> tuple[WaveRecord, bool]:
    """Open a wave, or find that the very same was opened before.

    Returns
    -------
    tuple
        The wave, and whether this call opened it.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    WaveConflict
        If the reference is taken by a wave of which something else was said.
    """
    lock_survey(session, survey_id)
    if (known := find_wave(session, survey_id, pollster, reference)) is not None:
        first = next((one for one in list_versions(session, known.id) if one.version == SAID), None)
        said = None if first is None else (first.fieldwork_start, known.closes_on, dict(first.facts))
        if said != (fieldwork_start, closes_on, dict(facts)):
            what = "received as a file" if said is None else "opened with other dates or facts"
            raise WaveConflict(
                reference,
                f"it was {what} on {known.created_at:%Y-%m-%d}. Open the new one under another reference.",
                existing_reference=reference,
            )
        return known, False
    sequence = next_sequence(session, survey_id)
    row = Wave(
        id=uuid4().hex,
        survey_id=survey_id,
        pollster=pollster,
        reference=reference,
        sequence=sequence,
        state=OPEN,
        version=SAID,
        created_at=now,
        closes_on=closes_on,
    )
    session.add(row)
    session.flush()
    session.add(
        WaveVersion(
            wave_id=row.id,
            version=SAID,
            survey_version=survey_version,
            content_sha256=_content(row.id, {}),
            n_interviews=0,
            questions=[],
            fieldwork_start=fieldwork_start,
            fieldwork_end=None,
            facts=dict(facts),
            flags=[],
            key_version=0,
            received_at=now,
            received_by=actor,
        )
    )
    append_event(session, row, "opened", Standing(SAID, OPEN), now=now, actor=actor, sequence=sequence)
    return get_wave(session, survey_id, row.id), True


def find_batch(session: Session, wave: WaveRecord, number: int, content_sha256: str) -> KnownBatch | None:
    """The batch of this number, if it was received before.

    Raises
    ------
    WaveConflict
        If other bytes came under the number, or these bytes under another one, of this wave or another.
    WaveWithdrawn
        If the wave was withdrawn.
    """
    if wave.state == WITHDRAWN:
        raise WaveWithdrawn(wave.reference, "it was withdrawn. Restore it.", existing_reference=wave.reference)
    mine = (WavePart.wave_id == wave.id) & (WavePart.version == GATHERED)
    about = select(WavePart.number, WavePart.content_sha256, WavePart.n_interviews, WavePart.received_at)
    known = session.execute(about.where(mine, WavePart.number == number)).one_or_none()
    # A wave received as a file has a part 1 too.
    if known is not None and _was_opened(session, wave):
        if known.content_sha256 == content_sha256:
            return KnownBatch(known.number, known.n_interviews, known.received_at)
        raise WaveConflict(
            wave.reference,
            f"batch {number} was received on {known.received_at:%Y-%m-%d %H:%M} UTC with other content. Send the new "
            "interviews under a new number.",
            existing_reference=wave.reference,
        )
    same = (
        select(Wave.reference, WavePart.number)
        .join(WavePart, (WavePart.wave_id == Wave.id) & (WavePart.version == Wave.version))
        .where(Wave.survey_id == wave.survey_id, Wave.pollster == wave.pollster, Wave.state != WITHDRAWN)
        .where(WavePart.content_sha256 == content_sha256)
    )
    if (taken := session.execute(same.limit(1)).one_or_none()) is not None:
        raise WaveConflict(
            wave.reference,
            f"the same content was received as part {taken.number} of '{taken.reference}'. Its interviews would count "
            "twice.",
            existing_reference=taken.reference,
        )
    return None


def require_open(wave: WaveRecord, *, today: date) -> None:
    """Refuse what only an open wave takes.

    Raises
    ------
    WaveStateRefused
        If it is not open, or its last day has passed.
    """
    if wave.state != OPEN:
        state = "waits for an analyst" if wave.state == HELD else "is closed"
        raise WaveStateRefused(wave.reference, f"it {state}. Only an open wave takes batches; open another one.")
    if wave.closes_on is not None and today > wave.closes_on:
        raise WaveStateRefused(wave.reference, f"its last day was {wave.closes_on}. Open another wave.")


def add_batch(
    session: Session, wave: WaveRecord, number: int, new: NewWave, *, now: datetime, actor: str
) -> WaveRecord:
    """Store a batch of an open wave; the survey is locked, and the number was not used.

    Parameters
    ----------
    new
        The interviews of the batch; ``fieldwork_end`` is the last day that they tell of. Its ``questions`` and
        ``flags`` join those of earlier batches.
    """
    row = session.get_one(Wave, wave.id, populate_existing=True)
    version = session.get(WaveVersion, (wave.id, GATHERED), populate_existing=True)
    if version is None:
        version = WaveVersion(
            wave_id=wave.id,
            version=GATHERED,
            content_sha256="",
            n_interviews=0,
            n_quarantined=0,
            n_without_consent=0,
            questions=[],
            fieldwork_start=wave.fieldwork_start,
            facts=dict(wave.facts),
            flags=[],
            survey_version=new.survey_version,
            key_version=new.key_version,
            received_at=now,
            received_by=actor,
        )
        session.add(version)
    version.survey_version, version.key_version = new.survey_version, new.key_version
    version.n_interviews += new.n_interviews
    version.n_quarantined += new.n_quarantined
    version.n_without_consent += new.n_without_consent
    version.questions = list(dict.fromkeys([*version.questions, *new.questions]))
    version.flags = [*version.flags, *(one for one in new.flags if one not in version.flags)]
    days = [day for day in (version.fieldwork_end, new.fieldwork_end) if day is not None]
    version.fieldwork_end = max(days, default=None)
    version.received_at, version.received_by = now, actor
    session.flush()
    session.add(
        WavePart(
            wave_id=wave.id,
            version=GATHERED,
            number=number,
            content_sha256=new.content_sha256,
            payload_sha256=hashlib.sha256(new.payload).hexdigest(),
            n_interviews=new.n_interviews,
            received_at=now,
            payload=new.payload,
            counts=None,
            quarantine=new.quarantine,
        )
    )
    session.flush()
    parts = select(WavePart.number, WavePart.content_sha256).where(
        WavePart.wave_id == wave.id, WavePart.version == GATHERED
    )
    version.content_sha256 = _content(wave.id, {one.number: one.content_sha256 for one in session.execute(parts)})
    append_event(session, row, "batch", Standing(GATHERED, OPEN), now=now, actor=actor)
    return get_wave(session, wave.survey_id, wave.id)


def close_wave(
    session: Session, wave: WaveRecord, *, now: datetime, actor: str, reason: str | None = None
) -> WaveRecord:
    """Take no more batches; the survey is locked. A wave that got none is withdrawn, a closed one stays as it is.

    Raises
    ------
    WaveStateRefused
        If it was withdrawn, or was never open.
    """
    if wave.state == OPEN:
        empty = wave.version == SAID
        after = Standing(wave.version, WITHDRAWN if empty else ACCEPTED)
        why = reason or ("It was closed without interviews." if empty else None)
        row = session.get_one(Wave, wave.id, populate_existing=True)
        append_event(session, row, "closed", after, now=now, actor=actor, reason=why)
        return get_wave(session, wave.survey_id, wave.id)
    if not _was_opened(session, wave):
        raise WaveStateRefused(wave.reference, "it was received as a file and was never open.")
    if wave.state == WITHDRAWN and wave.version != SAID:
        raise WaveStateRefused(wave.reference, "it was withdrawn. Restore it first.")
    return wave


def past_their_date(session: Session, today: date) -> list[WaveRecord]:
    """Open waves whose last day has passed, of every survey."""
    late = select(Wave.survey_id, Wave.id).where(Wave.state == OPEN, Wave.closes_on < today)
    rows = session.execute(late.order_by(Wave.survey_id, Wave.sequence)).all()
    return [get_wave(session, row.survey_id, row.id) for row in rows]


def _was_opened(session: Session, wave: WaveRecord) -> bool:
    return session.get(WaveVersion, (wave.id, SAID)) is not None


def _content(wave_id: str, batches: Mapping[int, str]) -> str:
    return json_sha256({"open wave": wave_id, "batches": [[number, batches[number]] for number in sorted(batches)]})
