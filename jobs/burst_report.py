"""What a burst's report says, reckoned from the service's own history of jobs and fits once all is done."""

import os
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from jobs.burst_figures import Growth, Started, Turns, growth, jain, turns_of
from jobs.burst_surveys import BurstSurvey
from jobs.live_bench import latencies, quantile
from jobs.restate import REFIT
from jobs.settings import Settings
from polling.store import fits, queue
from polling.store.engine import Store
from polling.store.records import FitRecord, JobRecord
from polling.store.sizes import stored_bytes

__all__ = ["BurstSpeed", "Observed", "Push", "Waiting", "as_json", "report"]


@dataclass(frozen=True, slots=True)
class Push:
    """A wave was sent: when its last byte was sent and when it was answered, seconds since the epoch."""

    survey: str
    sent: float
    answered: float


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen from outside while the burst drained."""

    began: float
    """When the first wave of the burst was sent, seconds since the epoch."""
    sent_s: float
    pushes: tuple[Push, ...]
    idle: Mapping[str, Any]
    busy: Mapping[str, Any]
    """What readers saw (``jobs.live_reader``) before the burst, and during it."""
    stale: int
    empty_mb: float
    before_mb: float
    after_mb: float
    """The database without surveys, without waves, and in the end."""
    peak_mb: Mapping[str, float]
    load_at_start: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """Seconds from the last byte of a survey's last wave to the last of its questions having it released."""

    median_s: float
    p95_s: float
    worst_s: float
    worst_to_median: float
    jain: float


@dataclass(frozen=True, slots=True)
class BurstSpeed:
    """What was measured; the greedy survey is one of ``surveys`` and not in ``waiting``."""

    surveys: int
    questions: int
    """Of all surveys; each is refitted by itself."""
    waves: int
    """Sent in the burst, by all surveys."""
    wave_size: int
    cores: int
    load_at_start: float
    sent_s: float
    """Seconds until the last wave of the burst was answered."""
    drained_s: float
    """Seconds from the first wave of the burst to the end of the last refit."""
    refits: int
    """In the burst; waves that came together share one."""
    refits_failed: int
    refits_by_engine: Mapping[str, int]
    refits_per_hour: float
    stages_s: Mapping[str, float]
    """Medians: what a refit, and the pause to the next, is made of."""
    waiting: Waiting
    greedy_waited_s: float
    greedy_refits: int
    other_refits: float
    """Median of the other surveys."""
    turns: Turns
    stale_at_end: int
    """Questions whose release, read over HTTP, lacked a wave, or that had none."""
    api_p50_ms: Mapping[str, float]
    """Of the reader: ``idle``, and ``burst``."""
    api_p99_ms: Mapping[str, float]
    reads: int
    failed_reads: int
    database_mb: Mapping[str, float]
    """``before`` any wave, and ``after``."""
    bytes_of: Mapping[str, float]
    """One ``wave``; one ``release``, kept for ever; its ``draws`` with their counts; one ``survey`` before any wave."""
    growth: Growth
    peak_mb: Mapping[str, float]
    """Of the largest process of each role."""


def report(
    store: Store, settings: Settings, surveys: Sequence[BurstSurvey], observed: Observed, *, size: int
) -> BurstSpeed:
    """Put together what was observed and what the database tells.

    Parameters
    ----------
    surveys
        One of them is greedy; every wave of each has been sent.
    size
        Interviews per wave.

    Raises
    ------
    RuntimeError
        If a question never got a release with every wave.
    """
    greedy = next(survey for survey in surveys if survey.greedy)
    with store.read() as session:
        every = [job for job in queue.list_jobs(session, kind=REFIT) if job.finished_at is not None]
        found = {survey.id: _fits(session, survey) for survey in surveys}
        content = stored_bytes(session)
    jobs = [job for job in every if _moment(job.first_asked_at) >= observed.began]
    known = {fit.id: fit for mine in found.values() for fit in mine}
    waited = {survey.id: _waited(survey, found[survey.id], every, observed.pushes) for survey in surveys}
    others = [seconds for name, seconds in waited.items() if name != greedy.id]
    drained_s = max(_moment(job.finished_at) for job in jobs) - observed.began
    of = Counter(job.survey_id for job in jobs)
    n_waves, n_fits = sum(len(survey.waves) for survey in surveys), len(known)
    grown = (observed.after_mb - observed.before_mb) * 1e6
    bytes_of = {
        "survey": (observed.before_mb - observed.empty_mb) * 1e6 / len(surveys),
        "wave": content.waves / n_waves,
        "draws": content.draws / n_fits,
        # Indexes and half-empty pages of everything are in here: they stay, whoever they belong to.
        "release": (grown - content.waves - content.draws) / n_fits,
    }
    reads = {"idle": latencies(observed.idle), "burst": latencies(observed.busy)}
    return BurstSpeed(
        surveys=len(surveys),
        questions=sum(len(survey.questions) for survey in surveys),
        waves=len(observed.pushes),
        wave_size=size,
        cores=os.cpu_count() or 1,
        load_at_start=round(observed.load_at_start, 2),
        sent_s=round(observed.sent_s, 1),
        drained_s=round(drained_s, 1),
        refits=len(jobs),
        refits_failed=sum(job.state == "failed" for job in jobs),
        refits_by_engine=dict(Counter(known[job.fit_id].engine for job in jobs if job.fit_id is not None)),
        refits_per_hour=round(3600 * len(jobs) / drained_s, 1),
        stages_s=_stages(jobs, known),
        waiting=Waiting(
            median_s=round(statistics.median(others), 2),
            p95_s=quantile(others, 0.95),
            worst_s=round(max(others), 2),
            worst_to_median=round(max(others) / statistics.median(others), 2),
            jain=round(jain(others), 3),
        ),
        greedy_waited_s=round(waited[greedy.id], 2),
        greedy_refits=of[greedy.id],
        other_refits=statistics.median(of[survey.id] for survey in surveys if not survey.greedy),
        turns=turns_of(_started(jobs, observed.pushes), greedy=greedy.id),
        stale_at_end=observed.stale,
        api_p50_ms={when: quantile(ms, 0.5) for when, ms in reads.items()},
        api_p99_ms={when: quantile(ms, 0.99) for when, ms in reads.items()},
        reads=sum(map(len, reads.values())),
        failed_reads=sum(status != 200 for one in (observed.idle, observed.busy) for *_, status in one["answers"]),
        database_mb={"before": round(observed.before_mb, 1), "after": round(observed.after_mb, 1)},
        bytes_of={what: round(n_bytes) for what, n_bytes in bytes_of.items()},
        growth=growth(
            surveys=len(surveys),
            questions=len(next(survey for survey in surveys if not survey.greedy).questions),
            size=size,
            bytes_of=bytes_of,
            draws_days=settings.draws_days,
            draws_daily_days=settings.draws_daily_days,
        ),
        peak_mb=dict(observed.peak_mb),
    )


