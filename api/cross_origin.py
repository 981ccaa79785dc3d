"""Let pages of other origins read the answers (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol).

A browser asks first whether it may (a preflight, which has no key); the answer names the origin only if the operator
did (setting ``cors_origins``). Keys are headers that a page sends itself: what a browser would add of its own, cookies,
is never allowed, so that even ``*`` lets no page act as somebody who did not give it a key. Answers vary by ``Origin``,
also those that allow nothing: a cache must not give one origin's answer to another.
"""

from typing import Any, Final

from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.types import ASGIApp, Message, Receive, Send

from jobs.origins import ANY, origins

__all__ = ["CrossOrigin"]

METHODS: Final = "GET, HEAD, POST, DELETE"
TAKEN: Final = "Accept, Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, X-Request-Id"
SHOWN: Final = (
    "Content-Disposition, ETag, Link, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-Id"
)
"""Headers that a page may send, and those of an answer that it may read."""
REMEMBERED_S: Final = 600


class CrossOrigin:
    """ASGI wrapper around the application.

    Parameters
    ----------
    allowed
        The setting ``cors_origins``.
    """

    def __init__(self, app: ASGIApp, allowed: str) -> None:
        self._app = app
        self._allowed = origins(allowed)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers.from_scope(scope)
        origin = headers.get("origin")
        allowed = self._allows(origin)
        if allowed and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await self._answer_preflight(str(origin), send)
            return

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                shown = MutableScopeHeaders.from_message(message)
                shown["Vary"] = ", ".join(filter(None, (shown.get("vary"), "Origin")))
                if allowed:
                    shown["Access-Control-Allow-Origin"] = str(origin)
                    shown["Access-Control-Expose-Headers"] = SHOWN
            await send(message)

        await self._app(scope, receive, send_on)

    def _allows(self, origin: str | None) -> bool:
        return origin is not None and (origin in self._allowed or self._allowed == {ANY})

    async def _answer_preflight(self, origin: str, send: Send) -> None:
        told = {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": TAKEN,
            "Access-Control-Max-Age": str(REMEMBERED_S),
            "Vary": "Origin",
        }
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in told.items()]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
