"""Deliveries: how a wave comes to be, is corrected, withdrawn and restored.

One rule decides about a delivery, per survey and pollster; "its bytes" are those
of the newest delivery of the wave that stands or waits:

===========  ==============  ====================================================================
reference    bytes           answer
===========  ==============  ====================================================================
new          new             stored
known        its bytes       the wave stored before; WaveConflict if it was said to have other
                             fieldwork or facts. With ``replaces`` these are corrected.
known        other           WaveConflict, unless it says that it replaces the wave
withdrawn    its bytes       WaveWithdrawn, naming restore, with or without ``replaces``
withdrawn    other           WaveWithdrawn, unless it says that it replaces the wave
any          another wave's  WaveConflict naming that wave; WaveWithdrawn if it is withdrawn
===========  ==============  ====================================================================

Nothing that was delivered is overwritten: a correction is the next version.
A delivery that is held does not touch what stands: a first one is not counted
until it is let through, a correction leaves the version before it counted.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import uuid4

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from polling.errors import WaveConflict, WaveNotFound, WaveWithdrawn
from polling.store.columns import Json
from polling.store.tables import Wave, WavePart, WaveVersion
from polling.store.wave_events import append_event, lock_survey, next_sequence
from polling.store.wave_records import ACCEPTED, HELD, OPEN, WITHDRAWN, NewWave, Standing, WaveRecord
from polling.store.waves import find_wave, get_wave, list_versions

__all__ = [
    "Delivery",
    "add_wave",
    "delivery_of",
    "find_repeated",
    "let_through",
    "requarantine",
    "restore",
    "set_back",
    "withdraw",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What is said of a delivery before it is read."""

    survey_id: str
    pollster: str
    reference: str
    content_sha256: str
    fieldwork_start: date | None
    fieldwork_end: date | None
    facts: Mapping[str, Json]
    replaces: bool
    """Whether it corrects the wave of this reference."""


def delivery_of(new: NewWave, *, replaces: bool) -> Delivery:
    """The delivery that a new wave is."""
    return Delivery(
        survey_id=new.survey_id,
        pollster=new.pollster,
        reference=new.reference,
        content_sha256=new.content_sha256,
        fieldwork_start=new.fieldwork_start,
        fieldwork_end=new.fieldwork_end,
        facts=new.facts,
        replaces=replaces,
    )


def find_repeated(session: Session, delivery: Delivery) -> WaveRecord | None:
    """The wave that this delivery repeats; None if there is something to store.

    Raises
    ------
    WaveConflict, WaveWithdrawn
        If it contradicts what is stored.
    WaveNotFound
        If it replaces a wave that there is not.
    """
    wave = find_wave(session, delivery.survey_id, delivery.pollster, delivery.reference)
    if wave is not None:
        if _repeats(session, wave, delivery):
            return wave
    elif delivery.replaces:
        raise WaveNotFound(delivery.survey_id, delivery.reference)
    _refuse_taken(
        session,
        delivery.survey_id,
        delivery.pollster,
        delivery.content_sha256,
        reference=delivery.reference,
        besides=None if wave is None else wave.id,
    )
    return None


def add_wave(
    session: Session, new: NewWave, *, now: datetime, actor: str, replaces: bool = False, reason: str | None = None
) -> tuple[WaveRecord, bool]:
    """Store a wave or the next version of one, or find that it was stored before.

    Parameters
    ----------
    replaces
        Whether it corrects the wave of this reference.
    reason
        Why it does.

    Returns
    -------
    tuple
        The wave, and whether this call stored anything.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    WaveConflict, WaveWithdrawn, WaveNotFound
        See ``find_repeated``.
    """
    # The lock makes two deliveries of one file meet here one after the other.
    lock_survey(session, new.survey_id)
    if (known := find_repeated(session, delivery_of(new, replaces=replaces))) is not None:
        return known, False
    if replaces:
        _replace(session, new, now=now, actor=actor, reason=reason)
    else:
        _receive(session, new, now=now, actor=actor)
    session.flush()
    return _must_find(session, new), True


def withdraw(session: Session, wave: WaveRecord, *, now: datetime, actor: str, reason: str) -> WaveRecord:
    """Count a wave no more; the survey is locked. Withdrawing it again changes nothing."""
    if wave.state != WITHDRAWN:
        after = Standing(wave.version, WITHDRAWN)
        append_event(session, _row(session, wave), "withdrawn", after, now=now, actor=actor, reason=reason)
    return get_wave(session, wave.survey_id, wave.id)


