"""The clock: what has to happen from time to time.

APScheduler with its memory store only tells the time. Every process may run a
clock; a task is done by the one that holds the lease row ``clock``, and only if
the database says that its last run is long enough ago. Lease, last run and the
effect are one transaction, so that two clocks cannot both do it. Because last
runs are in the database, a run that was missed while nothing ran is caught up
at the next start. All times are UTC.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from jobs.backup import expire_backups
from jobs.confirm_ask import NIGHT, begin_night
from jobs.erasure import overdue
from jobs.open_wave import close_due
from jobs.restate import REFIT, ask_refit
from jobs.retention import purge_all
from jobs.settings import Settings
from jobs.source_read import ask_due
from jobs.spool import clean_spool
from polling.secrets import SecretsFile
from polling.store import fits, leases, queue, replies, surveys, waves
from polling.store.engine import Store
from polling.store.records import SurveyVersionRecord
from polling.store.wave_events import changes_after
from polling.store.wave_records import WaveChange

__all__ = ["HouseClock", "Task", "house_tasks", "sweep"]

LEASE = "clock"
LEASE_TTL = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
CLOSING = timedelta(minutes=5)
LOOKING = timedelta(minutes=1)
# Codes of jobs that would fail again on the same data and the same version of the survey.
SETTLED = frozenset(
    {"fit-refused", "kind-not-supported", "mode-not-told", "no-interviews", "refit-refused", "wave-not-convertible"}
)

log = logging.getLogger("hustings.clock")


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do every ``every``."""

    name: str
    every: timedelta
    run: Callable[[Session, datetime], None]
    """What to do; its writes are part of the transaction that notes the run."""


def house_tasks(settings: Settings) -> tuple[Task, ...]:
    """The tasks of a running house."""
    return (
        Task("sweep", timedelta(seconds=settings.sweep_s), lambda session, now: sweep(session, settings, now=now)),
        Task("clean-spool", HOUR, lambda _session, now: clean_spool(settings, now=now)),
        Task("expire-backups", HOUR, lambda session, now: _expire(session, settings, now)),
        Task("read-sources", LOOKING, lambda session, now: ask_due(session, settings, now=now)),
        Task("close-waves", CLOSING, lambda session, now: _close(session, settings, now)),
        Task("finish-erasures", HOUR, lambda session, now: overdue(session, settings, now=now)),
        Task("purge", HOUR, lambda session, now: _purge(session, settings, now)),
        Task(NIGHT, DAY, lambda session, now: _begin_night(session, settings, now)),
        Task("forget-replies", HOUR, lambda session, now: replies.forget_replies(session, now=now)),
    )


def _close(session: Session, settings: Settings, now: datetime) -> None:
    close_due(session, SecretsFile(settings.secrets_file), settings, now=now, actor="clock")


def _purge(session: Session, settings: Settings, now: datetime) -> None:
    purge_all(session, SecretsFile(settings.secrets_file), settings, now=now, actor="clock")


def _expire(session: Session, settings: Settings, now: datetime) -> None:
    expire_backups(session, SecretsFile(settings.secrets_file), settings, actor="clock", now=now)


def _begin_night(session: Session, settings: Settings, now: datetime) -> None:
    begin_night(session, settings, now=now)


class HouseClock:
    """Does each task when it is due, in one process at a time."""

    def __init__(self, store: Store, tasks: tuple[Task, ...], *, owner: str) -> None:
        self.store = store
        self.tasks = tasks
        self.owner = owner
        self._scheduler: Any = None

    def start(self) -> None:
        """Start ticking in a thread; tasks that are overdue run at once."""
        from apscheduler.schedulers.background import BackgroundScheduler

        # APScheduler's default drops a run that is more than a second late.
        defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        self._scheduler = BackgroundScheduler(timezone=UTC, job_defaults=defaults)
        now = datetime.now(UTC)
        for task in self.tasks:
            self._scheduler.add_job(
                self._tick,
                "interval",
                args=(task,),
                id=task.name,
                seconds=task.every.total_seconds(),
                next_run_time=max(now, self.due(task, now)),
            )
        self._scheduler.start()

    def stop(self) -> None:
        """Stop ticking; a task that runs is not waited for, its transaction is all or nothing."""
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None

    def due(self, task: Task, now: datetime) -> datetime:
        """When the task has to run next; ``now`` if it never ran."""
        with self.store.read() as session:
            last = leases.last_run(session, task.name)
        return now if last is None else last + task.every

    def tick(self, task: Task, now: datetime) -> bool:
        """Do the task if it is due and this clock leads; tells whether it was done."""
        with self.store.write() as session:
            if leases.acquire_lease(session, LEASE, self.owner, now, LEASE_TTL) is None:
                return False
            last = leases.last_run(session, task.name)
            # Timers fire a little early or late; another clock's run a moment ago still counts.
            if last is not None and now < last + 0.9 * task.every:
                return False
            task.run(session, now)
            leases.record_run(session, task.name, now)
        return True

    def _tick(self, task: Task) -> None:
        try:
            self.tick(task, datetime.now(UTC))
        except Exception:  # the next tick tries again; the scheduler's thread must not end
            log.exception("the task %s failed", task.name)


def sweep(session: Session, settings: Settings, *, now: datetime) -> None:
    """Ask again for every refit that is missing.

    A question needs one if its counts changed since the last fit, it has waves
    and no refit is waiting or running: the last one crashed, or was
    cancelled. What failed for a reason that lies in the data or the survey is
    not asked for again before one of them changes: the same inputs and seed
    would give the same fit, or the same refusal.
    """
    for survey in surveys.list_surveys(session):
        open_jobs = queue.list_jobs(session, survey_id=survey.survey_id, states=("queued", "running"))
        asked = {job.question_id for job in open_jobs if job.kind == REFIT}
        listed = waves.list_waves(session, survey.survey_id)
        counted = {question_id for wave in listed if wave.is_counted for question_id in wave.questions}
        newest = {
            question_id: change  # they come in order
            for change in changes_after(session, survey.survey_id, 0)
            for question_id in change.questions
            if question_id in counted
        }
        for question_id, change in newest.items():
            if question_id not in asked and not _seen(session, survey, question_id, change):
                ask_refit(session, settings, survey_id=survey.survey_id, question_id=question_id, now=now)
                log.info("asked again for the refit of %s/%s", survey.survey_id, question_id)


def _seen(session: Session, survey: SurveyVersionRecord, question_id: str, change: WaveChange) -> bool:
    """Tell whether a fit of the newest survey version has seen the change, or was refused for good."""
    fitted = any(
        fit.data_sequence >= change.sequence and fit.survey_version == survey.version
        for fit in fits.list_fits(session, survey.survey_id, question_id)
    )
    changed_at = max(survey.created_at, change.at)
    failed = queue.list_jobs(session, survey_id=survey.survey_id, states=("failed",), question_id=question_id)
    return fitted or any(job.code in SETTLED and job.last_asked_at >= changed_at for job in failed)
