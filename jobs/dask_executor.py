"""Fits on a Dask cluster: the side of the worker that holds the lease (the other side: ``jobs.dask_fit``).

Orders travel with their data, as bytes, to the scheduler and from there to whichever Dask worker is free. If that one
dies, the scheduler gives the order to another. The result is the same wherever it was made, and only the worker that
holds the lease stores it.

If the scheduler goes away, all that it knew is gone, orders too. The executor waits for a connection and orders the fit
anew; the job keeps its lease and its attempt meanwhile. After ``AWAY_S`` the job goes back to the queue, so that jobs
that need no cluster have their turn.
"""

import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

import distributed
import msgspec

from jobs.dask_cluster import DaskCluster, topic_of
from jobs.dask_fit import Order, Outcome, program, run_order
from jobs.errors import ExecutorAway, FitCancelled, FitProcessFailed, WorkerStopping
from jobs.fit_request import FitProgress, FitRequest, FitResult
from jobs.parcels import pack, unpack
from jobs.settings import Settings
from jobs.spool import spool_folder

__all__ = ["DaskExecutor"]

AWAY_S = 60.0
"""A job waits for so long in its worker's hands for a cluster that is away."""
TICK_S = 0.02
WAITING = FitProgress("wait", 0.0)
"""Of an order that no Dask worker has begun."""


class DaskExecutor:
    """Has one fit at a time run on a cluster, for one worker."""

    def __init__(self, cluster: DaskCluster) -> None:
        self._cluster = cluster

    def start(self, settings: Settings) -> None:
        """Nothing: processes that fit are kept where they are."""

    def close(self) -> None:
        """Nothing: the connection is the cluster's."""

    def __call__(
        self,
        request: FitRequest,
        settings: Settings,
        *,
        beat: Callable[[FitProgress | None], bool],
        stop: threading.Event,
    ) -> FitResult:
        """Fit on the cluster, and wait for the result.

        Parameters and errors are those of ``FitHost``; when it was cancelled, the process at the other end is gone
        within a beat or two. Waiting for a free Dask worker has no limit but a cancel.

        Raises
        ------
        ExecutorAway
            If there has been no scheduler for ``AWAY_S``.
        """
        with spool_folder(settings.spool_dir) as folder:
            request.write(folder)
            parcel = pack(folder)
        ordered: _Ordered | None = None
        seen, next_beat = time.monotonic(), 0.0
        try:
            while True:
                now = time.monotonic()
                if stop.is_set():
                    raise WorkerStopping("The worker is shutting down; the job goes back to the queue.")
                if now >= next_beat:
                    next_beat = now + settings.heartbeat_s
                    if beat(WAITING if ordered is None else ordered.progress):
                        raise FitCancelled("The fit was cancelled.")
                if ordered is not None:
                    seen = now
                    if ordered.wait(TICK_S):
                        if (outcome := ordered.outcome()) is not None:
                            return _read(outcome, settings)
                        ordered.forget()
                        ordered = None
                elif (client := self._cluster.client()) is not None:
                    ordered = _Ordered(self._cluster, client, parcel, settings)
                elif now - seen > AWAY_S:
                    raise ExecutorAway(self._cluster.address, AWAY_S)
                else:
                    stop.wait(TICK_S)
        finally:
            if ordered is not None:
                ordered.forget()


class _Ordered:
    """An order that was sent, and the thread that waits for its result, however long it is on the way."""

    def __init__(self, cluster: DaskCluster, client: distributed.Client, parcel: bytes, settings: Settings) -> None:
        self.client = client
        self._cluster = cluster
        self._key = f"hustings-fit-{uuid.uuid4().hex}"
        self._progress = cluster.progress
        self._progress[self._key] = WAITING
        self._value: bytes | None = None
        self._error: BaseException | None = None
        self._ended = threading.Event()
        order = Order(
            parcel=parcel,
            program=program(),
            topic=topic_of(client),
            fit_cores=settings.fit_cores,
            fit_nice=settings.fit_nice,
            fit_memory_mb=settings.fit_memory_mb,
            fit_timeout_s=settings.fit_timeout_s,
            heartbeat_s=settings.heartbeat_s,
        )
        # The data goes with it: what is scattered is lost with the machine that holds it.
        self._future = client.submit(run_order, msgspec.msgpack.encode(order), key=self._key, pure=False)
        threading.Thread(target=self._fetch, name="dask-fit", daemon=True).start()

    @property
    def progress(self) -> FitProgress:
        """The newest."""
        return self._progress[self._key]

    def wait(self, seconds: float) -> bool:
        """Wait a while; whether it has ended, or is lost."""
        return self._ended.wait(seconds)

    def outcome(self) -> Outcome | None:
        """How it ended; None if the cluster has forgotten it, which is told to the others if its scheduler is gone."""
        if self._value is not None:
            return msgspec.msgpack.decode(self._value, type=Outcome)
        error = self._error
        if self._future.status == "error":
            died = isinstance(error, distributed.KilledWorker)
            what = "lost the Dask workers that fitted" if died else f"could not run the fit: {type(error).__name__}"
            detail = f"The cluster at {self._cluster.address} {what}: {error}"
            return Outcome(code="fit-crashed" if died else "executor-failed", detail=detail, retry=True)
        if getattr(error, "reason", None) == "scheduler-connection-lost" or self.client.status != "running":
            self._cluster.lost(self.client)
        return None  # otherwise by somebody who has the cluster in hand

    def forget(self) -> None:
        """Have it ended if it runs, and forgotten."""
        del self._progress[self._key]
        with suppress(Exception):  # the scheduler is away, and has forgotten it
            self._future.cancel()

    def _fetch(self) -> None:
        try:
            self._value = self._future.result()
        except BaseException as error:  # cancelled is no Exception
            self._error = error
        self._ended.set()


def _read(outcome: Outcome, settings: Settings) -> FitResult:
    if not outcome.parcel:
        raise FitProcessFailed(outcome.code, outcome.detail, retry=outcome.retry)
    with spool_folder(settings.spool_dir) as folder:
        unpack(outcome.parcel, folder)
        return FitResult.read(folder)
