"""What happened to waves, append-only.

Every event is the next step of its survey's data history, ``sequence``, and
says how the wave stood afterwards: version, state, and what waits for an
analyst. So the last event before a moment tells how a wave stood then, and a
fit, which notes how far the history went when its inputs were read, lacks
exactly the events after that: a comparison of integers and not of clocks.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from polling.errors import SurveyNotFound
from polling.store.tables import Survey, Wave, WaveEvent, WaveVersion
from polling.store.wave_records import Standing, WaveChange, WaveEventRecord

__all__ = [
    "CHANGES_WITHIN",
    "NOTHING_COUNTED",
    "append_event",
    "changes_after",
    "data_sequence",
    "list_events",
    "lock_survey",
    "next_sequence",
    "whose",
]

CHANGES_WITHIN = ("batch", "requarantined", "purged", "erased")
"""They change the interviews of a version, not which version is counted."""
NOTHING_COUNTED = "nothing that is counted was removed"
"""The reason of an erasure that found rows set aside alone, or versions that gave way to others."""


def lock_survey(session: Session, survey_id: str) -> None:
    """Let one transaction at a time change the waves of a survey: numbers follow the order of commits.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    """
    # NO KEY UPDATE: rows that point at the survey, such as a release that is published meanwhile, need not wait.
    locked = select(Survey.id).where(Survey.id == survey_id).with_for_update(key_share=True)
    if session.scalar(locked) is None:
        raise SurveyNotFound(survey_id)


def next_sequence(session: Session, survey_id: str) -> int:
    """Take the next step of the survey's data history."""
    bump = update(Survey).where(Survey.id == survey_id).values(data_sequence=Survey.data_sequence + 1)
    return session.scalars(bump.returning(Survey.data_sequence)).one()


def append_event(
    session: Session,
    row: Wave,
    kind: str,
    after: Standing,
    *,
    now: datetime,
    actor: str,
    reason: str | None = None,
    sequence: int | None = None,
) -> WaveEventRecord:
    """Note what happened to a wave and how it stands now; the survey is locked.

    Parameters
    ----------
    after
        How the wave stands afterwards; it is set so.
    sequence
        If it was taken already.
    """
    row.version, row.state, row.waiting = after.version, after.state, after.waiting
    event = WaveEvent(
        wave_id=row.id,
        survey_id=row.survey_id,
        sequence=next_sequence(session, row.survey_id) if sequence is None else sequence,
        kind=kind,
        version=after.version,
        state=after.state,
        waiting=after.waiting,
        at=now,
        actor=actor,
        reason=reason,
    )
    session.add(event)
    session.flush()
    return _record(event)


def list_events(session: Session, wave_id: str) -> list[WaveEventRecord]:
    """What happened to a wave, oldest first."""
    return [
        _record(row)
        for row in session.scalars(select(WaveEvent).where(WaveEvent.wave_id == wave_id).order_by(WaveEvent.id))
    ]


def changes_after(session: Session, survey_id: str, sequence: int, *, purges: bool = False) -> list[WaveChange]:
    """Events after ``sequence`` that moved the counts, oldest first.

    Parameters
    ----------
    purges
        True: with those that reduced interviews to counts. What was made of the interviews before stays true, so that
        a purge makes nothing stale and asks for nothing; it is told by the next fit that rests on what is left.
    """
    touched = select(WaveEvent.wave_id).where(WaveEvent.survey_id == survey_id, WaveEvent.sequence > sequence)
    events = session.scalars(select(WaveEvent).where(WaveEvent.wave_id.in_(touched)).order_by(WaveEvent.id)).all()
    if not events:
        return []
    waves = {row.id: row for row in session.scalars(select(Wave).where(Wave.id.in_(touched)))}
    versions = select(WaveVersion.wave_id, WaveVersion.version, WaveVersion.questions)
    asked = {
        (wave_id, version): questions
        for wave_id, version, questions in session.execute(versions.where(WaveVersion.wave_id.in_(touched)))
    }
    found = []
    before: dict[str, int | None] = {}
    for event in events:
        old, new = before.get(event.wave_id), Standing(event.version, event.state).counted
        before[event.wave_id] = new
        uncounted = event.kind == "batch" and event.waiting is not None  # it joined what is not counted
        uncounted = uncounted or (event.kind == "erased" and event.reason == NOTHING_COUNTED)
        uncounted = uncounted or (event.kind == "purged" and not purges)
        moved = old != new or (event.kind in CHANGES_WITHIN and new is not None and not uncounted)
        if event.sequence > sequence and moved:
            both = (asked.get((event.wave_id, one), ()) for one in (old, new) if one is not None)
            questions = tuple(dict.fromkeys(name for names in both for name in names))
            found.append(_change(event, waves[event.wave_id], questions))
    return sorted(found, key=lambda change: change.sequence)


def data_sequence(session: Session, survey_id: str) -> int:
    """How many times the survey's data changed; read it in the transaction that reads the waves.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    """
    sequence = session.scalar(select(func.max(Survey.data_sequence)).where(Survey.id == survey_id))
    if sequence is None:
        raise SurveyNotFound(survey_id)
    return sequence


def _change(event: WaveEvent, wave: Wave, questions: Sequence[str]) -> WaveChange:
    return WaveChange(
        wave_id=event.wave_id,
        pollster=wave.pollster,
        reference=wave.reference,
        sequence=event.sequence,
        kind=event.kind,
        version=event.version,
        questions=tuple(questions),
        at=event.at,
        reason=event.reason,
    )


def _record(row: WaveEvent) -> WaveEventRecord:
    return WaveEventRecord(
        id=row.id,
        wave_id=row.wave_id,
        sequence=row.sequence,
        kind=row.kind,
        after=Standing(row.version, row.state, row.waiting),
        at=row.at,
        actor=row.actor,
        reason=row.reason,
    )


def whose(session: Session, wave_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Pollster and reference of waves, by the wave's id."""
    wanted = set(wave_ids)
    if not wanted:
        return {}
    found = select(Wave.id, Wave.pollster, Wave.reference).where(Wave.id.in_(wanted))
    return {wave_id: (pollster, reference) for wave_id, pollster, reference in session.execute(found)}
