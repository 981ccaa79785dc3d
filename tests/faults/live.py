"""Faults of a whole service: processes killed or stopped in mid-fit and under load, database, disk, memory, clock.

    python -m tests.faults.live [--store sqlite|postgresql] [--only DRILL] [--times N] [--report]

Each drill breaks a running service (`tests.faults.service`) some number of times and returns what was wrong, one
sentence each; ``make faults`` does as many as are asked for and keeps the reports.
"""

import argparse
import json
import os
import random
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from polling.store.records import JobRecord
from tests.faults.service import Service, children_of, wait_for
from tests.jobs.house import alive

__all__ = ["DRILLS", "Outcome", "run"]

REPORTS = Path(__file__).with_name("reports")
LEASE_S = 3.0
SLOW = {"max_attempts": 50, "laplace_points": 4000, "laplace_draws": 20_000, "heartbeat_s": 0.2}
"""Fits that last for seconds, so that there is a middle to be killed in."""
FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


@dataclass
class Outcome:
    """What a drill did, and what was wrong."""

    times: int = 0
    wrong: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def expect(self, holds: object, words: str) -> None:
        if not holds:
            self.wrong.append(words)


def worker_killed(kind: str, times: int, seed: int) -> Outcome:
    """Kill -9 of the worker in mid-fit: another takes over within the lease plus a second; one release each."""
    outcome, chance, waits = Outcome(), random.Random(seed), []
    with Service.open(kind, lease_s=LEASE_S, **SLOW) as service:
        service.serve("--no-worker")
        workers = {process.pid: process for process in (service.start("worker"), service.start("worker"))}
        number = 0
        while outcome.times < times:
            number += 1
            assert service.push(number).status_code == 202, service.log()
            job, pid = _in_mid_fit(service)
            children = children_of(pid)
            time.sleep(chance.uniform(0, 0.5))
            service.end(workers.pop(pid))
            killed = time.time()
            successor = service.start("worker")
            workers[successor.pid] = successor
            _wait_for_another(service, job)
            [now] = [one for one in service.jobs() if one.id == job.id]
            service.settle(f"w{number}")
            if now.attempt > job.attempt and now.started_at is not None:
                outcome.times += 1
                waits.append(now.started_at.timestamp() - killed)
                outcome.expect(waits[-1] <= LEASE_S + 1, f"kill {number}: taken over after {waits[-1]:.1f} s")
            outcome.expect(len(service.releases()) == number, f"kill {number}: {len(service.releases())} releases")
            outcome.expect(not any(map(alive, children)), f"kill {number}: the fit process lives on")
    outcome.figures = {"taken_over_after_s": {"median": sorted(waits)[len(waits) // 2], "worst": max(waits)}}
    return outcome


def worker_stopped(kind: str, times: int, seed: int) -> Outcome:
    """SIGSTOP of the worker beyond its lease: another publishes, and the first, when it goes on, does not."""
    outcome, chance = Outcome(), random.Random(seed)
    with Service.open(kind, lease_s=LEASE_S, **SLOW) as service:
        service.serve("--no-worker")
        for _ in range(2):
            service.start("worker")
        number = 0
        while outcome.times < times:
            number += 1
            assert service.push(number).status_code == 202, service.log()
            job, pid = _in_mid_fit(service)
            stopped = [pid, *(children_of(pid) if chance.random() < 0.5 else [])]
            time.sleep(chance.uniform(0, 0.5))
            for one in stopped:
                os.kill(one, signal.SIGSTOP)
            try:
                _wait_for_another(service, job)
                service.settle(f"w{number}")
            finally:
                for one in stopped:
                    with suppress(ProcessLookupError):
                        os.kill(one, signal.SIGCONT)
            [now] = [one for one in service.jobs() if one.id == job.id]
            outcome.times += now.attempt > job.attempt
            time.sleep(1.5)  # what it still wants to write
            outcome.expect(len(service.releases()) == number, f"stop {number}: {len(service.releases())} releases")
            outcome.expect(alive(pid), f"stop {number}: the worker that was stopped died")
    return outcome


def service_killed(kind: str, times: int, seed: int) -> Outcome:
    """Kill -9 of everything under load: no acknowledged wave lost, each stored once and in the release at the end."""
    outcome, chance = Outcome(), random.Random(seed)
    with Service.open(kind, max_attempts=1000) as service:
        load = _Load(service, pause_s=0.7)
        with load:
            while outcome.times < times:
                process = service.serve("--with-parent")
                time.sleep(chance.uniform(0.1, 3.0))
                service.end(process)
                outcome.times += 1
        service.serve()
        _all_there(service, load, outcome)
    return outcome


def database_stopped(kind: str, times: int, seed: int) -> Outcome:
    """The database stops and comes back in mid-load: reads go on, and everything without a restart."""
    outcome = Outcome()
    if kind != "postgresql":
        return outcome
    with Service.open(kind) as service:
        assert service.server is not None
        service.serve()
        assert service.push(0).status_code == 202
        service.settle("w0")
        assert service.read().status_code == 200
        load = _Load(service, pause_s=0.5, first=1)
        with load:
            for _ in range(times):
                time.sleep(2)
                service.server.stop()
                away = [service.read().status_code for _ in range(20)]
                refused = service.push(10_000 + outcome.times).status_code
                service.server.start()
                outcome.times += 1
                outcome.expect(set(away) == {200}, f"reads while the database was away: {sorted(set(away))}")
                outcome.expect(refused == 503, f"a wave while the database was away: {refused}")
                wait_for(service.is_ready, 30, "the service is ready again")
        _all_there(service, load, outcome)
    return outcome


def disk_full(kind: str, times: int, seed: int) -> Outcome:
    """No file may grow any more: waves are refused in words, reads go on, nothing is half stored."""
    outcome = Outcome()
    if kind != "sqlite":
        return outcome
    with Service.open(kind) as service:
        whole = service.serve()
        assert service.push(0).status_code == 202
        service.settle("w0")
        service.end(whole, signal.SIGTERM)
        load = _Load(service, pause_s=0.05, first=1)
        for _ in range(times):
            most = (service.folder / "hustings.db").stat().st_size + 300_000
            tight = service.serve(
                "--no-worker", limit=lambda most=most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
            )  # type: ignore[misc]
            with load:
                wait_for(lambda: load.refused, 60, "a wave is refused")
                outcome.expect(service.read().status_code == 200, f"a read: {service.read().status_code}")
            status, words = load.refused[-1]
            outcome.expect(status in (503, 507), f"a wave without room for it: {status} {words}")
            outcome.times += 1
            load.refused.clear()
            service.end(tight)
        service.serve()
        _all_there(service, load, outcome)
    return outcome


def out_of_memory(kind: str, times: int, seed: int) -> Outcome:
    """A fit over its limit of memory fails in words; what is served stays, and says that it is stale."""
    outcome = Outcome()
    with Service.open(kind) as service:
        first = service.serve()
        assert service.push(0).status_code == 202
        service.settle("w0")
        service.end(first, signal.SIGTERM)
        tight = service.serve(HUSTINGS_FIT_MEMORY_MB="450", HUSTINGS_MAX_ATTEMPTS="2")
        for number in range(1, times + 1):
            assert service.push(number).status_code == 202
            wait_for(lambda n=number: len(service.jobs("failed")) == n, 120, "the refit fails")  # type: ignore[misc]
            [job] = service.jobs("failed")[:1]
            outcome.expect(job.code == "fit-out-of-memory", f"{job.code}: {job.detail}")
            reply = service.read()
            outcome.expect(reply.status_code == 200 and reply.json().get("stale_reason"), "it does not say it is stale")
            outcome.expect(len(service.releases()) == 1, f"{len(service.releases())} releases")
            outcome.times += 1
        service.end(tight, signal.SIGTERM)
        service.serve()
        service.push(times + 1)
        service.settle(*(f"w{number}" for number in range(times + 2)))
    return outcome


def clock_moved(kind: str, times: int, seed: int) -> Outcome:
    """The clock jumps an hour ahead, and back, in mid-fit: nothing is lost, done twice, or waits for the hour."""
    outcome = Outcome()
    if not FAKETIME:
        raise SystemExit("clock-moved needs libfaketime (Debian: faketime)")
    # Under libfaketime threads wait for each other several times as long: a smaller fit lasts as long.
    with Service.open(kind, **SLOW | {"laplace_points": 1000, "laplace_draws": 5000}) as service:
        offset = service.folder / "offset"
        offset.write_text("+0")
        faked = {
            "LD_PRELOAD": str(FAKETIME[0]),
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        service.serve(**faked)
        number = 0
        for hours in (1, 0) * times:
            for _ in range(2):
                assert service.push(number).status_code == 202, service.log()
                number += 1
                _in_mid_fit(service)
                offset.write_text(f"+{3600 * hours}s")
                service.settle(f"w{number - 1}")
            outcome.times += 1
        outcome.expect(len(service.releases()) == number, f"{len(service.releases())} releases of {number} waves")
    return outcome


class _Load:
    """A client that pushes wave after wave until each is acknowledged, and one that reads."""

    def __init__(self, service: Service, *, pause_s: float, first: int = 0) -> None:
        self.acknowledged: list[int] = [] if first == 0 else list(range(first))
        self.refused: list[tuple[int, str]] = []
        self.odd: list[str] = []
        self.n_reads = 0
        self._service = service
        self._pause_s = pause_s
        self._next = first
        self._stop = threading.Event()

    def __enter__(self) -> "_Load":
        self._stop.clear()
        self._threads = [threading.Thread(target=one) for one in (self._push, self._read)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _push(self) -> None:
        while not self._stop.wait(self._pause_s):
            try:
                reply = self._service.push(self._next)
            except httpx.HTTPError:
                continue  # not acknowledged: the same wave again
            if reply.status_code in (200, 202):
                self.acknowledged.append(self._next)
                self._next += 1
            else:
                self.refused.append((reply.status_code, reply.text))

    def _read(self) -> None:
        while not self._stop.wait(0.05):
            try:
                reply = self._service.read()
            except httpx.HTTPError:
                continue
            self.n_reads += 1
            if reply.status_code not in (200, 404, 503):
                self.odd.append(f"a read was answered {reply.status_code}: {reply.text[:200]}")


def _in_mid_fit(service: Service) -> tuple[JobRecord, int]:
    """The job that is being fitted, and its worker."""
    wait_for(lambda: any(job.progress for job in service.jobs("running")), 60, "a fit is under way")
    [job] = service.jobs("running")
    return job, int((job.owner or "").split(":")[1])


def _wait_for_another(service: Service, job: JobRecord) -> None:
    def moved_on() -> bool:
        [now] = [one for one in service.jobs() if one.id == job.id]
        return now.state in ("succeeded", "failed") or now.attempt > job.attempt

    wait_for(moved_on, LEASE_S + 30, "another worker takes the job over")


def _limit(n_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


def _all_there(service: Service, load: _Load, outcome: Outcome) -> None:
    wanted = {f"w{number}" for number in load.acknowledged}
    with suppress(TimeoutError):
        service.settle(*wanted, within=120)
    stored, released = service.stored(), service.released()
    outcome.expect(len(wanted) > outcome.times // 4, f"only {len(wanted)} waves were taken")
    outcome.expect(wanted <= stored.keys(), f"acknowledged and lost: {sorted(wanted - stored.keys())}")
    outcome.expect(set(stored.values()) == {60}, f"half stored: {stored}")
    outcome.expect(stored.keys() == released, f"stored and in no release: {sorted(stored.keys() - released)}")
    left = [f"{job.state} {job.code} {job.detail}" for job in service.jobs("queued", "running")]
    outcome.expect(not left, f"jobs that wait for ever: {left}")
    outcome.expect(not load.odd, f"odd answers: {sorted(set(load.odd))[:3]}")
    outcome.figures = {"waves": len(wanted), "reads": load.n_reads, "releases": len(service.releases())}


DRILLS: dict[str, tuple[Callable[[str, int, int], Outcome], int]] = {
    "worker-killed": (worker_killed, 50),
    "worker-stopped": (worker_stopped, 20),
    "service-killed": (service_killed, 200),
    "database-stopped": (database_stopped, 3),
    "disk-full": (disk_full, 3),
    "out-of-memory": (out_of_memory, 2),
    "clock-moved": (clock_moved, 2),
}
"""What is done, and how often in a full run."""


def run(name: str, kind: str, times: int | None = None, seed: int = 1) -> Outcome:
    """One drill."""
    drill, usual = DRILLS[name]
    return drill(kind, times or usual, seed)


def main() -> int:
    parser = argparse.ArgumentParser(description="Break a whole service, again and again.")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--only", choices=tuple(DRILLS), action="append")
    parser.add_argument("--times", type=int, help="instead of a full run's")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="write tests/faults/reports")
    chosen = parser.parse_args()
    bad = False
    for kind in chosen.store or ("sqlite", "postgresql"):
        report = REPORTS / f"live-{kind}.json"
        # A drill that is done again takes the place of what it told before; the others stay.
        told: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {}
        for name in chosen.only or DRILLS:
            begun = time.monotonic()
            try:
                outcome = run(name, kind, chosen.times, chosen.seed)
            except TimeoutError as error:  # the other drills may still tell something
                outcome = Outcome(wrong=[str(error)])
            if not outcome.times and not outcome.wrong:
                continue
            bad |= bool(outcome.wrong)
            seconds = round(time.monotonic() - begun, 1)
            told[name] = {
                "times": outcome.times,
                "wrong": outcome.wrong,
                **outcome.figures,
                "seconds": seconds,
            }
            print(f"{kind} {name}: {outcome.times} times, {len(outcome.wrong)} wrong, {seconds} s", flush=True)
            for sentence in outcome.wrong:
                print(f"  {sentence}", flush=True)
            if chosen.report:
                REPORTS.mkdir(exist_ok=True)
                report.write_text(json.dumps(told, indent=1) + "\n")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
