"""The tables of what happened, and how close releases came to it.

question_state 1--n known_result     what is known to be true of a day; versioned
release n--n known_result            release_score: how close it came, for ever, or why nobody can say
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from polling.store.base import Base

__all__ = ["KnownResult", "ReleaseScore"]


class KnownResult(Base):
    """One version of what is known of a day; only its state changes."""

    __tablename__ = "known_result"
    __table_args__ = (
        CheckConstraint("state IN ('current', 'replaced', 'withdrawn')", name="state"),
        ForeignKeyConstraint(["survey_id", "question_id"], ["question_state.survey_id", "question_state.question_id"]),
        UniqueConstraint("survey_id", "question_id", "refers_to", "version"),
        # At most one version of a day is current.
        Index(
            "uq_known_result_current",
            "survey_id",
            "question_id",
            "refers_to",
            unique=True,
            sqlite_where=text("state = 'current'"),
            postgresql_where=text("state = 'current'"),
        ),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    survey_id: Mapped[str]
    question_id: Mapped[str]
    refers_to: Mapped[date]
    version: Mapped[int]
    state: Mapped[str]
    source: Mapped[str]
    # Of the file as it was sent; the payload is what it says, as Parquet.
    content_sha256: Mapped[str]
    payload: Mapped[bytes] = mapped_column(deferred=True)
    n_rows: Mapped[int]
    # Whose options, levels and districts it was read with.
    survey_version: Mapped[int]
    added_at: Mapped[datetime]
    actor: Mapped[str]
    # Why it took the place of the version before; the first one has none.
    reason: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]
    ended_reason: Mapped[str | None]


class ReleaseScore(Base):
    """How close a release came to one version of a result; it stays when the draws are gone."""

    __tablename__ = "release_score"
    __table_args__ = (
        CheckConstraint("(scores IS NULL) <> (unscored IS NULL)", name="told"),
        Index(None, "result_id"),
    )
    release_id: Mapped[str] = mapped_column(ForeignKey("release.id"), primary_key=True)
    result_id: Mapped[str] = mapped_column(ForeignKey("known_result.id"), primary_key=True)
    scored_at: Mapped[datetime]
    scores: Mapped[Any | None]
    # Why there are no scores and never will be.
    unscored: Mapped[str | None]
