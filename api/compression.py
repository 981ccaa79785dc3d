"""Compress what is sent whole and is text: lists, statements, the description of the interface and its page.

Answers about shares come by here compressed already, and kept so (``api.variants``): they have a strong validator,
which names their very bytes, and are let through; so is everything that is sent piece by piece, such as events.
"""

import gzip
from typing import Any, Final

from litestar.concurrency import sync_to_thread
from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.types import ASGIApp, Message, Receive, Send

from api.forms import accepts_gzip
from api.variants import GZIP, LEAST, LEVEL

__all__ = ["Compression"]

TYPES: Final = (b"text/", b"application/json")
LONG: Final = 100_000
"""Bytes that take so many milliseconds to compress that others should not wait for it."""


class Compression:
    """ASGI wrapper around the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        held: list[Message] = []

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_worth_it(message):
                headers = MutableScopeHeaders.from_message(message)
                named = headers.get("vary") or ""
                if "accept-encoding" not in named.lower():
                    headers["Vary"] = ", ".join(filter(None, (named, "Accept-Encoding")))
                if accepts_gzip(Headers.from_scope(scope).get("accept-encoding")):
                    held.append(message)
                    return
            elif held and message["type"] == "http.response.body":
                start = held.pop()
                if not message.get("more_body"):
                    message = await _compressed(start, message)
                await send(start)
            await send(message)

        await self._app(scope, receive, send_on)


def _is_worth_it(start: Any) -> bool:
    headers = dict(start["headers"])  # names in lower case, as ASGI has them
    return (
        headers.get(b"etag", b"W/").startswith(b"W/")
        and int(headers.get(b"content-length", 0)) >= LEAST
        and headers.get(b"content-type", b"").startswith(TYPES)
        and b"content-encoding" not in headers
    )


async def _compressed(start: Any, message: Any) -> Any:
    """The message with its body compressed; what it begins with says so."""
    body = message["body"]
    if len(body) > LONG:
        packed = await sync_to_thread(gzip.compress, body, LEVEL, mtime=0)
    else:
        packed = gzip.compress(body, LEVEL, mtime=0)
    headers = MutableScopeHeaders.from_message(start)
    headers["Content-Encoding"] = GZIP
    headers["Content-Length"] = str(len(packed))
    return {**message, "body": packed}
