"""What the store answers and takes: plain values, free of any session.

Times are aware UTC. ``Json`` members are what was stored, as Python lists and
dictionaries. Blobs (payloads, draws, counts) are not part of records; they have
their own functions, because few callers may or want to load them. Records of
waves are in ``polling.store.wave_records``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from polling.store.columns import Json
from polling.store.release_records import HoldRecord

if TYPE_CHECKING:
    from polling.bundle import SurveyBundle

__all__ = [
    "ApiKeyRecord",
    "Claim",
    "FitRecord",
    "HeartbeatReply",
    "JobRecord",
    "NewFit",
    "OutboxEvent",
    "QuestionStateRecord",
    "ReleaseRecord",
    "StoredSurvey",
    "SurveyVersionRecord",
]


@dataclass(frozen=True, slots=True)
class SurveyVersionRecord:
    """One version of a survey, without its tables."""

    survey_id: str
    version: int
    content_sha256: str
    frame_sha256: str
    districts_sha256: str
    created_at: datetime
    created: bool
    """False if this content was the newest version already."""


@dataclass(frozen=True, slots=True)
class StoredSurvey:
    """One version of a survey with everything it declares."""

    id: str
    version: int
    bundle: "SurveyBundle"
    frame_sha256: str
    districts_sha256: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One piece of work. Four states decide; ``code`` and ``detail`` explain."""

    id: str
    kind: str
    key: str
    priority: int
    """0 is the most urgent."""
    survey_id: str | None
    question_id: str | None
    state: str
    """queued | running | succeeded | failed"""
    asked: int
    """How many requests this job answers."""
    first_asked_at: datetime
    last_asked_at: datetime
    run_after: datetime
    attempt: int
    """0 before the first start."""
    max_attempts: int
    owner: str | None
    lease_until: datetime | None
    cancel_requested: bool
    progress: Json
    code: str | None
    detail: str | None
    fit_id: str | None
    started_at: datetime | None
    """Start of the latest attempt."""
    finished_at: datetime | None

    @property
    def queued_s(self) -> float | None:
        """Seconds from the first request to the start of the latest attempt."""
        return _seconds(self.first_asked_at, self.started_at)

    @property
    def ran_s(self) -> float | None:
        """Seconds that the latest attempt took; None before its end."""
        return _seconds(self.started_at, self.finished_at)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a job, for as long as ``token`` is the job's token."""

    job: JobRecord
    owner: str
    attempt: int
    token: str


@dataclass(frozen=True, slots=True)
class HeartbeatReply:
    """What the worker learns when it says that it lives."""

    cancel_requested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFit:
    """A fit as it leaves the estimator, publishable or not."""

    survey_id: str
    survey_version: int
    question_id: str
    engine: str
    seed: int
    formula: str
    priors: Json
    settings: Json
    """Engine settings that change the draws (tuning length, target acceptance ...)."""
    versions: Json
    """Versions of our code and of the libraries that made the draws."""
    inputs: Json
    """Ids and hashes of the waves, the frame and the districts."""
    data_sequence: int
    """``waves.data_sequence`` of the survey when the inputs were read: 0 without waves."""
    data_through: date | None
    """Last day of fieldwork among the inputs."""
    n_interviews: int
    n_cells: int
    verdict: Json
    publishable: bool
    seconds: Json
    design: Json = None
    diagnostics: Json = None
    counts: bytes | None = None
    """Interviews per cell (Parquet). Special-category data: read by ``load_counts`` alone."""
    draws: bytes | None = None
    """Latent draws; None if the engine produced none."""
    evidence: bytes | None = None
    """What is kept beside the draws for whoever checks the fit."""
    second: bytes | None = None
    """The draws with the systematic error; None where none is declared."""


@dataclass(frozen=True, slots=True)
class FitRecord:
    """A stored fit, without design, diagnostics, counts and draws."""

    id: str
    survey_id: str
    survey_version: int
    question_id: str
    engine: str
    seed: int
    formula: str
    priors: Json
    settings: Json
    versions: Json
    inputs: Json
    inputs_sha256: str
    data_sequence: int
    data_through: date | None
    n_interviews: int
    n_cells: int
    verdict: Json
    publishable: bool
    seconds: Json
    created_at: datetime
    contains_erased_at: datetime | None
    """Since when somebody is in it whose erasure was asked for."""


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """A published fit."""

    id: str
    survey_id: str
    question_id: str
    number: int
    """1, 2, ... per question."""
    fit_id: str
    published_at: datetime
    survey_version: int
    engine: str
    data_through: date | None
    data_sequence: int
    n_interviews: int
    contains_erased_at: datetime | None
    """Since when somebody is in it whose erasure was asked for."""
    has_draws: bool
    """Whether it can still answer."""


@dataclass(frozen=True, slots=True)
class QuestionStateRecord:
    """What is served for a question, and since when and why it is stale."""

    survey_id: str
    question_id: str
    version: int
    """Grows with every change of the other members."""
    release_id: str | None
    stale_since: datetime | None
    stale_reason: str | None
    hold: HoldRecord | None = None
    """Why new fits are not published, if an analyst keeps them back; part of ``stale_reason``."""


@dataclass(frozen=True, slots=True)
class ApiKeyRecord:
    """A key, by its keyed hash."""

    id: str
    prefix: str
    key_hash: str
    role: str
    survey_id: str | None
    """None: every survey."""
    pollster: str | None
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    replaces: str | None = None
    """Prefix of the key whose place it took."""
    last_used_at: datetime | None = None
    """Beginning of the hour in which it was last used; None if it never was."""

    def state(self, now: datetime) -> str:
        """usable | expired | revoked, at ``now``."""
        return "revoked" if self.revoked_at else "usable" if self.usable(now) else "expired"

    def usable(self, now: datetime) -> bool:
        """Tell whether the key is neither revoked nor expired at ``now``."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """Something that happened, in the order of ``id``."""

    id: int
    kind: str
    survey_id: str | None
    payload: Mapping[str, Json] | Sequence[Json] | Json
    created_at: datetime


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    """From one moment to another; 0 if a clock was set back between."""
    return None if begin is None or end is None else max(0.0, (end - begin).total_seconds())
