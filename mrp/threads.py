"""Spread work on arrays over a few threads: NumPy and SciPy let go of the interpreter while they compute.

The threads are shared by whoever computes in this process, so that many answers at once do not become many more
threads; with one core there are none.
"""

import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

__all__ = ["in_threads", "parts_of"]

MOST: Final = 4

_lock = threading.Lock()
_pools: list[ThreadPoolExecutor] = []
# A fork has the pool, but none of its threads.
os.register_at_fork(after_in_child=_pools.clear)


def in_threads[T](work: Callable[[int, int], T], n: int, *, least: int) -> list[T]:
    """Do work on ``range(n)``, a part of it in each thread.

    Parameters
    ----------
    work
        Given where a part starts and stops. It must not call this function itself: it could wait for its own thread.
    n
        How much there is to do.
    least
        Parts smaller than this are not worth a thread.

    Returns
    -------
    list
        What ``work`` returned of each part, in order; of an empty range that of one empty part.

    Examples
    --------
    >>> in_threads(lambda start, stop: sum(range(start, stop)), 10, least=100)
    [45]
    """
    n_parts = parts_of(n, least=least)
    bounds = [n * part // n_parts for part in range(n_parts + 1)]
    if n_parts == 1:
        return [work(0, n)]
    futures = [_pool().submit(work, start, stop) for start, stop in itertools.pairwise(bounds[:-1])]
    # The caller's own thread does the last part, and what it raises waits for the others: they write into its arrays.
    try:
        last = work(bounds[-2], n)
    finally:
        errors = [future.exception() for future in futures]
    for error in errors:
        if error is not None:
            raise error
    return [*(future.result() for future in futures), last]


def parts_of(n: int, *, least: int) -> int:
    """In how many parts `in_threads` does its work."""
    return max(1, min(_n_cores(), MOST, n // max(least, 1)))


def _n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pool() -> ThreadPoolExecutor:
    with _lock:
        if not _pools:
            _pools.append(ThreadPoolExecutor(max(1, min(_n_cores(), MOST) - 1), thread_name_prefix="mrp"))
        return _pools[0]
