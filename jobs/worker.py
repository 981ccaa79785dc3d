"""The worker: takes one job at a time from the queue and does it; what goes to webhooks goes beside it.

Refits of many questions of one survey it does with more hands than one (``jobs.helping``).

A job belongs to a worker for as long as it shows signs of life. If the worker
dies, the lease runs out and another worker takes the job over with a new
attempt and token; what the first one still tries to write is then refused,
so that a fit is published once. The loop can be turned once by a test:
``turn`` does at most one job.
"""

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from jobs import logs
from jobs.backup_job import BACKUP, back_up
from jobs.check import check
from jobs.check_ask import CHECK
from jobs.confirm import confirm
from jobs.confirm_ask import CONFIRM
from jobs.counted_parts import CountedParts
from jobs.erasure import FREE_BYTES, free
from jobs.errors import FitCancelled, FitImpossible, FitProcessFailed, JobsError, SourceUnreachable, WorkerStopping
from jobs.executors import Executor, Host
from jobs.fit_host import FitHost
from jobs.fit_request import FitProgress, FitRequest, FitResult
from jobs.freed_memory import FreedMemory
from jobs.heartbeat import beating
from jobs.helping import LEAST_WAITING, Hand, MakeHost, Roll, fitted_apart
from jobs.leisure import at_leisure
from jobs.refit import prepare_refit, store_result
from jobs.restate import REFIT
from jobs.score import score
from jobs.score_ask import SCORE
from jobs.settings import Settings
from jobs.shared_fits import find_shared, prepare_partners, save_for_partners
from jobs.source_read import SOURCE, ask_source, read_source
from jobs.spool import clean_spool
from mrp.errors import MrpError
from polling.errors import BytesHeld, LeaseLost, PollingError
from polling.secrets import SecretsFile
from polling.store import job_events, queue, releases, surveys
from polling.store.engine import Store
from polling.store.records import Claim, JobRecord

__all__ = ["Clock", "RunFit", "Worker", "utc_now"]

type Clock = Callable[[], datetime]
type RunFit = Callable[..., FitResult]

FREE_AGAIN = timedelta(minutes=1)
"""Pause before the next attempt at freeing bytes that others were in the way of."""

log = logging.getLogger("hustings.worker")


def utc_now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)


