"""The tables of waves: what was delivered, in which versions, and what became of it.

    wave 1--n wave_version 1--n wave_part      (payload: declared columns as received)
    wave 1--n wave_event                       (append-only; the last one says how the wave stands)
    source_state, source_file                  (where files are fetched from)

``wave`` repeats the last event's version and state, so that they can be searched for.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from polling.store.base import Base

__all__ = ["SourceFile", "SourceState", "Wave", "WaveEvent", "WavePart", "WaveVersion"]

STATES = "state IN ('open', 'accepted', 'held', 'withdrawn')"


class Wave(Base):
    """What a pollster calls one wave, however often it was delivered."""

    __tablename__ = "wave"
    __table_args__ = (
        UniqueConstraint("survey_id", "pollster", "reference"),
        UniqueConstraint("survey_id", "sequence"),
        CheckConstraint(STATES, name="state"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    survey_id: Mapped[str] = mapped_column(ForeignKey("survey.id"))
    pollster: Mapped[str]
    reference: Mapped[str]
    # The survey's data_sequence when the wave was first received.
    sequence: Mapped[int]
    state: Mapped[str]
    # The version that counts if the state lets it; 0 while the wave is open and empty.
    version: Mapped[int]
    # A newer version that an analyst has to let through.
    waiting: Mapped[int | None]
    created_at: Mapped[datetime]
    closes_on: Mapped[date | None]


class WaveVersion(Base):
    """One delivery of a wave; never changed but by batches of an open wave, erasure and purge."""

    __tablename__ = "wave_version"
    wave_id: Mapped[str] = mapped_column(ForeignKey("wave.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # The version of the survey against whose codebook it was checked.
    survey_version: Mapped[int]
    content_sha256: Mapped[str] = mapped_column(index=True)
    # Rows that are counted: neither quarantined nor without consent.
    n_interviews: Mapped[int]
    n_quarantined: Mapped[int] = mapped_column(server_default=text("0"))
    n_without_consent: Mapped[int] = mapped_column(server_default=text("0"))
    questions: Mapped[Any]
    fieldwork_start: Mapped[date | None]
    fieldwork_end: Mapped[date | None]
    facts: Mapped[Any]
    flags: Mapped[Any]
    key_version: Mapped[int]
    received_at: Mapped[datetime]
    received_by: Mapped[str]
    reason: Mapped[str | None]
    file_name: Mapped[str | None]


class WavePart(Base):
    """The interviews of a version: one part of a file, one part per batch of an open wave."""

    __tablename__ = "wave_part"
    __table_args__ = (ForeignKeyConstraint(["wave_id", "version"], ["wave_version.wave_id", "wave_version.version"]),)
    wave_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content_sha256: Mapped[str]
    payload_sha256: Mapped[str]
    n_interviews: Mapped[int]
    received_at: Mapped[datetime]
    # None after a purge, which leaves counts per cell.
    payload: Mapped[bytes | None] = mapped_column(deferred=True)
    counts: Mapped[bytes | None] = mapped_column(deferred=True)
    # The rows set aside, with their reasons; they are not in the payload.
    quarantine: Mapped[bytes | None] = mapped_column(deferred=True)


class WaveEvent(Base):
    """Something that happened to a wave, and how the wave stood afterwards."""

    __tablename__ = "wave_event"
    __table_args__ = (
        UniqueConstraint("survey_id", "sequence"),
        Index(None, "wave_id", "id"),
        CheckConstraint(STATES, name="state"),
        # AUTOINCREMENT: an id is never used twice.
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    wave_id: Mapped[str] = mapped_column(ForeignKey("wave.id"))
    survey_id: Mapped[str] = mapped_column(ForeignKey("survey.id"))
    # The survey's data_sequence after it.
    sequence: Mapped[int]
    kind: Mapped[str]
    version: Mapped[int]
    state: Mapped[str]
    waiting: Mapped[int | None]
    at: Mapped[datetime]
    actor: Mapped[str]
    reason: Mapped[str | None]


class SourceState(Base):
    """How the last look at a source ended."""

    __tablename__ = "source_state"
    survey_id: Mapped[str] = mapped_column(ForeignKey("survey.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    checked_at: Mapped[datetime]
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]
    outcome: Mapped[str]
    detail: Mapped[str | None]


class SourceFile(Base):
    """A file that a source offered, and what became of it."""

    __tablename__ = "source_file"
    __table_args__ = (
        UniqueConstraint("survey_id", "source", "name", "content_sha256"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    survey_id: Mapped[str] = mapped_column(ForeignKey("survey.id"))
    source: Mapped[str]
    name: Mapped[str]
    content_sha256: Mapped[str]
    wave_id: Mapped[str | None] = mapped_column(ForeignKey("wave.id"))
    outcome: Mapped[str]
    detail: Mapped[str | None]
    at: Mapped[datetime]
