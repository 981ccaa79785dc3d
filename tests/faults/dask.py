"""A Dask cluster broken while it fits: a worker killed, a fit cancelled, the scheduler killed and started again.

    python -m tests.faults.dask [--surveys N] [--report]

Forty refits are due. Two Dask workers, processes of this machine, do them for three threads of a worker; in between

1. a Dask worker is killed in mid-fit, and another one started,
2. a refit is cancelled in mid-fit,
3. the scheduler is killed; when its Dask workers have ended with it, all three are started again.

At the end every refit but the cancelled one has been published, once, at its first attempt.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from jobs.dask_bench import due_fits, working
from jobs.dask_cluster import DaskCluster
from jobs.dask_machines import DaskMachines
from jobs.executors import dask_cluster
from jobs.fit_run import run_fit
from jobs.refit import prepare_refit
from jobs.restate import REFIT
from jobs.settings import Settings
from jobs.worker import utc_now
from polling.store import fits, queue, releases
from polling.store.engine import Store
from polling.store.records import JobRecord
from tests.faults.service import children_of, wait_for
from tests.jobs.house import alive

__all__ = ["Broken", "break_cluster"]

REPORT = Path(__file__).with_name("reports") / "dask.json"
PATIENCE_S = 1200.0
WAITING = {None, "wait", "start"}
"""Stages of a job whose fit is not in its middle."""


@dataclass
class Broken:
    """What was seen, and what was wrong, one sentence each."""

    fits: int
    published: int = 0
    cancelled: int = 0
    attempts: dict[int, int] = field(default_factory=dict)
    """Attempt at which a refit ended -> how many."""
    cancelled_after_s: float = 0.0
    """From the cancel to the end of the process that fitted."""
    scheduler_away_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def expect(self, holds: object, words: str) -> None:
        if not holds:
            self.wrong.append(words)


class _Watch:
    """What the database says of the jobs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def jobs(self, *states: str) -> list[JobRecord]:
        with self._store.read() as session:
            return queue.list_jobs(session, states=states or None, kind=REFIT)

    def until(self, done: int) -> None:
        wait_for(lambda: len(self.jobs("succeeded", "failed")) >= done, PATIENCE_S, f"{done} refits have ended")

    def in_mid_fit(self) -> JobRecord:
        found: list[JobRecord] = []

        def look() -> bool:
            found[:] = [job for job in self.jobs("running") if (job.progress or {}).get("stage") not in WAITING]
            return bool(found)

        wait_for(look, PATIENCE_S, "a fit is in its middle")
        return found[0]


def break_cluster(*, surveys: int, size: int, seed: int = 1, say: Callable[[str], None] = lambda _: None) -> Broken:
    """Break it once in each way; surveys and size as of ``jobs.dask_bench``."""
    with tempfile.TemporaryDirectory(prefix="hst") as name:
        place = Path(name) / "data"
        settings = replace(
            Settings(),
            data_dir=place,
            secrets_file=place / "secrets.toml",
            cache_dir=Path(name) / "cache",
            fit_cores=1,
            refit_quiet_s=0.0,
            heartbeat_s=0.2,
            laplace_points=2000,  # fits that last for seconds, so that there is a middle to be broken in
        )
        with (
            due_fits(settings, surveys=surveys, size=size, seed=seed) as store,
            closing(DaskMachines(Path(name) / "dask")) as machines,
        ):
            machines.start_scheduler()
            first, second = machines.start_worker(), machines.start_worker()
            with closing(dask_cluster(machines.address)) as cluster:
                wait_for(lambda: cluster.threads() == 2, 120, "both Dask workers are there")
                seen = Broken(fits=len(_Watch(store).jobs()))
                with working(store, settings, cluster):
                    _break(store, machines, cluster, seen, say, first.pid, second.pid)
                    _Watch(store).until(seen.fits)
                _judge(store, settings, seen)
                fitting = [pid for worker in machines.workers for pid in children_of(worker.pid)]
            machines.close()
            seen.expect(fitting, "no process was kept for the next fit")
            wait_for(lambda: not any(map(alive, fitting)), 30, "the processes end with their Dask workers")
        left = [
            thread.name for thread in threading.enumerate() if thread.name in ("dask-fit", "dask-connect", "worker")
        ]
        seen.expect(not left, f"threads are left: {left}")
        return seen


