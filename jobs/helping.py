"""Hands beside a worker: while it does the refit of one question, they do those of others of the same survey.

A wave of a survey with forty questions asks for forty refits at once. One fit keeps one core busy, and half of a second
one; so two of them are done beside each other, each with one core to itself. A refit stays a job of its own - lease,
token, cancel, verdict, release and error - whoever does it; hands take a job only when its turn has come, so that a
survey with many questions keeps no other one waiting. Jobs of few questions are not worth a hand: starting the process
that fits takes as long as some fits do.
"""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Final

from jobs.executors import Host
from jobs.partners import partners_of
from polling.declaration import SurveyDeclaration
from polling.store.records import JobRecord
from polling.store.telling import telling_questions

__all__ = ["LEAST_WAITING", "DoNext", "Hand", "MakeHost", "Roll", "fitted_apart"]

LEAST_WAITING: Final = 4
"""Refits that have to wait for a hand to be asked."""
IDLE_S: Final = 600.0
"""So long a hand keeps its process, which holds some 400 MB, with nothing to fit."""

type MakeHost = Callable[[], Host]
type DoNext = Callable[[JobRecord, Host], bool]
"""Does the next job like another one, if its turn has come; tells whether it did."""

log = logging.getLogger("hustings.worker")


class Hand:
    """A thread with a process that fits; it lives as long as its worker, since the process ends with it.

    Parameters
    ----------
    do_next
        Called in the thread until there is nothing more to do.
    make_host
        Called in the thread, once.
    """

    def __init__(self, do_next: DoNext, make_host: MakeHost) -> None:
        self._do_next = do_next
        self._make_host = make_host
        self._orders: queue.SimpleQueue[JobRecord | None] = queue.SimpleQueue()
        self._busy = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether it was asked to help, and may have something to do."""
        return self._busy.is_set()

    def help(self, like: JobRecord) -> None:
        """Do jobs like this one, unless it still does others."""
        if self.busy:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="hand", daemon=True)
            self._thread.start()
        self._busy.set()
        self._orders.put(like)

    def close(self) -> None:
        """Wait for the end of what it does, and end its process. Whoever cannot wait tells its jobs to stop first."""
        if self._thread is not None:
            self._orders.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        host = self._make_host()
        try:
            while True:
                try:
                    like = self._orders.get(timeout=IDLE_S)
                except queue.Empty:
                    host.close()
                    continue
                if like is None:
                    return
                self._do_all(like, host)
                self._busy.clear()
        finally:
            host.close()

    def _do_all(self, like: JobRecord, host: Host) -> None:
        try:
            while self._do_next(like, host):
                pass
        except Exception:  # a hand outlives a database that was away for a moment
            log.exception("a hand of the worker failed")


class Roll:
    """Numbers the refits of a survey that are begun one after the other, by whoever: "question 12 of 40"."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._survey: str | None = None
        self._begun = self._waiting = 0

    def call(self, survey_id: str, *, waiting: int) -> str:
        """The place of a refit that begins now, behind which so many wait; nothing where it is the only one.

        Examples
        --------
        >>> roll = Roll()
        >>> [roll.call("demo", waiting=n) for n in (2, 1, 0, 0)]
        ['question 1 of 3', 'question 2 of 3', 'question 3 of 3', '']
        """
        with self._lock:
            if survey_id != self._survey or not self._waiting:
                self._begun = 0
            self._survey, self._begun, self._waiting = survey_id, self._begun + 1, waiting
            n = self._begun + waiting
            return f"question {self._begun} of {n}" if n > 1 else ""


def fitted_apart(declaration: SurveyDeclaration) -> frozenset[str]:
    """Ids of the questions whose refits may be done beside each other.

    Not those that are fitted jointly: whoever is first fits for all (``jobs.shared_fits``). Nor those that tell who
    belongs to a population: others that are published after them are answered with what they tell.
    """
    questions = declaration.questions
    telling = telling_questions(declaration.populations)
    return frozenset(one.id for one in questions if one.id not in telling and not partners_of(one, questions))
