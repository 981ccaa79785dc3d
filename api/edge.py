"""The outermost layer of the web service: request ids, headers, HEAD, measures, access log, last resort.

It wraps the application instead of being a middleware in it, so that it also
sees what the router and the framework's own error handling answer. The access
log has request id, method, path, status, bytes and milliseconds: never a query
string, a body, a header or an address, because survey answers, keys and
persons are in there.
"""

import logging
import re
import time
from collections.abc import Callable
from secrets import token_hex
from typing import Any

import msgspec
from litestar.types import ASGIApp, Message, Receive, Send

from api import problems
from api.errors import TooManyRequests
from api.http_metrics import UNMATCHED, HttpMetrics
from api.proxies import TrustedProxies
from api.replies import OF_304, Replies, Reply
from api.validators import matches
from jobs import logs

__all__ = ["ONLY_HEAD", "Edge"]

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

ONLY_HEAD = "hustings.only_head"
"""Set in the scope of a request to HEAD: an answer without an end need not begin."""
REQUEST_ID = b"x-request-id"
SAFE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
"""A caller's own id is kept if it looks like this; it is written into logs."""


class Edge:
    """ASGI wrapper around the application.

    Parameters
    ----------
    metrics
        Where requests are counted.
    proxies
        Whose word on the caller's address and scheme is believed.
    replies
        The replies that may be given again without asking the application.
    on_stopping
        Ends the answers that would have no end by themselves; called when the service begins to stop.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: HttpMetrics | None = None,
        proxies: TrustedProxies | None = None,
        replies: Replies | None = None,
        on_stopping: Callable[[], None] = lambda: None,
    ) -> None:
        self.on_stopping = on_stopping
        self.app = app
        self.metrics = metrics or HttpMetrics()
        self.proxies = proxies or TrustedProxies()
        self.replies = replies

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope["headers"])
        token = logs.REQUEST_ID.set(request_id)
        try:
            await self._answer(self.proxies.seen_through(scope), receive, send, request_id)
        finally:
            logs.REQUEST_ID.reset(token)

    async def _answer(self, scope: Any, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        status, sent = 0, 0
        is_head = scope["method"] == "HEAD"
        if is_head:
            # The answer to HEAD is the answer to GET without its body.
            scope = {**scope, "method": "GET", ONLY_HEAD: True}

        asked = await self.replies.find(scope) if self.replies else None
        made: list[bytes] = []
        headers: list[tuple[bytes, bytes]] = []

        async def send_on(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                headers[:] = [(bytes(name), bytes(value)) for name, value in message["headers"]]
                message["headers"] = _with_defaults(message["headers"], request_id)
                if (allowance := scope.get("rate_limit")) is not None:
                    message["headers"] += allowance.headers()
            elif message["type"] == "http.response.body":
                if asked is not None and asked.again:
                    made.append(message["body"])
                if is_head:
                    message["body"] = b""
                sent += len(message["body"])
            await send(message)

        try:
            if self.replies and asked and asked.reply and self._is_admitted(self.replies, asked.reply, scope):
                await _give(asked.reply, scope, send_on)
            else:
                await self.app(scope, receive, send_on)
                if self.replies and asked and status == 200:
                    self.replies.keep(asked, scope, headers, b"".join(made))
        except Exception as error:
            problems.log_unexpected(error, method=scope["method"], path=scope["path"])
            if status == 0:
                await _last_resort(error, send_on)
        finally:
            seconds = time.perf_counter() - started
            method = "HEAD" if is_head else scope["method"]
            # The router leaves it in the scope if it found one.
            route = scope.get("path_template")
            self.metrics.observe(method=method, route=route, status=status, seconds=seconds)
            if log.isEnabledFor(logging.INFO):
                path, ms = _printable(scope["path"]), round(1000 * seconds, 1)
                told = {"method": method, "route": route or UNMATCHED, "path": path}
                told |= {"status": status, "bytes": sent, "ms": ms}
                log.info("%s %s %d %dB %.1fms", method, path, status, sent, ms, extra=told)

    @staticmethod
    def _is_admitted(replies: Replies, reply: Reply, scope: Any) -> bool:
        try:
            scope["rate_limit"] = replies.admit(reply)
        except TooManyRequests:  # the application refuses it, in its words
            return False
        return True


async def _give(reply: Reply, scope: Any, send: Send) -> None:
    """Give a reply again, or say that the caller has it already."""
    scope["path_template"] = reply.route
    given = [bytes(value).decode("latin-1") for name, value in scope["headers"] if name.lower() == b"if-none-match"]
    is_known = matches(", ".join(given), reply.tag)
    headers = [one for one in reply.headers if one[0].lower() in OF_304] if is_known else list(reply.headers)
    await send({"type": "http.response.start", "status": 304 if is_known else 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_known else reply.body, "more_body": False})


def _request_id(headers: Any) -> str:
    """The caller's own id if it is one and harmless, else a new one."""
    given = [bytes(value) for name, value in headers if len(name) == len(REQUEST_ID) and name.lower() == REQUEST_ID]
    if len(given) == 1 and SAFE_ID.fullmatch(given[0]):
        return given[0].decode("ascii")
    return token_hex(16)


def _with_defaults(headers: Any, request_id: str) -> list[tuple[bytes, bytes]]:
    given = [(bytes(name), bytes(value)) for name, value in headers]
    names = {name.lower() for name, _ in given}
    ours = ((REQUEST_ID, request_id.encode()), *HEADERS)
    return given + [(name, value) for name, value in ours if name not in names]


def _printable(path: str) -> str:
    """A path on one line of the log, whatever somebody put into it."""
    return path[:300].encode("unicode_escape").decode("ascii")


async def _last_resort(error: Exception, send: Send) -> None:
    problem, _ = problems.answer(error)
    body = msgspec.json.encode(problem)
    headers = [(b"content-type", problems.MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
