"""How much faster a queue of fits drains with two Dask workers than with one.

Made-up surveys (``jobs.burst_surveys``) get a wave each in a database of their own, so that every question has a refit
that is due; then a worker process's threads do them on a Dask cluster of this machine with one worker, and all of
it again with two. Fits have one thread. The threads that prepare and store are as many in both rounds, and each Dask
worker has done a fit before the clock starts: a cluster that runs has its processes warm. Beside it stands how much
faster two processes of this machine fit than one without Dask.
"""

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from jobs.burst_surveys import write_surveys
from jobs.dask_cluster import DaskCluster
from jobs.dask_executor import DaskExecutor
from jobs.dask_machines import DaskMachines
from jobs.executors import dask_cluster
from jobs.fit_request import FitRequest
from jobs.plain_fits import plain_speed_up
from jobs.receive import receive_wave
from jobs.refit import prepare_refit
from jobs.restate import REFIT
from jobs.settings import Settings
from jobs.survey import add_survey, load_survey
from jobs.worker import Worker
from jobs.worker_threads import run_together
from mrp.electorate import Electorate
from mrp.laplace.engine import LaplaceSettings
from mrp.nuts import NutsSettings
from mrp.outcomes import BinaryOutcome
from polling.secrets import SecretsFile
from polling.store import fits, queue, releases
from polling.store.engine import Store, open_store
from polling.store.schema import upgrade

__all__ = ["DaskSpeed", "as_json", "bench_dask", "due_fits", "small_fit", "working"]

WORKERS = (1, 2)
AT_ONCE = 3
"""Jobs at the same time: one more than fits, so that no Dask worker waits for the next to be prepared."""
PLAIN_FITS = 6
"""Of each process."""
LOOK_S = 0.2
SAY_S = 10.0
PATIENCE_S = 600.0
"""So long no refit may end before a round is given up."""


@dataclass(frozen=True, slots=True)
class DaskSpeed:
    """What was seen."""

    surveys: int
    fits: int
    """Refits of each round."""
    wave_size: int
    cores: int
    load_before: tuple[float, ...]
    """Of the machine before each round. The ratio means something only where both are small."""
    one_worker_s: float
    two_workers_s: float
    """From the first job taken to the last release."""
    speed_up: float
    plain_speed_up: float
    """Of the same fits in plain processes, where nothing is prepared, sent or stored: the most that can be had here."""
    published: int
    """Releases after the second round; one of each question if nothing was done twice."""
    fit_s: float
    """Median seconds of a fit in its process, of the round with one worker."""


def bench_dask(*, surveys: int, size: int, seed: int, say: Callable[[str], None]) -> DaskSpeed:
    """Measure.

    Parameters
    ----------
    surveys
        How many, 2 or more; the last asks eight questions, the others two.
    size
        Interviews of each wave.
    say
        Receives one line per step.

    Raises
    ------
    ExecutorUnusable
        If Dask is not installed.
    RuntimeError
        If the cluster does not start, or nothing moves any more.
    """
    loads: list[float] = []
    seconds: list[float] = []
    plain = 0.0
    with tempfile.TemporaryDirectory(prefix="hustings-dask-") as name:
        for number in WORKERS:
            place = Path(name) / f"with-{number}"
            settings = replace(
                Settings(), data_dir=place, secrets_file=place / "secrets.toml", fit_cores=1, refit_quiet_s=0.0
            )
            say(f"making {surveys} surveys")
            with due_fits(settings, surveys=surveys, size=size, seed=seed) as store:
                if number == WORKERS[0]:
                    plain = plain_speed_up(_a_request(store, settings), settings, fits=PLAIN_FITS)
                    say(f"two plain processes fit {plain:.2f} times as fast as one")
                with closing(DaskMachines(place / "dask")) as machines:
                    machines.start_scheduler()
                    for _ in range(number):
                        machines.start_worker()
                    with closing(dask_cluster(machines.address)) as cluster:
                        _warm(cluster, settings, number)
                        loads.append(round(os.getloadavg()[0], 2))
                        seconds.append(_drain(store, settings, cluster, say))
                        say(f"{number} Dask worker{'s' if number > 1 else ''}: {seconds[-1]:.1f} s")
                if number == WORKERS[0]:
                    fit_s = _median_fit(store)
                published, refits = _published(store)
    one, two = seconds
    return DaskSpeed(
        surveys=surveys,
        fits=refits,
        wave_size=size,
        cores=os.cpu_count() or 1,
        load_before=tuple(loads),
        one_worker_s=round(one, 1),
        two_workers_s=round(two, 1),
        speed_up=round(one / two, 2),
        plain_speed_up=round(plain, 2),
        published=published,
        fit_s=fit_s,
    )


def as_json(speed: DaskSpeed) -> dict[str, Any]:
    """As the report holds it."""
    return asdict(speed)


