"""How much faster two processes fit than one, with nothing between: the most that a second worker can bring.

Two processes share more than cores: caches, memory, and on rented machines often one core that is told as two. What is
lost to that is no cost of whatever hands out the fits.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

from jobs.fit_host import FitHost
from jobs.fit_request import FitRequest
from jobs.settings import Settings

__all__ = ["plain_speed_up"]


def plain_speed_up(request: FitRequest, settings: Settings, *, fits: int) -> float:
    """Do fits in one process, then in two, and compare.

    Parameters
    ----------
    request
        What each process fits again and again; once before the clock starts.
    fits
        Of each process.

    Returns
    -------
    float
        Fits an hour of two over those of one.
    """
    return 2 * _seconds(1, request, settings, fits) / _seconds(2, request, settings, fits)


def _seconds(processes: int, request: FitRequest, settings: Settings, fits: int) -> float:
    ready, stop = threading.Barrier(processes + 1), threading.Event()
    with ThreadPoolExecutor(processes) as pool:
        each = [pool.submit(_fit, request, settings, fits, ready, stop) for _ in range(processes)]
        with suppress(threading.BrokenBarrierError):  # the result says why
            ready.wait()
        began = time.monotonic()
        for one in each:
            one.result()
        return time.monotonic() - began


def _fit(request: FitRequest, settings: Settings, fits: int, ready: threading.Barrier, stop: threading.Event) -> None:
    with closing(FitHost()) as host:
        try:
            for done in range(fits + 1):
                if done == 1:
                    ready.wait()
                host(request, settings, beat=lambda _: False, stop=stop)
        except BaseException:
            ready.abort()
            raise
