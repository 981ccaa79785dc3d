"""Encoded answers in memory, each under the entity tag that names it for ever.

The first answer of a new release takes a tenth of a second to make. While one request waits for it, others that ask
the same at that moment are not held up: they get the answer that was right until then, under its own tag, if it was
given as the right one less than ``LATE_S`` ago. Whoever asks alone always gets the newest.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from contextlib import AbstractContextManager
from typing import Final

from polling.once import Once

__all__ = ["Answers"]

MOST: Final = 2000
MOST_MB: Final = 50
LATE_S: Final = 1.0


class Answers:
    """The answers that one process keeps.

    Parameters
    ----------
    clock
        Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._bodies: Once[str, bytes] = Once(MOST, most_bytes=MOST_MB * 1_000_000, size=len)
        self._lock = threading.Lock()
        self._making: set[str] = set()
        self._right: OrderedDict[Hashable, tuple[str, float]] = OrderedDict()
        self._of: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def get(
        self,
        tag: str,
        turn: Callable[[], AbstractContextManager[Callable[[], bytes]]],
        *,
        asked: Hashable = None,
        of: tuple[str, ...] = (),
    ) -> tuple[str, bytes]:
        """The answer that a tag names, or the one that it took the place of a moment ago, with its tag.

        Parameters
        ----------
        turn
            Entered by every thread that makes the answer or waits for it, so that they can be limited. Gives what
            makes it, which one of them calls.
        asked
            What was asked, whatever the release; None if nothing but this answer will do.
        of
            Ids of the releases that it rests on.
        """
        if (body := self._bodies.find(tag)) is None:
            with self._lock:
                first = tag not in self._making
                self._making.add(tag)
            if not first and (before := self._before(asked)) is not None:
                return before
            try:
                with turn() as make:
                    body = self._bodies.get(tag, make)
                with self._lock:
                    self._of[tag] = of
                    while len(self._of) > MOST:
                        self._of.popitem(last=False)
            finally:
                if first:
                    with self._lock:
                        self._making.discard(tag)
        self.note_right(asked, tag)
        return tag, body

    def note_right(self, asked: Hashable, tag: str) -> None:
        """The answer that a tag names is the right one now; ``asked`` as in `get`."""
        if asked is None:
            return
        with self._lock:
            self._right[asked] = tag, self._clock()
            self._right.move_to_end(asked)
            while len(self._right) > MOST:
                self._right.popitem(last=False)

    def forget(self, gone: Collection[str]) -> None:
        """Forget every answer that rests on one of these releases."""
        with self._lock:
            tags = [tag for tag, of in self._of.items() if not set(of).isdisjoint(gone)]
            for tag in tags:
                del self._of[tag]
        for tag in tags:
            self._bodies.drop(tag)

    def _before(self, asked: Hashable) -> tuple[str, bytes] | None:
        with self._lock:
            tag, at = self._right.get(asked, ("", 0.0))
        body = self._bodies.find(tag)
        return (tag, body) if body is not None and self._clock() - at <= LATE_S else None
