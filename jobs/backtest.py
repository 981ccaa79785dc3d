"""Score a survey against what happened, by the same path as any wave.

The folder's interviews go through the ingest into a temporary store, the refit
is claimed and done by a real worker in a real fit process, and the estimates
come from the draws that it stored, among those whom the question is about. Nothing is special but the end: the
estimates are compared with the truth, beside simple baselines. A fit that is
not publishable is scored all the same, and the report says so.
"""

import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import polars as pl

from jobs.backtest_among import among_of, district_draws
from jobs.backtest_basis import basis_of, chain_among
from jobs.backtest_options import report_options
from jobs.backtest_report import BacktestReport
from jobs.backtest_waves import BacktestPlan, PushedWave, plan_backtest, split_waves
from jobs.errors import BacktestImpossible, FitProcessFailed
from jobs.fit_request import FitProgress, FitRequest, FitResult
from jobs.fit_run import run_fit
from jobs.receive import receive_wave
from jobs.refit import electorate_of
from jobs.settings import Settings
from jobs.survey import add_survey, load_survey
from jobs.worker import Worker, utc_now
from mrp.latents import LatentDraws
from mrp.outcomes import AnyDesign, design_from_json
from mrp.turnout import Turnout
from mrp.verdict import FitVerdict
from polling.bundle import SurveyBundle
from polling.secrets import SecretsFile
from polling.store import fits, queue
from polling.store.engine import Store, open_store
from polling.store.fit_inputs import partners_noted
from polling.store.records import FitRecord, JobRecord
from polling.store.schema import upgrade

__all__ = ["backtest"]


def backtest(
    folder: Path,
    data_dir: Path | None = None,
    *,
    settings: Settings,
    question: str | None = None,
    seed: int | None = None,
    interviews: str | None = None,
    on_progress: Callable[[FitProgress], None] | None = None,
    now: datetime | None = None,
) -> BacktestReport:
    """Push a survey's interviews, fit, poststratify, and compare with the truth.

    Parameters
    ----------
    folder
        Folder of ``survey.toml``.
    data_dir
        Where its tables lie, if not there.
    settings
        Engine and its settings; database, secrets and waiting times of the
        running service are not touched.
    question
        Question to score; default the declared one, or the only one.
    seed
        Seed of the fit; by default it follows from the inputs.
    interviews
        Another file of interviews than the declared one.
    on_progress
        Told how far the fit has come.
    now
        Time of arrival of the waves.

    Raises
    ------
    SurveyRejected, WaveRejected
        If survey or interviews have faults.
    BacktestImpossible
        If the folder declares no backtest, or no such question.
    FitProcessFailed
        If there is no fit to score.
    """
    started = time.perf_counter()
    bundle = load_survey(folder, data_dir=data_dir)
    plan = plan_backtest(bundle, question, interviews)
    tables, arrival = data_dir or folder, now or utc_now()
    waves = split_waves(bundle, plan, tables, now=arrival)
    with tempfile.TemporaryDirectory(prefix="hustings-backtest-") as place:
        apart = replace(
            settings,
            data_dir=Path(place),
            database_url="",
            secrets_file=Path(place) / "secrets",
            refit_quiet_s=0.0,
            refit_patience_s=0.0,
            max_attempts=1,
        )
        store = open_store(apart.store_url)
        try:
            upgrade(store)
            work = _ingest(store, apart, bundle, waves, plan, now=arrival)
            read = time.perf_counter()
            fit = _fit(store, apart, bundle, plan, work, seed=seed, on_progress=on_progress)
        finally:
            store.close()
    fitted = time.perf_counter()
    electorate = electorate_of(bundle)
    asked = bundle.declaration.question(plan.question)
    drawn = district_draws((fit.draws, fit.design), fit.turnout, electorate, bundle, question=plan.question)
    done = time.perf_counter()
    scored = report_options(bundle, plan, tables, drawn, counts=fit.counts, design=fit.design, electorate=electorate)
    reports = scored.options
    first_name, first = next(iter(reports.items()))
    verdict = FitVerdict.from_json(cast(dict[str, Any], fit.record.verdict))
    return BacktestReport(
        survey=bundle.declaration.id,
        question=plan.question,
        option=first_name,
        engine=fit.record.engine,
        seed=fit.record.seed,
        n_interviews=fit.record.n_interviews,
        n_cells=fit.record.n_cells,
        national_mean=first.national_mean,
        national_sd=first.national_sd,
        scores=first.scores,
        baselines=first.baselines,
        seconds={
            "read": round(read - started, 3),
            "fit": round(fitted - read, 3),
            "poststratify": round(done - fitted, 3),
            "total": round(done - started, 3),
        },
        publishable=fit.record.publishable,
        problems=tuple(asdict(problem) for problem in verdict.problems),
        warnings=(*verdict.warnings, *fit.warnings),
        formula=fit.record.formula,
        priors=fit.record.priors,
        districts=scored.districts,
        options=reports if len(reports) > 1 else {},
        together=scored.together,
        absent=first.absent,
        basis=basis_of(
            bundle,
            plan.question,
            partners=[name for name, of in partners_noted(fit.record.inputs).items() if of],
            among=bool(fit.turnout),
        ),
        unit=asked.unit or "unit of the answers" if asked.kind == "numeric" else None,
    )


