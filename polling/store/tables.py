"""The tables, as mapped classes. Nothing outside ``polling.store`` sees these.

    survey 1--n survey_version n--1 frame, district_table     (tables by content hash)
    survey 1--n boundaries                                    (polling.store.boundary_tables)
    survey 1--n predictor_upload                              (polling.store.predictor_tables)
    survey 1--n wave                                          (polling.store.wave_tables)
    survey 1--n question_state 1--0..1 release                (what is served now, and why it may be stale)
    fit 1--0..1 fit_draws, fit 1--n release, fit 1--n fit_check (polling.store.check_tables)
    holds, what was served when, confirmations                (polling.store.release_tables)
    job, outbox, api_key, lease, clock_run, clock_task
    audit chain, erasures, backups, replies                   (polling.store.ledger_tables)
    tickets for streams of events, webhooks                   (polling.store.event_tables)
    what happened, and how close releases came to it          (polling.store.record_tables)
    api_key 1--n web_session                                  (polling.store.web_tables)

A change here needs a migration; a test compares the two.
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
from polling.store.boundary_tables import BoundaryFile, SurveyBoundaries
from polling.store.check_tables import FitCheck
from polling.store.event_tables import EventTicket, Webhook, WebhookDelivery
from polling.store.ledger_tables import AuditEntry, AuditHead, BackupRun, Erasure, IdempotencyKey, KeyCheck, Suppression
from polling.store.predictor_tables import PredictorUpload
from polling.store.record_tables import KnownResult, ReleaseScore
from polling.store.release_tables import Confirmation, QuestionAlarm, QuestionHold, ReleasePin, Serving
from polling.store.wave_tables import SourceFile, SourceState, Wave, WaveEvent, WavePart, WaveVersion
from polling.store.web_tables import WebSession

__all__ = [
    "ApiKey",
    "AuditEntry",
    "AuditHead",
    "BackupRun",
    "Base",
    "BoundaryFile",
    "ClockRun",
    "ClockTask",
    "Confirmation",
    "DistrictTable",
    "Erasure",
    "EventTicket",
    "Fit",
    "FitCheck",
    "FitDraws",
    "Frame",
    "IdempotencyKey",
    "Job",
    "KeyCheck",
    "KnownResult",
    "Lease",
    "Outbox",
    "PredictorUpload",
    "QuestionAlarm",
    "QuestionHold",
    "QuestionState",
    "Release",
    "ReleasePin",
    "ReleaseScore",
    "Serving",
    "SourceFile",
    "SourceState",
    "Suppression",
    "Survey",
    "SurveyBoundaries",
    "SurveyVersion",
    "Wave",
    "WaveEvent",
    "WavePart",
    "WaveVersion",
    "WebSession",
    "Webhook",
    "WebhookDelivery",
]


class Frame(Base):
    """A poststratification frame, kept once however many versions use it."""

    __tablename__ = "frame"
    sha256: Mapped[str] = mapped_column(primary_key=True)
    n_rows: Mapped[int]
    content: Mapped[bytes] = mapped_column(deferred=True)


class DistrictTable(Base):
    """A table of districts with parents and predictors, kept once."""

    __tablename__ = "district_table"
    sha256: Mapped[str] = mapped_column(primary_key=True)
    n_rows: Mapped[int]
    content: Mapped[bytes] = mapped_column(deferred=True)


class Survey(Base):
    """A survey: its newest version, and how many times its data changed."""

    __tablename__ = "survey"
    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    data_sequence: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime]


class SurveyVersion(Base):
    """One declaration with its frame and districts; never changed."""

    __tablename__ = "survey_version"
    survey_id: Mapped[str] = mapped_column(ForeignKey("survey.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content_sha256: Mapped[str]
    declaration: Mapped[str]
    frame_sha256: Mapped[str] = mapped_column(ForeignKey("frame.sha256"))
    districts_sha256: Mapped[str] = mapped_column(ForeignKey("district_table.sha256"))
    created_at: Mapped[datetime]


class Fit(Base):
    """One estimation with everything needed to judge it and to run it again."""

    __tablename__ = "fit"
    __table_args__ = (
        Index(None, "survey_id", "question_id", "created_at"),
        ForeignKeyConstraint(["survey_id", "survey_version"], ["survey_version.survey_id", "survey_version.version"]),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    survey_id: Mapped[str]
    survey_version: Mapped[int]
    question_id: Mapped[str]
    engine: Mapped[str]
    # A seed may take 64 bits.
    seed: Mapped[int] = mapped_column(BigInteger)
    formula: Mapped[str]
    priors: Mapped[Any]
    settings: Mapped[Any]
    versions: Mapped[Any]
    inputs: Mapped[Any]
    inputs_sha256: Mapped[str]
    data_sequence: Mapped[int]
    data_through: Mapped[date | None]
    n_interviews: Mapped[int]
    n_cells: Mapped[int]
    verdict: Mapped[Any]
    publishable: Mapped[bool]
    seconds: Mapped[Any]
    created_at: Mapped[datetime]
    design: Mapped[Any] = mapped_column(nullable=True, deferred=True)
    diagnostics: Mapped[Any] = mapped_column(nullable=True, deferred=True)
    # Interviews per cell are often one person's opinion: read by `load_counts` alone.
    counts: Mapped[bytes | None] = mapped_column(deferred=True)
    # Since when somebody is in it whose erasure was asked for; until a refit replaces it.
    contains_erased_at: Mapped[datetime | None]


class FitDraws(Base):
    """Latent draws, apart from the fit because they are purged on another schedule; with them goes what shows them.

    Fits that were stored before their evidence was kept have none.
    """

    __tablename__ = "fit_draws"
    fit_id: Mapped[str] = mapped_column(ForeignKey("fit.id"), primary_key=True)
    content: Mapped[bytes]
    evidence: Mapped[bytes | None] = mapped_column(deferred=True)
    # With the systematic error, where one is declared: deleted with the others, as it is the same row.
    second: Mapped[bytes | None] = mapped_column(deferred=True)
    # Pictures of both, once somebody wanted to see them.
    figures: Mapped[bytes | None] = mapped_column(deferred=True)


class Release(Base):
    """A published fit; never changed."""

    __tablename__ = "release"
    __table_args__ = (UniqueConstraint("survey_id", "question_id", "number"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    survey_id: Mapped[str] = mapped_column(ForeignKey("survey.id"))
    question_id: Mapped[str]
    number: Mapped[int]
    fit_id: Mapped[str] = mapped_column(ForeignKey("fit.id"))
    published_at: Mapped[datetime]


class QuestionState(Base):
    """What is served for a question now; ``version`` grows with every change."""

    __tablename__ = "question_state"
    survey_id: Mapped[str] = mapped_column(ForeignKey("survey.id"), primary_key=True)
    question_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(server_default=text("0"))
    last_number: Mapped[int] = mapped_column(server_default=text("0"))
    release_id: Mapped[str | None] = mapped_column(ForeignKey("release.id"))
    stale_since: Mapped[datetime | None]
    stale_reason: Mapped[str | None]


class Job(Base):
    """One piece of work, asked for any number of times before it starts."""

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed')", name="state"),
        # These two are the debounce and the promise that no work runs twice at once.
        Index(
            "uq_job_queued",
            "kind",
            "key",
            unique=True,
            sqlite_where=text("state = 'queued'"),
            postgresql_where=text("state = 'queued'"),
        ),
        Index(
            "uq_job_running",
            "kind",
            "key",
            unique=True,
            sqlite_where=text("state = 'running'"),
            postgresql_where=text("state = 'running'"),
        ),
        Index(None, "state", "run_after"),
        Index(None, "survey_id", "first_asked_at"),
        Index(None, "started_at"),
        Index(None, "kind", "key", "started_at"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    key: Mapped[str]
    # 0 is the most urgent.
    priority: Mapped[int] = mapped_column(server_default=text("0"))
    survey_id: Mapped[str | None] = mapped_column(ForeignKey("survey.id"))
    question_id: Mapped[str | None]
    state: Mapped[str]
    asked: Mapped[int]
    first_asked_at: Mapped[datetime]
    last_asked_at: Mapped[datetime]
    not_later_than: Mapped[datetime]
    run_after: Mapped[datetime]
    attempt: Mapped[int]
    max_attempts: Mapped[int]
    owner: Mapped[str | None]
    token: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    cancel_requested: Mapped[bool]
    progress: Mapped[Any] = mapped_column(nullable=True)
    code: Mapped[str | None]
    detail: Mapped[str | None]
    fit_id: Mapped[str | None] = mapped_column(ForeignKey("fit.id"))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Outbox(Base):
    """What happened, in order, for whoever follows."""

    __tablename__ = "outbox"
    # AUTOINCREMENT: an id is never used twice, even after old rows were deleted.
    __table_args__ = (Index(None, "survey_id", "id"), {"sqlite_autoincrement": True})
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    kind: Mapped[str]
    survey_id: Mapped[str | None] = mapped_column(ForeignKey("survey.id"))
    payload: Mapped[Any]
    created_at: Mapped[datetime]


class ApiKey(Base):
    """A key, by its keyed hash; the key itself is shown once and not stored."""

    __tablename__ = "api_key"
    id: Mapped[str] = mapped_column(primary_key=True)
    prefix: Mapped[str] = mapped_column(unique=True)
    key_hash: Mapped[str]
    role: Mapped[str]
    survey_id: Mapped[str | None] = mapped_column(ForeignKey("survey.id"))
    pollster: Mapped[str | None]
    label: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    # The prefix of the key whose place it took.
    replaces: Mapped[str | None]
    # The beginning of the hour in which it was last used.
    last_used_at: Mapped[datetime | None]


class Lease(Base):
    """Who may do a thing of which there is one; ``token`` grows with every change of hands."""

    __tablename__ = "lease"
    name: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    token: Mapped[int]
    expires_at: Mapped[datetime]


class ClockRun(Base):
    """When each scheduled task last ran."""

    __tablename__ = "clock_run"
    name: Mapped[str] = mapped_column(primary_key=True)
    last_run_at: Mapped[datetime]


class ClockTask(Base):
    """Since when each scheduled task is known, and what became of its last try."""

    __tablename__ = "clock_task"
    __table_args__ = (CheckConstraint("outcome IN ('done', 'failed')", name="outcome"),)
    name: Mapped[str] = mapped_column(primary_key=True)
    known_since: Mapped[datetime]
    tried_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    detail: Mapped[str | None]
    seconds: Mapped[float | None]
