"""The clock: what has to happen from time to time, or at a time of day.

APScheduler with its memory store only tells the time. Every process may run a
clock; a task is done by the one that holds the lease row ``clock``, and only if
the database says that it is due. Lease, last run and the effect are one
transaction, so that two clocks cannot both do it; a clock that finds the lease
taken looks again soon, in case its holder has died. Because last runs are in
the database, a run that was missed while nothing ran is caught up at the next
start. All times are UTC.

What takes long does not run here, where it would hold the transaction: such a
task asks for a job.

A task that runs every so often is due that long after its last run; one with a
time of day when that time has passed since its last run, or since it was first
known. If the clock of the machine is set back, a last run may lie ahead: then
the time is counted from now, and a time of day that has run today does not run
again. A set clock wakes the timers, which count in seconds.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as TimeOfDay  # noqa: N812 (the module is time too)
from typing import Any

from sqlalchemy.orm import Session

from jobs.errors import JobsError
from polling.errors import PollingError
from polling.store import clock_tasks, leases, queue
from polling.store.clock_tasks import TaskRecord
from polling.store.engine import Store
from polling.store.records import JobRecord

__all__ = ["HouseClock", "ScheduledTask", "Task", "due_at", "schedule"]

LEASE = "clock"
DAY = timedelta(days=1)
SKEW = timedelta(minutes=1)
"""Clocks of hosts may differ by this much."""
FAILED_PAUSE = timedelta(minutes=5)
"""Until a task that failed is tried again."""
WATCH_S = 5.0
SET_S = 10.0
"""A clock that moved by more against the timers was set."""

log = logging.getLogger("hustings.clock")


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do every ``every``, or every day at a time."""

    name: str
    every: timedelta
    run: Callable[[Session, datetime], str | None]
    """What to do; its writes are part of the transaction that notes the run. Says what it did."""
    at: TimeOfDay | None = None
    """The time of day, in UTC, if it has one; ``every`` is a day then."""
    about: str = ""
    """What it does, for people."""
    kind: str | None = None
    """Kind of the job that it asks for, if it does no more than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledTask:
    """A task as it is shown."""

    name: str
    about: str
    every_s: float | None
    at: str | None
    last_run_at: datetime | None
    tried_at: datetime | None
    outcome: str | None
    detail: str | None
    seconds: float | None
    next_at: datetime
    """Not later than now if it is overdue."""
    job: JobRecord | None
    """The last job that it asked for."""


class HouseClock:
    """Does each task when it is due, in one process at a time."""

    def __init__(
        self,
        store: Store,
        tasks: tuple[Task, ...],
        *,
        owner: str,
        lease: timedelta = timedelta(seconds=15),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.store = store
        self.tasks = tasks
        self.owner = owner
        self._lease = lease
        self._clock = clock
        self._scheduler: Any = None
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start ticking in threads; tasks that are overdue run at once."""
        from apscheduler.schedulers.background import BackgroundScheduler

        with self.store.write() as session:
            clock_tasks.know(session, [task.name for task in self.tasks], now=self._clock())
        # APScheduler's default drops a run that is more than a second late. A task plans its next run before it ends.
        defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 2}
        self._stopped = threading.Event()
        self._scheduler = BackgroundScheduler(timezone=UTC, job_defaults=defaults)
        self._scheduler.start()
        self._plan_all()
        threading.Thread(target=self._watch, name="clock-watch", daemon=True).start()

    def stop(self) -> None:
        """Stop ticking; a task that runs is not waited for, its transaction is all or nothing."""
        self._stopped.set()
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None

    def due(self, task: Task, now: datetime) -> datetime:
        """When the task has to run next; ``now`` if it never ran and has no time of day."""
        with self.store.read() as session:
            return due_at(task, clock_tasks.find_task(session, task.name), now)

    def tick(self, task: Task, now: datetime | None = None) -> bool:
        """Do the task if it is due and this clock leads; tells whether it was done.

        Parameters
        ----------
        now
            Default: what the clock says once nobody else can do the task any more. A process that was stopped before
            would otherwise go by a time that has passed.
        """
        began = time.monotonic()
        try:
            with self.store.write() as session:
                if leases.acquire_lease(session, LEASE, self.owner, now or self._clock(), self._lease) is None:
                    return False
                now = now or self._clock()
                known = clock_tasks.find_task(session, task.name)
                if due_at(task, known, now) > now:
                    return False
                if _is_ahead(task, known, now):
                    leases.record_run(session, task.name, now)
                    return False
                detail = task.run(session, now)
                leases.record_run(session, task.name, now)
                seconds = time.monotonic() - began
                clock_tasks.note_try(session, task.name, now=now, outcome="done", detail=detail, seconds=seconds)
        except Exception as error:
            expected = isinstance(error, (PollingError, JobsError))
            said = str(error) if expected else f"An unexpected {type(error).__name__}; the log has the details."
            seconds = time.monotonic() - began
            with suppress(Exception), self.store.write() as session:  # the database may be what failed
                now = now or self._clock()
                clock_tasks.note_try(session, task.name, now=now, outcome="failed", detail=said, seconds=seconds)
            raise
        return True

    def _tick(self, task: Task) -> None:
        pause = self._lease / 4  # where another clock leads: until a look whether it did the task
        try:
            self.tick(task)
        except Exception:  # the next tick tries again; the scheduler's thread must not end
            log.exception("the task %s failed", task.name)
            pause = FAILED_PAUSE
        self._plan(task, pause=pause)

    def _plan_all(self) -> None:
        for task in self.tasks:
            self._plan(task, pause=timedelta(0))

    def _plan(self, task: Task, *, pause: timedelta) -> None:
        now = self._clock()
        try:
            due = self.due(task, now)
        except Exception:  # a database that is away for a moment
            log.exception("when the task %s is due cannot be told", task.name)
            due, pause = now, FAILED_PAUSE
        scheduler = self._scheduler
        if scheduler is not None and not self._stopped.is_set():
            scheduler.add_job(
                self._tick,
                "interval",
                args=(task,),
                id=task.name,
                replace_existing=True,
                seconds=task.every.total_seconds(),  # should planning ever fail
                next_run_time=datetime.now(UTC) + max(due - now, pause),
            )

    def _watch(self) -> None:
        """Plan anew when the clock of the machine was set, or the machine slept."""
        stopped, before = self._stopped, time.time() - time.monotonic()
        while not stopped.wait(WATCH_S):
            after = time.time() - time.monotonic()
            if abs(after - before) > SET_S:
                log.warning("the clock of this machine was set by %+.0f s", after - before)
                self._plan_all()
            before = after


