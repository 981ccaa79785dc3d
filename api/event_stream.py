"""Write a follower's events as Server-Sent Events, until the client, the hub or the service ends it.

    retry: 3120
    id: 41
    event: release
    data: {"id":41,"kind":"release-published",...}

This answers by itself instead of through the framework's streams, so that whatever ends it the follower's place comes
free at once. A client that takes nothing for ``PATIENCE_S`` seconds is gone for us.
"""

import asyncio
import random
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

import msgspec
from litestar import Response
from litestar.concurrency import sync_to_thread
from litestar.types import Receive, Scope, Send

from api.edge import ONLY_HEAD
from api.errors import EventsGone
from api.event_hub import EventHub, Follower
from jobs.events import Event, Viewer

__all__ = ["MEDIA_TYPE", "EventStream", "written"]

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT_S: Final = 15.0
"""Pause after which a comment keeps the connection from being taken for dead."""
PATIENCE_S: Final = 30.0
LAST_WORDS_S: Final = 1.0
RETRY_MS: Final = (2000, 5000)
"""Pause of clients before they connect again; each has its own, so that they do not all come at once."""
HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # nginx would keep events until it has a page of them.
    (b"x-accel-buffering", b"no"),
)


class EventStream(Response[str]):
    """The answer to somebody who follows.

    Parameters
    ----------
    after
        As for ``Follower``.
    lasts_s
        After so many seconds it ends, and the client comes again; None: it goes on.
    """

    def __init__(
        self, hub: EventHub, viewer: Viewer, *, prefix: str, after: int | None, lasts_s: float | None = None
    ) -> None:
        super().__init__("", media_type=MEDIA_TYPE)
        self._hub = hub
        self._viewer = viewer
        self._prefix = prefix
        self._after = after
        self._lasts_s = lasts_s

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        """Itself: an ASGI application."""
        return self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        follower = Follower(self._viewer, prefix=self._prefix, after=self._after)
        self._hub.admit(follower)
        try:
            await sync_to_thread(self._hub.join, follower)
            await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
            if not scope.get(ONLY_HEAD):
                until = [] if self._lasts_s is None else [asyncio.sleep(self._lasts_s)]
                await _first_of(_gone(receive), _over(follower), self._write(follower, send), *until)
            with suppress(asyncio.TimeoutError):
                last = {"type": "http.response.body", "body": b"", "more_body": False}
                await asyncio.wait_for(send(last), LAST_WORDS_S)  # type: ignore[arg-type]
        finally:
            self._hub.leave(follower)

    async def _write(self, follower: Follower, send: Send) -> None:
        async def say(text: bytes) -> None:
            body = {"type": "http.response.body", "body": text, "more_body": True}
            await asyncio.wait_for(send(body), PATIENCE_S)  # type: ignore[arg-type]

        seen = follower.after or 0
        begin = f"retry: {random.randint(*RETRY_MS)}\n\n".encode()  # noqa: S311 (spreads load, no secret)
        if self._after is None:
            place = msgspec.json.encode({"id": seen, "kind": "ready", "survey": follower.viewer.survey_id})
            begin += b"id: %d\nevent: ready\ndata: %s\n\n" % (seen, place)
        with suppress(asyncio.TimeoutError, EventsGone):
            await say(begin)
            while seen < follower.joined and follower.end is None:
                page = await sync_to_thread(self._hub.missed, follower, seen)
                seen = page.through
                if mine := [event for event in page.events if follower.viewer.sees(event)]:
                    await say(written(mine))
            while follower.end is None or follower.waiting:
                follower.changed.clear()
                come = [follower.waiting.popleft() for _ in range(len(follower.waiting))]
                # A process that lags behind another one hands out what its follower saw there.
                if new := [event for event in come if event.id > seen]:
                    await say(written(new))
                    seen = new[-1].id
                if follower.end is None and not follower.waiting:
                    try:
                        await asyncio.wait_for(follower.changed.wait(), HEARTBEAT_S)
                    except TimeoutError:
                        await say(b": still here\n\n")
            await say(f": {follower.end}\n\n".encode())


def written(events: Iterable[Event]) -> bytes:
    """Events in the form of the stream."""
    return b"".join(
        b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.type.encode(), msgspec.json.encode(event.to_json()))
        for event in events
    )


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _over(follower: Follower) -> None:
    """Wait for the end, and a little for the last words: a write to who takes nothing could last longer."""
    await follower.over.wait()
    await asyncio.sleep(LAST_WORDS_S)


async def _first_of(*coroutines: Any) -> None:
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
