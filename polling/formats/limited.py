"""Have strangers' files read by a process that may use little memory and time, and that is used again.

Starting an interpreter with its libraries takes longer than reading most files, so a process is kept for the next
file; one that dies, hangs or has grown is replaced. At most ``MOST`` files are read at a time, others wait. What comes
back is data: Arrow IPC and JSON, never pickled objects. Content and table cross in memory that has no name in any file
system (where the system has that), so that interviews leave no trace on a disk.
"""

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from polling.errors import ReaderUnavailable
from polling.faults import Fault, FaultLog
from polling.formats.process import CPU_S, DAMAGED, LENGTH, MEMORY_BYTES
from polling.formats.table import INFLATED_BYTES, Table

__all__ = ["MOST", "WALL_S", "Readers", "read_limited"]

MOST = 2
"""Files read at the same time, and processes kept."""
WALL_S = 8.0
"""What one file may take; the sender hears of it within ten seconds."""
START_S = 60.0
"""What a process may take to be ready, on a busy machine without compiled bytecode."""
_REMEDY = "Save it again, in parts if it is large, or send it as CSV."
_CRASHED = "the file is damaged: the library that reads such files broke at it"
_LAST_SIGNAL: dict[int, str] = {
    signal.SIGSEGV: _CRASHED,
    signal.SIGBUS: _CRASHED,
    signal.SIGXCPU: f"the file cannot be read within {CPU_S} s of computing",
    signal.SIGABRT: f"the file cannot be read within {MEMORY_BYTES / 1e6:,.0f} MB of memory",
}


def read_limited(
    content: bytes,
    log: FaultLog,
    *,
    expected: Collection[str] = (),
    only: bool = False,
    inflated_bytes: int = INFLATED_BYTES,
) -> Table | None:
    """Read a table of any format in a process with limits; see ``polling.formats.parse`` for the parameters.

    Returns
    -------
    Table or None
        None if there is nothing that could be checked further; the reason is in ``log`` within ``WALL_S``, counted
        from the moment a process is free.

    Raises
    ------
    ReaderUnavailable
        If no process can be started.
    """
    request = {"expected": sorted(expected), "only": only, "inflated_bytes": inflated_bytes}
    return _readers.read(content, log, request)


class Readers:
    """Processes that read files, and threads that wait for one."""

    def __init__(self, most: int = MOST) -> None:
        self._free = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: list[_Reader] = []
        # Processes are tied to the thread that starts them; the threads of a web server come and go.
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader-starter")

    def read(self, content: bytes, log: FaultLog, request: dict[str, Any]) -> Table | None:
        """Read one file, as `read_limited` does."""
        with self._free:
            reader = self._asked(content, request)
            try:
                reply = reader.answer(WALL_S)
                table = None if reply is None else _told(reply, reader.target, log)
            except BaseException:
                reader.end()
                raise
            if reply is None or "memory" in reply:
                log.add(reader.end() if reply is None else _LAST_SIGNAL[signal.SIGABRT], _REMEDY)
                reader.end()
            else:
                reader.release()
                with self._lock:
                    self._idle.append(reader)
            return table

    def close(self) -> None:
        """End all processes that are not reading."""
        with self._lock:
            idle, self._idle = self._idle, []
        for reader in idle:
            reader.end()

    def _asked(self, content: bytes, request: dict[str, Any]) -> "_Reader":
        """A process that has taken the request; one that ended meanwhile, being idle or large, is replaced."""
        while True:
            with self._lock:
                reader = self._idle.pop() if self._idle else None
            is_new = reader is None
            if reader is None:
                reader = self._starter.submit(_Reader).result()
            try:
                reader.ask(content, request)
            except OSError as error:
                reader.end()
                if is_new:
                    raise ReaderUnavailable from error
            else:
                return reader


class _Reader:
    """One process; used by one thread at a time."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self.target: BinaryIO | None = None
        root = str(Path(__file__).resolve().parents[2])
        # Neither secrets nor a database password are for the child.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HUSTINGS_")}
        environment |= {"POLARS_MAX_THREADS": "2", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "polling.formats.process", str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # What a library says when it breaks may quote an interview.
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=environment,
                start_new_session=True,
            )
        try:
            self._socket.settimeout(START_S)
            if not self._receive(LENGTH, time.monotonic() + START_S):
                raise ReaderUnavailable
        except BaseException:
            self.end()
            raise

    def ask(self, content: bytes, request: dict[str, Any]) -> None:
        text = json.dumps(request).encode()
        source, self.target = _nameless_file(), _nameless_file()
        with source:
            source.write(content)
            source.seek(0)
            self._socket.settimeout(WALL_S)
            files = [source.fileno(), self.target.fileno()]
            socket.send_fds(self._socket, [len(text).to_bytes(LENGTH)], files)
            self._socket.sendall(text)

    def answer(self, wall_s: float) -> dict[str, Any] | None:
        """The reply, or None if the process is dead or silent for too long."""
        until = time.monotonic() + wall_s
        length = self._receive(LENGTH, until)
        text = self._receive(int.from_bytes(length), until) if length else b""
        reply: dict[str, Any] | None = json.loads(text) if text else None
        return reply

    def release(self) -> None:
        """Forget the file."""
        if self.target is not None:
            self.target.close()
            self.target = None

    def end(self) -> str:
        """Kill the process and say what it died of."""
        self.release()
        self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.0 if self._process.poll() is None and self._is_silent else 0.5)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
            return f"the file cannot be read within {WALL_S:g} s"
        code = -(self._process.returncode or 0)
        return _LAST_SIGNAL.get(code, "the program that reads such files broke at this one")

    _is_silent = False

    def _receive(self, length: int, until: float) -> bytes:
        """Exactly so many bytes, or none."""
        parts = bytearray()
        while len(parts) < length:
            try:
                self._socket.settimeout(max(until - time.monotonic(), 0.001))
                part = self._socket.recv(min(length - len(parts), 1 << 20))
            except TimeoutError:
                self._is_silent = True
                return b""
            except OSError:
                return b""
            if not part:
                return b""
            parts += part
        return bytes(parts)


def _nameless_file() -> BinaryIO:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("hustings-table"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def _told(reply: dict[str, Any], target: BinaryIO | None, log: FaultLog) -> Table | None:
    """The table and the faults of a reply."""
    if "memory" in reply:
        return None
    faults = [Fault(log.file, **{**fault, "rows": tuple(fault["rows"])}) for fault in reply["faults"]]
    log.extend(faults, total=reply["total"])
    about = reply["table"]
    if about is None or target is None:
        return None
    data = pl.read_ipc(f"/dev/fd/{target.fileno()}") if about["width"] else pl.DataFrame(height=about["height"])
    damaged = pl.Series(dtype=pl.UInt32)
    if DAMAGED in data.columns:
        damaged = (data[DAMAGED].arg_true() + 2).cast(pl.UInt32)
        data = data.drop(DAMAGED) if data.width > 1 else pl.DataFrame(height=data.height)
    others = pl.DataFrame(about["others"], schema=dict.fromkeys(about["others"], pl.String))
    header, labels = tuple(about["header"]), about["value_labels"]
    comma = about["decimal_comma"]
    return Table(data, header, about["typed"], damaged, about["format"], labels, decimal_comma=comma, others=others)


_readers = Readers()
atexit.register(_readers.close)


def _forget() -> None:
    """After a fork: the processes belong to the parent."""
    global _readers  # noqa: PLW0603
    _readers = Readers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
