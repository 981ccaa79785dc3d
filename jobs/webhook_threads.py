"""Send to webhooks beside a worker, in threads: a long fit holds no event back, and a receiver that hangs no fit.

One thread looks for what is to be sent and takes the jobs of the lane ``post``; each is done in a thread of its own, at
most ``MOST`` at a time, so that a receiver that hangs holds up no other. A webhook has one job at a time, which keeps
its events in order. Several worker processes may do so: jobs have leases and tokens as all others have.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from jobs import logs
from jobs.settings import Settings
from jobs.webhooks import WEBHOOK, ask_behind, send
from polling.errors import LeaseLost
from polling.store import queue, webhooks
from polling.store.engine import Store
from polling.store.records import Claim

__all__ = ["MOST", "WebhookThreads"]

MOST: Final = 8
"""Webhooks that one process sends to at a time."""
LAST_S: Final = 2.5
"""What they get to end when the worker stops."""

log = logging.getLogger("hustings.webhooks")


class WebhookThreads:
    """Sends what happened in one database to its webhooks.

    Parameters
    ----------
    store, settings
        Where the webhooks are and how they are sent to.
    owner
        Name in job rows: that of the worker of this process.
    clock
        Tells the time.
    """

    def __init__(self, store: Store, settings: Settings, *, owner: str, clock: Callable[[], datetime]) -> None:
        self.store = store
        self.settings = settings
        self.owner = owner
        self._clock = clock
        self._stop = threading.Event()
        self._places = threading.Semaphore(MOST)
        self._looking: threading.Thread | None = None
        self._sending: set[threading.Thread] = set()

    def start(self, stop: threading.Event) -> None:
        """Look and send in threads until ``stop`` is set; then call ``join``."""
        self._stop = stop
        self._looking = threading.Thread(target=self._look, name="webhooks", daemon=True)
        self._looking.start()

    def join(self) -> None:
        """Wait until every thread has ended: at most ``LAST_S``, and what is sent until then goes back to the queue."""
        until = time.monotonic() + LAST_S
        if self._looking is not None:
            self._looking.join(LAST_S)
        for thread in list(self._sending):
            thread.join(max(0.0, until - time.monotonic()))

    def turn(self, now: datetime) -> bool:
        """Do at most one job, here; tells whether there was one."""
        claim = self._take(now)
        if claim is not None:
            self._do(claim)
        return claim is not None

    def _look(self) -> None:
        poll = self.settings.worker_poll_s
        while not self._stop.is_set():
            if not self._places.acquire(timeout=poll):
                continue
            claim, pause = None, poll
            try:
                now = self._clock()
                claim = self._take(now)
                pause = self._until_due(now) if claim is None else 0.0
            except Exception:  # it outlives a database that was away for a moment
                log.exception("a look for what is to be sent to webhooks failed")
            if claim is None:
                self._places.release()
                self._stop.wait(pause)
            else:
                thread = threading.Thread(target=self._do_apart, args=(claim,), name="webhook", daemon=True)
                self._sending.add(thread)
                thread.start()

    def _take(self, now: datetime) -> Claim | None:
        with self.store.read() as session:  # a look that nobody waits for
            due = queue.next_due(session, now=now, lease=self.settings.lease, lane="post")
            behind = webhooks.behind(session, WEBHOOK)
        if not behind and (due is None or due > now):
            return None
        if behind:
            with self.store.write() as session:
                ask_behind(session, now=now)
        with self.store.write() as session:
            return queue.claim(session, owner=self.owner, now=now, lease=self.settings.lease, lane="post")

    def _until_due(self, now: datetime) -> float:
        """Seconds to wait: less than a poll if something is to be tried again before."""
        with self.store.read() as session:
            due = queue.next_due(session, now=now, lease=self.settings.lease, lane="post")
        poll = self.settings.worker_poll_s
        return poll if due is None else min(poll, max(0.0, (due - now).total_seconds()) or poll)

    def _do_apart(self, claim: Claim) -> None:
        try:
            self._do(claim)
        except Exception:  # the job's lease runs out, and it is taken again
            log.exception("job %s failed", claim.job.id)
        finally:
            self._sending.discard(threading.current_thread())
            self._places.release()

    def _do(self, claim: Claim) -> None:
        with logs.about(job_id=claim.job.id):
            try:
                beat = partial(self._beat, claim)
                send(claim, self.store, self.settings, beat=beat, stop=self._stop, clock=self._clock)
            except LeaseLost as lost:
                log.warning("job %s: %s", claim.job.id, lost)

    def _beat(self, claim: Claim) -> bool:
        with self.store.write() as session:
            reply = queue.heartbeat(session, claim, now=self._clock(), lease=self.settings.lease)
        return reply.cancel_requested
