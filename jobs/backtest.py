"""Score a survey against what happened, by the same path as any wave.

The folder's interviews go through the ingest into a temporary store, the refit
is claimed and done by a real worker in a real fit process, and the estimates
come from the draws that it stored. Nothing is special but the end: the
estimates are compared with the truth, beside simple baselines. A fit that is
not publishable is scored all the same, and the report says so.
"""

import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from io import BytesIO
from pathlib import Path

import polars as pl

from jobs.backtest_report import BacktestReport
from jobs.errors import BacktestImpossible, FitProcessFailed
from jobs.fit_request import FitProgress, FitRequest, FitResult
from jobs.fit_run import run_fit
from jobs.receive import receive_wave
from jobs.refit import electorate_of
from jobs.settings import Settings
from jobs.survey import add_survey, load_survey
from jobs.worker import Worker, utc_now
from mrp.design import Design
from mrp.latents import LatentDraws
from mrp.poststratify import area_draws
from polling.bundle import SurveyBundle
from polling.declaration import Backtest
from polling.secrets import SecretsFile
from polling.store import fits, queue
from polling.store.engine import Store, open_store
from polling.store.records import FitRecord, JobRecord
from polling.store.schema import upgrade

__all__ = ["backtest"]

# No column of a file can have these names.
_POLLSTER, _WAVE = "\x00pollster", "\x00wave"


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
    plan = _plan(bundle, question, interviews)
    tables, arrival = data_dir or folder, now or utc_now()
    waves = _waves(bundle, plan, tables, now=arrival)
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
            job = _ingest(store, apart, bundle, waves, plan, now=arrival)
            read = time.perf_counter()
            fit = _fit(store, apart, job, seed=seed, on_progress=on_progress)
        finally:
            store.close()
    fitted = time.perf_counter()
    electorate = electorate_of(bundle)
    districts = area_draws(fit.draws, fit.design, electorate, by=(electorate.district,))
    nation = area_draws(fit.draws, fit.design, electorate)
    done = time.perf_counter()
    table = district_table(bundle, plan.declared, plan.question, tables=tables, counts=fit.counts, districts=districts)
    scores, baselines = score_table(table, ...)
    return BacktestReport(
        survey=bundle.declaration.id,
        question=plan.question,
        option=bundle.declaration.question(plan.question).options[0],
        engine=fit.record.engine,
        seed=fit.record.seed,
        n_interviews=fit.record.n_interviews,
        n_cells=fit.record.n_cells,
        n_districts=districts.areas.height,
        national_mean=float(nation.draws.mean()),
        national_sd=float(nation.draws.std(ddof=1)),
        scores=scores,
        baselines=baselines,
        seconds={
            "read": round(read - started, 3),
            "fit": round(fitted - read, 3),
            "poststratify": round(done - fitted, 3),
            "total": round(done - started, 3),
        },
        publishable=fit.record.publishable,
        problems=tuple(fit.record.verdict["problems"]),
        districts=table,
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    declared: Backtest
    question: str
    interviews: str
    """Name of the file."""


@dataclass(frozen=True, slots=True)
class _PushedWave:
    pollster: str
    reference: str
    content: bytes
    fieldwork_start: date
    fieldwork_end: date


@dataclass(frozen=True, slots=True)
class _Fitted:
    record: FitRecord
    counts: pl.DataFrame
    draws: LatentDraws
    design: Design


def _plan(bundle: SurveyBundle, question: str | None, interviews: str | None) -> _Plan:
    declaration = bundle.declaration
    declared = declaration.backtest
    if declared is None:
        raise BacktestImpossible(f"Survey {declaration.id} declares no [backtest]; name interviews and a truth there.")
    wanted = question or declared.question
    if wanted is None and len(declaration.questions) == 1:
        wanted = declaration.questions[0].id
    if wanted is None:
        asked = ", ".join(one.id for one in declaration.questions)
        raise BacktestImpossible(f"Survey {declaration.id} has several questions: {asked}. Say which one to score.")
    return _Plan(declared, declaration.question(wanted).id, interviews or declared.interviews)


def _waves(bundle: SurveyBundle, plan: _Plan, tables: Path, *, now: datetime) -> list[_PushedWave]:
    """Split the file into the waves that its pollsters would have sent."""
    declared = plan.declared
    table = _read_table(tables / plan.interviews)
    wanted = [*declared.keep, *filter(None, (declared.wave_by, declared.pollster_column))]
    if missing := [column for column in wanted if column not in table.columns]:
        raise BacktestImpossible(f"{plan.interviews} has no column {missing[0]!r}; it has {', '.join(table.columns)}.")
    for column, values in declared.keep.items():
        table = table.filter(pl.col(column).cast(pl.String).is_in(values))
    if table.is_empty():
        raise BacktestImpossible(f"No interview of {plan.interviews} has the values that [backtest.keep] asks for.")
    split = table.with_columns(
        (pl.col(declared.pollster_column).cast(pl.String) if declared.pollster_column else pl.lit(declared.pollster))
        .fill_null(declared.pollster)
        .alias(_POLLSTER),
        (pl.col(declared.wave_by).cast(pl.String) if declared.wave_by else pl.lit(Path(plan.interviews).stem))
        .fill_null("no wave")
        .alias(_WAVE),
    )
    waves = []
    for (pollster, reference), part in split.group_by(_POLLSTER, _WAVE, maintain_order=True):
        content = BytesIO()
        part.drop(_POLLSTER, _WAVE).write_parquet(content)
        start, end = _fieldwork(bundle, declared, part, str(pollster), now)
        waves.append(_PushedWave(str(pollster), str(reference), content.getvalue(), start, end))
    return waves


def _read_table(path: Path) -> pl.DataFrame:
    try:
        if path.suffix == ".csv":
            return pl.read_csv(path, infer_schema=False)
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise BacktestImpossible(f"{path} cannot be read: {error}. Name the folder of the tables.") from None


def _fieldwork(
    bundle: SurveyBundle, declared: Backtest, part: pl.DataFrame, pollster: str, now: datetime
) -> tuple[date, date]:
    """First and last day of interviewing: declared, or found in the interviews, or the day of the backtest."""
    if declared.fieldwork_start and declared.fieldwork_end:
        return declared.fieldwork_start, declared.fieldwork_end
    column = bundle.declaration.columns_of(pollster).get("date")
    if column in part.columns:
        days = part[column].cast(pl.String).str.head(10).str.to_date(strict=False).drop_nulls()
        if len(days):
            first, last = days.min(), days.max()
            assert isinstance(first, date)
            assert isinstance(last, date)
            return first, last
    return now.date(), now.date()


def _ingest(
    store: Store, settings: Settings, bundle: SurveyBundle, waves: list[_PushedWave], plan: _Plan, *, now: datetime
) -> JobRecord:
    """Store survey and waves; return the refit of the question, the only one left in the queue."""
    add_survey(store, bundle, now=now)
    secrets = SecretsFile(settings.secrets_file)
    asked: dict[str | None, JobRecord] = {}
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
        )
        asked |= {job.question_id: job for job in received.jobs}
    if plan.question not in asked:
        raise BacktestImpossible(f"No interview of {plan.interviews} answers question {plan.question}.")
    with store.write() as session:
        for question_id, job in asked.items():
            if question_id != plan.question:
                queue.cancel(session, job.id, now=now)
    return asked[plan.question]


def _fit(
    store: Store,
    settings: Settings,
    job: JobRecord,
    *,
    seed: int | None,
    on_progress: Callable[[FitProgress], None] | None,
) -> _Fitted:
    """Let a worker take the job from the queue, and read what it stored."""

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

    Worker(store, settings, seed=seed, fit=fit).turn(utc_now())
    with store.read() as session:
        done = queue.get_job(session, job.id)
        if done.fit_id is None:
            raise FitProcessFailed(done.code or "no-fit", done.detail or "The worker made no fit.", retry=False)
        return _Fitted(
            record=fits.get_fit(session, done.fit_id),
            counts=pl.read_parquet(BytesIO(fits.load_counts(session, done.fit_id))),
            draws=LatentDraws.from_bytes(fits.load_draws(session, done.fit_id)),
            design=Design.from_json(fits.load_design(session, done.fit_id)),
        )