def restore(
    session: Session, wave: WaveRecord, after: Standing, *, now: datetime, actor: str, reason: str | None
) -> WaveRecord:
    """Let a withdrawn wave stand again as it stood; the survey is locked.

    Raises
    ------
    WaveConflict
        If another wave has its bytes by now.
    """
    _refuse_double(session, wave, after)
    append_event(session, _row(session, wave), "restored", after, now=now, actor=actor, reason=reason)
    return get_wave(session, wave.survey_id, wave.id)


def let_through(session: Session, wave: WaveRecord, *, now: datetime, actor: str, reason: str | None) -> WaveRecord:
    """Count what an analyst was asked about: the version that waits, or else the held wave; the survey is locked.

    Raises
    ------
    WaveConflict
        If another wave has its bytes by now.
    """
    # An open wave of which batches wait goes on taking batches.
    after = Standing(wave.version if wave.waiting is None else wave.waiting, OPEN if wave.state == OPEN else ACCEPTED)
    _refuse_double(session, wave, after)
    append_event(session, _row(session, wave), "let-through", after, now=now, actor=actor, reason=reason)
    return get_wave(session, wave.survey_id, wave.id)


def requarantine(
    session: Session, wave: WaveRecord, new: NewWave, *, now: datetime, actor: str, reason: str
) -> WaveRecord:
    """Let a version with other rows set aside take the place of the newest one; the survey is locked."""
    newest = session.scalars(select(func.max(WaveVersion.version)).where(WaveVersion.wave_id == wave.id)).one()
    row, version = _row(session, wave), newest + 1
    _add_version(session, row, version, new, now=now, actor=actor, reason=reason)
    after = Standing(version, wave.state) if wave.waiting is None else Standing(wave.version, wave.state, version)
    append_event(session, row, "requarantined", after, now=now, actor=actor, reason=reason)
    session.flush()
    return get_wave(session, wave.survey_id, wave.id)


def set_back(
    session: Session, wave: WaveRecord, after: Standing, *, now: datetime, actor: str, reason: str
) -> WaveRecord:
    """Let an earlier version stand as it stood; the survey is locked.

    Raises
    ------
    WaveConflict
        If another wave has its bytes by now.
    """
    _refuse_double(session, wave, after)
    kind = {WITHDRAWN: "withdrawn", HELD: "held"}.get(after.state, "replaced")
    append_event(session, _row(session, wave), kind, after, now=now, actor=actor, reason=reason)
    return get_wave(session, wave.survey_id, wave.id)


def _refuse_taken(
    session: Session,
    survey_id: str,
    pollster: str,
    content_sha256: str,
    *,
    reference: str,
    besides: str | None,
) -> None:
    """Refuse bytes that stand or wait in another wave of the pollster.

    Raises
    ------
    WaveConflict, WaveWithdrawn
        Naming the other wave.
    """
    same = (
        select(Wave)
        .join(WaveVersion, WaveVersion.wave_id == Wave.id)
        .where(Wave.survey_id == survey_id, Wave.pollster == pollster, WaveVersion.content_sha256 == content_sha256)
        .where(or_(WaveVersion.version == Wave.version, WaveVersion.version == Wave.waiting))
    )
    if besides is not None:
        same = same.where(Wave.id != besides)
    taken = session.scalars(same.order_by(Wave.sequence)).first()
    if taken is None:
        return
    if taken.state == WITHDRAWN:
        raise WaveWithdrawn(
            reference,
            f"the same file was received as '{taken.reference}', which was withdrawn. Restore '{taken.reference}' "
            "instead.",
            existing_reference=taken.reference,
        )
    raise WaveConflict(
        reference,
        f"the same file was received as '{taken.reference}'. Its interviews would count twice.",
        existing_reference=taken.reference,
    )


def _refuse_double(session: Session, wave: WaveRecord, after: Standing) -> None:
    """Refuse to let versions stand whose bytes were received in another wave while they did not."""
    if after.state == WITHDRAWN:
        return
    for one in list_versions(session, wave.id):
        if one.version in (after.version, after.waiting):
            _refuse_taken(
                session, wave.survey_id, wave.pollster, one.content_sha256, reference=wave.reference, besides=wave.id
            )


