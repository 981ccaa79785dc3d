"""Many questions of one survey: one wave goes in, a release of each question comes out.

A service of its own (``hustings serve``, one worker) has the survey of ``jobs.forty_survey``. What a refit is made of
comes from its own history of jobs and fits, processor time from the kernel: it says what the work costs on a machine
that does other things as well.
"""

import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.orm import Session

from jobs.cpu_time import cpu_seconds
from jobs.forty_survey import SURVEY, ManyQuestions, write_many_questions
from jobs.live_bench import MakeKey
from jobs.live_service import furnish, send_wave, serving
from jobs.peak_memory import peak_memory
from jobs.restate import REFIT
from jobs.survey import load_survey
from polling.store import fits, queue
from polling.store.engine import Store
from polling.store.records import JobRecord

__all__ = ["FortySpeed", "as_json", "bench_forty", "most_at_once"]

LOOK_S = 0.1
SAY_S = 10.0
READY_S = 10.0
"""Time for the worker to have its process ready, as one that has been up for a while has."""
PATIENCE_S = 900.0
COVERAGE = 0.9


@dataclass(frozen=True, slots=True)
class FortySpeed:
    """What was measured."""

    questions: int
    interviews: int
    cells: int
    """Of the frame."""
    fit_cores: int
    cores: int
    load_at_start: float
    first_s: float
    """Seconds from the last byte of the wave to the end of the first refit."""
    all_s: float
    """... and of the last."""
    cpu_s: float
    """Processor time of all processes of the service meanwhile, with the start of a second process that fits."""
    cpu_per_question_s: float
    released: int
    refits_failed: int
    refits_by_engine: dict[str, int]
    most_at_once: int
    """Refits that ran beside each other."""
    stages_s: dict[str, float]
    """Medians of what a refit is made of."""
    covered: int
    """Questions whose true share is in the 90% interval of the nation."""
    largest_error: float
    """Of the national estimates."""
    peak_mb: dict[str, float]
    """Of the largest process of each role."""


def bench_forty(
    *, questions: int, size: int, seed: int, fit_cores: int, make_key: MakeKey, say: Callable[[str], None]
) -> FortySpeed:
    """Measure with a survey that is made up.

    Parameters
    ----------
    questions, size
        How many, answered by so many interviews.
    fit_cores
        The setting of the service: so many fits beside each other.
    say
        Receives one line per step.

    Raises
    ------
    RuntimeError
        If the wave is refused, or a question gets no release.
    """
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="hustings-forty-") as name:
        place = Path(name)
        say(f"making a survey of {questions} questions")
        made = write_many_questions(place / "survey", questions=questions, size=size, seed=seed)
        store, secrets = furnish(place, load_survey(made.folder), now=datetime.now(UTC))
        with closing(store):
            pushing = make_key(store, secrets, "pollster", made.pollster)
            asking = make_key(store, secrets, "reader", None)
            with serving(place, fit_cores=fit_cores) as served, peak_memory(served.pid) as peak_mb:
                time.sleep(READY_S)
                before_s = cpu_seconds(served.pid)
                sent = _send(served.url, made, pushing)
                done = _wait(store, questions, say)
                cpu_s = cpu_seconds(served.pid) - before_s
                errors, covered = _beside_truth(served.url, made, asking)
            with store.read() as session:
                stages, engines = _fits_of(session, done)
    return FortySpeed(
        questions=questions,
        interviews=size,
        cells=made.n_cells,
        fit_cores=fit_cores,
        cores=os.cpu_count() or 1,
        load_at_start=round(load, 2),
        first_s=round(min(_moment(job.finished_at) for job in done) - sent, 2),
        all_s=round(max(_moment(job.finished_at) for job in done) - sent, 2),
        cpu_s=round(cpu_s, 1),
        cpu_per_question_s=round(cpu_s / questions, 2),
        released=sum(job.code == "published" for job in done),
        refits_failed=sum(job.state == "failed" for job in done),
        refits_by_engine=engines,
        most_at_once=most_at_once([(_moment(job.started_at), _moment(job.finished_at)) for job in done]),
        stages_s=stages,
        covered=covered,
        largest_error=round(max(errors), 4),
        peak_mb=dict(peak_mb),
    )


def as_json(speed: FortySpeed) -> dict[str, Any]:
    """What was measured, as one object."""
    return asdict(speed)


def most_at_once(spans: list[tuple[float, float]]) -> int:
    """The most of some spans of time that overlap; one that begins when another ends does not overlap it.

    Examples
    --------
    >>> most_at_once([(0, 2), (1, 3), (2, 4)])
    2
    """
    changes = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    level = most = 0
    for _, change in changes:
        level += change
        most = max(most, level)
    return most


def _send(url: str, made: ManyQuestions, key: str) -> float:
    days = {"fieldwork_start": made.fieldwork_start.isoformat(), "fieldwork_end": made.fieldwork_end.isoformat()}
    with httpx.Client(base_url=url, timeout=120) as client:
        sent, _ = send_wave(
            client,
            f"/v1/surveys/{SURVEY}/waves",
            {"Authorization": f"Bearer {key}"},
            {"reference": "wave-1"} | days,
            made.content,
        )
    return sent


def _wait(store: Store, questions: int, say: Callable[[str], None]) -> list[JobRecord]:
    """Wait until every refit has ended."""
    began = next_word = time.monotonic()
    while True:
        with store.read() as session:
            jobs = queue.list_jobs(session, states=("succeeded", "failed"), kind=REFIT)
            left = queue.list_jobs(session, states=("queued", "running"), kind=REFIT)
        if len(jobs) >= questions and not left:
            return jobs
        now = time.monotonic()
        if now - began > PATIENCE_S:
            raise RuntimeError(f"{len(left)} refits are open after {PATIENCE_S:g} s.")
        if now >= next_word:
            next_word = now + SAY_S
            say(f"{len(jobs)} of {questions} refits done")
        time.sleep(LOOK_S)


def _beside_truth(url: str, made: ManyQuestions, key: str) -> tuple[list[float], int]:
    """Errors of the national estimates, and how many intervals have the truth in them."""
    errors, covered = [], 0
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        for question, share in made.shares.items():
            reply = client.get(f"/v1/surveys/{SURVEY}/questions/{question}/estimates?level=nation&interval={COVERAGE}")
            if reply.status_code != 200:
                raise RuntimeError(f"Question {question} has no release: {reply.text}")
            (row,) = reply.json()["estimates"]
            errors.append(abs(row["share"] - share))
            covered += row["low"] <= share <= row["high"]
    return errors, covered


def _fits_of(session: Session, jobs: list[JobRecord]) -> tuple[dict[str, float], dict[str, int]]:
    """Medians of the stages, and how many fits each engine made."""
    laps: dict[str, list[float]] = {}
    engines: Counter[str] = Counter()
    for job in jobs:
        if job.fit_id is None:
            continue
        fit = fits.get_fit(session, job.fit_id)
        engines[fit.engine] += 1
        seconds: Any = fit.seconds
        for stage, lap in seconds.items():
            laps.setdefault(stage, []).append(lap)
        rest = _moment(job.finished_at) - _moment(job.started_at) - sum(seconds.values())
        laps.setdefault("counted, carried to the fit and back", []).append(rest)
    return {stage: round(statistics.median(each), 3) for stage, each in laps.items()}, dict(engines)


def _moment(at: datetime | None) -> float:
    assert at is not None
    return at.timestamp()
