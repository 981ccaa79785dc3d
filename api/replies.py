"""Replies that were given, to be given again: the same request with the same key, while nothing was committed since.

A reply follows from the request, the database and the time at which its key ends. Of a request that comes a second
time the reply is therefore kept together with what the database said of itself before it was made (``Store.stamp``),
and given again, byte by byte, as long as the database says the same: key, survey and release are what they were, and
none of the work that found them needs to be done again. What depends on more is seen to all the same: the limit of the
key, its last use, the caller's own validator (``If-None-Match``).

Only a handler that says so has its replies kept (``repeatable``): one whose reads are audited, for example, must run.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final

from litestar.concurrency import sync_to_thread
from sqlalchemy.exc import OperationalError

from api.auth import Principal
from api.limits import Allowance
from api.services import Services

__all__ = ["Asked", "Replies", "Reply", "repeatable"]

REPEATABLE: Final = "hustings.repeatable"
MOST: Final = 4000
MOST_BYTES: Final = 50_000_000
VARIES: Final = (b"authorization", b"accept", b"accept-encoding", b"origin")
"""The headers on which a kept reply may depend."""
OF_304: Final = frozenset({b"etag", b"cache-control", b"vary"})

type Headers = list[tuple[bytes, bytes]]


def repeatable(scope: Any, when_given: Callable[[], None]) -> None:
    """Say of the request at hand that its reply follows from the request and the database alone.

    Parameters
    ----------
    when_given
        Called whenever it is given again.
    """
    scope[REPEATABLE] = when_given


@dataclass(frozen=True, slots=True)
class Reply:
    """A 200 with a validator, as the application gave it."""

    stamp: Hashable
    """What the database said before it was made."""
    principal: Principal
    route: str
    tag: str
    headers: Headers
    body: bytes
    when_given: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may have a kept reply."""

    name: bytes
    """The same for the same request with the same key."""
    again: bool
    """Whether it was asked before, and its reply is worth keeping."""
    stamp: Hashable
    """What the database says of itself now; None if it does not answer, or was not asked."""
    n_recalled: int
    """How many answers had been given without the database until then."""
    reply: Reply | None
    """What may be given again."""


class Replies:
    """The replies that one process keeps."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, Reply | None] = OrderedDict()
        """None: asked once."""
        self._n_bytes = 0

    async def find(self, scope: Any) -> Asked | None:
        """What is kept for a request; None if its reply is never kept."""
        if scope["method"] != "GET":
            return None
        given = dict.fromkeys(VARIES, b"")
        for name, value in scope["headers"]:
            lower = bytes(name).lower()
            if lower in given:
                # One that comes twice is told from one with both values in it.
                given[lower] += b"%d:%b" % (len(value), bytes(value))
        if not given[b"authorization"]:
            return None
        parts = (scope["path"].encode("utf-8", "surrogatepass"), bytes(scope["query_string"]), *given.values())
        # A digest: keys are not kept as they were sent.
        name = hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).digest()
        with self._lock:
            again = name in self._kept
            reply = self._kept.get(name)
            if again:
                self._kept.move_to_end(name)
        n_recalled = self._services.memory.n_recalled
        if not again:
            return Asked(name, again=False, stamp=None, n_recalled=n_recalled, reply=None)
        stamp = await self._stamp()
        is_right = reply is not None and stamp is not None and reply.stamp == stamp
        is_right = is_right and reply is not None and reply.principal.is_valid(self._services.now())
        if reply is not None and not is_right:
            # Nothing is kept that is not given again.
            with self._lock:
                self._forget(name)
                self._kept[name] = None
        return Asked(name, again=True, stamp=stamp, n_recalled=n_recalled, reply=reply if is_right else None)

    def admit(self, reply: Reply) -> Allowance | None:
        """Count a request that is answered by a kept reply.

        Raises
        ------
        TooManyRequests
            If its key has asked too often; that costs it nothing.
        """
        allowance = self._services.limits.take(reply.principal.key_id)
        self._services.uses.note(reply.principal.key_id, self._services.now())
        reply.when_given()
        return allowance

    def keep(self, asked: Asked, scope: Any, headers: Headers, body: bytes) -> None:
        """Keep the reply to a request, if its handler said that it is repeatable and it was asked before."""
        if (when_given := scope.get(REPEATABLE)) is None:
            return
        tag = next((value.decode("latin-1") for name, value in headers if name.lower() == b"etag"), None)
        reply = None
        is_read = asked.stamp is not None and asked.n_recalled == self._services.memory.n_recalled
        if is_read and tag is not None and len(body) < MOST_BYTES // 10:
            reply = Reply(asked.stamp, scope["user"], scope["path_template"], tag, headers, body, when_given)
        with self._lock:
            self._forget(asked.name)
            self._kept[asked.name] = reply
            self._n_bytes += len(body) if reply else 0
            while len(self._kept) > MOST or self._n_bytes > MOST_BYTES:
                self._forget(next(iter(self._kept)))

    def _forget(self, name: bytes) -> None:
        reply = self._kept.pop(name, None)
        self._n_bytes -= len(reply.body) if reply else 0

    async def _stamp(self) -> Hashable:
        store = self._services.store
        try:
            # A look into shared memory is no work for another thread; a round trip is.
            return store.stamp() if store.dialect == "sqlite" else await sync_to_thread(store.stamp)
        except OperationalError:
            return None
