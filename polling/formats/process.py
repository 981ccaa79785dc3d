"""The process that parses: ``python -m polling.formats.process SOCKET PARENT``.

It reads one file after the other: over the socket come the length of a JSON request, the request, and two open files,
the content and an empty one for the table. The reply is a length and a JSON document with the faults and what is known
of the table, whose rows are written to the second file as Arrow IPC. Nothing that the parent reads is code.

A file may use ``MEMORY_BYTES`` of address space (on Linux) and ``CPU_S`` seconds of computing; the kernel ends the
process beyond.
It also ends with its parent, when nothing was asked of it for ``IDLE_S``, and after a file that left it large.
"""

import contextlib
import json
import os
import resource
import signal
import socket
import sys
from typing import Any

from polling.enums import as_enums, as_texts
from polling.faults import FaultLog
from polling.formats.parse import parse
from polling.formats.table import Table

__all__ = ["CPU_S", "DAMAGED", "LENGTH", "MEMORY_BYTES", "main"]

MEMORY_BYTES = 1_400_000_000
"""Address space. The libraries reserve 500 MB of it and touch 100, so that a file may take some 900 MB of memory."""
CPU_S = 15
"""Two cores for most of the time that the parent waits (``polling.formats.limited.WALL_S``)."""
IDLE_S = 300.0
FILE_BYTES = 1_500_000_000
GROWN_BYTES = 350_000_000
LENGTH = 8
"""Bytes of a length, big-endian."""
DAMAGED = "\x00damaged"
"""The column that marks damaged rows; no column of a text file can have that name."""
PR_SET_PDEATHSIG = 1  # from linux/prctl.h


def main(arguments: list[str]) -> int:
    """Serve the socket with file descriptor ``arguments[0]`` for the parent with process id ``arguments[1]``."""
    _end_with_parent(int(arguments[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would be full of interviews
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    if sys.platform == "linux":  # macOS refuses: its processes have more address space than this from the start
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    with socket.socket(fileno=int(arguments[0])) as parent:
        parent.sendall(b"\x00" * LENGTH)  # ready
        parent.settimeout(IDLE_S)
        while _serve_one(parent) and _resident_bytes() < GROWN_BYTES:
            pass
    return 0


def _serve_one(parent: socket.socket) -> bool:
    """Read one file; False when there will be no more."""
    try:
        length, files, *_ = socket.recv_fds(parent, LENGTH, 2)
    except TimeoutError:
        return False
    if len(length) < LENGTH or len(files) < 2:
        return False
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
    parent.settimeout(None)
    with os.fdopen(files[0], "rb") as source, os.fdopen(files[1], "wb") as target:
        request = json.loads(_receive(parent, int.from_bytes(length)))
        try:
            reply = _read(source.read(), request, target)
        except MemoryError:
            reply = {"memory": True}
    text = json.dumps(reply).encode()
    parent.sendall(len(text).to_bytes(LENGTH) + text)
    parent.settimeout(IDLE_S)
    return "memory" not in reply


def _receive(parent: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length and (part := parent.recv(min(length - len(parts), 1 << 16))):
        parts += part
    return bytes(parts)


def _read(content: bytes, request: dict[str, Any], target: Any) -> dict[str, Any]:
    log = FaultLog()
    table = parse(
        content, log, expected=frozenset(request["expected"]), only=request["only"], limit=request["inflated_bytes"]
    )
    del content
    faults = [
        {name: getattr(fault, name) for name in ("row", "column", "value", "reason", "remedy", "count", "rows")}
        for fault in log.reported()
    ]
    reply: dict[str, Any] = {"faults": faults, "total": log.total, "table": None}
    if table is not None:
        reply["table"] = _write(table, target)
    return reply


def _write(table: Table, target: Any) -> dict[str, Any]:
    data = table.data
    if len(table.damaged_rows):
        numbers = data.select(__row=_row_numbers(data.height)).to_series()
        data = data.with_columns(numbers.is_in(table.damaged_rows.implode()).alias(DAMAGED))
    if data.width:
        as_enums(as_texts(data)).write_ipc(target)
        target.flush()
    return {
        "height": data.height,
        "width": data.width,
        "header": table.header,
        "typed": table.typed,
        "decimal_comma": table.decimal_comma,
        "format": table.format,
        "value_labels": {column: dict(labels) for column, labels in table.value_labels.items()},
        "others": table.others.to_dict(as_series=False),
    }


def _row_numbers(height: int) -> Any:
    import polars as pl

    return pl.int_range(2, height + 2, dtype=pl.UInt32)


def _resident_bytes() -> int:
    with contextlib.suppress(OSError), open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123
        return int(statm.read().split()[1]) * resource.getpagesize()
    return 0


def _end_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies, even by kill -9 in the middle of a file.

    The death signal is tied to the parent's *thread* that started us, which is why one thread starts all.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
