"""Give memory that was freed back to the system, which the C library keeps for its threads otherwise.

A process with many threads frees in one what it took in another; glibc keeps such pages for as long as anything beside
them is in use, so that a service that runs for weeks looks as if it leaked. Other C libraries are left alone.
"""

import ctypes
import time
from collections.abc import Callable
from typing import Final

__all__ = ["FreedMemory"]

PAUSE_S: Final = 30.0
"""Between two times: giving back takes some milliseconds, in which other threads wait for memory."""


class FreedMemory:
    """Gives back what one process freed, now and then.

    Parameters
    ----------
    clock
        Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = clock() + PAUSE_S
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def give_back(self) -> bool:
        """Give back, unless that was done a moment ago; tells whether it was done."""
        if self._trim is None or self._clock() < self._next:
            return False
        self._trim(ctypes.c_size_t(0))
        self._next = self._clock() + PAUSE_S
        return True
