"""Bound how many computations run at the same time, and how many wait for their turn.

A request that finds the queue full, or waits too long, is told to come again: a thread that waits is a thread that
answers nobody else.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from api.errors import ServiceBusy

__all__ = ["Slots"]


class Slots:
    """At most ``most`` inside, ``waiting`` at the door, nobody there for more than ``patience_s`` seconds."""

    def __init__(self, most: int, *, waiting: int, patience_s: float = 30.0) -> None:
        self._free = threading.Semaphore(most)
        self._places = threading.Semaphore(most + waiting)
        self._patience_s = patience_s

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold one slot.

        Raises
        ------
        ServiceBusy
            If too many wait already, or no slot comes free in time.
        """
        if not self._places.acquire(blocking=False):
            raise ServiceBusy
        try:
            if not self._free.acquire(timeout=self._patience_s):
                raise ServiceBusy
            try:
                yield
            finally:
                self._free.release()
        finally:
            self._places.release()
