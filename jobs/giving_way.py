"""Work that nobody waits for stops when other work is due and no worker takes it, and is begun again later.

A check stops too while a refit of its survey is about to be due: what it looks at will be replaced. After a day of that
such work stops no more, or in a busy house it would never be done.

A fit is asked at each sign of life. What is computed in the worker itself asks between its parts (``heeding``), which
takes no time but for a look at the queue every second.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from jobs.errors import FitCancelled, WorkerStopping
from jobs.fit_request import FitProgress
from jobs.heartbeat import Pulse
from jobs.restate import REFIT
from jobs.settings import Settings
from mrp.heed import Heed
from polling.errors import LeaseLost
from polling.store import confirmations
from polling.store.engine import Store
from polling.store.records import JobRecord

__all__ = ["PAUSE", "GivingWay"]

PAUSE = timedelta(minutes=1)
"""How long work that gave way lets others work."""
GIVING_WAY = timedelta(days=1)
"""How long after it was asked for it gives way."""
LOOK_S = 1.0
"""Between two looks at the queue."""


class GivingWay:
    """What a fit of a job is told at each sign of life: go on, or stop.

    Parameters
    ----------
    beat
        Keeps the job; tells whether it was cancelled.
    besides
        Kinds of jobs that it does not give way to.
    refits_of
        A survey whose refits it makes room for already while they wait for their time, if that is within `PAUSE`.
    timer
        Monotonic seconds.
    """

    def __init__(
        self,
        job: JobRecord,
        store: Store,
        settings: Settings,
        *,
        beat: Callable[[FitProgress | None], bool],
        besides: tuple[str, ...],
        clock: Callable[[], datetime],
        refits_of: str | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._until = job.first_asked_at + GIVING_WAY
        self._job_id = job.id
        self._store = store
        self._idle = timedelta(seconds=2 * settings.worker_poll_s)  # another worker would have taken it by then
        self._beat = beat
        self._besides = besides
        self._refits_of = refits_of
        self._clock = clock
        self._timer = timer
        self._next_look = timer() + LOOK_S
        self.gave_way = False
        """Whether it stopped for others, and not because it was cancelled."""

    def __call__(self, progress: FitProgress | None) -> bool:
        """Keep the job; tell whether to stop."""
        return self._beat(progress) or self._is_waited_for()

    def heeding(self, pulse: Pulse, stop: threading.Event) -> Heed:
        """What a computation is to call between its parts.

        Parameters
        ----------
        pulse
            Of the beats that keep the job meanwhile.
        stop
            Set when the worker shuts down.

        Returns
        -------
        Heed
            Raises ``FitCancelled`` if the job was cancelled, or is to give way; ``WorkerStopping``; ``LeaseLost``.
        """

        def heed() -> None:
            if stop.is_set():
                raise WorkerStopping("The worker is shutting down; the job goes back to the queue.")
            if pulse.lost.is_set():
                raise LeaseLost(f"Job '{self._job_id}'")
            if pulse.cancelled.is_set():
                raise FitCancelled("The job was cancelled.")
            if self._timer() < self._next_look:
                return
            if self._is_waited_for():
                raise FitCancelled("The job gives way.")
            self._next_look = self._timer() + LOOK_S

        return heed

    def _is_waited_for(self) -> bool:
        now = self._clock()
        if now > self._until:
            return False
        with self._store.read() as session:
            waiting = confirmations.is_work_waiting(session, besides=self._besides, now=now, since=self._idle)
            if not waiting and self._refits_of is not None:
                waiting = confirmations.is_coming(session, kind=REFIT, survey_id=self._refits_of, until=now + PAUSE)
        self.gave_way = waiting
        return waiting
