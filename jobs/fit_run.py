"""One fit in a process of its own, which ends with it: see ``jobs.fit_host``.

Sampling holds the interpreter and both cores for minutes; in a process of its own it cannot slow a heartbeat, cannot
take the worker down with it, and can be ended at once.
"""

import threading
from collections.abc import Callable
from contextlib import closing

from jobs.fit_host import FitHost
from jobs.fit_request import FitProgress, FitRequest, FitResult
from jobs.settings import Settings

__all__ = ["run_fit"]


def run_fit(
    request: FitRequest,
    settings: Settings,
    *,
    beat: Callable[[FitProgress | None], bool],
    stop: threading.Event,
) -> FitResult:
    """Fit in a process that is started for it; parameters and errors as of ``FitHost``."""
    with closing(FitHost()) as host:
        return host(request, settings, beat=beat, stop=stop)
