"""Fits on a Dask cluster, seen from one worker: same results and same errors as at home. The fit is a stand-in.

The cluster is one Dask worker of one thread in this process; what machines that die do is in ``test_dask_cluster``.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask
import distributed
import msgspec
import pytest
import trustme

from jobs import dask_cluster as dask_cluster_module
from jobs import dask_executor
from jobs.dask_cluster import DaskCluster
from jobs.dask_executor import DaskExecutor
from jobs.dask_fit import Order, differences
from jobs.errors import ExecutorAway, ExecutorUnusable, FitCancelled, FitProcessFailed, WorkerStopping
from jobs.executors import dask_cluster
from jobs.fit_request import FitProgress, FitResult
from jobs.settings import Settings
from tests.jobs.house import alive
from tests.jobs.test_fit_host import small_request, write_stand_in

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="puts another program in the place of Python")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        program = write_stand_in(tmp_path_factory.mktemp("program"))
        patch.setattr("jobs.fit_host.sys.executable", str(program))
        with local_cluster() as cluster:
            yield cluster.scheduler_address.replace("tcp://", "dask://")


def local_cluster(port: int = 0, **more: Any) -> distributed.LocalCluster:
    told: dict[str, Any] = {"protocol": "tcp", **more}
    return distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        host="127.0.0.1",
        scheduler_port=port,
        dashboard_address="127.0.0.1:0",
        **told,
    )


@pytest.fixture
def cluster(address: str) -> Iterator[DaskCluster]:
    with closing(dask_cluster(address)) as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(Settings(), data_dir=tmp_path / "data", cache_dir=tmp_path / "cache", heartbeat_s=0.05)


@pytest.fixture
def fit(cluster: DaskCluster, settings: Settings) -> Callable[..., FitResult]:
    executor = DaskExecutor(cluster)

    def run(
        formula: str,
        *,
        beat: Callable[[FitProgress | None], bool] = lambda _: False,
        stop: threading.Event | None = None,
        **limits: float,
    ) -> FitResult:
        request = replace(small_request(), formula=formula)
        return executor(request, replace(settings, **limits), beat=beat, stop=stop or threading.Event())

    return run


def pid_of(result: FitResult) -> int:
    return int(result.versions["pid"])


def gone(pid: int) -> bool:
    for _ in range(200):
        if not alive(pid):
            return True
        time.sleep(0.02)
    return False


def test_a_result_comes_back_and_the_process_is_kept_for_the_next(fit, settings):
    first, second = fit("small"), fit("small")

    assert first.engine == "laplace"
    assert pid_of(first) == pid_of(second) != os.getpid()
    assert alive(pid_of(first))
    assert list(settings.spool_dir.iterdir()) == []


def test_a_crash_tells_its_last_words_and_may_be_tried_again(fit):
    with pytest.raises(FitProcessFailed, match=r"status 7\..*the ground shook") as crash:
        fit("crash")

    assert (crash.value.code, crash.value.retry) == ("fit-crashed", True)


def test_a_limit_is_that_of_who_asks(fit):
    with pytest.raises(FitProcessFailed, match="after 1 s, the limit") as late:
        fit("deaf", fit_timeout_s=1)

    assert (late.value.code, late.value.retry) == ("fit-timed-out", False)


def test_progress_comes_and_a_cancelled_fit_ends_on_the_other_machine(fit):
    process, stages = pid_of(fit("small")), []

    def beat(progress: FitProgress) -> bool:
        stages.append(progress.stage)
        return progress.stage == "start"

    started = time.monotonic()
    with pytest.raises(FitCancelled):
        fit("deaf", beat=beat)

    assert stages[0] == "wait"
    assert gone(process)
    assert time.monotonic() - started < 10  # it would sleep for 60 s
    assert pid_of(fit("small")) != process


def test_a_full_disk_on_the_other_machine_is_told_and_may_be_tried_again(fit, monkeypatch):
    def full(_folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jobs.dask_fit.spool_folder", full)
    with pytest.raises(FitProcessFailed, match=r"Dask worker at tcp://127.* could not fit: .*No space left") as failed:
        fit("small")

    assert (failed.value.code, failed.value.retry) == ("executor-failed", True)


def test_a_task_that_breaks_is_told_and_may_be_tried_again(fit, monkeypatch):
    monkeypatch.setattr("jobs.dask_fit._hosts", lambda _worker: 1 / 0)
    with pytest.raises(FitProcessFailed, match=r"dask://127.* could not run the fit: ZeroDivisionError") as failed:
        fit("small")

    assert (failed.value.code, failed.value.retry) == ("executor-failed", True)


def test_an_order_that_somebody_else_took_back_is_given_anew(fit, address):
    taken: list[str] = []
    with distributed.Client(address.replace("dask://", "tcp://"), set_as_default=False) as somebody:

        def beat(progress: FitProgress) -> bool:
            if progress.stage == "asleep" and not taken:
                taken.extend(key for keys in somebody.processing().values() for key in keys)
                somebody.cancel([distributed.Future(key, somebody) for key in taken], force=True)
            return False

        result = fit("sleeps-once", beat=beat)

    assert len(taken) == 1
    assert result.engine == "laplace"


def test_a_worker_that_stops_takes_its_fit_with_it(fit):
    process, stop = pid_of(fit("small")), threading.Event()

    def beat(progress: FitProgress) -> bool:
        if progress.stage == "start":
            stop.set()
        return False

    with pytest.raises(WorkerStopping):
        fit("deaf", beat=beat, stop=stop)
    assert gone(process)


def test_a_worker_that_lost_its_job_takes_its_fit_with_it(fit):
    process = pid_of(fit("small"))

    def beat(progress: FitProgress) -> bool:
        if progress.stage == "start":
            raise ConnectionError("the lease was lost")
        return False

    with pytest.raises(ConnectionError):
        fit("deaf", beat=beat)
    assert gone(process)


def test_a_fit_ends_when_whoever_asked_for_it_is_gone(address, settings):
    with closing(dask_cluster(address)) as mine:
        process = pid_of(
            DaskExecutor(mine)(small_request("small"), settings, beat=lambda _: False, stop=threading.Event())
        )
        begun = threading.Event()

        def beat(progress: FitProgress) -> bool:
            if progress.stage == "start":
                begun.set()
                mine.close()
            return False

        stop = threading.Event()

        def wait() -> None:
            with pytest.raises(WorkerStopping):
                DaskExecutor(mine)(small_request("deaf"), settings, beat=beat, stop=stop)

        thread = threading.Thread(target=wait)
        thread.start()
        assert begun.wait(10)
        assert gone(process)
        stop.set()
        thread.join()


def test_the_scheduler_goes_away_and_comes_back_and_the_fit_is_ordered_anew(settings, address):
    asleep, stop, seen = threading.Event(), threading.Event(), []

    def beat(progress: FitProgress) -> bool:
        seen.append(progress.stage)
        if progress.stage == "asleep":
            asleep.set()
        return False

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with ThreadPoolExecutor(1) as pool, ExitStack() as closing_:
        with local_cluster(port):
            mine = closing_.enter_context(closing(dask_cluster(f"dask://127.0.0.1:{port}")))
            closing_.callback(stop.set)
            fitting = pool.submit(DaskExecutor(mine), small_request("sleeps-once-more"), settings, beat=beat, stop=stop)
            assert asleep.wait(10)
        with local_cluster(port):
            assert fitting.result(30).engine == "laplace"

    assert "wait" in seen[seen.index("asleep") :]
    assert "awake" in seen  # what the new scheduler tells is heard too


def test_a_scheduler_that_is_another_before_anything_is_ordered_tells_of_progress_too(settings, address):
    """The client finds it by itself, sooner than anybody sees that the first was away."""
    seen: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with ExitStack() as closing_:
        with local_cluster(port):
            mine = closing_.enter_context(closing(dask_cluster(f"dask://127.0.0.1:{port}")))
            client = mine.client()
            assert client is not None
            stream = client.scheduler_comm
        with local_cluster(port):
            ends = time.monotonic() + 20
            while client.status != "running" or client.scheduler_comm in (None, stream):
                assert time.monotonic() < ends
                time.sleep(0.02)
            done = DaskExecutor(mine)(
                small_request("tells"),
                settings,
                beat=lambda progress: bool(seen.append(progress.stage)),
                stop=threading.Event(),
            )

    assert done.engine == "laplace"
    assert "awake" in seen


def test_what_answers_and_is_no_scheduler_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch):
    """Dask takes the first bytes of another protocol for the length of a message."""

    def client(*_arguments: object, **_more: object) -> None:
        raise MemoryError("Unable to allocate 3.07 EiB")

    monkeypatch.setattr(dask_cluster_module.distributed, "Client", client)
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(ExecutorUnusable, match=r"is no Dask scheduler\. Correct the address\."),
    ):
        dask_cluster(f"dask://127.0.0.1:{other.getsockname()[1]}")


def test_a_cluster_with_certificates_is_asked_with_them_and_not_without(settings, address, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    files = {"ca-file": str(tmp_path / "ca.pem")}
    for role in ("client", "scheduler", "worker"):
        files |= {f"{role}.cert": str(tmp_path / "both.pem")}
    with dask.config.set({f"distributed.comm.tls.{name}": file for name, file in files.items()}):
        security = distributed.Security(require_encryption=True)
        with local_cluster(protocol="tls", security=security) as cluster:
            secure = cluster.scheduler_address.replace("tls://", "dask+tls://")
            with closing(dask_cluster(secure)) as mine:
                done = DaskExecutor(mine)(
                    small_request("small"), settings, beat=lambda _: False, stop=threading.Event()
                )
            with pytest.raises(ExecutorUnusable, match=r"TLS needs dask\+tls://"):
                dask_cluster(secure.replace("dask+tls", "dask"))
    assert done.engine == "laplace"


def test_a_job_goes_back_to_the_queue_when_the_cluster_stays_away(settings, monkeypatch):
    monkeypatch.setattr(dask_executor, "AWAY_S", 0.3)
    beats: list[FitProgress] = []
    with closing(DaskCluster("dask://127.0.0.1:1")) as away, pytest.raises(ExecutorAway, match=r"127\.0\.0\.1:1 for 0"):
        DaskExecutor(away)(
            small_request(), settings, beat=lambda progress: bool(beats.append(progress)), stop=threading.Event()
        )

    assert len(beats) > 2  # the lease is kept meanwhile


def test_a_connection_that_was_lost_and_made_again_by_itself_is_not_trusted(settings, monkeypatch):
    """The scheduler is a new one, which has not been asked to tell of progress."""
    monkeypatch.setattr(dask_executor, "AWAY_S", 0.2)
    lost: list[object] = []

    class Future:
        status = "cancelled"

        def result(self) -> bytes:
            raise distributed.client.FutureCancelledError("a-fit", "scheduler-connection-lost")

        def cancel(self) -> None:
            pass

    class Scheduler:
        id, status = "me", "running"

        def submit(self, *_arguments, **_more) -> Future:
            return Future()

    class Cluster:
        def __init__(self) -> None:
            self.address, self.progress, self.lost = "dask://somewhere:1", {}, lost.append

        def client(self) -> Scheduler | None:
            return None if lost else Scheduler()

    with pytest.raises(ExecutorAway):
        DaskExecutor(Cluster())(small_request(), settings, beat=lambda _: False, stop=threading.Event())
    assert len(lost) == 1


def test_what_travels_has_no_secrets(settings):
    sent: list[bytes] = []

    class Scheduler:
        id, status = "me", "running"

        def submit(self, _function, order, **_more):
            sent.append(order)
            raise ConnectionError

    class Cluster:
        def __init__(self) -> None:
            self.address, self.progress = "dask://somewhere:1", {}

        def client(self) -> Scheduler:
            return Scheduler()

    secret = replace(settings, database_url="postgresql://me:geheim@host/db", secrets_file=Path("/etc/geheim"))
    with pytest.raises(ConnectionError):
        DaskExecutor(Cluster())(small_request(), secret, beat=lambda _: False, stop=threading.Event())

    assert b"geheim" not in sent[0]
    assert set(msgspec.msgpack.decode(sent[0])) == set(Order.__struct_fields__)


def test_another_program_on_the_other_machine_is_refused(fit, monkeypatch):
    monkeypatch.setattr(dask_executor, "program", lambda: {"hustings": "9.9"})
    with pytest.raises(FitProcessFailed, match=r"hustings 0\.1\.0 instead of 9\.9.*same version") as refused:
        fit("small")

    assert refused.value.code == "executor-differs"


def test_another_program_on_a_machine_of_the_cluster_is_refused_at_the_start(address, monkeypatch):
    monkeypatch.setattr(dask_cluster_module, "differences", lambda theirs, _: differences(theirs, {"hustings": "9.9"}))
    with pytest.raises(ExecutorUnusable, match=r"Dask worker at tcp://127.* has .*hustings 0\.1\.0 instead of 9\.9"):
        dask_cluster(address)


def test_differences_name_each_thing():
    assert differences({"a": "1", "b": "2"}, {"a": "1", "b": "2"}) == ""
    assert differences({"a": "1", "c": "3"}, {"a": "2", "b": "2"}) == (
        "a 1 instead of 2, b none instead of 2, c 3 instead of none"
    )


@pytest.mark.parametrize("name", ["localhost:8786", "tcp://localhost:8786", "dask://localhost", "dask://localhost:x"])
def test_what_is_no_executor_is_refused(name):
    with pytest.raises(ExecutorUnusable, match="dask://HOST:PORT"):
        dask_cluster(name)


def test_a_scheduler_that_does_not_answer_is_named():
    with pytest.raises(ExecutorUnusable, match=r"No Dask scheduler answers at dask://127\.0\.0\.1:1:.*dask scheduler"):
        dask_cluster("dask://127.0.0.1:1")


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    for name in ("jobs.dask_cluster", "jobs.dask_fit"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ExecutorUnusable, match=r"'distributed': install hustings\[dask\]"):
        dask_cluster("dask://127.0.0.1:1")