@contextmanager
def due_fits(settings: Settings, *, surveys: int, size: int, seed: int) -> Iterator[Store]:
    """A new database in which every question of made-up surveys has a refit that is due."""
    settings.data_dir.mkdir(parents=True)
    secrets = SecretsFile(settings.secrets_file)
    with closing(open_store(settings.store_url)) as store:
        upgrade(store)
        folder = settings.data_dir / "surveys"
        for survey in write_surveys(folder, surveys=surveys, waves=1, size=size, seed=seed):
            add_survey(store, secrets, load_survey(survey.folder), actor="bench", now=datetime.now(UTC))
            wave = survey.waves[0]
            receive_wave(
                store,
                secrets,
                settings,
                survey_id=survey.id,
                pollster=wave.pollster,
                reference=wave.reference,
                content=wave.path.read_bytes(),
                fieldwork_start=wave.fieldwork_start,
                fieldwork_end=wave.fieldwork_end,
                now=datetime.now(UTC),
                actor="bench",
            )
        yield store


@contextmanager
def working(store: Store, settings: Settings, cluster: DaskCluster, *, at_once: int = AT_ONCE) -> Iterator[None]:
    """Worker threads of this process, as of ``hustings worker --executor``, while the block lasts."""
    stop = threading.Event()
    workers = [Worker(store, settings, executor=DaskExecutor(cluster)) for _ in range(at_once)]
    thread = threading.Thread(target=run_together, args=(workers, stop), name="workers")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def small_fit(seed: int) -> FitRequest:
    """Two districts, one demographic: what a process needs to be warm."""
    cells = pl.DataFrame({"district": ["A", "A", "B", "B"], "gender": ["F", "M", "F", "M"]})
    return FitRequest(
        outcome=BinaryOutcome(("yes", "no")),
        formula="(1|district) + (1|gender)",
        priors={},
        seed=seed,
        engine="laplace",
        laplace=LaplaceSettings(points=60, draws=200),
        nuts=NutsSettings(),
        electorate=Electorate(
            frame=cells.with_columns(n_people=pl.Series([10.0, 20.0, 30.0, 40.0])),
            districts=pl.DataFrame({"code": ["A", "B"], "name": ["A", "B"]}),
            district="district",
            demographics={"gender": ("F", "M")},
        ),
        counts=cells.with_columns(n=pl.Series([15, 16, 17, 18]), y=pl.Series([7, 8, 9, 11])),
    )


def _warm(cluster: DaskCluster, settings: Settings, workers: int) -> None:
    """Have every Dask worker do a fit; they come one by one, and a free one is taken before a busy one."""
    until = time.monotonic() + PATIENCE_S
    while cluster.threads() < workers:
        if time.monotonic() > until:
            raise RuntimeError("The Dask workers do not come.")
        time.sleep(LOOK_S)
    with ThreadPoolExecutor(workers) as pool:
        stop = threading.Event()
        for _ in range(2):
            each = [
                pool.submit(DaskExecutor(cluster), small_fit(seed), settings, beat=lambda _: False, stop=stop)
                for seed in range(workers)
            ]
            for one in each:
                one.result()


def _a_request(store: Store, settings: Settings) -> FitRequest:
    """What one of the refits that are due will fit."""
    with store.read() as session:
        job = queue.list_jobs(session, kind=REFIT)[0]
        assert job.survey_id is not None
        assert job.question_id is not None
        return prepare_refit(session, settings, survey_id=job.survey_id, question_id=job.question_id).request


def _drain(store: Store, settings: Settings, cluster: DaskCluster, say: Callable[[str], None]) -> float:
    began = moved = time.monotonic()
    next_word, last = began + SAY_S, -1
    with working(store, settings, cluster):
        while left := _count(store, "queued", "running"):
            now = time.monotonic()
            if left != last:
                last, moved = left, now
            if now - moved > PATIENCE_S:
                raise RuntimeError(f"{left} refits are open and none has ended within {PATIENCE_S:g} s.")
            if now >= next_word:
                next_word = now + SAY_S
                say(f"{left} refits open")
            time.sleep(LOOK_S)
        return time.monotonic() - began


def _count(store: Store, *states: str) -> int:
    with store.read() as session:
        return len(queue.list_jobs(session, states=states, kind=REFIT))


def _published(store: Store) -> tuple[int, int]:
    """Releases, and refits."""
    with store.read() as session:
        jobs = queue.list_jobs(session, kind=REFIT)
        surveys = {job.survey_id for job in jobs if job.survey_id is not None}
        return sum(len(releases.list_releases(session, one)) for one in surveys), len(jobs)


def _median_fit(store: Store) -> float:
    with store.read() as session:
        jobs = queue.list_jobs(session, kind=REFIT)
        each: list[Any] = [fits.get_fit(session, job.fit_id).seconds for job in jobs if job.fit_id is not None]
    return float(round(statistics.median(sum(seconds.values()) for seconds in each), 2))
