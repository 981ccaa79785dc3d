"""When keys, and sessions of the web page, were last used, to the hour: noted in memory, and stored by a thread that
looks at the database anyway.

A key costs at most one write per hour and process, whatever its holder asks for.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import OperationalError

from polling.store import keys, web_sessions
from polling.store.engine import Store

__all__ = ["KeyUses"]

PAUSE_S: Final = 60.0
"""Between two writes; what was used in the last minute of a process that ends is forgotten."""
HOUR: Final = timedelta(hours=1)


class KeyUses:
    """The uses that one process has seen.

    Parameters
    ----------
    clock
        Monotonic seconds.
    """

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._written_at = clock()
        self._lock = threading.Lock()
        self._seen: dict[str, datetime] = {}
        """Key -> end of the hour of its latest use."""
        self._new: dict[str, datetime] = {}
        """Key -> beginning of an hour that is not stored yet."""
        self._sessions: dict[str, datetime] = {}
        """Hash of a session -> the same."""

    def note(self, key_id: str, now: datetime) -> None:
        """A key was used; costs a look into a dictionary."""
        ends = self._seen.get(key_id)
        if ends is not None and ends - HOUR <= now < ends:
            return
        hour = now.replace(minute=0, second=0, microsecond=0)
        with self._lock:
            self._seen[key_id] = hour + HOUR
            self._new[key_id] = hour

    def note_session(self, secret_hash: str, now: datetime) -> None:
        """A session was used for the first time in an hour."""
        with self._lock:
            self._sessions[secret_hash] = now.replace(minute=0, second=0, microsecond=0)

    def write_in_time(self) -> None:
        """Store what is new, unless that was tried a moment ago; where the database is busy or away, a pause later."""
        if (self._new or self._sessions) and self._clock() - self._written_at >= PAUSE_S:
            # That somebody else writes for long is no sign that the database cannot be read.
            with suppress(OperationalError):
                self.write()

    def write(self) -> None:
        """Store what is new now.

        Raises
        ------
        sqlalchemy.exc.OperationalError
            If the database does not answer; nothing is forgotten then.
        """
        with self._lock:
            new, sessions = dict(self._new), dict(self._sessions)
        self._written_at = self._clock()
        with self._store.write() as session:
            keys.note_uses(session, new)
            for secret_hash, hour in sessions.items():
                web_sessions.note_seen(session, secret_hash, hour)
        with self._lock:
            for key_id, hour in new.items():
                if self._new.get(key_id) == hour:
                    del self._new[key_id]
            for secret_hash, hour in sessions.items():
                if self._sessions.get(secret_hash) == hour:
                    del self._sessions[secret_hash]
