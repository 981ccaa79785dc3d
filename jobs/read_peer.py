"""Repeated reads of a running service by ``wrk``, and Datasette serving the same rows to compare with."""

import json
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from jobs.errors import ToolMissing

__all__ = ["Reads", "datasette", "hammer"]

PATIENCE_S = 60.0
# What wrk says in the end, as one line that is easily found. Times are in microseconds.
SCRIPT = """
for name, value in pairs({headers}) do wrk.headers[name] = value end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('\\nRESULT {{"n": %d, "us": %d, "p50": %d, "p99": %d, "failed": %d}}\\n', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Reads:
    """What ``wrk`` saw."""

    per_s: float
    p50_ms: float
    p99_ms: float


def hammer(url: str, headers: Mapping[str, str], *, connections: int, seconds: int) -> Reads:
    """Ask for one address again and again, on so many connections at a time, after a second of the same.

    Raises
    ------
    ToolMissing
        If ``wrk`` is not installed.
    RuntimeError
        If a request failed.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise ToolMissing("wrk", "apt-get install wrk, or brew install wrk")
    lua = ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items())
    with tempfile.TemporaryDirectory(prefix="hustings-wrk-") as name:
        # In a file: a command line can be seen by everybody on the machine.
        script = Path(name) / "reads.lua"
        script.write_text(SCRIPT.format(headers=f"{{{lua}}}"))
        for duration in (1, seconds):
            command = [wrk, "-t1", f"-c{connections}", f"-d{duration}", "-s", str(script), url]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.split("RESULT ")[1])
    if told["failed"] or not told["n"]:
        raise RuntimeError(f"{told['failed']} of {told['n']} requests to {url} failed:\n{done.stdout}")
    return Reads(told["n"] / told["us"] * 1e6, told["p50"] / 1000, told["p99"] / 1000)


@contextmanager
def datasette(place: Path, rows: list[dict[str, Any]]) -> Iterator[str]:
    """Datasette while the block lasts; the address of the rows, as JSON in its leanest shape.

    Raises
    ------
    ToolMissing
        If it is not installed beside this Python.
    """
    command = Path(sys.executable).with_name("datasette")
    if not command.exists():
        raise ToolMissing("Datasette", "it is in the development dependencies: make setup")
    path = place / "peer.db"
    columns = list(rows[0])
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"CREATE TABLE estimates ({', '.join(columns)})")
        values = [
            [one if isinstance(one, int | float | str | None) else json.dumps(one) for one in row.values()]
            for row in rows
        ]
        database.executemany(f"INSERT INTO estimates VALUES ({', '.join('?' * len(columns))})", values)  # noqa: S608
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/peer/estimates.json?_shape=array&_size={len(rows)}&_nofacet=1&_nocount=1"
    process = subprocess.Popen(
        [command, "serve", "-i", str(path), "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait(url, len(rows))
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait(url: str, n_rows: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            if len(httpx.get(url).raise_for_status().json()) == n_rows:
                return
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
        time.sleep(0.1)
