"""Many clients follow the events of one real server for a while; it stops; they come back to another and miss nothing.

python -m tests.api.streams --clients 500 --seconds 60 [--report FILE]
"""

import argparse
import asyncio
import json
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from api.keys import create_key
from jobs.survey import add_survey, load_survey
from polling.secrets import SecretsFile
from polling.store import outbox
from polling.store.engine import Store, open_store
from tests.api.test_server import serving
from tests.api.world import SURVEY, write_survey

__all__ = ["Figures", "follow_for"]

EVERY_S = 0.1
"""Pause between two events."""


@dataclass
class Client:
    """One that follows, and comes back with the last id that it saw when its stream ends."""

    key: str
    ids: list[int] = field(default_factory=list)
    last: int | None = None
    said: bytes = b""
    """What the stream said at its end."""
    lag_s: float = 0.0
    """The longest time from an event to its arrival here."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self, address: str, happened: dict[int, float]) -> None:
        """One stream, to its end."""
        host, port = address.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        header = "" if self.last is None else f"Last-Event-ID: {self.last}\r\n"
        request = f"GET /v1/surveys/{SURVEY}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.key}\r\n{header}"
        writer.write(f"{request}\r\n".encode())
        try:
            status = await reader.readline()
            assert b" 200 " in status, status
            async for line in reader:
                if line.startswith(b"retry:"):
                    self.ready.set()
                elif line.startswith(b"id: "):
                    self.last = int(line[4:])
                elif line.startswith(b"data:") and b'"kind":"ready"' not in line:
                    assert self.last is not None
                    self.ids.append(self.last)
                    self.lag_s = max(self.lag_s, time.monotonic() - happened.get(self.last, float("inf")))
                elif line.startswith(b": "):
                    self.said = line
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@dataclass(frozen=True)
class Figures:
    """What was seen."""

    clients: int
    seconds: float
    events: int
    reconnected: int
    """Clients that left and came back while the server ran."""
    connect_s: float
    """Until all of them followed."""
    lag_s: float
    """The longest time from an event to its arrival at a client that was there."""
    end_s: float
    """From the signal to the end of the process and of every stream."""
    kb_per_client: float
    """By how much the server's resident memory grew with them."""
    growth_kb: float
    """By how much it grew from then on."""
    threads: int


def follow_for(folder: Path, *, clients: int, seconds: float) -> Figures:
    """Let so many clients follow for so long; everything that must hold is asserted."""
    return asyncio.run(_follow_for(folder, clients, seconds))


async def _follow_for(folder: Path, n: int, seconds: float) -> Figures:
    about = {"streams_per_key": n, "max_streams": n + 10, "key_burst": 10 * n}
    happened: dict[int, float] = {}
    with serving(folder, "--quiet", command="api", **about) as (process, address):
        store, key = _furnish(folder)
        before = _resident_kb(process.pid)
        everyone = [Client(key) for _ in range(n)]
        began = time.monotonic()
        following = [asyncio.create_task(one.follow(address, happened)) for one in everyone]
        for one in everyone:
            await asyncio.wait_for(one.ready.wait(), 60)
        connect_s = time.monotonic() - began
        _happen(store, happened)
        await _until(lambda: all(one.ids for one in everyone))
        settled = _resident_kb(process.pid)
        # A third of them leave, one after the other, and come back to what happened meanwhile.
        leaving = list(range(0, n, 3))
        end, step = time.monotonic() + seconds, seconds / (len(leaving) + 1)
        coming = asyncio.create_task(_come_and_go(leaving, everyone, following, address, happened, step))
        while time.monotonic() < end:
            _happen(store, happened)
            await asyncio.sleep(EVERY_S)
        await coming
        await _until(lambda: all(one.ids == list(happened) for one in everyone))
        lag_s = max(one.lag_s for at, one in enumerate(everyone) if at % 3)
        threads, later = len(list(Path(f"/proc/{process.pid}/task").iterdir())), _resident_kb(process.pid)
        process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        await asyncio.wait_for(asyncio.gather(*following), 10)
        _, errors = await asyncio.to_thread(process.communicate, timeout=10)
        end_s = time.monotonic() - asked
        assert (process.returncode, "Traceback" in errors) == (0, False), errors
        assert all(b"The service is stopping" in one.said for one in everyone)
    for _ in range(5):
        _happen(store, happened)
    with serving(folder, "--quiet", command="api", **about) as (process, address):
        following = [asyncio.create_task(one.follow(address, happened)) for one in everyone]
        await _until(lambda: all(one.ids == list(happened) for one in everyone))
        process.send_signal(signal.SIGTERM)
        await asyncio.gather(*following)
    store.close()
    return Figures(
        clients=n,
        seconds=seconds,
        events=len(happened),
        reconnected=len(leaving),
        connect_s=round(connect_s, 2),
        lag_s=round(lag_s, 2),
        end_s=round(end_s, 2),
        kb_per_client=round((settled - before) / n, 1),
        growth_kb=later - settled,
        threads=threads,
    )


async def _come_and_go(
    leaving: list[int],
    everyone: list[Client],
    following: list["asyncio.Task[None]"],
    address: str,
    happened: dict[int, float],
    step: float,
) -> None:
    for at in leaving:
        following[at].cancel()
        await asyncio.gather(following[at], return_exceptions=True)
        await asyncio.sleep(step)
        following[at] = asyncio.create_task(everyone[at].follow(address, happened))


def _furnish(folder: Path) -> tuple[Store, str]:
    store = open_store(f"sqlite:///{folder}/data/hustings.sqlite3")
    secrets, now = SecretsFile(folder / "secrets.toml"), datetime.now(UTC)
    add_survey(store, secrets, load_survey(write_survey(folder / SURVEY)), actor="test", now=now)
    return store, create_key(store, secrets, role="admin", survey_id=SURVEY, actor="test", now=now)[0]


def _happen(store: Store, happened: dict[int, float]) -> None:
    with store.write() as session:
        event = outbox.append(session, "survey-updated", SURVEY, {"version": len(happened)}, datetime.now(UTC))
    happened[event] = time.monotonic()


async def _until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.05)


def _resident_kb(pid: int) -> int:
    (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS:")]
    return int(line.split()[1])


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--clients", type=int, default=500)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--report", type=Path)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as place:
        seen = json.dumps(asdict(follow_for(Path(place), clients=given.clients, seconds=given.seconds)), indent=2)
    if given.report:
        given.report.write_text(seen + "\n")
    print(seen)