class Worker:
    """Does the jobs of one database.

    Parameters
    ----------
    store, settings
        Where the jobs are and how they are done.
    owner
        Name of this worker in job and lease rows; unique per process by default.
    seed
        Fixes the seed of every fit; by default a seed follows from the inputs.
    clock
        Tells the time during a job.
    executor
        Where fits are run; by default a ``jobs.fit_host.FitHost`` of this worker. The worker closes it.
    fit
        Runs one fit in the place of the executor.
    hosts
        Makes what runs fits beside it, one for every core of a fit but the first; by default more of the default
        executor, or none beside another executor or ``fit``.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        owner: str | None = None,
        seed: int | None = None,
        clock: Clock = utc_now,
        executor: Executor | None = None,
        fit: RunFit | None = None,
        hosts: MakeHost | None = None,
    ) -> None:
        self.store = store
        self.settings = settings
        self.owner = owner or f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
        self._seed = seed
        self._clock = clock
        self._executor: Executor = executor or FitHost()
        self._fit: RunFit = fit or self._executor
        self._stop = threading.Event()
        make_host = hosts or (FitHost if fit is None and executor is None else None)
        n_hands = 0 if make_host is None else settings.fit_cores - 1
        self._hands = tuple(Hand(self._do_beside, make_host) for _ in range(n_hands) if make_host)
        self._is_helped = False
        self._roll = Roll()
        self._counted = CountedParts()
        self._counting = threading.Lock()
        self._counted_finer = CountedParts(most_mb=50)
        self._freed = FreedMemory()

    def run(self, stop: threading.Event) -> None:
        """Do jobs until ``stop`` is set; a fit that is running then goes back to the queue.

        Call it from a thread that lives as long as its process, such as the main one: the death signal that takes a
        fit down with its worker is tied to the thread that started it.
        """
        self._stop = stop
        self._is_helped = bool(self._hands)
        clean_spool(self.settings, now=self._clock())  # a worker that was killed could not do it
        log.info("worker %s is ready", self.owner)
        busy = True
        try:
            while not stop.is_set():
                try:
                    if busy and self._fit is self._executor:
                        self._executor.start(self.settings)  # ahead of the next fit
                    busy = self.turn(self._clock())
                    pause = 0.0 if busy else self._until_due()
                    self._freed.give_back()
                except Exception:  # a worker outlives a database that was away for a moment
                    log.exception("a turn of the worker failed")
                    busy, pause = False, self.settings.worker_poll_s
                stop.wait(pause)
        finally:
            self.close()

    def close(self) -> None:
        """End what the executor holds, such as the process that waits for the next fit, and wait for what hands do."""
        for hand in self._hands:
            hand.close()
        self._executor.close()

    def turn(self, now: datetime) -> bool:
        """Take at most one job from the queue and do it; tells whether there was one."""
        with self.store.read() as session:  # a look that nobody waits for
            due = queue.next_due(session, now=now, lease=self.settings.lease)
        if due is None or due > now:
            return False
        with self.store.write() as session:
            claim = queue.claim(session, owner=self.owner, now=now, lease=self.settings.lease)
        if claim is None:
            return False
        with self._begun(claim, now):
            self._do(claim)
        return True

    @contextmanager
    def _begun(self, claim: Claim, now: datetime) -> Iterator[None]:
        """Tell of the start of a job, and take it calmly if somebody else has it in the end."""
        with logs.about(job_id=claim.job.id):
            try:
                with self.store.write() as session:
                    job_events.tell(session, claim.job, now=now)
                yield
            except LeaseLost as lost:
                log.warning("job %s: %s", claim.job.id, lost)

    def _ask_hands(self, job: JobRecord, survey_id: str) -> str:
        """Have other refits of the survey done meanwhile, if there are many; tells the place of this one among them."""
        if not self._is_helped:
            return ""
        with self.store.read() as session:
            apart = fitted_apart(surveys.get_declaration(session, survey_id))
            n_waiting = queue.waiting_beside(session, job, questions=apart, now=self._clock())
        if job.question_id in apart and n_waiting >= LEAST_WAITING:
            for hand in self._hands:
                hand.help(job)
        return self._roll.call(survey_id, waiting=n_waiting)

    def _do_beside(self, like: JobRecord, host: Host) -> bool:
        """Do the next refit that is like one of the worker's, by a hand."""
        now, survey_id = self._clock(), like.survey_id
        if self._stop.is_set() or survey_id is None:
            return False
        with self.store.write() as session:
            apart = fitted_apart(surveys.get_declaration(session, survey_id))
            claim = queue.claim_beside(
                session, like, questions=apart, owner=self.owner, now=now, lease=self.settings.lease
            )
            n_waiting = queue.waiting_beside(session, like, questions=apart, now=now)
        if claim is None or claim.job.question_id is None:
            return False
        place = self._roll.call(survey_id, waiting=n_waiting)
        with self._begun(claim, now):
            self._refit(claim, survey_id, claim.job.question_id, host, place=place, beside=True)
        return True

    def _until_due(self) -> float:
        """Seconds to wait: less than a poll if a job is due before."""
        now = self._clock()
        with self.store.read() as session:
            due = queue.next_due(session, now=now, lease=self.settings.lease)
        poll = self.settings.worker_poll_s
        return poll if due is None else min(poll, max(0.0, (due - now).total_seconds()) or poll)

    def _do(self, claim: Claim) -> None:
        job = claim.job
        if job.kind == FREE_BYTES:
            self._free(claim)
            return
        if job.kind == SOURCE and job.survey_id is not None:
            self._read(claim, job.survey_id, job.key.partition("/")[2])
            return
        if job.kind in (BACKUP, CONFIRM, CHECK, SCORE):
            at_leisure(partial(self._unawaited, claim), nice=self.settings.fit_nice)
            return
        if job.kind != REFIT or job.survey_id is None or job.question_id is None:
            self._fail(claim, "unknown-kind", f"This worker does not know how to do a job of kind {job.kind}.")
            return
        place = self._ask_hands(job, job.survey_id)
        beside = any(hand.busy for hand in self._hands)
        self._refit(claim, job.survey_id, job.question_id, self._fit, place=place, beside=beside)

    def _refit(self, claim: Claim, survey_id: str, question_id: str, fit: RunFit, *, place: str, beside: bool) -> None:
        """Refit a question.

        Parameters
        ----------
        place
            Among those that are refitted in a row, in words.
        beside
            Whether others are refitted at the same time, which need cores too.
        """
        job = claim.job
        log.info("refit of %s, attempt %d%s", job.key, claim.attempt, f", {place}" if place else "")
        try:
            with self._counting, self.store.read() as session:
                prepared = prepare_refit(
                    session,
                    self.settings,
                    survey_id=survey_id,
                    question_id=question_id,
                    seed=self._seed,
                    memory=self._counted,
                )
                partners = prepare_partners(session, self.settings, prepared, memory=self._counted)
                found = find_shared(session, prepared)
            result = found or fit(
                _with_one_core(prepared.request) if beside else prepared.request,
                self.settings,
                beat=lambda progress: self._beat(claim, _placed(progress, place)),
                stop=self._stop,
            )
            with self.store.write() as session:
                store_result(session, claim, prepared, result, now=self._clock())
                save_for_partners(session, partners, result, now=self._clock())
        except WorkerStopping:
            with self.store.write() as session:
                queue.give_back(session, claim, now=self._clock())
        except FitCancelled:
            self._fail(claim, "cancelled", "The refit was cancelled while it ran.")
        except FitImpossible as error:
            self._fail(claim, error.code, error.detail)
        except FitProcessFailed as error:
            self._fail(claim, error.code, error.detail, retry_after=self._pause(claim) if error.retry else None)
        except LeaseLost:
            raise
        except (PollingError, MrpError, JobsError) as error:
            self._fail(claim, "refit-refused", str(error))
        except Exception as error:
            log.exception("job %s failed", job.id)
            detail = f"An unexpected {type(error).__name__}; the log of the worker has the details."
            self._fail(claim, "internal-error", detail, retry_after=self._pause(claim))

    def _unawaited(self, claim: Claim) -> None:
        """What nobody waits for: a backup, a check, scores, a confirmation."""
        if claim.job.kind == BACKUP:
            back_up(
                claim,
                self.store,
                self.settings,
                beat=lambda: self._beat(claim, None),
                stop=self._stop,
                clock=self._clock,
                pause=self._pause(claim),
            )
        elif claim.job.kind == CHECK:
            check(
                claim,
                self.store,
                self.settings,
                fit=self._fit,
                memory=self._counted_finer,
                beat=lambda progress: self._beat(claim, progress),
                stop=self._stop,
                clock=self._clock,
            )
        elif claim.job.kind == SCORE:
            score(
                claim,
                self.store,
                self.settings,
                beat=lambda: self._beat(claim, None),
                stop=self._stop,
                clock=self._clock,
                pause=self._pause(claim),
            )
        else:
            confirm(
                claim,
                self.store,
                self.settings,
                fit=self._fit,
                beat=lambda progress: self._beat(claim, progress),
                stop=self._stop,
                clock=self._clock,
            )

    def _free(self, claim: Claim) -> None:
        """Free the bytes of what was deleted; as often as it takes, since others may be in the way."""
        try:
            free(self.store, now=self._clock())
        except BytesHeld as error:
            self._fail(claim, "bytes-held", str(error), retry_after=FREE_AGAIN)
            return
        with self.store.write() as session:
            queue.finish(session, claim, now=self._clock(), code="bytes-freed", detail="The bytes are free.")

    def _read(self, claim: Claim, survey_id: str, name: str) -> None:
        """Look at a source; while a file there may be growing, look again soon."""
        secrets = SecretsFile(self.settings.secrets_file)
        try:
            with beating(lambda: self._beat(claim, None), self.settings.heartbeat_s) as pulse:

                def between() -> None:
                    if self._stop.is_set():
                        raise WorkerStopping
                    if pulse.cancelled.is_set():
                        raise FitCancelled
                    if pulse.lost.is_set():
                        raise LeaseLost(f"Job '{claim.job.id}'")

                reading = read_source(
                    self.store,
                    secrets,
                    self.settings,
                    survey_id=survey_id,
                    name=name,
                    now=self._clock(),
                    between=between,
                )
            with self.store.write() as session:
                now = self._clock()
                queue.finish(session, claim, now=now, code="source-read", detail=f"{reading}.")
                if reading.waiting:
                    settled = timedelta(seconds=self.settings.source_settle_s)
                    ask_source(session, self.settings, survey_id=survey_id, name=name, now=now, after=settled)
        except WorkerStopping:
            with self.store.write() as session:
                queue.give_back(session, claim, now=self._clock())
        except FitCancelled:
            self._fail(claim, "cancelled", "The look at the source was cancelled.")
        except SourceUnreachable as error:
            self._fail(claim, "source-unreachable", str(error), retry_after=self._pause(claim))
        except LeaseLost:
            raise
        except (PollingError, JobsError) as error:
            self._fail(claim, "source-refused", str(error))
        except Exception as error:
            log.exception("job %s failed", claim.job.id)
            detail = f"An unexpected {type(error).__name__}; the log of the worker has the details."
            self._fail(claim, "internal-error", detail, retry_after=self._pause(claim))

    def _beat(self, claim: Claim, progress: FitProgress | None) -> bool:
        now = self._clock()
        told = None if progress is None else progress.to_json()
        if told is not None and told["expected_end_s"] is not None:
            told["expected_end_at"] = (now + timedelta(seconds=told["expected_end_s"])).isoformat()
        with self.store.write() as session:
            reply = queue.heartbeat(session, claim, now=now, lease=self.settings.lease, progress=told)
        return reply.cancel_requested

    def _fail(self, claim: Claim, code: str, detail: str, *, retry_after: timedelta | None = None) -> None:
        job, now = claim.job, self._clock()
        with self.store.write() as session:
            ended = queue.fail(session, claim, now=now, code=code, detail=detail, retry_after=retry_after)
            if ended.state == "failed" and job.survey_id and job.question_id:
                releases.mark_stale(session, job.survey_id, job.question_id, now, f"The last refit failed: {detail}")
            job_events.tell(session, ended, now=now)
        log.warning("job %s, attempt %d: %s: %s", job.id, claim.attempt, code, detail)

    def _pause(self, claim: Claim) -> timedelta:
        """Pause before the next attempt, doubled each time."""
        return timedelta(seconds=self.settings.retry_backoff_s * 2 ** (claim.attempt - 1))


def _with_one_core(request: FitRequest) -> FitRequest:
    """The same fit, which is the same with any number of threads, beside others."""
    return replace(request, laplace=replace(request.laplace, threads=1))


def _placed(progress: FitProgress | None, place: str) -> FitProgress | None:
    return replace(progress, stage=f"{progress.stage}, {place}") if progress is not None and place else progress
