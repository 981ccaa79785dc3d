"""Whoever scrapes the metrics is let in while the database, where keys are looked up, is away.

A scrape has to tell of exactly that. So a key that was accepted is remembered for an hour, by its hash, in memory, and
opens the metrics alone. A revocation is not heard of as long as the database is away; what the key still reads then is
counts of requests.
"""

import hashlib
import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any

__all__ = ["KnownCallers"]

MEMORY = timedelta(hours=1)
MOST = 16


class KnownCallers:
    """Callers (`api.auth.Principal`) by the header that they sent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[Any, datetime]] = OrderedDict()

    def remember(self, header: str, caller: Any, *, now: datetime) -> None:
        """Note a caller whose key was just accepted."""
        with self._lock:
            self._known[_name(header)] = (caller, now)
            self._known.move_to_end(_name(header))
            while len(self._known) > MOST:
                self._known.popitem(last=False)

    def recall(self, header: str, *, now: datetime) -> Any | None:
        """The caller that sent this header in the last hour, if one did."""
        with self._lock:
            caller, at = self._known.get(_name(header), (None, now))
        return caller if now - at <= MEMORY else None


def _name(header: str) -> bytes:
    return hashlib.sha256(header.encode()).digest()
