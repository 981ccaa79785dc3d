"""Watch a job until it has ended, with a progress bar for people."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from api.cli.refusals import SERVICE, Refusal
from api.cli.runtime import Runtime
from polling.store import queue
from polling.store.records import JobRecord

__all__ = ["follow_job", "progress_bar"]

POLL_S = 0.25
UNATTENDED = timedelta(seconds=20)
"""A job that is due, or whose worker is silent, for so long while nothing else runs has no worker."""


def follow_job(runtime: Runtime, job_id: str, *, here: bool, quiet: bool) -> JobRecord:
    """Wait for a job's end; do it in this process if ``here``.

    Raises
    ------
    Refusal
        If no worker takes it.
    """
    if here:
        return _do_here(runtime, job_id)
    with progress_bar(quiet=quiet) as show:
        while True:
            with runtime.store.read() as session:
                job = queue.get_job(session, job_id)
                running = queue.list_jobs(session, states=("running",))
            if job.state in ("succeeded", "failed"):
                return job
            alive = [one for one in running if one.lease_until and one.lease_until > runtime.now() - UNATTENDED]
            if not alive and job.run_after < runtime.now() - UNATTENDED:
                raise Refusal(
                    f"Job {job_id} is {job.state}, but no worker is there. Start one with `hustings serve` or "
                    "`hustings worker`, or use --here.",
                    SERVICE,
                )
            progress: dict[str, Any] = job.progress if isinstance(job.progress, dict) else {}
            show(progress.get("stage") or job.state, progress.get("share"))
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


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[str, float | None], None]]:
    """A bar on standard error, or nothing if ``quiet`` or if nobody is looking."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=1.0)

        def show(stage: str, share: float | None) -> None:
            bar.update(task, description=stage, completed=share or 0.0)

        yield show
