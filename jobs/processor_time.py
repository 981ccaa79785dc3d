"""Processor time of a service and everything that it started, looked at from outside.

Other programs on a shared machine lengthen what a clock says, and hardly this.
"""

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["processor_s"]


def processor_s(pid: int) -> float:
    """Seconds on processors of a process, its living descendants, and those that have ended and were waited for.

    Where there is no ``/proc`` it is 0.
    """
    total, waiting = 0.0, [pid]
    while waiting:
        one = waiting.pop()
        with suppress(OSError):
            # The name of a program, in parentheses, may have spaces; the numbers come after it.
            fields = Path(f"/proc/{one}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
            for tasks in Path(f"/proc/{one}/task").glob("*/children"):
                waiting += map(int, tasks.read_text(encoding="ascii").split())
    return total
