"""The outermost layer of the web service: headers, HEAD, access log, last resort.

It wraps the application instead of being a middleware in it, so that it also
sees what the router and the framework's own error handling answer. The access
log has method, path, status, bytes and milliseconds: never a query string, a
body or a header, because survey answers and keys travel there.
"""

import logging
import time
from typing import Any

import msgspec
from litestar.types import ASGIApp, Message, Receive, Send

from api import problems

__all__ = ["Edge"]

log = logging.getLogger("hustings.access")

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""Sent with every answer that does not set the header itself."""


class Edge:
    """ASGI wrapper around the application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status, sent = 0, 0
        is_head = scope["method"] == "HEAD"
        if is_head:
            # The answer to HEAD is the answer to GET without its body.
            scope = {**scope, "method": "GET"}

        async def send_on(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_defaults(message["headers"])
            elif message["type"] == "http.response.body":
                if is_head:
                    message["body"] = b""
                sent += len(message["body"])
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        except Exception as error:
            problems.log_unexpected(error, method=scope["method"], path=scope["path"])
            if status == 0:
                await _last_resort(error, send_on)
        finally:
            elapsed = 1000 * (time.perf_counter() - started)
            method = "HEAD" if is_head else scope["method"]
            log.info("%s %s %d %dB %.1fms", method, _printable(scope["path"]), status, sent, elapsed)


def _with_defaults(headers: Any) -> list[tuple[bytes, bytes]]:
    given = [(bytes(name), bytes(value)) for name, value in headers]
    names = {name.lower() for name, _ in given}
    return given + [(name, value) for name, value in HEADERS if name not in names]


def _printable(path: str) -> str:
    """A path on one line of the log, whatever somebody put into it."""
    return path[:300].encode("unicode_escape").decode("ascii")


async def _last_resort(error: Exception, send: Send) -> None:
    problem, _ = problems.answer(error)
    body = msgspec.json.encode(problem)
    headers = [(b"content-type", problems.MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
