"""Peak memory of a service's processes, looked at from outside while it works.

The kernel keeps the peak of every process that lives (``VmHWM``), so a look now and then misses only what a process
took after the last look before its end.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["below", "peak_memory", "role_of"]

EVERY_S = 0.25
# What a command line contains -> whose it is; the first that fits counts.
_ROLES = (
    ("jobs.fit_process", "fit"),
    ("api.drawing.process", "charts"),
    (" worker ", "worker"),
    (" serve ", "service"),
)


@contextmanager
def peak_memory(pid: int) -> Iterator[dict[str, float]]:
    """Watch a process and those it started; yields role -> the highest peak of one process, in MB, kept up to date.

    Where there is no ``/proc`` it stays empty.
    """
    peaks: dict[str, float] = {}
    done = threading.Event()

    def watch() -> None:
        while True:
            for one in (pid, *below(pid)):
                with suppress(OSError, ValueError):
                    role, peak = role_of(_command(one)), _peak_mb(one)
                    peaks[role] = max(peaks.get(role, 0.0), round(peak, 1))
            if done.wait(EVERY_S):
                return

    thread = threading.Thread(target=watch, name="peak-memory", daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()


def role_of(command: str) -> str:
    """Which part of the service a command line is."""
    return next((role for part, role in _ROLES if part in f"{command} "), "other")


def below(pid: int) -> Iterator[int]:
    """The processes that a process started, and those that these did, as far as they live."""
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, tasks.read_text(encoding="ascii").split()):
                yield child
                yield from below(child)


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def _peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(pid)  # it has ended and nobody has noticed yet