def as_json(speed: BurstSpeed) -> dict[str, Any]:
    """What was measured, as one object."""
    return asdict(speed)


def _fits(session: Session, survey: BurstSurvey) -> list[FitRecord]:
    return [fit for question in survey.questions for fit in fits.list_fits(session, survey.id, question)]


def _waited(
    survey: BurstSurvey, found: Sequence[FitRecord], jobs: Sequence[JobRecord], pushes: Sequence[Push]
) -> float:
    """Seconds from the last byte of the survey's last wave to the end of the last job that released all of them."""
    inputs: dict[str, Any] = {fit.id: fit.inputs for fit in found}
    whole = {fit.id for fit in found if len(inputs[fit.id]["waves"]) == len(survey.waves)}
    ends: dict[str | None, float] = {}
    for job in jobs:
        if job.code == "published" and job.fit_id in whole:
            end = _moment(job.finished_at)
            ends[job.question_id] = min(end, ends.get(job.question_id, end))
    if missing := set(survey.questions) - ends.keys():
        said = [f"{job.question_id}: {job.detail}" for job in jobs if job.question_id in missing][:3]
        raise RuntimeError(f"Survey {survey.id} has no release with every wave. {' '.join(said)}")
    return max(ends.values()) - max(push.sent for push in pushes if push.survey == survey.id)


def _started(jobs: Sequence[JobRecord], pushes: Sequence[Push]) -> list[Started]:
    """When each job was due and when it started.

    A request is seen by workers when its transaction ends, at the latest when the wave is answered, which can be after
    the moment from which on it was to be done.
    """
    return [
        Started(
            at=_moment(job.started_at),
            survey=job.survey_id or "",
            due=max(_moment(job.run_after), _answered(job, pushes)),
        )
        for job in jobs
        if job.started_at is not None
    ]


def _answered(job: JobRecord, pushes: Sequence[Push]) -> float:
    asked, started = _moment(job.first_asked_at), _moment(job.started_at)
    after = (push.answered for push in pushes if push.survey == job.survey_id and push.answered >= asked)
    return min(min(after, default=asked), started)


def _stages(jobs: Sequence[JobRecord], known: Mapping[str, FitRecord]) -> dict[str, float]:
    """Medians of what a refit is made of, and of the pause between two."""
    laps: dict[str, list[float]] = {}
    last_end: float | None = None
    for job in sorted(jobs, key=lambda job: _moment(job.started_at or job.finished_at)):
        begin, end = _moment(job.started_at or job.finished_at), _moment(job.finished_at)
        if last_end is not None:
            laps.setdefault("pause before", []).append(begin - last_end)
        last_end = end
        if job.fit_id is None:
            continue
        seconds: Any = known[job.fit_id].seconds
        for stage, lap in seconds.items():
            laps.setdefault(stage, []).append(lap)
        laps.setdefault("counted, carried to the fit and back", []).append(end - begin - sum(seconds.values()))
    return {stage: round(statistics.median(each), 3) for stage, each in laps.items()}


def _moment(at: datetime | None) -> float:
    assert at is not None
    return at.timestamp()
