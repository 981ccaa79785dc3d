"""A process that fits, kept between fits.

Starting one takes longer than many a fit: imports, kernels. So the process that did a fit waits for the next, and a
worker starts it ahead of the first. What a process of its own promises is kept: it is niced and limited, ends with its
worker, and is ended at once when its fit is cancelled. It is used again only after a fit that went well and small, and
with the settings that it was started with; NUTS, which leaves its compiled models in memory, has it replaced.

Only one thread may use a host, the one that waits for fits: the kernel ends the process when *that* thread ends.
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
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from jobs.errors import FitCancelled, FitOutOfMemory, FitProcessFailed, FitTimedOut, WorkerStopping
from jobs.fit_environment import child_environment
from jobs.fit_request import FitProgress, FitRequest, FitResult
from jobs.settings import Settings
from jobs.spool import spool_folder

__all__ = ["FitHost"]

GRACE_S = 1.0
"""Time between SIGTERM and SIGKILL."""
TICK_S = 0.02
TAIL_CHARACTERS = 600
LARGE_MB = 1500.0
"""A process that has become so large is replaced."""
# How numpy, C++, Rust and Python say that the address space is used up. A thread needs 8 MB of it for its stack.
NO_MEMORY = ("MemoryError", "Cannot allocate memory", "bad_alloc", "memory allocation of", "spawn worker thread")
# How jobs.fit_process ends an order.
DONE, REFUSED, OUT_OF_MEMORY = 0, 3, 4


class FitHost:
    """Runs fits, one at a time, in a process that is started when there is none."""

    def __init__(self) -> None:
        self._child: _Child | None = None

    def start(self, settings: Settings) -> None:
        """Have a process ready for the next fit."""
        if self._child is not None and not self._child.fits(settings):
            self.close()
        if self._child is None:
            self._child = _Child(settings)

    def close(self) -> None:
        """End the process; nothing of it stays."""
        if self._child is not None:
            child, self._child = self._child, None
            child.end()

    def __call__(
        self,
        request: FitRequest,
        settings: Settings,
        *,
        beat: Callable[[FitProgress | None], bool],
        stop: threading.Event,
    ) -> FitResult:
        """Fit, and wait for the result.

        Parameters
        ----------
        request
            What to fit.
        beat
            Called every ``heartbeat_s`` with the newest progress (None before the first); returns whether the fit was
            cancelled. What it raises ends the process and is passed on.
        stop
            Set when the worker shuts down.

        Raises
        ------
        FitCancelled, WorkerStopping
            When ``beat`` or ``stop`` said so; the process is gone by then.
        FitProcessFailed
            If the process died, refused the request, or took too long.
        """
        self.start(settings)
        child = self._child
        assert child is not None
        keep = False
        try:
            with spool_folder(settings.spool_dir) as folder:
                request.write(folder)
                child.order(folder)
                _wait(child, settings, beat=beat, stop=stop)
                if child.ended != DONE:
                    raise _failure(child, folder, settings)
                result = FitResult.read(folder)
            keep = result.engine == "laplace" and child.size_mb < LARGE_MB
            return result
        finally:
            if not keep:
                self.close()


class _Child:
    """One process, and what it has said."""

    def __init__(self, settings: Settings) -> None:
        self._environment = child_environment(settings)
        self._closing = ExitStack()
        self.folder = self._closing.enter_context(spool_folder(settings.spool_dir))
        temporary = self.folder / "tmp"
        temporary.mkdir()
        with (self.folder / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jobs.fit_process", str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=self._environment | {"TMPDIR": str(temporary)},
                umask=0o077,
                # A process group of its own: a Ctrl-C in the terminal is for the worker to handle,
                # and a signal from here also reaches the compilers that the child starts.
                start_new_session=True,
            )
        assert self._process.stdout is not None
        self.progress: FitProgress | None = None
        self._answer: int | None = None
        self._death: int | None = None  # never undone: the process may die before it has an order
        self.size_mb = 0.0
        self._spoken = threading.Event()
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), name="fit-progress", daemon=True
        )
        self._reader.start()

    def fits(self, settings: Settings) -> bool:
        """Whether it lives and was started with these settings."""
        return self._process.poll() is None and self._environment == child_environment(settings)

    @property
    def ended(self) -> int | None:
        """How the order ended; where the process died instead, its exit status, which is not 0."""
        return self._death if self._answer is None else self._answer

    def order(self, folder: Path) -> None:
        """Have it fit the request in a folder."""
        self.progress, self._answer = None, None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is dead, which whoever waits will see
            self._process.stdin.write(f"{json.dumps(str(folder))}\n".encode())
            self._process.stdin.flush()

    def wait(self, seconds: float) -> bool:
        """Wait a while; whether the order has ended, by the death of the process too."""
        self._spoken.wait(seconds)
        self._spoken.clear()
        return self.ended is not None

    def end(self) -> None:
        """End the process, and everything that it started."""
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            # Which ends with the process. To wait for that itself with a limit means to sleep and look, and a sleep may
            # fail while the clock is set.
            self._reader.join(GRACE_S)
            if self._reader.is_alive():
                self._signal(signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._closing.close()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # it ended between the look and the signal
            os.killpg(self._process.pid, number)

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                with contextlib.suppress(ValueError, TypeError, KeyError):  # a line cut off by the child's death
                    self._hear(json.loads(line))
        # The end of its output is its end, or follows at once.
        self._death = self._process.wait() or 1
        self._spoken.set()

    def _hear(self, said: dict[str, Any]) -> None:
        if "ended" in said:
            self.size_mb = said["size_mb"]
            self._answer = said["ended"]
            self._spoken.set()
        else:
            self.progress = FitProgress(**said)


def _wait(
    child: _Child, settings: Settings, *, beat: Callable[[FitProgress | None], bool], stop: threading.Event
) -> None:
    started = next_beat = time.monotonic()
    while True:
        now = time.monotonic()
        if stop.is_set():
            raise WorkerStopping("The worker is shutting down; the job goes back to the queue.")
        if now - started > settings.fit_timeout_s:
            raise FitTimedOut(settings.fit_timeout_s)
        if now >= next_beat:
            next_beat = now + settings.heartbeat_s
            if beat(child.progress):
                raise FitCancelled("The fit was cancelled.")
        if child.wait(TICK_S):
            return


def _failure(child: _Child, folder: Path, settings: Settings) -> FitProcessFailed:
    said = [path.read_text(encoding="utf-8", errors="replace") for path in _words(child, folder)]
    text = "".join(said).strip()
    tail = f"Its last words: {text[-TAIL_CHARACTERS:]}" if text else "It wrote nothing to stderr."
    code = child.ended or 0
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


def _words(child: _Child, folder: Path) -> list[Path]:
    """What it wrote to stderr: before the order, and since."""
    return [path for path in (child.folder / "stderr", folder / "stderr") if path.exists()]
