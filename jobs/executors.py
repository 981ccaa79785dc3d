"""Where a worker has its fits run: in a process of this machine, or on a Dask cluster.

A worker knows its executor by three things: ``start`` has it ready ahead of a fit, a call fits and waits, ``close``
ends what it holds. Lease, token, progress and cancel are the worker's, whatever the executor: it is told of progress
and asks for cancels by ``beat``, and only the worker writes to the database.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from jobs.errors import ExecutorUnusable
from jobs.fit_request import FitProgress, FitRequest, FitResult
from jobs.settings import Settings

if TYPE_CHECKING:
    from jobs.dask_cluster import DaskCluster

__all__ = ["SCHEMES", "Executor", "Host", "dask_cluster", "require_dask"]

SCHEMES = ("dask://", "dask+tls://")


class Host(Protocol):
    """What fits, one order after the other, such as a ``jobs.fit_host.FitHost``."""

    def __call__(
        self,
        request: FitRequest,
        settings: Settings,
        *,
        beat: Callable[[FitProgress | None], bool],
        stop: threading.Event,
    ) -> FitResult:
        """Fit, and wait for the result; parameters and errors as of ``jobs.fit_host.FitHost``."""

    def close(self) -> None:
        """End what it holds."""


class Executor(Host, Protocol):
    """Runs one fit at a time for a worker."""

    def start(self, settings: Settings) -> None:
        """Be ready for the next fit."""


def dask_cluster(address: str) -> "DaskCluster":
    """The cluster at ``dask://HOST:PORT``, or ``dask+tls://HOST:PORT``, connected.

    Raises
    ------
    ExecutorUnusable
        If the address is none, the extra is not installed, nobody answers, or a machine there has other versions.
    """
    if not address.startswith(SCHEMES) or not address.partition("://")[2].rpartition(":")[2].isdecimal():
        raise ExecutorUnusable(
            f"{address!r} is no executor. Give the scheduler of a Dask cluster as dask://HOST:PORT, or as "
            "dask+tls://HOST:PORT; leave it out to fit on this machine."
        )
    require_dask()
    from jobs.dask_cluster import DaskCluster

    cluster = DaskCluster(address)
    cluster.connect()
    return cluster


def require_dask() -> None:
    """See that the extra is installed.

    Raises
    ------
    ExecutorUnusable
        If it is not.
    """
    try:
        import distributed  # noqa: F401
    except ModuleNotFoundError as error:
        raise ExecutorUnusable(
            f"Fits on a Dask cluster need the package {error.name!r}: install hustings[dask]."
        ) from None