@dataclass(frozen=True, slots=True)
class _Fitted:
    record: FitRecord
    counts: pl.DataFrame
    draws: LatentDraws
    design: AnyDesign
    turnout: tuple[Turnout, ...]
    """What tells whom the question is about; empty: everybody."""
    warnings: tuple[str, ...]
    """Of what tells it."""


def _ingest(
    store: Store,
    settings: Settings,
    bundle: SurveyBundle,
    waves: list[PushedWave],
    plan: BacktestPlan,
    *,
    now: datetime,
) -> dict[str, JobRecord]:
    """Store survey and waves; return the refits of the question and of those that tell whom it is about, by question.

    No others are left in the queue.
    """
    secrets = SecretsFile(settings.secrets_file)
    add_survey(store, secrets, bundle, actor="backtest", now=now)
    asked: dict[str, JobRecord] = {}
    for wave in waves:
        received = receive_wave(
            store,
            secrets,
            settings,
            survey_id=bundle.declaration.id,
            pollster=wave.pollster,
            reference=wave.reference,
            content=wave.content,
            fieldwork_start=wave.fieldwork_start,
            fieldwork_end=wave.fieldwork_end,
            now=now,
            actor="backtest",
        )
        asked |= {job.question_id: job for job in received.jobs if job.question_id is not None}
    if plan.question not in asked:
        raise BacktestImpossible(f"No interview of {plan.interviews} answers question {plan.question}.")
    wanted = {plan.question, *(one.question for one in chain_among(bundle.declaration, plan.question))}
    with store.write() as session:
        for question_id, job in asked.items():
            if question_id not in wanted:
                queue.cancel(session, job.id, now=now)
    return {question_id: job for question_id, job in asked.items() if question_id in wanted}


def _fit(
    store: Store,
    settings: Settings,
    bundle: SurveyBundle,
    plan: BacktestPlan,
    work: dict[str, JobRecord],
    *,
    seed: int | None,
    on_progress: Callable[[FitProgress], None] | None,
) -> _Fitted:
    """Let a worker take the jobs from the queue, and read what it stored."""

    def fit(
        request: FitRequest,
        settings: Settings,
        *,
        beat: Callable[[FitProgress | None], bool],
        stop: threading.Event,
    ) -> FitResult:
        def watched(progress: FitProgress | None) -> bool:
            if progress is not None and on_progress is not None:
                on_progress(progress)
            return beat(progress)

        return run_fit(request, settings, beat=watched, stop=stop)

    worker = Worker(store, settings, seed=seed, fit=fit)
    while any(job.finished_at is None for job in _as_they_are(store, work).values()) and worker.turn(utc_now()):
        pass
    ended = _as_they_are(store, work)
    done = ended[plan.question]
    chain = chain_among(bundle.declaration, plan.question)
    with store.read() as session:
        if done.fit_id is None:
            raise FitProcessFailed(done.code or "no-fit", done.detail or "The worker made no fit.", retry=False)
        turnout, warnings = among_of(session, chain, {name: job.fit_id for name, job in ended.items()})
        return _Fitted(
            record=fits.get_fit(session, done.fit_id),
            counts=pl.read_parquet(BytesIO(fits.load_counts(session, done.fit_id))),
            draws=LatentDraws.from_bytes(fits.load_draws(session, done.fit_id)),
            design=design_from_json(cast(dict[str, Any], fits.load_design(session, done.fit_id))),
            turnout=turnout,
            warnings=warnings,
        )


def _as_they_are(store: Store, work: dict[str, JobRecord]) -> dict[str, JobRecord]:
    with store.read() as session:
        return {name: queue.get_job(session, job.id) for name, job in work.items()}
