"""Two web servers and two workers on one PostgreSQL database, under mixed load.

    python -m tests.faults.replicas [--minutes 30] [--seed N] [--report]

Pollsters push, stream and withdraw waves, apps read estimates, tables and pages, analysts draw, pin and hold, a data
protection officer erases, an admin uploads predictors and makes keys (`tests.faults.replicas_load`), each through
either replica. Meanwhile the answers of the two are compared byte for byte, the time is taken until both serve a new
release, both streams of events are followed (`tests.faults.replicas_equal`), and memory, open files, connections,
transactions and locks are watched (`tests.faults.replicas_watch`). Whatever is wrong is told in a sentence; the exit
status says whether anything was.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from api.keys import create_key
from jobs.settings import Settings
from jobs.survey import load_survey, update_survey
from jobs.worker import utc_now
from polling.secrets import SecretsFile
from polling.store import queue, releases
from tests.api.kinds import KINDS
from tests.api.world import POLLSTER, RIVAL, SURVEY
from tests.faults.replicas_equal import SWITCH_S, Followers, Switches, Twins
from tests.faults.replicas_load import Load
from tests.faults.replicas_reads import QUESTIONS
from tests.faults.replicas_watch import GROWTH, Watch, growth_of
from tests.faults.service import Service, free_port, wait_for

__all__ = ["Outcome", "run"]

REPORT = Path(__file__).with_name("reports") / "replicas.json"
COMPARE_S = 0.25
LOOK_S = 0.02
SETTLE_S = 300.0
SETTINGS: dict[str, object] = {"lease_s": 15, "heartbeat_s": 1, "sweep_s": 60}
"""As in production, but for the short quiet time of a test."""


@dataclass
class Outcome:
    """What was done, what was seen, and what was wrong."""

    figures: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def add(self, found: Counter[str]) -> None:
        """Take over what somebody counted."""
        self.wrong += [f"{words} ({n} times)" if n > 1 else words for words, n in found.items()]


def run(minutes: float, *, seed: int = 1, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """One run; ``say`` receives one line per step."""
    outcome, loads = Outcome(), [os.getloadavg()[0]]
    with Service.open("postgresql", **SETTINGS) as service:
        keys = _furnish(service)
        with _started(service) as (addresses, processes):
            say("two replicas and two workers answer")
            load = Load(addresses, keys, seed=seed)
            for number in range(2):  # two releases of everything, so that there is something to compare
                load.push(number, number)
                load.push(number, 1 - number, kinds=True)
                _settle(service, number + 1)
            twins = Twins(addresses, keys["reader"], keys["analyst"], seed=seed)
            switches = Switches(service.store, addresses, keys["reader"], "rail")
            pids = {name: process.pid for name, process in processes.items()}
            say("everything has two releases; the load begins")
            with Watch(pids, f"{service.url}&application_name=watch") as watch:
                with (
                    Followers(addresses, keys["admin"]) as followers,
                    load,
                    _often(twins.compare, COMPARE_S, twins.wrong),
                    _often(switches.look, LOOK_S, switches.wrong),
                ):
                    until = time.monotonic() + 60 * minutes
                    while (left := until - time.monotonic()) > 0:
                        time.sleep(min(60.0, left))
                        loads.append(os.getloadavg()[0])
                        say(_so_far(load, watch, until - time.monotonic()))
                say("the load has ended; what is left is done")
                _settle_all(service, load, outcome)
                twins.compare_all()
            say("stopping")
            outcome.wrong += [f"{one} after the end of the load" for one in watch.left()]
            for closed in (twins, switches):
                closed.close()
            for name, process in processes.items():
                code = _end(process)
                if code:
                    outcome.wrong.append(f"{name} ended with status {code}")
        _judge(outcome, load, twins, switches, followers, watch)
        _read_log(service, outcome)
        outcome.figures = {
            "minutes": minutes,
            "seed": seed,
            "machine": {
                "cores": os.cpu_count(),
                "load_average": {"median": round(statistics.median(loads), 1), "highest": round(max(loads), 1)},
            },
            **outcome.figures,
        }
    return outcome


def _furnish(service: Service) -> dict[str, str]:
    """Questions of every kind, and a key of every role."""
    file = service.folder / "survey" / "survey.toml"
    file.write_text(file.read_text().replace("[questions.rail]", KINDS + "[questions.rail]", 1))
    secrets, now = SecretsFile(service.folder / "secrets.toml"), utc_now()
    update_survey(service.store, secrets, Settings(), load_survey(file.parent), actor="drill", now=now)
    about: dict[str, Any] = {"survey_id": SURVEY, "actor": "drill", "now": now}
    keys = {
        role: create_key(service.store, secrets, role=role, **about)[0]
        for role in ("reader", "analyst", "dpo", "admin")
    }
    for name, pollster in (("pollster", POLLSTER), ("rival", RIVAL)):
        keys[name] = create_key(service.store, secrets, role="pollster", pollster=pollster, **about)[0]
    return keys


@contextmanager
def _started(service: Service) -> Iterator[tuple[list[str], dict[str, subprocess.Popen[str]]]]:
    """Two web servers, where they answer, and two workers; the database knows each by its name."""
    ports = [free_port(), free_port()]
    commands = {f"api {n}": f"serve --quiet --no-worker --port {port}" for n, port in enumerate(ports, 1)}
    commands |= {f"worker {n}": "worker" for n in (1, 2)}
    processes = {
        name: service.start(command, HUSTINGS_DATABASE_URL=f"{service.url}&application_name={name.replace(' ', '+')}")
        for name, command in commands.items()
    }
    addresses = [f"http://127.0.0.1:{port}" for port in ports]
    for address in addresses:
        wait_for(lambda: _is_ready(address), 120, "a replica answers")  # noqa: B023 (it is called at once)
    yield addresses, processes


def _is_ready(address: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{address}/ready", timeout=5).status_code == 200
    return False


def _settle(service: Service, least: int) -> None:
    """Wait until every question has so many releases and nothing is left to be fitted."""

    def is_settled() -> bool:
        with service.store.read() as session:
            current = [releases.current_release(session, SURVEY, one) for one in QUESTIONS]
            open_jobs = queue.list_jobs(session, survey_id=SURVEY, states=("queued", "running"), kind="refit")
        return all(one is not None and one.number >= least for one in current) and not open_jobs

    wait_for(is_settled, SETTLE_S, f"every question has {least} releases")


def _settle_all(service: Service, load: Load, outcome: Outcome) -> None:
    """Everything that was acknowledged is stored, and in the end in what is served."""
    try:
        _settle(service, 2)
    except TimeoutError as error:
        outcome.wrong.append(str(error))
    stored = service.stored().keys()
    lost = sorted(set(load.pushed) - stored)
    if lost:
        outcome.wrong.append(f"acknowledged and lost: {lost[:5]}")
    missing = sorted(one for one in set(load.pushed) - service.released() if not one.startswith("kinds"))
    if missing:
        outcome.wrong.append(f"stored and in no release: {missing[:5]}")


@contextmanager
def _often(act: Callable[[], None], pause_s: float, wrong: Counter[str]) -> Iterator[None]:
    """Do something again and again in a thread while the block lasts."""
    done = threading.Event()

    def go_on() -> None:
        while not done.wait(pause_s):
            try:
                act()
            except Exception as error:
                wrong[f"{act.__qualname__}: {type(error).__name__} {error}"] += 1

    thread = threading.Thread(target=go_on, name=act.__qualname__, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _end(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(30)
    except subprocess.TimeoutExpired:
        return -1  # it is killed with the service


def _judge(outcome: Outcome, load: Load, twins: Twins, switches: Switches, followers: Followers, watch: Watch) -> None:
    same = followers.same
    for one in (load, twins, switches, followers):
        outcome.add(one.wrong)
    outcome.wrong += sorted(set(watch.stuck))
    outcome.wrong += [f"{name} ended in the middle" for name in watch.gone]
    if watch.deadlocks:
        outcome.wrong.append(f"the database met {watch.deadlocks} deadlocks")
    memory = {
        name: _grown(seen, "MB", name, outcome, GROWTH)
        for name, seen in watch.memory.items()
        if any(v for _, v in seen)
    }
    outcome.figures = {
        "answers": sum(load.asked.values()),
        "answers_by_client_and_status": dict(sorted(load.asked.items())),
        "seconds": {name: _times(seconds) for name, seconds in sorted(load.seconds.items())},
        "waves": len(load.pushed),
        "erased": load.n_erased,
        "compared": {"equal": twins.n_equal, "moved_meanwhile": twins.n_moved, "unequal": sum(twins.wrong.values())},
        "switched": {
            "limit_s": SWITCH_S,
            **{f"replica_{n}": _times(seconds) for n, seconds in enumerate(switches.seconds, 1)},
        },
        "events_told_by_both": same,
        "memory_mb": memory,
        "open_files": {name: _grown(seen, "open files", name, outcome, GROWTH) for name, seen in watch.files.items()},
        "connections": {
            name: _grown(watch.connections[name], "connections", name, outcome, GROWTH) for name in watch.processes
        },
        "database": {
            "deadlocks": watch.deadlocks,
            "longest_idle_in_transaction_s": round(watch.longest_idle_s, 3),
            "longest_wait_for_a_lock_s": round(watch.longest_wait_s, 3),
        },
    }  # fmt: skip


def _grown(
    seen: Sequence[tuple[float, float]], unit: str, name: str, outcome: Outcome, limit: float
) -> dict[str, float | None]:
    """How a series went; growth beyond the limit, and beyond a single connection or file, is wrong."""
    grown = growth_of(seen)
    told: dict[str, float | None] = {
        "first": round(seen[0][1], 1),
        "last": round(seen[-1][1], 1),
        "highest": round(max(value for _, value in seen), 1),
        "growth_of_last_two_thirds": None if grown is None else round(grown[0], 1),
    }
    if grown is not None and grown[0] > max(limit * grown[1], 1.0):
        outcome.wrong.append(f"{unit} of {name} grew by {grown[0]:.1f} from {grown[1]:.1f} over the last two thirds")
    return told


def _times(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {"n": 0}
    ordered = sorted(seconds)
    at = {"median": 0.5, "p95": 0.95, "worst": 1.0}
    return {"n": len(ordered)} | {
        name: round(ordered[min(len(ordered) - 1, int(part * len(ordered)))], 3) for name, part in at.items()
    }


def _so_far(load: Load, watch: Watch, left_s: float) -> str:
    memory = ", ".join(f"{name} {seen[-1][1]:.0f}" for name, seen in watch.memory.items() if seen[-1][1])
    told = "".join(f"\n  {n} times: {words[:300]}" for words, n in load.wrong.most_common(5))
    return f"{left_s / 60:.0f} min left: {sum(load.asked.values())} answers; MB: {memory}{told}"


def _read_log(service: Service, outcome: Outcome) -> None:
    """Nothing unexpected was logged."""
    lines = (service.folder / "log").read_text(errors="replace").splitlines()
    bad = Counter(line[:200] for line in lines if "Traceback" in line or " error " in line.lower()[:60])
    outcome.add(Counter({f"in the log: {line}": n for line, n in bad.most_common(10)}))


def main() -> int:
    parser = argparse.ArgumentParser(description="Two replicas and two workers on one database, under mixed load.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="write tests/faults/reports/replicas.json")
    chosen = parser.parse_args()
    outcome = run(chosen.minutes, seed=chosen.seed, say=lambda line: print(line, flush=True))
    told = json.dumps({"wrong": outcome.wrong, **outcome.figures}, indent=1)
    print(told)
    if chosen.report:
        REPORT.parent.mkdir(exist_ok=True)
        REPORT.write_text(told + "\n")
    return int(bool(outcome.wrong))


if __name__ == "__main__":
    sys.exit(main())
