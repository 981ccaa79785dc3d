"""The header ``Idempotency-Key``: a request that is sent again is done once and answered the same.

A key belongs to the API key that sent it and is remembered for 24 hours, with
the hash of its request and the reply, which is written in the transaction of
the effect (``polling.store.replies``). Under a known key the same request gets
that reply byte for byte, another one 409; so does one whose first sending is
still being worked on, in this process (known at once) or another (known when
both want to commit, and one of them is rolled back). What was refused had no
effect and is not remembered: it may be sent again, mended, under its key.
"""

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import MediaType, Response
from litestar.params import HeaderParameter
from sqlalchemy.orm import Session

from api.errors import BadIdempotencyKey, IdempotencyKeyReused, RequestInFlight
from polling.store.columns import Json, json_sha256
from polling.store.engine import Store
from polling.store.replies import KeptReply, find_reply, keep_reply

__all__ = ["Exchange", "Exchanges", "IdempotencyHeader", "file_sha256"]

MAX_KEY = 255

IdempotencyHeader = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="Chosen by the sender, 1 to 255 printable characters: the same request again under it gets the "
        "same reply, for 24 hours.",
    ),
]


class Exchange:
    """One request, and the reply that answers it."""

    def __init__(self, key_id: str, key: str | None, request_sha256: str, now: datetime) -> None:
        self._key_id = key_id
        self._key = key
        self._request_sha256 = request_sha256
        self._now = now
        self.kept: KeptReply | None = None
        """The reply, once there is one."""

    def keep(
        self, session: Session, status: int, payload: msgspec.Struct, headers: Mapping[str, str] | None = None
    ) -> None:
        """Set the reply, in the transaction of what it tells of.

        Raises
        ------
        RequestInFlight
            If the same key was answered meanwhile; the caller's transaction is rolled back.
        """
        body = msgspec.json.encode(payload)
        reply = KeptReply(self._request_sha256, status, headers or {}, body)
        if self._key is not None and not keep_reply(session, self._key_id, self._key, reply, now=self._now):
            raise RequestInFlight
        self.kept = reply

    def response(self) -> Response[Any]:
        """The reply as the framework sends it."""
        assert self.kept is not None
        kept = self.kept
        return Response(kept.body, status_code=kept.status, headers=dict(kept.headers), media_type=MediaType.JSON)


class Exchanges:
    """What this process is working on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[tuple[str, str]] = set()

    @contextmanager
    def begin(self, store: Store, key_id: str, key: str | None, request: Json, *, now: datetime) -> Iterator[Exchange]:
        """Begin to work on a request; ``kept`` is set already if it was answered before.

        Parameters
        ----------
        key_id
            Of the API key.
        key
            The header; None if it was not sent: nothing is kept then.
        request
            What makes it this request and no other: operation, path, fields, hashes of files.

        Raises
        ------
        BadIdempotencyKey
            If the key has another form.
        IdempotencyKeyReused
            If another request was answered under it.
        RequestInFlight
            If the request is being worked on.
        """
        exchange = Exchange(key_id, key, json_sha256(request), now)
        if key is None:
            yield exchange
            return
        if not 0 < len(key) <= MAX_KEY or not (key.isascii() and key.isprintable()):
            raise BadIdempotencyKey(MAX_KEY)
        with self._alone(key_id, key):
            with store.read() as session:
                known = find_reply(session, key_id, key, now=now)
            if known is not None and known.request_sha256 != exchange._request_sha256:
                raise IdempotencyKeyReused
            exchange.kept = known
            yield exchange

    @contextmanager
    def _alone(self, key_id: str, key: str) -> Iterator[None]:
        with self._lock:
            if (key_id, key) in self._running:
                raise RequestInFlight
            self._running.add((key_id, key))
        try:
            yield
        finally:
            with self._lock:
                self._running.discard((key_id, key))


def file_sha256(content: bytes) -> str:
    """The hash by which a file takes part in a request."""
    return hashlib.sha256(content).hexdigest()
