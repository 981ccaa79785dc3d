"""What services take while they work, looked at from outside: memory of processes, connections and locks.

Memory is judged by the highest of each minute, because fits come and go: over the last two thirds of a run the slope
through the medians (Theil and Sen: the median of the slopes between all pairs, which no single minute moves), times
their length, may be `GROWTH` of the middle at most.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from tests.faults.service import children_of

__all__ = ["GROWTH", "LONGEST_S", "Watch", "growth_of", "memory_of"]

EVERY_S = 2.0
WINDOW_S = 60.0
GROWTH = 0.05
"""Of the middle: what memory may grow by over the last two thirds of a run."""
LEAST_WINDOWS = 10
"""With fewer of them in the last two thirds nothing is said about growth: caches are filling."""
LONGEST_S = 10.0
"""A transaction that idles, or a statement that waits for a lock, for longer than this is stuck."""
BACKENDS = """
SELECT application_name, state, coalesce(wait_event_type, '') = 'Lock',
       coalesce(extract(epoch FROM clock_timestamp() - state_change), 0)::float,
       coalesce(extract(epoch FROM clock_timestamp() - query_start), 0)::float
FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'watch'
"""


@dataclass
class Watch:
    """Looks at processes and at their database while a block lasts.

    Parameters
    ----------
    processes
        Name -> process id; what a process has started counts as ``NAME's children``.
    """

    processes: Mapping[str, int]
    url: str
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """Name -> (seconds, MB)."""
    files: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """Name -> (seconds, open files)."""
    connections: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """Name -> (seconds, connections to the database)."""
    stuck: list[str] = field(default_factory=list)
    """What waited longer than `LONGEST_S`."""
    longest_idle_s: float = 0.0
    """In a transaction."""
    longest_wait_s: float = 0.0
    """For a lock."""
    deadlocks: int = 0
    gone: list[str] = field(default_factory=list)
    """Processes that ended meanwhile."""

    def __enter__(self) -> "Watch":
        self._done = threading.Event()
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._look_on, name="watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def left(self) -> list[str]:
        """Names of whoever has a connection now, and of whoever is in a transaction, or waits for one."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return [f"{name}: {state}" for name, state, *_ in connection.execute(BACKENDS) if state != "idle"]

    def _look_on(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            while True:
                self._look_at_processes()
                self._look_at_database(connection)
                if self._done.wait(EVERY_S):
                    return

    def _look_at_processes(self) -> None:
        at = time.monotonic() - self._begun
        for name, pid in self.processes.items():
            try:
                self.memory[name].append((at, memory_of(pid)))
                self.files[name].append((at, len(list(Path(f"/proc/{pid}/fd").iterdir()))))
            except (OSError, ValueError):
                if name not in self.gone:
                    self.gone.append(name)
                continue
            total = 0.0
            for child in children_of(pid):
                with suppress(OSError, ValueError):
                    total += memory_of(child)
            self.memory[f"{name}'s children"].append((at, total))

    def _look_at_database(self, connection: psycopg.Connection[Any]) -> None:
        at, n = time.monotonic() - self._begun, dict.fromkeys(self.processes, 0)
        for name, state, waits, in_state_s, asked_s in connection.execute(BACKENDS):
            n[name] = n.get(name, 0) + 1
            if state.startswith("idle in transaction"):
                self.longest_idle_s = max(self.longest_idle_s, in_state_s)
                if in_state_s > LONGEST_S:
                    self.stuck.append(f"{name} was in a transaction without a statement for {in_state_s:.0f} s")
            elif state == "active" and waits:
                self.longest_wait_s = max(self.longest_wait_s, asked_s)
                if asked_s > LONGEST_S:
                    self.stuck.append(f"a statement of {name} waited for a lock for {asked_s:.0f} s")
        for name, count in n.items():
            self.connections[name].append((at, count))
        row = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
        self.deadlocks = 0 if row is None else int(row[0])


def growth_of(seen: Sequence[tuple[float, float]], *, window_s: float = WINDOW_S) -> tuple[float, float] | None:
    """By how much a series grew over its last two thirds, and its middle there; None: too short to tell.

    Parameters
    ----------
    seen
        (seconds since the start, value), in order.
    """
    if not seen:
        return None
    highest: dict[int, float] = {}
    for at, value in seen:
        highest[int(at // window_s)] = max(highest.get(int(at // window_s), value), value)
    last = int(seen[-1][0] // window_s)
    if seen[-1][0] - last * window_s < window_s / 2:
        highest.pop(last)  # hardly begun
    kept = [(window, value) for window, value in highest.items() if window >= len(highest) / 3]
    if len(kept) < LEAST_WINDOWS:
        return None
    slope = median((after - before) / (b - a) for (a, before), (b, after) in combinations(kept, 2))
    return slope * (kept[-1][0] - kept[0][0]), median(value for _, value in kept)


def memory_of(pid: int) -> float:
    """Resident memory of a process, in MB.

    Raises
    ------
    ValueError
        If it has ended and nobody has noticed yet.
    """
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(pid)
