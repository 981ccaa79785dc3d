"""The server process: what it prints, what it loads, how it ends, and the worker beside it."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from api.server import free_address, keep_running
from tests.api.world import SURVEY, World

HEAVY = ("pymc", "pytensor", "numba", "nutpie", "arviz", "pandas", "formulae")


def environment(folder: Path, **settings: object) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HUSTINGS_")}
    chosen = {"data_dir": folder / "data", "secrets_file": folder / "secrets.toml", **settings}
    return ours | {f"HUSTINGS_{name.upper()}": str(value) for name, value in chosen.items()}


@contextmanager
def serving(
    folder: Path, *options: str, command: str = "serve", **settings: object
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    arguments = [sys.executable, "-m", "api.cli", command, "--port", "0", *options]
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(folder, **settings)
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "serving at http://127.0.0.1:" in line, line + process.communicate()[1]
        yield process, line.split("serving at ")[1].split()[0]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_makes_its_place_answers_and_ends_well(tmp_path: Path, number: signal.Signals):
    with serving(tmp_path, "--no-worker") as (process, address):
        assert httpx.get(f"{address}/health").json()["status"] == "ok"
        assert httpx.get(f"{address}/ready").json()["status"] == "ready"
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0
        assert (tmp_path / "secrets.toml").stat().st_mode & 0o077 == 0

        asked = time.monotonic()
        process.send_signal(number)
        _, errors = process.communicate(timeout=6)

    assert process.returncode == 0, errors
    assert time.monotonic() - asked < 5
    assert "Traceback" not in errors
    assert "GET /health 200" in errors


def test_it_ends_while_a_client_holds_a_connection(tmp_path: Path):
    with serving(tmp_path, "--no-worker", "--quiet") as (process, address):
        host, port = address.removeprefix("http://").split(":")
        with httpx.Client() as client, socket.create_connection((host, int(port))) as silent:
            client.get(f"{address}/health")
            silent.sendall(b"GET /health HTTP/1.1\r\n")
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=6) == 0


def test_a_port_that_is_taken_is_refused_in_one_message(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "api.cli", "serve", "--port", str(port)],
            capture_output=True, text=True, timeout=30, env=environment(tmp_path), check=False,
        )  # fmt: skip
    assert done.returncode == 3
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_port_zero_finds_a_free_one():
    _, port = free_address("127.0.0.1", 0)
    assert port > 0


def test_the_worker_beside_it_lives_and_ends_with_it(tmp_path: Path):
    with serving(tmp_path, worker_poll_s=0.05) as (process, _):
        deadline = time.monotonic() + 20
        while not (workers := children(process.pid)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=6)

    assert process.returncode == 0
    assert not any(alive(pid) for pid in workers)


def test_api_is_serve_without_a_worker(tmp_path: Path):
    with serving(tmp_path, command="api") as (process, address):
        assert httpx.get(f"{address}/ready").json()["status"] == "ready"
        assert children(process.pid) == []
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=6)

    assert process.returncode == 0
    assert "hustings.worker" not in errors


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_worker_that_dies_is_started_again(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    marks = tmp_path / "marks"
    code = f"open({str(marks)!r}, 'a').write('x')"

    async def run() -> None:
        stopping = asyncio.Event()
        running = asyncio.create_task(keep_running([sys.executable, "-c", code], stopping))
        while not (marks.exists() and len(marks.read_text()) >= 2):
            await asyncio.sleep(0.05)
        stopping.set()
        await asyncio.wait_for(running, 5)

    asyncio.run(asyncio.wait_for(run(), 20))
    assert "starting it again in 0.5 s" in caplog.text


def test_neither_start_nor_estimates_load_a_sampler(world: World):
    """The web process stays small: it answers from stored draws."""
    world.release()
    key = world.key("reader")
    code = f"""
import json, sys
from dataclasses import replace
from pathlib import Path
from litestar.testing import TestClient
from api.app import create_app
from jobs.settings import Settings
settings = replace(Settings(), data_dir=Path({str(world.settings.data_dir)!r}),
                   secrets_file=Path({str(world.settings.secrets_file)!r}), database_url={str(world.store.url)!r})
loaded = lambda: sorted(set(sys.modules) & set({HEAVY!r}))
app = create_app(settings)
at_start = loaded()
with TestClient(app) as client:
    reply = client.get("/v1/surveys/{SURVEY}/questions/rail/estimates?level=district&by=age",
                       headers={{"Authorization": "Bearer {key}"}})
    pages = [client.get(path).status_code for path in ("/docs", "/openapi.json", "/ready")]
print(json.dumps([at_start, loaded(), reply.status_code, len(reply.json()["estimates"]), pages]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], [], 200, 18, [200, 200, 200]]
