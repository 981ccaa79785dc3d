"""Keep a job while its worker is busy with something that cannot stop to say so."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from polling.errors import LeaseLost

__all__ = ["Pulse", "beating"]

log = logging.getLogger("hustings.worker")


class Pulse:
    """What the beats have learnt."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        """Somebody asked for the end of the job."""
        self.lost = threading.Event()
        """Another worker has the job by now."""


@contextmanager
def beating(beat: Callable[[], bool], every_s: float) -> Iterator[Pulse]:
    """Call ``beat`` from a thread until the block ends.

    Parameters
    ----------
    beat
        Shows a sign of life; tells whether the job should end.
    """
    pulse, stop = Pulse(), threading.Event()

    def run() -> None:
        while not stop.wait(every_s):
            try:
                if beat():
                    pulse.cancelled.set()
            except LeaseLost:
                pulse.lost.set()
                return
            except Exception:  # a database that is away for a moment; the next beat may get through
                log.exception("a sign of life of a job failed")

    thread = threading.Thread(target=run, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield pulse
    finally:
        stop.set()
        thread.join()
