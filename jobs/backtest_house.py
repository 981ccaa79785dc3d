"""A store of its own for a backtest: survey and waves go in as everywhere; nothing of the running service is touched.

    with backtest_house(folder, data_dir, settings=settings, question=None) as house:
        house.push(house.waves[0])
        house.work()

A delivery that the quality checks hold is let through with that reason: what is scored are all interviews, and the
report says which were held.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from jobs import wave_life
from jobs.backtest_waves import BacktestPlan, PushedWave, in_fieldwork_order, plan_backtest, split_waves
from jobs.errors import BacktestImpossible
from jobs.fit_request import FitResult
from jobs.receive import receive_wave
from jobs.settings import Settings
from jobs.survey import add_survey, load_survey
from jobs.worker import Worker, utc_now
from polling.bundle import SurveyBundle
from polling.secrets import SecretsFile
from polling.store import queue, waves
from polling.store.engine import Store, open_store
from polling.store.schema import upgrade

__all__ = ["BacktestHouse", "RunFit", "backtest_house"]

ACTOR = "backtest"

type RunFit = Callable[..., FitResult]


@dataclass(slots=True)
class BacktestHouse:
    """The store of a backtest, and what goes into it."""

    store: Store
    secrets: SecretsFile
    settings: Settings
    bundle: SurveyBundle
    plan: BacktestPlan
    tables: Path
    waves: list[PushedWave]
    """In fieldwork order."""
    now: datetime
    """When waves arrive; moves on as they do."""
    held: list[str] = field(default_factory=list)
    """References of deliveries that the quality checks held."""
    pushed: dict[str, PushedWave] = field(default_factory=dict)
    """Id of each wave that was received -> the wave."""

    def push(self, wave: PushedWave) -> str:
        """Receive a wave; its id. Refits of other questions are not done."""
        self.now += timedelta(minutes=1)
        about = {"survey_id": self.bundle.declaration.id, "now": self.now, "actor": ACTOR}
        received = receive_wave(
            self.store,
            self.secrets,
            self.settings,
            pollster=wave.pollster,
            reference=wave.reference,
            content=wave.content,
            fieldwork_start=wave.fieldwork_start,
            fieldwork_end=wave.fieldwork_end,
            **about,  # type: ignore[arg-type]
        )
        if received.wave.waiting is not None:
            self.held.append(wave.reference)
            wave_life.let_through(
                self.store,
                self.secrets,
                self.settings,
                wave=received.wave.id,
                reason="A backtest scores all interviews.",
                **about,  # type: ignore[arg-type]
            )
        with self.store.write() as session:
            for job in queue.list_jobs(session, states=("queued",)):
                if job.question_id not in (None, self.plan.question):
                    queue.cancel(session, job.id, now=self.now)
        self.pushed[received.wave.id] = wave
        return received.wave.id

    def push_all(self) -> None:
        """Receive every wave, and ask for no fit."""
        for wave in self.waves:
            self.push(wave)
        with self.store.write() as session:
            for job in queue.list_jobs(session, states=("queued",)):
                queue.cancel(session, job.id, now=self.now)

    def asking(self, question_id: str) -> dict[str, PushedWave]:
        """The waves that were received and ask a question: id of each -> the wave.

        Raises
        ------
        BacktestImpossible
            If there is none.
        """
        with self.store.read() as session:
            known = {one.id: one for one in waves.list_waves(session, self.bundle.declaration.id)}
        asked = {key: wave for key, wave in self.pushed.items() if question_id in known[key].questions}
        if not asked:
            raise BacktestImpossible(f"No interview of {self.plan.interviews} answers question {question_id}.")
        return asked

    def work(self, *, fit: RunFit, seed: int | None = None) -> None:
        """Let a worker do everything that is due."""
        worker = Worker(self.store, self.settings, seed=seed, fit=fit, clock=lambda: self.now)
        self.now += timedelta(minutes=1)
        while worker.turn(self.now):
            pass


@contextmanager
def backtest_house(
    folder: Path,
    data_dir: Path | None = None,
    *,
    settings: Settings,
    question: str | None = None,
    interviews: str | None = None,
    now: datetime | None = None,
) -> Iterator[BacktestHouse]:
    """Open a store for a survey folder; nothing of it is left afterwards. Parameters as of ``jobs.backtest.backtest``.

    Raises
    ------
    SurveyRejected
        If the survey has faults.
    BacktestImpossible
        If the folder declares no backtest, or its file cannot be split.
    """
    bundle = load_survey(folder, data_dir=data_dir)
    plan = plan_backtest(bundle, question, interviews)
    tables, arrival = data_dir or folder, now or utc_now()
    split = in_fieldwork_order(split_waves(bundle, plan, tables, now=arrival, apart=True))
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
            secrets = SecretsFile(apart.secrets_file)
            add_survey(store, secrets, bundle, actor=ACTOR, now=arrival)
            yield BacktestHouse(store, secrets, apart, bundle, plan, tables, split, arrival)
        finally:
            store.close()
