"""The batches of an open wave: one part of its version each, by number.

``number`` is chosen by the pollster, in any order. So a batch that is sent again is known by its number and bytes, and
the counts "as known on" a moment are those of the parts that had come by then.

The first batch makes version 1, and the others join it. A batch that has to wait for an analyst makes a new version, of
all batches so far with this one: what was counted stays counted, and later batches join what waits. The hash of a
version is that of its batches and of the wave's id: the bytes of a file never equal it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, insert, literal, or_, select
from sqlalchemy.orm import Session

from polling.errors import WaveConflict, WaveStateRefused, WaveWithdrawn
from polling.store.columns import json_sha256
from polling.store.tables import Wave, WaveEvent, WavePart, WaveVersion
from polling.store.wave_events import append_event
from polling.store.wave_records import HELD, OPEN, WITHDRAWN, NewWave, Standing, WaveRecord, WaveVersionRecord
from polling.store.waves import get_wave, list_versions

__all__ = ["KnownBatch", "add_batch", "content_of", "find_batch", "gathered", "require_open"]


@dataclass(frozen=True, slots=True)
class KnownBatch:
    """A batch that was received before."""

    number: int
    n_interviews: int
    received_at: datetime


def gathered(session: Session, wave: WaveRecord) -> WaveVersionRecord | None:
    """The version that has every batch of a wave: the one that waits, or else the one that stands.

    None if there is no batch, or the wave was received as a file.
    """
    brought = func.coalesce(WaveEvent.waiting, WaveEvent.version)
    batches = select(brought).where(WaveEvent.wave_id == wave.id, WaveEvent.kind.in_(("batch", "closed")))
    number = session.scalar(batches.order_by(WaveEvent.id.desc()).limit(1)) or 0
    if wave.state == OPEN:  # an analyst may have let through, or somebody undone, what was gathered last
        number = wave.version if wave.waiting is None else wave.waiting
    return next((one for one in list_versions(session, wave.id) if one.version == number > 0), None)


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
    so_far = gathered(session, wave)
    mine = (WavePart.wave_id == wave.id) & (WavePart.version == (so_far.version if so_far else 0))
    about = select(WavePart.number, WavePart.content_sha256, WavePart.n_interviews, WavePart.received_at)
    known = session.execute(about.where(mine, WavePart.number == number)).one_or_none()
    if known is not None:
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
        .join(WavePart, WavePart.wave_id == Wave.id)
        .where(or_(WavePart.version == Wave.version, WavePart.version == Wave.waiting))
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
        The interviews of the batch; ``fieldwork_end`` is the last day that they tell of. Its ``questions`` join those
        of earlier batches; its ``flags`` are of all of them. If it is ``held``, it waits, and so do later ones.
    """
    row = session.get_one(Wave, wave.id, populate_existing=True)
    so_far = gathered(session, wave)
    if so_far is None or (new.held is not None and wave.waiting is None):
        target = _next_version(session, wave, so_far, new, now=now, actor=actor)
    else:
        target = so_far.version
    version = session.get_one(WaveVersion, (wave.id, target), populate_existing=True)
    version.survey_version, version.key_version = new.survey_version, new.key_version
    version.n_interviews += new.n_interviews
    version.n_quarantined += new.n_quarantined
    version.n_without_consent += new.n_without_consent
    version.questions = list(dict.fromkeys([*version.questions, *new.questions]))
    version.flags = list(new.flags)
    days = [day for day in (version.fieldwork_end, new.fieldwork_end) if day is not None]
    version.fieldwork_end = max(days, default=None)
    version.received_at, version.received_by = now, actor
    session.add(
        WavePart(
            wave_id=wave.id,
            version=target,
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
        WavePart.wave_id == wave.id, WavePart.version == target
    )
    version.content_sha256 = content_of(wave.id, {one.number: one.content_sha256 for one in session.execute(parts)})
    waits = new.held is not None or wave.waiting is not None
    after = Standing(wave.version, OPEN, target) if waits else Standing(target, OPEN)
    append_event(session, row, "batch", after, now=now, actor=actor, reason=new.held)
    return get_wave(session, wave.survey_id, wave.id)


def content_of(wave_id: str, batches: Mapping[int, str]) -> str:
    """The hash of a version: of its batches' numbers and hashes."""
    return json_sha256({"open wave": wave_id, "batches": [[number, batches[number]] for number in sorted(batches)]})


def _next_version(
    session: Session, wave: WaveRecord, so_far: WaveVersionRecord | None, new: NewWave, *, now: datetime, actor: str
) -> int:
    """A version with the batches so far, for the next one to join; its number."""
    newest = session.scalars(select(func.max(WaveVersion.version)).where(WaveVersion.wave_id == wave.id)).one()
    version = WaveVersion(
        wave_id=wave.id,
        version=newest + 1,
        survey_version=new.survey_version,
        content_sha256="",
        n_interviews=0 if so_far is None else so_far.n_interviews,
        n_quarantined=0 if so_far is None else so_far.n_quarantined,
        n_without_consent=0 if so_far is None else so_far.n_without_consent,
        questions=[] if so_far is None else list(so_far.questions),
        fieldwork_start=new.fieldwork_start,
        fieldwork_end=None if so_far is None else so_far.fieldwork_end,
        facts=dict(new.facts),
        flags=[],
        key_version=new.key_version,
        received_at=now,
        received_by=actor,
    )
    session.add(version)
    session.flush()
    if so_far is not None:
        columns = [column for column in WavePart.__table__.columns if column.name != "version"]
        copied = select(literal(version.version), *columns).where(
            WavePart.wave_id == wave.id, WavePart.version == so_far.version
        )
        session.execute(insert(WavePart).from_select(["version", *(column.name for column in columns)], copied))
    return version.version
