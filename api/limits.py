"""How many requests a caller may make: a token bucket for each key, and for each address that shows none.

A bucket holds up to ``burst`` tokens and fills with ``rate`` of them a second; a request takes one, or n if it asks n
things,

    tokens = min(burst, tokens + rate (now - then)) - n,

and is refused where that is below 0, with the seconds until there are enough again. Buckets are in the memory of a
process: with several servers a caller has as many. A bucket that is full again knows nothing and can be forgotten.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from api.errors import RequestRefused, TooManyRequests

__all__ = ["Allowance", "Limits"]

MAX_BUCKETS: Final = 10_000
"""The one that was used longest ago is forgotten first."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to a caller after a request."""

    limit: int
    """Requests that can be made at once."""
    remaining: int
    reset_s: int
    """Seconds until all of them can be made again."""

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The fields of draft-ietf-httpapi-ratelimit-headers that clients read."""
        return [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % self.reset_s),
        ]


class Limits:
    """The buckets of one process.

    Parameters
    ----------
    rate
        Tokens a second; 0: no limit.
    burst
        Tokens of a full bucket.
    clock
        Monotonic seconds.
    """

    def __init__(self, rate: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Caller -> tokens, and when there were so many."""

    def take(self, caller: str, n: int = 1) -> Allowance | None:
        """Take tokens of a caller; None if there is no limit.

        Raises
        ------
        TooManyRequests
            If it has not so many left; that costs it nothing.
        """
        if not self._rate:
            return None
        now = self._clock()
        with self._lock:
            tokens, then = self._buckets.get(caller, (self._burst, now))
            tokens = min(self._burst, tokens + self._rate * (now - then))
            is_refused = tokens < n
            if not is_refused:
                tokens -= n
            self._buckets[caller] = tokens, now
            self._buckets.move_to_end(caller)
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
        if is_refused:
            wait_s = math.ceil((n - tokens) / self._rate)
            raise TooManyRequests(rate=self._rate, burst=int(self._burst), retry_after_s=wait_s)
        return Allowance(int(self._burst), int(tokens), math.ceil((self._burst - tokens) / self._rate))

    def take_others(self, caller: str, n: int) -> Allowance | None:
        """Take the other tokens of a request that asks ``n`` things, of which the first was taken already.

        Raises
        ------
        TooManyRequests
            As `take`.
        RequestRefused
            If no bucket ever has so many.
        """
        if self._rate and n > self._burst:
            raise RequestRefused(
                f"The request asks {n:,} things, each of which counts as a request, and a key may make "
                f"{int(self._burst):,} at once (setting key_burst). Ask fewer at a time."
            )
        return self.take(caller, n - 1)
