"""Followers of a survey's events, at the application itself: no test client ends before the answer does."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from api.edge import Edge


@dataclass
class Following:
    """One request to the stream, and what came of it."""

    app: Edge
    key: str | None
    path: str = "/v1/surveys/town/events"
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "GET"
    takes: bool = True
    """Whether the client reads what is sent."""
    status: int = 0
    body: bytes = b""
    ended: bool = False
    """Whether the answer had an orderly end."""

    async def __aenter__(self) -> "Following":
        self._left = asyncio.Event()
        self._task = asyncio.create_task(self._run())
        await self.until(lambda: self.status != 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def leave(self) -> None:
        """Go away."""
        self._left.set()
        await asyncio.wait_for(self._task, 5)

    async def until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        """Wait until it is so."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not condition():
            assert asyncio.get_running_loop().time() < deadline, (self.status, self.body[-500:])
            assert not self._task.done() or self._task.exception() is None, self._task.exception()
            await asyncio.sleep(0.005)

    async def gone(self) -> None:
        """Wait until the service ends the answer."""
        await asyncio.wait_for(asyncio.shield(self._task), 10)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The data of every event that came, with its type; without ``ready``."""
        return [one for one in self.everything if one["type"] != "ready"]

    @property
    def everything(self) -> list[dict[str, Any]]:
        """As ``events``, with ``ready``."""
        found = []
        for block in self.body.decode().split("\n\n")[:-1]:
            lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "data" in lines:
                data = json.loads(lines["data"])
                assert lines["id"] == str(data["id"])
                found.append(data | {"type": lines["event"]})
        return found

    @property
    def ids(self) -> list[int]:
        return [one["id"] for one in self.events]

    @property
    def last(self) -> int | None:
        """What a client would send as Last-Event-ID."""
        return self.everything[-1]["id"] if self.everything else None

    async def _run(self) -> None:
        headers = {"host": "test"} | {name.lower(): value for name, value in self.headers.items()}
        if self.key is not None:
            headers["authorization"] = f"Bearer {self.key}"
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": self.query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("test", 80),
        }
        begun = False

        async def receive() -> dict[str, Any]:
            nonlocal begun
            if not begun:
                begun = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await self._left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                return
            if not self.takes and self.status == 200:
                await self._left.wait()
            self.body += message.get("body", b"")
            self.ended = not message.get("more_body", False)

        with suppress(asyncio.CancelledError):
            await self.app(scope, receive, send)
