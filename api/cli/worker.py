"""``hustings worker``: do jobs and keep the schedule, until told to stop."""

import contextlib
from contextlib import ExitStack

import click

from api.cli.runtime import Runtime

__all__ = ["worker"]


@click.command(short_help="Run a worker: refits, schedule.")
@click.option("--with-parent", is_flag=True, help="End when the process that started this one ends.")
@click.option("--once", is_flag=True, help="Do at most one job, then end.")
@click.option(
    "--executor",
    metavar="ADDRESS",
    help="Run fits on the Dask cluster whose scheduler is at dask://HOST:PORT, or dask+tls://HOST:PORT. Default: here.",
)
@click.option(
    "--at-once",
    type=click.IntRange(1),
    help="Jobs done at the same time. Default: 1 here; on a cluster, the threads that it has now.",
)
@click.pass_obj
def worker(runtime: Runtime, *, with_parent: bool, once: bool, executor: str | None, at_once: int | None) -> None:
    """Run a worker process, which also sends to webhooks.

    Any number may run; SIGTERM or Ctrl-C ends one, and what it was doing goes back to the queue.
    """
    import signal
    import threading

    from api.cli.parent import end_with_parent
    from jobs.logs import configure_logging

    configure_logging(runtime.settings.log_format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if with_parent:
        end_with_parent()
    from jobs.at_work import at_work
    from jobs.clock import HouseClock
    from jobs.tasks import house_tasks
    from jobs.webhook_threads import WebhookThreads
    from jobs.worker import Worker
    from jobs.worker_threads import run_together

    store = runtime.store  # which makes the data folder, if need be
    with at_work(runtime.settings), ExitStack() as closing:
        if executor is None:
            workers = [Worker(store, runtime.settings) for _ in range(at_once or 1)]
        else:
            from jobs.executors import dask_cluster

            cluster = closing.enter_context(contextlib.closing(dask_cluster(executor)))
            from jobs.dask_executor import DaskExecutor

            workers = [
                Worker(store, runtime.settings, executor=DaskExecutor(cluster))
                for _ in range(at_once or max(1, cluster.threads()))
            ]
        first = workers[0]
        sending = WebhookThreads(store, runtime.settings, owner=first.owner, clock=runtime.now)
        if once:
            if not first.turn(runtime.now()):
                sending.turn(runtime.now())
            first.close()
            return
        clock = HouseClock(store, house_tasks(runtime.settings), owner=first.owner, lease=runtime.settings.lease)
        clock.start()
        sending.start(stop)
        try:
            run_together(workers, stop)
        finally:
            stop.set()
            clock.stop()
            sending.join()
