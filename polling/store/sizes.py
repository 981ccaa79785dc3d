"""How many bytes of content the database holds, by what they are of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, cast, func, select
from sqlalchemy.orm import Session

from polling.store.tables import Fit, FitDraws
from polling.store.wave_tables import Wave, WaveEvent, WavePart, WaveVersion

__all__ = ["StoredBytes", "stored_bytes"]


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """Bytes of content, without indexes and the slack of pages."""

    waves: int
    """Waves: interviews, what is set aside, events."""
    draws: int
    """Draws of fits, and the counts that they were fitted on, which go with them."""


def stored_bytes(session: Session) -> StoredBytes:
    """Measure every row of waves and draws: it reads them all, so it is not for a busy service."""
    waves = [column for table in (Wave, WaveVersion, WavePart, WaveEvent) for column in table.__table__.columns]
    draws = [*FitDraws.__table__.columns, Fit.__table__.columns["counts"]]
    return StoredBytes(waves=_total(session, waves), draws=_total(session, draws))


def _total(session: Session, columns: Sequence[ColumnElement[Any]]) -> int:
    postgresql = session.get_bind().dialect.name == "postgresql"

    def size(column: ColumnElement[Any]) -> ColumnElement[int]:
        # A cast to bytes tells the length of a number, too; PostgreSQL refuses it and has a word of its own.
        return func.pg_column_size(column) if postgresql else func.length(cast(column, LargeBinary))

    return sum(session.scalar(select(func.coalesce(func.sum(size(column)), 0))) or 0 for column in columns)
