"""A connection to a Dask cluster, shared by the workers of one process (``jobs.dask_executor``).

It is made anew when it was lost. Until then there is none, and nobody who asks for it waits for the network: a job
whose worker waits without a beat loses its lease.
"""

import logging
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import dask
import distributed

from jobs.dask_fit import differences, program
from jobs.errors import ExecutorUnusable
from jobs.fit_request import FitProgress

__all__ = ["DaskCluster", "topic_of"]

CONNECT_S = 5.0
CLOSE_S = 2.0
AGAIN_S = 0.5
"""Pause between two attempts at a connection."""

log = logging.getLogger("hustings.worker")


class DaskCluster:
    """The cluster of one scheduler."""

    def __init__(self, address: str) -> None:
        self.address = address
        scheme, _, place = address.partition("://")
        host, _, port = place.rpartition(":")
        self._address = f"{'tls' if scheme.endswith('tls') else 'tcp'}://{place}"
        self._place = host.strip("[]"), int(port)
        self._looking = threading.Lock()
        self._client: distributed.Client | None = None
        self._made_on: Any = None
        """The stream of the client when the connection was made."""
        self._helper: threading.Thread | None = None
        self._closed = False
        _log_as_we_do()
        self.progress: dict[str, FitProgress] = {}
        """The newest progress of each order."""
        # An order holds its data, of which Dask warns: what many tasks share should be sent once. These share nothing.
        dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GB"})

    def connect(self) -> None:
        """Connect, and see that what is there can be used.

        Raises
        ------
        ExecutorUnusable
            If nobody answers, or a Dask worker has other versions.
        """
        try:
            self._client, self._made_on = client, _ = self._open()
        except OSError as error:
            raise ExecutorUnusable(
                f"No Dask scheduler answers at {self.address}: {error}. Start one with `dask scheduler`, or correct "
                "the address; TLS needs dask+tls:// and certificates in Dask's configuration."
            ) from None
        except MemoryError:  # the first bytes of whatever answers were taken for the length of a message
            raise ExecutorUnusable(
                f"What answers at {self.address} is no Dask scheduler. Correct the address."
            ) from None
        try:
            _require_same(client.run(program, on_error="return"))
        except ExecutorUnusable:
            self.close()
            raise

    def threads(self) -> int:
        """How many fits it runs at a time, as of now."""
        if self._client is None:
            return 0
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        return sum(int(one["nthreads"]) for one in workers.values())

    def close(self) -> None:
        """End the connection; orders that run end with it."""
        with self._looking:
            self._closed = True
        if self._helper is not None:
            self._helper.join()
        client, self._client = self._client, None
        if client is not None:
            _end(client)

    def client(self) -> distributed.Client | None:
        """The connection, or None while there is none; then one is being made."""
        with self._looking:
            client = self._client
            # A client that lost its scheduler finds the next by itself, which has not been asked to tell of progress.
            if client is not None and client.status == "running" and client.scheduler_comm is self._made_on:
                return client
            self._renew()
            return None

    def lost(self, client: distributed.Client) -> None:
        """Somebody found the connection broken.

        The next one is new: a scheduler that was started again knows nothing of what the old one was told.
        """
        with self._looking:
            if client is self._client:
                self._renew()

    def _renew(self) -> None:
        """Have a thread make a connection, if none does."""
        if self._helper is None and not self._closed:
            old, self._client = self._client, None
            self._helper = threading.Thread(target=self._replace, args=(old,), name="dask-connect", daemon=True)
            self._helper.start()

    def _replace(self, old: distributed.Client | None) -> None:
        if old is not None:
            log.warning("the connection to the Dask scheduler at %s was lost", self.address)
            _end(old)
        made: tuple[distributed.Client | None, Any] = None, None
        try:
            made = self._open()
            log.info("connected to the Dask scheduler at %s", self.address)
        except OSError:  # as long as that is so, whoever waits says so in time
            time.sleep(AGAIN_S)
        except Exception:
            log.exception("a connection to the Dask scheduler at %s failed", self.address)
            time.sleep(AGAIN_S)
        finally:
            with self._looking:
                (self._client, self._made_on), self._helper = made, None

    def _open(self) -> tuple[distributed.Client, Any]:
        """A client that hears of progress, and the stream that it has."""
        # A client that finds nobody leaves a thread behind; so look first.
        socket.create_connection(self._place, timeout=CONNECT_S).close()
        client = distributed.Client(self._address, timeout=CONNECT_S, set_as_default=False)
        stream = client.scheduler_comm
        client.subscribe_topic(topic_of(client), self._hear)
        return client, stream

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        told = event[1]
        if told["key"] in self.progress:  # not of an order that has ended meanwhile
            self.progress[told["key"]] = FitProgress(told["stage"], told["share"], told["expected_end_s"])


def topic_of(client: distributed.Client) -> str:
    """Under which progress comes to a client; one for all of its orders, since a scheduler forgets no topic."""
    return f"hustings-{client.id}"


def _log_as_we_do() -> None:
    """Take Dask's lines into the log of the service, in its form; by itself Dask writes them to stderr in its own."""
    for name in ("distributed", "distributed.client"):
        theirs = logging.getLogger(name)
        theirs.handlers.clear()
        theirs.propagate = True
        theirs.setLevel(logging.WARNING)
    # It has a traceback for every scheduler that went away, which is told here in one line.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)


def _require_same(found: Mapping[str, dict[str, str] | BaseException]) -> None:
    """Refuse a cluster with another program on one of its machines."""
    ours = program()
    for address, theirs in found.items():
        if isinstance(theirs, BaseException):
            different = f"cannot tell its versions ({type(theirs).__name__}: {theirs})"
        else:
            different = f"has {told}" if (told := differences(theirs, ours)) else ""
        if different:
            raise ExecutorUnusable(
                f"The Dask worker at {address} {different}. Run the same version of hustings everywhere."
            )


def _end(client: distributed.Client) -> None:
    with suppress(OSError, RuntimeError):  # what it would tell a scheduler that is gone
        client.close(timeout=CLOSE_S)
