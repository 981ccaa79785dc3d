"""Run the web server, and a worker beside it, until somebody asks for the end.

The web server (granian, embedded) runs in this process; the worker is a
process of its own, so that a fit never holds up an answer. A worker that dies
is started again, after a pause that doubles up to half a minute. SIGTERM and
SIGINT end both within five seconds, with exit status 0.
"""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from litestar.types import ASGIApp

__all__ = ["end_now", "free_address", "keep_running", "serve"]

log = logging.getLogger("hustings.serve")

GRACE_S = 3.0
"""What open requests and the worker get to finish."""
LIMIT_S = 4.5
"""After this the process ends whatever is still running."""
BACKLOG = 1024
MOST_CONNECTIONS = 4096
"""Connections served at a time. By its own default the server stops at 128, and with so many streams open it would
answer nobody else."""
OTHER_FILES = 200
"""Files that a process has open besides connections."""
FIRST_PAUSE_S, LONGEST_PAUSE_S, HEALTHY_S = 0.5, 30.0, 60.0


def free_address(host: str, port: int) -> tuple[str, int]:
    """Check that the address is free, and choose the port if it is 0.

    Raises
    ------
    OSError
        If the address is taken or is not one of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The server itself would share a port that another one holds (SO_REUSEPORT), and answer every second request.
    with socket.create_server((host, port), family=family) as probe:
        return host, int(probe.getsockname()[1])


def serve(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    worker: Sequence[str] | None,
    on_ready: Callable[[str], None],
    on_stopping: Callable[[], None] = lambda: None,
) -> int:
    """Serve until SIGTERM or SIGINT.

    Parameters
    ----------
    app
        The ASGI application.
    host, port
        From ``free_address``.
    worker
        Command line of the worker, or None for none.
    on_ready
        Called once with the address, when the first request was answered.
    on_stopping
        Called once when the end was asked for: ends answers that have no end by themselves.

    Returns
    -------
    int
        Exit status: 0 after a signal, 3 if the server ended by itself.
    """
    return asyncio.run(_serve(app, host, port, worker, on_ready=on_ready, on_stopping=on_stopping))


async def _serve(
    app: ASGIApp,
    host: str,
    port: int,
    worker: Sequence[str] | None,
    *,
    on_ready: Callable[[str], None],
    on_stopping: Callable[[], None],
) -> int:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stopping)
    logging.getLogger("_granian").setLevel(logging.ERROR)
    server: Any = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        log_enabled=False,
        websockets=False,
        backlog=BACKLOG,
        backpressure=_most_connections(),
    )
    server.workers_kill_timeout = GRACE_S
    serving = asyncio.create_task(server.serve())
    beside = asyncio.create_task(keep_running(worker, stopping)) if worker else None
    announcing = asyncio.create_task(_announce(host, port, on_ready))
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    ended_by_itself = not stopping.is_set()
    stopping.set()
    announcing.cancel()
    on_stopping()
    server.stop()
    ends = [serving] + ([beside] if beside else [])
    await asyncio.wait(ends, timeout=GRACE_S + 0.5)
    if ended_by_itself:
        log.error("the web server ended by itself")
        return 3
    return 0


def _most_connections() -> int:
    """What this process may have; the limit on open files is raised as far as it can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(MOST_CONNECTIONS, soft - OTHER_FILES))


def _stop(stopping: asyncio.Event) -> None:
    if not stopping.is_set():
        stopping.set()
        # A handler deep in a computation cannot be interrupted; the process can.
        timer = threading.Timer(LIMIT_S, end_now)
        timer.daemon = True
        timer.start()


def end_now(status: int = 0) -> NoReturn:
    """End this process without ending the interpreter first.

    Threads of the server, which are not Python's, may still run: an interpreter that ends under one of them takes the
    process down with a signal.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


async def _announce(host: str, port: int, on_ready: Callable[[str], None]) -> None:
    shown = f"[{host}]" if ":" in host else host
    to = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(to, port)
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            first = await reader.readline()
            writer.close()
            if b" 200 " in first:
                on_ready(f"http://{shown}:{port}")
                return
        await asyncio.sleep(0.05)


async def keep_running(command: Sequence[str], stopping: asyncio.Event) -> None:
    """Run a command; start it again when it ends, until ``stopping`` is set; then end it."""
    pause = FIRST_PAUSE_S
    waiting = asyncio.create_task(stopping.wait())
    while not stopping.is_set():
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(*command)
        ended = asyncio.create_task(process.wait())
        await asyncio.wait({ended, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if stopping.is_set():
            await _end(process, ended)
            return
        pause = FIRST_PAUSE_S if time.monotonic() - started > HEALTHY_S else pause
        log.warning("the worker ended with status %s; starting it again in %.1f s", process.returncode, pause)
        await asyncio.wait({waiting}, timeout=pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


async def _end(process: asyncio.subprocess.Process, ended: "asyncio.Task[int]") -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    await asyncio.wait({ended}, timeout=GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        process.kill()
