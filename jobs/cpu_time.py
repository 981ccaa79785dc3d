"""Processor time of a process and of all that it started, looked at from outside: what work costs, however busy others
are."""

import os
from contextlib import suppress
from pathlib import Path

from jobs.peak_memory import below

__all__ = ["cpu_seconds"]

_USED = slice(11, 15)
"""utime, stime, and both of children that have ended, among the fields of ``/proc/PID/stat`` behind the name."""


def cpu_seconds(pid: int) -> float:
    """Seconds of processor time that a process has used, with those it started, those that ended included.

    0 where there is no ``/proc``.
    """
    ticks = 0
    for one in (pid, *below(pid)):
        with suppress(OSError):  # it has just ended; its parent has its time then
            fields = Path(f"/proc/{one}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            ticks += sum(map(int, fields[_USED]))
    return ticks / os.sysconf("SC_CLK_TCK")
