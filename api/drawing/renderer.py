"""Draw charts in a process of its own, one for each process that asks, and keep what was drawn.

The converter (vl-convert: Vega-Lite and Vega in V8) holds Python's lock while it draws, 30 to 200 ms in which no other
thread runs, and takes 130 MB; so it has a process that waits for orders (`api.drawing.process`). It is started by the
first order or by `warm`, replaced when it dies, hangs or has become large, and ends with the process that started it.

The key of a drawn chart is the hash of its whole specification: everything that the chart depends on.
"""

import atexit
import contextlib
import hashlib
import subprocess
import sys
import threading
from typing import IO, Any, Final

import msgspec

from polling.once import Once

__all__ = ["ChartFailed", "Renderer", "close", "render", "warm"]

MOST: Final = 500
MOST_BYTES: Final = 32_000_000
TIMEOUT_S: Final = 30.0
LARGE_MB: Final = 400.0


class ChartFailed(Exception):
    """A chart could not be drawn; the message says why."""


class _Answer(msgspec.Struct):
    size_mb: float
    svg: str | None = None
    error: str | None = None


class Renderer:
    """A process that draws, and the charts that it has drawn.

    Parameters
    ----------
    command
        What is started; for a test that wants one that dies.
    timeout_s
        After so long without an answer the process is ended.
    large_mb
        A process that has become so large is replaced.
    """

    def __init__(
        self,
        command: tuple[str, ...] = (sys.executable, "-m", "api.drawing.process"),
        *,
        timeout_s: float = TIMEOUT_S,
        large_mb: float = LARGE_MB,
    ) -> None:
        self._command = command
        self._timeout_s = timeout_s
        self._large_mb = large_mb
        self._drawn: Once[bytes, str] = Once(MOST, most_bytes=MOST_BYTES, size=len)
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, spec: dict[str, Any]) -> str:
        """The SVG of a specification, drawn or kept.

        Raises
        ------
        ChartFailed
            If the converter refuses the specification, or dies or hangs over it.
        """
        order = msgspec.json.encode(spec)
        return self._drawn.get(hashlib.sha256(order).digest(), lambda: self._draw(order))

    def start(self) -> None:
        """Have a process ready, without waiting until it is."""
        with self._turn:
            self._started()

    def close(self) -> None:
        """End the process and forget the charts."""
        with self._turn:
            self._end()
            self._drawn = Once(MOST, most_bytes=MOST_BYTES, size=len)

    @property
    def process_id(self) -> int | None:
        """Of the process that draws; None if there is none."""
        return None if self._process is None else self._process.pid

    def _draw(self, order: bytes) -> str:
        with self._turn:
            process = self._started()
            # Whatever ends it ends the wait below: its output is at its end.
            watch = threading.Timer(self._timeout_s, process.kill)
            watch.start()
            try:
                line = _asked(process, order)
            finally:
                watch.cancel()
            if not line.endswith(b"\n"):
                self._end()
                raise ChartFailed(
                    f"The process that draws charts ended over one, or took longer than {self._timeout_s:g} s."
                )
            answer = msgspec.json.decode(line, type=_Answer)
            if answer.size_mb > self._large_mb:
                self._end()
        if answer.svg is None:
            raise ChartFailed(f"The chart could not be drawn: {answer.error}")
        return answer.svg

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        return self._process

    def _end(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def _asked(process: subprocess.Popen[bytes], order: bytes) -> bytes:
    """The line that answers an order; cut short if the process ended."""
    stdin: IO[bytes] | None = process.stdin
    stdout: IO[bytes] | None = process.stdout
    assert stdin is not None
    assert stdout is not None
    try:
        stdin.write(order + b"\n")
        stdin.flush()
    except BrokenPipeError:
        return b""
    return stdout.readline()


# One for the whole process: V8 has no more to offer a second, and handlers need not hand it around.
_RENDERER = Renderer()
atexit.register(_RENDERER.close)


def render(spec: dict[str, Any]) -> str:
    """The SVG of a Vega-Lite specification; see `Renderer`.

    ``usermeta`` of the specification has ``title`` and ``description`` of the chart.

    Raises
    ------
    ChartFailed
        If it cannot be drawn.
    """
    return _RENDERER(spec)


def warm() -> None:
    """Start the process that draws, so that the first chart need not wait a second for it."""
    _RENDERER.start()


def close() -> None:
    """End the process that draws and forget what it drew; it is started again when it is needed."""
    _RENDERER.close()