def _break(
    store: Store,
    machines: DaskMachines,
    cluster: DaskCluster,
    seen: Broken,
    say: Callable[[str], None],
    first: int,
    second: int,
) -> None:
    watch = _Watch(store)
    watch.until(seen.fits // 8)

    watch.in_mid_fit()
    fitting = children_of(first)
    machines.kill(machines.workers[0])
    wait_for(lambda: not any(map(alive, fitting)), 30, "its fit ends with a Dask worker")
    machines.start_worker()
    say("killed a Dask worker and started another")
    watch.until(seen.fits // 4)

    job = watch.in_mid_fit()
    before = {pid for worker in machines.workers[1:] for pid in children_of(worker.pid)}
    asked = time.monotonic()
    with store.write() as session:
        queue.cancel(session, job.id, now=utc_now())
    wait_for(lambda: any(not alive(pid) for pid in before), 30, "the process of a cancelled fit ends")
    seen.cancelled_after_s = round(time.monotonic() - asked, 2)
    say(f"cancelled a refit; its process ended after {seen.cancelled_after_s} s")
    watch.until(seen.fits // 2)

    watch.in_mid_fit()
    fitting = [pid for worker in machines.workers[1:] for pid in children_of(worker.pid)]
    assert machines.scheduler is not None
    machines.kill(machines.scheduler)
    away = time.monotonic()
    wait_for(lambda: all(one.poll() is not None for one in machines.workers), 60, "Dask workers end with it")
    wait_for(lambda: not any(map(alive, fitting)), 30, "fits end with their Dask workers")
    machines.start_scheduler()
    for _ in range(2):
        machines.start_worker()
    seen.scheduler_away_s = round(time.monotonic() - away, 1)
    say(f"killed the scheduler, and started it and two Dask workers again after {seen.scheduler_away_s} s")


def _judge(store: Store, settings: Settings, seen: Broken) -> None:
    """Every refit but the cancelled one is published, once, at its first attempt, and is what it would be at home."""
    jobs = _Watch(store).jobs()
    seen.attempts = dict(Counter(job.attempt for job in jobs))
    published = [job for job in jobs if job.code == "published"]
    cancelled = [job for job in jobs if job.code == "cancelled"]
    seen.published, seen.cancelled = len(published), len(cancelled)
    others = [f"{job.code}: {job.detail}" for job in jobs if job not in published and job not in cancelled]
    seen.expect(not others, f"refits ended otherwise: {others[:3]}")
    seen.expect(len(cancelled) == 1, f"{len(cancelled)} refits were cancelled")
    seen.expect(set(seen.attempts) == {1}, f"attempts were counted: {seen.attempts}")
    with store.read() as session:
        for job in jobs:
            assert job.survey_id is not None
            assert job.question_id is not None
            n = len(releases.list_releases(session, job.survey_id, job.question_id))
            seen.expect(n == (job in published), f"{job.key}: {n} releases")
        last = max(published, key=lambda job: job.finished_at or utc_now())
        assert last.survey_id is not None
        assert last.question_id is not None
        assert last.fit_id is not None
        again = prepare_refit(session, settings, survey_id=last.survey_id, question_id=last.question_id)
        there = fits.load_draws(session, last.fit_id)
    here = run_fit(again.request, settings, beat=lambda _: False, stop=threading.Event())
    seen.expect(here.draws == there, f"{last.key}: the draws are not those of a fit at home")


def main() -> int:
    parser = argparse.ArgumentParser(description="Break a Dask cluster while it fits.")
    parser.add_argument("--surveys", type=int, default=17, help="17 have forty questions")
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="write tests/faults/reports/dask.json")
    chosen = parser.parse_args()
    begun = time.monotonic()
    seen = break_cluster(surveys=chosen.surveys, size=chosen.size, seed=chosen.seed, say=print)
    told = vars(seen) | {"seconds": round(time.monotonic() - begun, 1)}
    print(json.dumps(told, indent=1))
    if chosen.report:
        REPORT.write_text(json.dumps(told, indent=1) + "\n")
    return int(bool(seen.wrong))


if __name__ == "__main__":
    sys.exit(main())
