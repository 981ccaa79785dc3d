"""Work that nobody waits for stops when other work is due and no worker takes it, and is begun again later.

After a day of that it does so no more, or in a busy house it would never be done.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from jobs.fit_request import FitProgress
from jobs.settings import Settings
from polling.store import confirmations
from polling.store.engine import Store
from polling.store.records import JobRecord

__all__ = ["PAUSE", "GivingWay"]

PAUSE = timedelta(minutes=1)
"""How long work that gave way lets others work."""
GIVING_WAY = timedelta(days=1)
"""How long after it was asked for it gives way."""


class GivingWay:
    """What a fit of a job is told at each sign of life: go on, or stop.

    Parameters
    ----------
    beat
        Keeps the job; tells whether it was cancelled.
    besides
        Kinds of jobs that it does not give way to.
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
    ) -> None:
        self._until = job.first_asked_at + GIVING_WAY
        self._store = store
        self._idle = timedelta(seconds=2 * settings.worker_poll_s)  # another worker would have taken it by then
        self._beat = beat
        self._besides = besides
        self._clock = clock
        self.gave_way = False
        """Whether it stopped for others, and not because it was cancelled."""

    def __call__(self, progress: FitProgress | None) -> bool:
        """Keep the job; tell whether to stop."""
        if self._beat(progress):
            return True
        now = self._clock()
        if now > self._until:
            return False
        with self._store.read() as session:
            self.gave_way = confirmations.is_work_waiting(session, besides=self._besides, now=now, since=self._idle)
        return self.gave_way
