"""The nightly backup as a job: a copy takes as long as it takes, and the clock's transaction must not wait for it.

The copy is made by a thread. A worker that has to stop does not wait for its end: the job goes back to the queue, what
was written so far is no backup, and the next one removes it. A copy that has begun cannot be cancelled.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from jobs.backup import make_backup
from jobs.errors import BackupFailed
from jobs.heartbeat import beating
from jobs.settings import Settings
from jobs.urgency import PRIORITIES
from polling.errors import LeaseLost
from polling.secrets import SecretsFile
from polling.store import queue
from polling.store.engine import Store
from polling.store.records import Claim, JobRecord

__all__ = ["BACKUP", "ask_backup", "back_up"]

BACKUP = "backup"
"""The kind of job that copies the database."""
LOOK_S = 0.1

log = logging.getLogger("hustings.worker")


def ask_backup(session: Session, settings: Settings, *, now: datetime) -> JobRecord:
    """Ask for a backup; several asks are one."""
    return queue.ask(
        session,
        kind=BACKUP,
        key="database",
        survey_id=None,
        question_id=None,
        now=now,
        quiet=timedelta(0),
        patience=timedelta(0),
        max_attempts=settings.max_attempts,
        priority=PRIORITIES[BACKUP],
    )


def back_up(
    claim: Claim,
    store: Store,
    settings: Settings,
    *,
    beat: Callable[[], bool],
    stop: threading.Event,
    clock: Callable[[], datetime],
    pause: timedelta,
) -> None:
    """Do a job of kind ``backup``, and end it or give it back.

    Parameters
    ----------
    beat
        Keeps the job.
    pause
        Before the next attempt, if this one fails: a disk may have room again.

    Raises
    ------
    LeaseLost
        If the job belongs to another worker by now.
    """
    secrets = SecretsFile(settings.secrets_file)
    made: list[Path] = []
    failed: list[Exception] = []

    def copy() -> None:
        try:
            made.append(make_backup(store, secrets, settings, actor="clock", now=clock()))
        except Exception as error:  # told by the thread that waits
            failed.append(error)

    thread = threading.Thread(target=copy, name="backup", daemon=True)
    with beating(beat, settings.heartbeat_s) as pulse:
        thread.start()
        while thread.is_alive() and not stop.is_set() and not pulse.lost.is_set():
            thread.join(LOOK_S)
    if pulse.lost.is_set():
        raise LeaseLost(f"Job '{claim.job.id}'")
    with store.write() as session:
        if thread.is_alive():
            queue.give_back(session, claim, now=clock())
        elif made:
            queue.finish(session, claim, now=clock(), code="backed-up", detail=f"Written to {made[0].parent}.")
        else:
            detail, expected = str(failed[0]), isinstance(failed[0], BackupFailed)
            if not expected:
                detail = f"An unexpected {type(failed[0]).__name__}; the log of the worker has the details."
            log.error("the backup failed: %s", detail, exc_info=None if expected else failed[0])
            queue.fail(session, claim, now=clock(), code="backup-failed", detail=detail, retry_after=pause)
