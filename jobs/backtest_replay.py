"""Push waves in fieldwork order, publish a release after each, and score all of them against the truth.

What a house would have said as interviews came in, by the same path: ingest, refit, publication, known result, scores.
"""

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy.orm import Session

from jobs.backtest_house import ACTOR, BacktestHouse, RunFit, backtest_house
from jobs.backtest_tables import read_outcomes
from jobs.backtest_waves import PushedWave, split_rule
from jobs.errors import BacktestImpossible
from jobs.fit_host import FitHost
from jobs.fit_request import FitProgress, FitRequest, FitResult
from jobs.known_results import add_known_result
from jobs.score import score_pair
from jobs.settings import Settings
from polling.store import queue, scores

__all__ = ["Replayed", "replay", "truth_day"]


@dataclass(frozen=True, slots=True)
class Replayed[T]:
    """What a replay did."""

    read: T
    """What was read from its store at the end."""
    rule: str
    """How interviews became waves, in words."""
    held: tuple[str, ...]
    """Waves that the quality checks held, and that were let through."""
    unpublished: tuple[str, ...]
    """Of fits that were not published, why."""


def replay[T](
    folder: Path,
    data_dir: Path | None = None,
    *,
    settings: Settings,
    read: Callable[[Session, str, str], T],
    question: str | None = None,
    seed: int | None = None,
    on_progress: Callable[[FitProgress], None] | None = None,
    fit: RunFit | None = None,
    now: datetime | None = None,
) -> Replayed[T]:
    """Replay a survey's fieldwork.

    Parameters
    ----------
    read
        Called at the end with a session of the replay's store, survey and question.
    fit
        Runs one fit; default a process that is kept between fits.

    Others as of ``jobs.backtest.backtest``. An interruption ends the fit that runs, and leaves nothing behind.

    Raises
    ------
    SurveyRejected, WaveRejected, ResultRejected
        If survey, interviews or truth have faults.
    BacktestImpossible
        If there is no backtest or no truth, or the interviews are one wave.
    """
    with backtest_house(folder, data_dir, settings=settings, question=question, now=now) as house:
        if house.plan.declared.truth is None:
            raise BacktestImpossible("Releases are scored against a truth. Name its table in [backtest] truth.")
        if house.bundle.declaration.question(house.plan.question).kind == "numeric":
            raise BacktestImpossible(
                f"Question {house.plan.question} is answered with a number, and a track record is one of shares; a "
                "plain backtest and folds are made of it."
            )
        if len(house.waves) < 2:
            raise BacktestImpossible(
                "All interviews are one wave, so that there is nothing to replay. Split them by [backtest] wave_by, "
                "wave_days or wave_parts."
            )
        with closing(FitHost()) as host:
            for number, wave in enumerate(house.waves):
                house.push(wave)
                house.work(fit=_watched(fit or host, on_progress, number, len(house.waves)), seed=seed)
        _add_truth(house)
        with house.store.read() as session:
            pairs = scores.unscored(session, house.bundle.declaration.id, house.plan.question)
        for pair in reversed(pairs):
            score_pair(house.store, house.settings, *pair, now=house.now, exact=True)
        with house.store.read() as session:
            jobs = queue.list_jobs(session, states=("failed",))
            found = read(session, house.bundle.declaration.id, house.plan.question)
        return Replayed(
            read=found,
            rule=split_rule(house.plan.declared),
            held=tuple(house.held),
            unpublished=tuple(str(job.detail) for job in reversed(jobs) if job.code != "cancelled"),
        )


def truth_day(waves: list[PushedWave], declared: date | None) -> date:
    """The day of which the truth is true: declared, or the last of fieldwork."""
    return declared or max(wave.fieldwork_end for wave in waves)


def _add_truth(house: BacktestHouse) -> None:
    declared, declaration = house.plan.declared, house.bundle.declaration
    assert declared.truth is not None
    question = declaration.question(house.plan.question)
    options = question.options[:1] if question.kind == "binary" else question.options
    known = read_outcomes(
        house.tables / declared.truth,
        declared,
        question,
        districts=house.bundle.districts["code"],
        options=options,
    )
    parts = []
    for option, outcome in known.items():
        about: dict[str, Any] = {"geography": outcome.codes, "option": option, "share": outcome.share}
        parts.append(pl.DataFrame(about | ({} if outcome.se is None else {"se": outcome.se})))
    table = pl.concat(parts)
    add_known_result(
        house.store,
        house.secrets,
        survey_id=declaration.id,
        question_id=question.id,
        content=table.write_csv().encode(),
        refers_to=truth_day(house.waves, declared.truth_date),
        source=f"{declared.truth} of the survey folder",
        file=declared.truth,
        now=house.now,
        actor=ACTOR,
    )


def _watched(
    fit: RunFit, on_progress: Callable[[FitProgress], None] | None, number: int, total: int
) -> Callable[..., FitResult]:
    """The same fit, telling of the whole how far it has come."""

    def run(
        request: FitRequest,
        settings: Settings,
        *,
        beat: Callable[[FitProgress | None], bool],
        stop: threading.Event,
    ) -> FitResult:
        def watched(progress: FitProgress | None) -> bool:
            if on_progress is not None:
                share = 0.0 if progress is None else progress.share
                on_progress(FitProgress(f"wave {number + 1} of {total}", (number + share) / total))
            return beat(progress)

        return fit(request, settings, beat=watched, stop=stop)

    return run
