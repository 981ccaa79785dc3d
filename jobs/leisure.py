"""Work that nobody waits for, in a thread that yields the processors to whoever wants them.

A check looks at a release for minutes right after it was published, which is when everybody reads it. Fits are
processes of their own with a niceness; what is computed in the worker itself gets the same here. Threads that it starts
have it too. Where a thread has no priority of its own, as on macOS, nothing changes.
"""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

__all__ = ["at_leisure"]


def at_leisure[T](work: Callable[[], T], *, nice: int) -> T:
    """Do work and return what it returns; it may raise what it likes."""
    with ThreadPoolExecutor(1, "leisure", initializer=_be_nice, initargs=(nice,)) as thread:
        return thread.submit(work).result()


def _be_nice(nice: int) -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, 0, min(19, os.getpriority(os.PRIO_PROCESS, 0) + nice))  # 0: this thread