def _repeats(session: Session, wave: WaveRecord, delivery: Delivery) -> bool:
    """Whether the delivery is the newest one of its wave again; False if it is to be the next version."""
    versions = {one.version: one for one in list_versions(session, wave.id)}
    if wave.state == OPEN:
        raise WaveConflict(
            wave.reference, "it is open. Send batches of interviews, and close it.", existing_reference=wave.reference
        )
    newest = versions[wave.version if wave.waiting is None else wave.waiting]
    if wave.state == WITHDRAWN:
        if delivery.content_sha256 == newest.content_sha256 or not delivery.replaces:
            raise WaveWithdrawn(
                wave.reference,
                "it was withdrawn. Restore it, or send a corrected file that replaces it.",
                existing_reference=wave.reference,
            )
        return False
    said = (delivery.fieldwork_start, delivery.fieldwork_end, dict(delivery.facts))
    is_same = delivery.content_sha256 == newest.content_sha256
    if is_same and said == (newest.fieldwork_start, newest.fieldwork_end, newest.facts):
        return True
    if delivery.replaces:
        return False
    if is_same:
        raise WaveConflict(
            wave.reference,
            f"the same file was received with {_words(newest.fieldwork_start, newest.fieldwork_end, newest.facts)}, "
            f"now it comes with {_words(*said)}. Say that it replaces '{wave.reference}' to correct "
            "this, or repeat the first ones to see the wave.",
            existing_reference=wave.reference,
        )
    if older := [one for one in versions.values() if one.content_sha256 == delivery.content_sha256]:
        raise WaveConflict(
            wave.reference,
            f"this file is its version {older[-1].version}, and version {newest.version} was received since. Say that "
            f"it replaces '{wave.reference}' to go back to it.",
            existing_reference=wave.reference,
        )
    raise WaveConflict(
        wave.reference,
        f"reference '{wave.reference}' was received on {newest.received_at:%Y-%m-%d %H:%M} UTC with other content. "
        f"Send the new content under a new reference, or say that it replaces '{wave.reference}'.",
        existing_reference=wave.reference,
    )


def _words(start: date | None, end: date | None, facts: Mapping[str, Json]) -> str:
    said = ", ".join(f"{name} = {value!r}" for name, value in sorted(facts.items()))
    return f"fieldwork {start} to {end}" + (f" and {said}" if said else "")


def _receive(session: Session, new: NewWave, *, now: datetime, actor: str) -> None:
    sequence = next_sequence(session, new.survey_id)
    state = ACCEPTED if new.held is None else HELD
    row = Wave(
        id=uuid4().hex,
        survey_id=new.survey_id,
        pollster=new.pollster,
        reference=new.reference,
        sequence=sequence,
        state=state,
        version=1,
        created_at=now,
    )
    session.add(row)
    session.flush()
    _add_version(session, row, 1, new, now=now, actor=actor, reason=None)
    kind = "received" if new.held is None else "held"
    append_event(session, row, kind, Standing(1, state), now=now, actor=actor, reason=new.held, sequence=sequence)


def _replace(session: Session, new: NewWave, *, now: datetime, actor: str, reason: str | None) -> None:
    wave = _must_find(session, new)
    row = _row(session, wave)
    newest = session.scalars(select(func.max(WaveVersion.version)).where(WaveVersion.wave_id == wave.id)).one()
    version = newest + 1
    _add_version(session, row, version, new, now=now, actor=actor, reason=reason)
    kind, after, why = "replaced", Standing(version, ACCEPTED), reason
    if new.held is not None:
        # What is counted stays until an analyst has looked.
        kind, why = "held", new.held
        after = Standing(wave.version, wave.state, version) if wave.is_counted else Standing(version, HELD)
    append_event(session, row, kind, after, now=now, actor=actor, reason=why)


def _add_version(
    session: Session, row: Wave, version: int, new: NewWave, *, now: datetime, actor: str, reason: str | None
) -> None:
    session.add(
        WaveVersion(
            wave_id=row.id,
            version=version,
            survey_version=new.survey_version,
            content_sha256=new.content_sha256,
            n_interviews=new.n_interviews,
            n_quarantined=new.n_quarantined,
            n_without_consent=new.n_without_consent,
            questions=list(new.questions),
            fieldwork_start=new.fieldwork_start,
            fieldwork_end=new.fieldwork_end,
            facts=dict(new.facts),
            flags=list(new.flags),
            key_version=new.key_version,
            received_at=now,
            received_by=actor,
            reason=reason,
            file_name=new.file_name,
        )
    )
    session.flush()
    session.add(
        WavePart(
            wave_id=row.id,
            version=version,
            number=1,
            content_sha256=new.content_sha256,
            payload_sha256=hashlib.sha256(new.payload).hexdigest(),
            n_interviews=new.n_interviews,
            received_at=now,
            payload=new.payload,
            counts=None,
            quarantine=new.quarantine,
        )
    )


def _must_find(session: Session, new: NewWave) -> WaveRecord:
    if (wave := find_wave(session, new.survey_id, new.pollster, new.reference)) is None:
        raise WaveNotFound(new.survey_id, new.reference)
    return wave


def _row(session: Session, wave: WaveRecord) -> Wave:
    return session.get_one(Wave, wave.id, populate_existing=True)
