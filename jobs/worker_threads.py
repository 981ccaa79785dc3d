"""Several workers in one process, each doing one job at a time: for fits that run elsewhere."""

import threading
from collections.abc import Sequence

from jobs.worker import Worker

__all__ = ["run_together"]


def run_together(workers: Sequence[Worker], stop: threading.Event) -> None:
    """Run several workers of one process until ``stop`` is set, the first of them in this thread."""
    others = [threading.Thread(target=one.run, args=(stop,), name="worker", daemon=True) for one in workers[1:]]
    for thread in others:
        thread.start()
    try:
        workers[0].run(stop)
    finally:
        stop.set()
        for thread in others:
            thread.join()
