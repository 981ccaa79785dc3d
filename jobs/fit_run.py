"""Run one fit in a process of its own, and end it when it should end.

Sampling holds the interpreter and both cores for minutes; in a process of its
own it cannot slow a heartbeat, cannot take the worker down with it, and can be
ended at once. The child reports its progress as JSON lines, which a thread
collects here; what it writes to stderr is kept, and its end is quoted if the
child dies. PyTensor's compiled models are kept between fits in
``Settings.kernel_cache``, and so are the kernels of the Laplace engine where
they cannot lie beside the program. Other temporary files lie in the folder of
the fit and go with it.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from jobs.errors import FitCancelled, FitOutOfMemory, FitProcessFailed, FitTimedOut, WorkerStopping
from jobs.fit_request import FitProgress, FitRequest, FitResult
from jobs.settings import Settings
from jobs.spool import spool_folder

__all__ = ["child_environment", "run_fit"]

PROGRAM = Path(__file__).resolve().parent.parent
GRACE_S = 1.0
"""Time between SIGTERM and SIGKILL."""
TICK_S = 0.05
TAIL_CHARACTERS = 600
# How numpy, C++, Rust and Python say that the address space is used up. A thread needs 8 MB of it for its stack.
NO_MEMORY = ("MemoryError", "Cannot allocate memory", "bad_alloc", "memory allocation of", "spawn worker thread")
# Exit codes of jobs.fit_process.
REFUSED, OUT_OF_MEMORY = 3, 4


def run_fit(
    request: FitRequest,
    settings: Settings,
    *,
    beat: Callable[[FitProgress | None], bool],
    stop: threading.Event,
) -> FitResult:
    """Fit in a child process and wait for its result.

    Parameters
    ----------
    request
        What to fit.
    beat
        Called every ``heartbeat_s`` with the newest progress (None before the
        first); returns whether the fit was cancelled. What it raises ends the
        child and is passed on.
    stop
        Set when the worker shuts down.

    Raises
    ------
    FitCancelled, WorkerStopping
        When ``beat`` or ``stop`` said so; the child is gone by then.
    FitProcessFailed
        If the child died, refused the request, or took too long.
    """
    with spool_folder(settings.spool_dir) as folder:
        request.write(folder)
        temporary = folder / "tmp"
        temporary.mkdir()
        with (folder / "stderr").open("wb") as stderr:
            child = subprocess.Popen(
                [sys.executable, "-m", "jobs.fit_process", str(folder), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=child_environment(settings) | {"TMPDIR": str(temporary)},
                umask=0o077,
                # A process group of its own: a Ctrl-C in the terminal is for the worker to handle,
                # and a signal from here also reaches the compilers that the child starts.
                start_new_session=True,
            )
        assert child.stdout is not None
        progress = _ProgressReader(child.stdout)
        try:
            _wait(child, progress, settings, beat=beat, stop=stop)
        finally:
            _end(child)
            progress.join()
        if child.returncode != 0:
            raise _failure(child.returncode, folder, settings)
        return FitResult.read(folder)


def child_environment(settings: Settings) -> dict[str, str]:
    """Give the fit process its environment: kernel caches that outlive it, and one BLAS thread.

    Chains run in parallel threads already; BLAS threads under each of them
    would only fight for the same cores.
    """
    cache = settings.kernel_cache
    (cache / "pytensor").mkdir(parents=True, exist_ok=True)
    own_cache = {}
    if not os.access(PROGRAM / "mrp" / "laplace", os.W_OK):  # numba would not look for its kernels there either
        (cache / "numba").mkdir(parents=True, exist_ok=True)
        own_cache = {"NUMBA_CACHE_DIR": str(cache / "numba")}
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
    )
    flags = [os.environ.get("PYTENSOR_FLAGS", ""), f"base_compiledir={cache / 'pytensor'}"]
    search = [str(PROGRAM), os.environ.get("PYTHONPATH", "")]
    return {
        # A worker's secrets and database password are not for the child.
        **{name: value for name, value in os.environ.items() if not name.startswith("HUSTINGS_")},
        **threads,
        "POLARS_MAX_THREADS": str(settings.fit_cores),
        **own_cache,
        "PYTENSOR_FLAGS": ",".join(filter(None, flags)),
        "PYTHONPATH": os.pathsep.join(filter(None, search)),
        "HUSTINGS_FIT_NICE": str(settings.fit_nice),
        "HUSTINGS_FIT_MEMORY_MB": str(settings.fit_memory_mb),
    }


class _ProgressReader(threading.Thread):
    """Keeps the newest progress line of a child."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(name="fit-progress", daemon=True)
        self._stream = stream
        self.newest: FitProgress | None = None
        self.start()

    def run(self) -> None:
        with self._stream:
            for line in self._stream:
                try:
                    self.newest = FitProgress(**json.loads(line))
                except (ValueError, TypeError):
                    continue  # a line cut off by the child's death


def _wait(
    child: subprocess.Popen[bytes],
    progress: _ProgressReader,
    settings: Settings,
    *,
    beat: Callable[[FitProgress | None], bool],
    stop: threading.Event,
) -> None:
    started = next_beat = time.monotonic()
    while child.poll() is None:
        now = time.monotonic()
        if stop.is_set():
            raise WorkerStopping("The worker is shutting down; the job goes back to the queue.")
        if now - started > settings.fit_timeout_s:
            raise FitTimedOut(settings.fit_timeout_s)
        if now >= next_beat:
            next_beat = now + settings.heartbeat_s
            if beat(progress.newest):
                raise FitCancelled("The fit was cancelled.")
        stop.wait(TICK_S)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        _signal(child, signal.SIGTERM)
        try:
            child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            _signal(child, signal.SIGKILL)
    child.wait()


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended between the look and the signal
        os.killpg(child.pid, number)


def _failure(code: int, folder: Path, settings: Settings) -> FitProcessFailed:
    text = (folder / "stderr").read_text(encoding="utf-8", errors="replace").strip()
    tail = f"Its last words: {text[-TAIL_CHARACTERS:]}" if text else "It wrote nothing to stderr."
    if code == REFUSED:
        refusal = json.loads((folder / "refused.json").read_text(encoding="utf-8"))
        return FitProcessFailed(refusal["code"], refusal["detail"], retry=False)
    if code == OUT_OF_MEMORY or (settings.fit_memory_mb and any(words in text for words in NO_MEMORY)):
        return FitOutOfMemory(settings.fit_memory_mb, tail)
    if code < 0:
        name = signal.Signals(-code).name
        hint = " The system may have run out of memory." if -code == signal.SIGKILL else ""
        return FitProcessFailed("fit-crashed", f"The fit process was ended by {name}.{hint} {tail}", retry=True)
    return FitProcessFailed("fit-crashed", f"The fit process ended with status {code}. {tail}", retry=True)
