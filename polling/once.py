"""A bounded mapping that several threads fill: each value is made once, by one of those that ask for it."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

__all__ = ["Once"]


class Once[K: Hashable, V]:
    """A bounded mapping whose values are made once, the least recently used dropped first.

    A value that alone is larger than the limit is handed out, but not kept.
    """

    def __init__(self, most: int, *, most_bytes: int | None = None, size: Callable[[V], int] = lambda _: 0) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._size = size
        self._values: OrderedDict[K, V] = OrderedDict()
        self._making: dict[K, threading.Lock] = {}
        self._lock = threading.Lock()

    def find(self, key: K) -> V | None:
        """The value of a key, if it is there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of a key, made by one of the threads that ask for it."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            try:
                value = make()
            except BaseException:
                with self._lock:
                    self._making.pop(key, None)
                raise
            with self._lock:
                self._making.pop(key, None)
                if self._most_bytes is None or self._size(value) <= self._most_bytes:
                    self._values[key] = value
                    self._shrink()
        return value

    def __len__(self) -> int:
        return len(self._values)

    def keys(self) -> list[K]:
        """The keys whose values are there."""
        with self._lock:
            return list(self._values)

    def drop(self, key: K) -> None:
        """Forget a value."""
        with self._lock:
            self._values.pop(key, None)

    def _shrink(self) -> None:
        limit = self._most_bytes
        while len(self._values) > 1 and (
            len(self._values) > self._most
            or (limit is not None and sum(map(self._size, self._values.values())) > limit)
        ):
            self._values.popitem(last=False)
