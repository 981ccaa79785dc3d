"""Hand what happened to everybody who follows it, without a thread or a query for each of them.

One thread of the process asks the database whether anything was committed (``Store.stamp``), reads the new entries of
the outbox once, and puts each event into the queues of the followers that may see it. Ids become visible in order
(``polling.store.outbox``), so that whoever has seen all up to an id misses nothing by asking for what came after.

A follower joins at an id, the hub's place in the outbox: later events come through its queue, earlier ones it reads
from the database itself. So it has every event once. A queue is bounded: who does not keep up is cut, and comes back
with the last id that it saw. Revoked and expired keys lose their streams at the next look.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final

from sqlalchemy.exc import OperationalError

from api.errors import EventsGone, TooManyStreams
from jobs.events import Event, Page, Viewer, read_events, viewer_of
from polling.store import keys, outbox
from polling.store.engine import Store
from polling.store.records import ApiKeyRecord

__all__ = ["EventHub", "Follower", "require_kept"]

log = logging.getLogger("hustings.api")

LOOK_S: Final = 0.2
"""Pause between two looks at the database, while there are followers."""
AWAY_S: Final = 2.0
"""The same while the database does not answer."""
MAX_WAITING: Final = 1000
"""Events that wait for one follower; with one more it is cut."""
STOPPING: Final = "The service is stopping. Connect again."
TOO_SLOW: Final = "Events came faster than they were taken. Connect again with the last id."
UNUSABLE: Final = "The key was revoked or has expired."


class Follower:
    """One stream: who follows, from where on, and what waits for it.

    Parameters
    ----------
    prefix
        The visible part of the key that it came with.
    after
        The last id that it saw; None to begin now, 0 for all that is kept.
    loop
        Where it waits.
    """

    def __init__(
        self, viewer: Viewer, *, prefix: str, after: int | None, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self.viewer = viewer
        self.prefix = prefix
        self.after = after
        self.joined = 0
        """Events with higher ids come through the queue."""
        self.waiting: deque[Event] = deque()
        self.changed = asyncio.Event()
        """Set when something came, or the end."""
        self.over = asyncio.Event()
        """Set with the end."""
        self.end: str | None = None
        """Why the stream ends, in words; None while it goes on."""
        self._loop = loop or asyncio.get_running_loop()

    def tell(self, *events: Event) -> None:
        """Put events into the queue, from any thread."""
        self.waiting.extend(events)
        self._set(self.changed)

    def finish(self, why: str, *, cut: bool = False) -> None:
        """End the stream, from any thread; cut it: without what waits."""
        if self.end is None:
            self.end = why
            if cut:
                self.waiting.clear()
            self._set(self.over)
            self._set(self.changed)

    def _set(self, flag: asyncio.Event) -> None:
        with suppress(RuntimeError):  # the loop is closed, so that nobody waits
            self._loop.call_soon_threadsafe(flag.set)


class EventHub:
    """The followers of one process.

    Parameters
    ----------
    per_key, most
        Streams that one key may have, and that the process may have.
    """

    def __init__(
        self,
        store: Store,
        *,
        per_key: int,
        most: int,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._per_key = per_key
        self._most = most
        self._now = now
        # Never held while the database is asked: event loops wait for it.
        self._lock = threading.Lock()
        self._followers: set[Follower] = set()
        self._joined: set[Follower] = set()
        self._place = 0
        """Events up to this id were handed out."""
        self._stamp: Hashable = None
        self._keys: Mapping[str, ApiKeyRecord] = {}
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._ending = False
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._followers)

    def admit(self, follower: Follower) -> None:
        """Give a follower its place; ``leave`` takes it back.

        Raises
        ------
        TooManyStreams
            If its key has as many streams as it may have, or the process.
        """
        with self._lock:
            same = sum(one.prefix == follower.prefix for one in self._followers)
            if same >= self._per_key or len(self._followers) >= self._most:
                raise TooManyStreams(self._per_key if same >= self._per_key else None)
            self._followers.add(follower)
            if self._ending:
                follower.finish(STOPPING)

    def join(self, follower: Follower) -> None:
        """Let events come through a follower's queue from here on; it was admitted.

        Raises
        ------
        EventsGone
            If events after the last one that it saw may have been forgotten, or the service does not know that one.
        """
        viewer = follower.viewer
        with self._store.read() as session:
            newest = outbox.newest_id(session)
            require_kept(follower.after, outbox.first_id(session, viewer.survey_id), newest)
            follower.viewer = viewer_of(session, viewer.survey_id, role=viewer.role, pollster=viewer.pollster)
        with self._lock:
            if not self._joined:
                self._place = max(self._place, newest)
            follower.joined = self._place
            if follower in self._followers:
                self._joined.add(follower)
        if follower.after is None:
            follower.after = follower.joined
        self._start()

    def missed(self, follower: Follower, after: int) -> Page:
        """What a follower missed between an id and its place in the hub, a page of it.

        Raises
        ------
        EventsGone
            If some of it was forgotten meanwhile.
        """
        survey_id = follower.viewer.survey_id
        with self._store.read() as session:
            if after and after < outbox.first_id(session, survey_id):
                raise EventsGone(after)
            return read_events(session, after, survey_id=survey_id, through=follower.joined)

    def leave(self, follower: Follower) -> None:
        """Take a follower's place back."""
        with self._lock:
            self._followers.discard(follower)
            self._joined.discard(follower)

    def look(self) -> None:
        """Look at the database once, and hand out what is new.

        Raises
        ------
        sqlalchemy.exc.OperationalError
            If it does not answer.
        """
        stamp = self._store.stamp()  # before it is read: what is committed meanwhile makes the next one another
        if stamp != self._stamp:
            is_last = False
            while not is_last:
                with self._store.read() as session:
                    page = read_events(session, self._place)
                    known = {one.prefix: one for one in keys.list_keys(session)}
                self._hand_out(page)
                is_last = page.is_last
            self._stamp, self._keys = stamp, known
        self._end_unusable()

    def end(self) -> None:
        """End every stream, now and from now on: the service stops."""
        with self._lock:
            self._ending = True
            for follower in self._followers:
                follower.finish(STOPPING)

    def stop(self) -> None:
        """Look no more."""
        self.end()
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._look_on, name="events", daemon=True)
                self._thread.start()
        self._wake.set()

    def _look_on(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            if not self._joined:
                self._wake.wait()
                continue
            pause = LOOK_S
            try:
                self.look()
            except OperationalError:
                pause = AWAY_S  # nothing is lost: the next look reads on from the same place
            except Exception as error:  # the next look may fare better
                log.error("cannot tell followers what happened: %s", type(error).__qualname__)
                pause = AWAY_S
            self._stop.wait(pause)

    def _hand_out(self, page: Page) -> None:
        with self._lock:
            # While it was read, the last follower may have left, and another one come further on.
            new = [event for event in page.events if event.id > self._place]
            self._place = max(self._place, page.through)
            for follower in self._joined:
                mine = [event for event in new if follower.viewer.sees(event)]
                if not mine or follower.end is not None:
                    continue
                if len(follower.waiting) + len(mine) > MAX_WAITING:
                    follower.finish(TOO_SLOW, cut=True)
                else:
                    follower.tell(*mine)

    def _end_unusable(self) -> None:
        now = self._now()
        with self._lock:
            for follower in self._joined:
                # A key that is not known yet was made since; keys are never deleted.
                if (key := self._keys.get(follower.prefix)) is not None and not key.usable(now):
                    follower.finish(UNUSABLE, cut=True)


def require_kept(after: int | None, first: int, newest: int) -> None:
    """Make sure that nothing after an id was forgotten.

    Raises
    ------
    EventsGone
        If something may have been, or the id is not known.
    """
    if after is not None and (0 < after < first or after > newest):
        raise EventsGone(after, unknown=after > newest)