def due_at(task: Task, known: TaskRecord, now: datetime) -> datetime:
    """When a task has to run next."""
    last = known.last_run_at
    if _is_ahead(task, known, now):
        return now
    if task.at is None:
        return now if last is None else last + task.every
    since = known.known_since if last is None else last
    if since is None:
        return now
    moment = datetime.combine(since.date(), task.at, tzinfo=UTC)
    return moment if moment > since else moment + DAY


def schedule(session: Session, tasks: Sequence[Task], *, now: datetime) -> list[ScheduledTask]:
    """What will run and what ran, what comes next first."""
    shown = [_scheduled(session, one, now) for one in tasks]
    return sorted(shown, key=lambda one: (one.next_at, one.name))


def _scheduled(session: Session, task: Task, now: datetime) -> ScheduledTask:
    known = clock_tasks.find_task(session, task.name)
    asked = queue.list_jobs(session, kind=task.kind, limit=1) if task.kind else []
    return ScheduledTask(
        name=task.name,
        about=task.about,
        every_s=task.every.total_seconds() if task.at is None else None,
        at=None if task.at is None else f"{task.at:%H:%M}",
        last_run_at=known.last_run_at,
        tried_at=known.tried_at,
        outcome=known.outcome,
        detail=known.detail,
        seconds=known.seconds,
        next_at=due_at(task, known, now),
        job=asked[0] if asked else None,
    )


def _is_ahead(task: Task, known: TaskRecord, now: datetime) -> bool:
    """Whether the last run lies so far ahead that a clock must have been set back since."""
    # What has run at its time of day today must not run again an hour later, when that time comes round once more.
    margin = SKEW if task.at is None else DAY
    return known.last_run_at is not None and known.last_run_at > now + margin
