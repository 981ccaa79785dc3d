"""``hustings worker``: do jobs and keep the schedule, until told to stop."""

import click

from api.cli.runtime import Runtime

__all__ = ["worker"]


@click.command(short_help="Run a worker: refits, schedule.")
@click.option("--with-parent", is_flag=True, help="End when the process that started this one ends.")
@click.option("--once", is_flag=True, help="Do at most one job, then end.")
@click.pass_obj
def worker(runtime: Runtime, with_parent: bool, once: bool) -> None:
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

    working = Worker(runtime.store, runtime.settings)
    sending = WebhookThreads(runtime.store, runtime.settings, owner=working.owner, clock=runtime.now)
    with at_work(runtime.settings):
        if once:
            if not working.turn(runtime.now()):
                sending.turn(runtime.now())
            working.close()
            return
        clock = HouseClock(
            runtime.store, house_tasks(runtime.settings), owner=working.owner, lease=runtime.settings.lease
        )
        clock.start()
        sending.start(stop)
        try:
            working.run(stop)
        finally:
            stop.set()
            clock.stop()
            sending.join()
