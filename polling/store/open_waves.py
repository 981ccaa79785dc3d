"""Waves that take batches of interviews while fieldwork lasts.

What was said when a wave was opened is its version 0, without interviews. The
batches are version 1, and more if some had to wait for an analyst
(``polling.store.batches``). Closing changes no count, unless the wave is held.
"""

from collections.abc import Mapping
from datetime import date, datetime
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from polling.errors import WaveConflict, WaveStateRefused
from polling.store.batches import content_of, gathered
from polling.store.columns import Json
from polling.store.tables import Wave, WaveVersion
from polling.store.wave_events import append_event, lock_survey, next_sequence
from polling.store.wave_records import ACCEPTED, HELD, OPEN, WITHDRAWN, Standing, WaveRecord
from polling.store.waves import find_wave, get_wave, list_versions

__all__ = ["close_wave", "open_wave", "past_their_date"]

SAID = 0
"""The version of an open wave that is what was said of it."""


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
            content_sha256=content_of(row.id, {}),
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


def close_wave(
    session: Session,
    wave: WaveRecord,
    *,
    flags: tuple[Json, ...] = (),
    held: str | None = None,
    now: datetime,
    actor: str,
    reason: str | None = None,
) -> WaveRecord:
    """Take no more batches; the survey is locked. A wave that got none is withdrawn, a closed one stays as it is.

    Parameters
    ----------
    flags
        Of all its interviews, which are one delivery from now on.
    held
        Why an analyst has to let it through before it is counted.

    Raises
    ------
    WaveStateRefused
        If it was withdrawn, or was never open.
    """
    if wave.state == OPEN:
        after, why = Standing(SAID, WITHDRAWN), held or reason
        if (whole := gathered(session, wave)) is not None:
            session.get_one(WaveVersion, (wave.id, whole.version), populate_existing=True).flags = list(flags)
            after = Standing(whole.version, ACCEPTED if held is None else HELD)
        elif why is None:
            why = "It was closed without interviews."
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
