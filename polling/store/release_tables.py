"""The tables of what is done with releases, as mapped classes; see ``polling.store.tables``.

question_state 1--0..1 question_hold      an analyst keeps new fits back
question_state 1--0..1 question_alarm     what is served is stale for too long, and that was said
release 1--n serving                      what was served from when on
release 1--n confirmation                 what NUTS said of the release of a fit
release 1--0..1 release_pin               its draws are kept however old it gets
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from polling.store.base import Base

__all__ = ["Confirmation", "QuestionAlarm", "QuestionHold", "ReleasePin", "Serving"]


class Serving(Base):
    """From ``at`` on this release was served, until the next row of its question; only added."""

    __tablename__ = "serving"
    __table_args__ = (
        CheckConstraint("kind IN ('published', 'rolled-back')", name="kind"),
        Index(None, "survey_id", "question_id", "id"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    survey_id: Mapped[str] = mapped_column(ForeignKey("survey.id"))
    question_id: Mapped[str]
    release_id: Mapped[str] = mapped_column(ForeignKey("release.id"))
    at: Mapped[datetime]
    kind: Mapped[str]
    # Of an analyst's act; a publication has neither.
    actor: Mapped[str | None]
    reason: Mapped[str | None]


class QuestionHold(Base):
    """While the row is there, new fits of the question are kept and not served."""

    __tablename__ = "question_hold"
    __table_args__ = (
        ForeignKeyConstraint(["survey_id", "question_id"], ["question_state.survey_id", "question_state.question_id"]),
    )
    survey_id: Mapped[str] = mapped_column(primary_key=True)
    question_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    reason: Mapped[str]
    # The release that a roll back took away; none for a mere hold.
    taken_back_id: Mapped[str | None] = mapped_column(ForeignKey("release.id"))
    # The newest publishable fit that was kept back: it is published when the hold ends.
    fit_id: Mapped[str | None] = mapped_column(ForeignKey("fit.id"))


class QuestionAlarm(Base):
    """The last alarm of a question: one for each time that it became stale."""

    __tablename__ = "question_alarm"
    __table_args__ = (
        ForeignKeyConstraint(["survey_id", "question_id"], ["question_state.survey_id", "question_state.question_id"]),
    )
    survey_id: Mapped[str] = mapped_column(primary_key=True)
    question_id: Mapped[str] = mapped_column(primary_key=True)
    stale_since: Mapped[datetime]
    at: Mapped[datetime]


class ReleasePin(Base):
    """While the row is there, the release's draws are kept."""

    __tablename__ = "release_pin"
    release_id: Mapped[str] = mapped_column(ForeignKey("release.id"), primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    reason: Mapped[str]


class Confirmation(Base):
    """One run of NUTS on exactly what a release was fitted on, and how far the two are apart."""

    __tablename__ = "confirmation"
    __table_args__ = (
        CheckConstraint("state IN ('agrees', 'disagrees', 'inconclusive')", name="state"),
        Index(None, "fit_id", "at"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    survey_id: Mapped[str] = mapped_column(ForeignKey("survey.id"))
    question_id: Mapped[str]
    release_id: Mapped[str] = mapped_column(ForeignKey("release.id"))
    # The release's own: two releases of one fit share what was said of it.
    fit_id: Mapped[str] = mapped_column(ForeignKey("fit.id"))
    at: Mapped[datetime]
    state: Mapped[str]
    sentence: Mapped[str]
    numbers: Mapped[Any]
