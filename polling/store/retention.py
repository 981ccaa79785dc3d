"""Put counts in the place of interviews whose time is over."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from polling.store.tables import Wave, WavePart, WaveVersion
from polling.store.wave_events import append_event
from polling.store.wave_records import COUNTED, OPEN, Standing

__all__ = ["DuePart", "append_purged", "counted_remains", "due_parts", "load_payload", "put_counts"]


@dataclass(frozen=True, slots=True)
class DuePart:
    """A part whose interviews are still there."""

    wave_id: str
    version: int
    number: int
    pollster: str
    reference: str
    n_interviews: int
    stands: bool
    """Whether its interviews are counted now."""


def due_parts(session: Session, survey_id: str, *, last_day: date) -> list[DuePart]:
    """Parts with interviews whose fieldwork ended on a day or before, of waves that take no more batches."""
    morrow = datetime.combine(last_day, time.max, tzinfo=UTC)
    over = or_(
        WaveVersion.fieldwork_end <= last_day,
        and_(WaveVersion.fieldwork_end.is_(None), WaveVersion.received_at <= morrow),
    )
    version = (WaveVersion.wave_id == WavePart.wave_id) & (WaveVersion.version == WavePart.version)
    kept = (
        select(
            WavePart.wave_id,
            WavePart.version,
            WavePart.number,
            Wave.pollster,
            Wave.reference,
            WavePart.n_interviews,
            and_(Wave.version == WavePart.version, Wave.state.in_(COUNTED)),
        )
        .join(WaveVersion, version)
        .join(Wave, Wave.id == WavePart.wave_id)
        .where(Wave.survey_id == survey_id, Wave.state != OPEN, WavePart.payload.is_not(None), over)
        .order_by(Wave.sequence, WavePart.version, WavePart.number)
    )
    return [DuePart(*row) for row in session.execute(kept)]


def load_payload(session: Session, part: DuePart) -> bytes:
    """The interviews of a part as received. Special-category data."""
    found = session.scalars(select(WavePart.payload).where(_is(part))).one()
    assert found is not None  # the survey is locked since it was found
    return found


def put_counts(session: Session, part: DuePart, counts: bytes, *, sha256: str) -> None:
    """Replace interviews, and what was set aside, by counts; their hash is then the part's."""
    values = {"payload": None, "quarantine": None, "counts": counts, "payload_sha256": sha256}
    session.execute(update(WavePart).where(_is(part)).values(values))


def counted_remains(session: Session, survey_id: str) -> list[tuple[str, str, bytes]]:
    """Pollster, reference and counts of every purged part that is counted. Special-category data."""
    stands = (WavePart.wave_id == Wave.id) & (WavePart.version == Wave.version) & Wave.state.in_(COUNTED)
    left = select(Wave.pollster, Wave.reference, WavePart.counts).join(WavePart, stands)
    left = left.where(Wave.survey_id == survey_id, WavePart.counts.is_not(None)).order_by(Wave.sequence)
    return [(pollster, reference, counts) for pollster, reference, counts in session.execute(left) if counts]


def append_purged(session: Session, wave_id: str, *, now: datetime, actor: str) -> None:
    """Note in a wave's history that it was reduced to counts; the survey is locked."""
    wave = session.get_one(Wave, wave_id, populate_existing=True)
    append_event(session, wave, "purged", Standing(wave.version, wave.state, wave.waiting), now=now, actor=actor)


def _is(part: DuePart) -> ColumnElement[bool]:
    return and_(WavePart.wave_id == part.wave_id, WavePart.version == part.version, WavePart.number == part.number)
