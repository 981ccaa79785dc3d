"""Watch a job until it has ended, with a progress bar for people."""

import time
from collections.abc import Callable
from typing import Any

from api.cli.refusals import SERVICE, Refusal
from api.cli.runtime import Runtime
from polling.store import queue
from polling.store.records import JobRecord

__all__ = ["follow_job", "progress_bar"]

POLL_S = 0.25
UNATTENDED_S = 20.0
"""A job that is due for so long while nothing runs has no worker."""


def follow_job(runtime: Runtime, job_id: str, *, here: bool, quiet: bool) -> JobRecord:
    """Wait for a job's end; do it in this process if ``here``.

    Raises
    ------
    Refusal
        If no worker takes it.
    """
    if here:
        return _do_here(runtime, job_id)
    waiting_since = time.monotonic()
    with progress_bar(quiet=quiet) as show:
        while True:
            with runtime.store.read() as session:
                job = queue.get_job(session, job_id)
                anything_runs = bool(queue.list_jobs(session, states=("running",), limit=1))
            if job.state in ("succeeded", "failed"):
                return job
            progress: dict[str, Any] = job.progress if isinstance(job.progress, dict) else {}
            show(progress.get("stage") or job.state, progress.get("share"))
            if anything_runs:
                waiting_since = time.monotonic()
            elif time.monotonic() - waiting_since > UNATTENDED_S:
                raise Refusal(
                    f"Job {job_id} is queued, but no worker takes it. Start one with `hustings serve` or "
                    "`hustings worker`, or use --here.",
                    SERVICE,
                )
            time.sleep(POLL_S)


def _do_here(runtime: Runtime, job_id: str) -> JobRecord:
    from jobs.worker import Worker

    worker = Worker(runtime.store, runtime.settings)
    while True:
        with runtime.store.read() as session:
            job = queue.get_job(session, job_id)
        if job.state in ("succeeded", "failed"):
            return job
        if not worker.turn(runtime.now()):  # another worker has it, or it waits for a second attempt
            time.sleep(POLL_S)


class progress_bar:  # noqa: N801 (used like a function)
    """A bar on standard error, or nothing if ``quiet`` or if nobody is looking."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )

    def __enter__(self) -> Callable[[str, float | None], None]:
        self._bar.start()
        task = self._bar.add_task("", total=1.0)

        def show(stage: str, share: float | None) -> None:
            self._bar.update(task, description=stage, completed=share or 0.0)

        return show

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
