"""A fit as a task of a Dask worker: what runs on the other machine.

The task gets a request as a parcel of files and gives the result back as one (``jobs.parcels``). In between it does
what a worker does at home: it has a process of its own fit (``jobs.fit_host``), niced and limited, which is kept for
the next task of the same thread. It needs this program in the same versions and a scratch folder; it has no database,
no secrets file, and none of the settings but those of ``Order``.

Dask does not interrupt a task that runs. When nobody wants its result any more (it was cancelled, or whoever asked
went away, or the cluster has given it to somebody else), the worker only notes so; the task looks for that note at
every beat, and ends its process.
"""

import contextlib
import threading
import weakref
from pathlib import Path
from typing import Any

import distributed
import msgspec
from distributed.diagnostics.plugin import WorkerPlugin

from jobs.errors import FitCancelled, FitProcessFailed, JobsError, WorkerStopping
from jobs.fit_host import FitHost
from jobs.fit_request import FORMAT_VERSION, FitProgress, FitRequest
from jobs.parcels import pack, unpack
from jobs.settings import Settings
from jobs.spool import spool_folder
from jobs.versions import versions

__all__ = ["Order", "Outcome", "differences", "program", "run_order"]


class Order(msgspec.Struct, frozen=True):
    """What a task is told."""

    parcel: bytes
    """The files of a ``FitRequest``."""
    program: dict[str, str]
    """What `program` says where the order was made."""
    topic: str
    """Under which progress is told."""
    fit_cores: int
    fit_nice: int
    fit_memory_mb: int
    fit_timeout_s: float
    heartbeat_s: float
    """These as of ``jobs.settings``: limits are those of who asks."""


class Outcome(msgspec.Struct, frozen=True):
    """How a task ended, in plain values: errors that are pickled break where classes differ."""

    parcel: bytes = b""
    """The files of a ``FitResult``; empty if there is none, and the rest says why."""
    code: str = ""
    detail: str = ""
    retry: bool = False


def program() -> dict[str, str]:
    """What must be the same on both sides, so that a fit does not depend on where it was made."""
    return versions() | {"format of fits": str(FORMAT_VERSION)}


def differences(theirs: dict[str, str], ours: dict[str, str]) -> str:
    """In words what differs, or nothing."""
    names = sorted(name for name in theirs.keys() | ours.keys() if theirs.get(name) != ours.get(name))
    return ", ".join(f"{name} {theirs.get(name, 'none')} instead of {ours.get(name, 'none')}" for name in names)


def run_order(order: bytes) -> bytes:
    """Fit; takes an `Order` and gives an `Outcome`, both in MessagePack."""
    return msgspec.msgpack.encode(_do(msgspec.msgpack.decode(order, type=Order)))


def _do(order: Order) -> Outcome:
    worker = distributed.get_worker()
    if different := differences(program(), order.program):
        detail = f"The Dask worker at {worker.address} has {different}. Run the same version of hustings everywhere."
        return Outcome(code="executor-differs", detail=detail, retry=True)
    key = str(worker.get_current_task())
    hosts = _hosts(worker)
    settings = Settings(
        data_dir=Path(worker.local_directory) / "hustings",
        fit_cores=order.fit_cores,
        fit_nice=order.fit_nice,
        fit_memory_mb=order.fit_memory_mb,
        fit_timeout_s=order.fit_timeout_s,
        heartbeat_s=order.heartbeat_s,
        lease_s=max(3 * order.heartbeat_s, Settings().lease_s),
    )
    told: list[FitProgress | None] = []

    def beat(progress: FitProgress | None) -> bool:
        step = progress or FitProgress("start", 0.0)
        if told[-1:] != [step]:
            told[:] = [step]
            worker.log_event(order.topic, {"key": key} | step.to_json())
        return _unwanted(worker, key)

    try:
        with spool_folder(settings.spool_dir) as folder:
            unpack(order.parcel, folder)
            request = FitRequest.read(folder)
        result = hosts.mine()(request, settings, beat=beat, stop=hosts.stop)
        with spool_folder(settings.spool_dir) as folder:
            result.write(folder)
            return Outcome(parcel=pack(folder))
    except FitCancelled:
        return Outcome(code="cancelled", detail="Nobody wants the result any more.")
    except WorkerStopping:
        raise distributed.Reschedule from None  # this machine leaves; another one fits
    except FitProcessFailed as error:
        return Outcome(code=error.code, detail=error.detail, retry=error.retry)
    except (JobsError, OSError) as error:
        detail = f"The Dask worker at {worker.address} could not fit: {error}"
        return Outcome(code="executor-failed", detail=detail, retry=True)


def _unwanted(worker: distributed.Worker, key: str) -> bool:
    """Whether the cluster has forgotten the task, or given it to another worker."""
    task = worker.state.tasks.get(key)
    return task is None or task.state in ("cancelled", "resumed")


class _Hosts(WorkerPlugin):  # type: ignore[misc]  # which mypy does not look into
    """The processes of one Dask worker, one for each of its threads; they end with it."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._of_threads: dict[int, FitHost] = {}

    def mine(self) -> FitHost:
        """The one of this thread: the kernel ends a process with the thread that started it."""
        return self._of_threads.setdefault(threading.get_ident(), FitHost())

    def teardown(self, worker: Any) -> None:  # noqa: ARG002  # the name is Dask's
        """End what runs, and what waits."""
        self.stop.set()
        for host in self._of_threads.values():
            host.close()


_HOSTS: "weakref.WeakKeyDictionary[distributed.Worker, _Hosts]" = weakref.WeakKeyDictionary()
_MAKING = threading.Lock()


def _hosts(worker: distributed.Worker) -> _Hosts:
    with _MAKING:
        hosts = _HOSTS.get(worker)
        if hosts is None:
            hosts = _HOSTS[worker] = _Hosts()
            with contextlib.suppress(RuntimeError):  # its loop has ended, and so will the task
                worker.loop.add_callback(worker.plugin_add, hosts, name="hustings-fits")
        return hosts
