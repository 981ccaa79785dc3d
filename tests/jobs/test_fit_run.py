"""The fit process: what crosses, how it ends, and that nothing of it stays."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from jobs.errors import FitCancelled, FitOutOfMemory, FitProcessFailed, FitTimedOut, SpoolError, WorkerStopping
from jobs.fit_environment import child_environment
from jobs.fit_request import FitProgress, FitRequest, FitResult
from jobs.fit_run import run_fit
from jobs.settings import Settings
from jobs.spool import spool_folder
from mrp.electorate import Electorate
from mrp.laplace.engine import LaplaceSettings
from mrp.nuts import NutsSettings
from mrp.outcomes import BinaryOutcome
from tests.jobs.house import alive

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


@pytest.fixture
def request_() -> FitRequest:
    """Two districts, one demographic."""
    districts = pl.DataFrame({"code": ["A", "B"], "name": ["A", "B"], "wealth": [0.1, 0.4]})
    cells = pl.DataFrame({"district": ["A", "A", "B", "B"], "gender": ["F", "M", "F", "M"]})
    return FitRequest(
        outcome=BinaryOutcome(("yes", "no")),
        formula="wealth + (1|gender)",
        priors={},
        seed=1,
        engine="nuts",
        laplace=LaplaceSettings(points=60, draws=200),
        nuts=NutsSettings(chains=2, tune=50, draws=50, target_accept=0.8, retry_target_accept=0.9, cores=2),
        electorate=Electorate(
            frame=cells.with_columns(n_people=pl.Series([10.0, 20.0, 30.0, 40.0])),
            districts=districts,
            district="district",
            demographics={"gender": ("F", "M")},
        ),
        counts=cells.with_columns(n=pl.Series([5, 6, 7, 8]), y=pl.Series([1, 2, 3, 4])),
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(Settings(), data_dir=tmp_path / "data", cache_dir=tmp_path / "cache", heartbeat_s=0.1)


def children() -> list[int]:
    """Process ids of the fit processes of this process."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        found += [int(pid) for pid in (task / "children").read_text().split()]
    return [pid for pid in found if "jobs.fit_process" in Path(f"/proc/{pid}/cmdline").read_text()]


def test_a_request_comes_back_as_it_was_written(request_, tmp_path):
    request_.write(tmp_path)
    read = FitRequest.read(tmp_path)

    assert read.formula == request_.formula
    assert read.nuts == request_.nuts
    assert read.counts.equals(request_.counts)
    assert read.electorate.frame.equals(request_.electorate.frame)
    assert read.electorate.demographics == request_.electorate.demographics


def test_what_crosses_can_be_read_by_its_owner_only(request_, tmp_path):
    request_.write(tmp_path)
    FitResult("nuts", b"draws", {}, {}, {}, {}, {}, {}).write(tmp_path)

    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == dict.fromkeys(
        ("request.json", "counts.parquet", "frame.parquet", "districts.parquet", "draws.npz", "result.json"), 0o600
    )


def test_a_result_comes_back_as_it_was_written(tmp_path):
    result = FitResult(
        "nuts", b"draws", {"a": 1}, {"problems": []}, {}, {"intercept": "normal"}, {"pymc": "6"}, {"sample": 1.5}
    )
    result.write(tmp_path)

    assert FitResult.read(tmp_path) == result


def test_a_result_that_was_not_finished_is_no_result(tmp_path):
    (tmp_path / "draws.npz").write_bytes(b"x")

    with pytest.raises(SpoolError, match=r"result\.json cannot be read"):
        FitResult.read(tmp_path)


def test_another_format_version_is_refused(request_, tmp_path):
    request_.write(tmp_path)
    head = json.loads((tmp_path / "request.json").read_text())
    (tmp_path / "request.json").write_text(json.dumps({**head, "format_version": 99}))

    with pytest.raises(SpoolError, match="format version 99"):
        FitRequest.read(tmp_path)


def test_a_damaged_table_is_a_spool_error(request_, tmp_path):
    request_.write(tmp_path)
    (tmp_path / "counts.parquet").write_bytes(b"not parquet")

    with pytest.raises(SpoolError, match="damaged"):
        FitRequest.read(tmp_path)


def test_the_spool_is_for_its_owner_only_and_is_emptied(tmp_path):
    spool = tmp_path / "data" / "spool"
    with spool_folder(spool) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert spool.stat().st_mode & 0o777 == 0o700
        (folder / "counts.parquet").write_bytes(b"x")
    assert list(spool.iterdir()) == []


def test_secrets_of_the_environment_do_not_reach_the_child(settings, monkeypatch):
    monkeypatch.setenv("HUSTINGS_DATABASE_URL", "postgresql://user:password@host/db")
    environment = child_environment(settings)

    assert "password" not in " ".join(environment.values())
    assert environment["OPENBLAS_NUM_THREADS"] == "1"
    assert str(settings.cache_dir) in environment["PYTENSOR_FLAGS"]


@pytest.mark.parametrize("writable", [True, False])
def test_kernels_lie_beside_the_program_unless_its_folder_cannot_be_written_to(settings, monkeypatch, writable: bool):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(os, "access", lambda *_: writable)

    cache = None if writable else str(settings.kernel_cache / "numba")
    assert child_environment(settings).get("NUMBA_CACHE_DIR") == cache


@LINUX
def test_a_cancelled_fit_ends_within_a_moment(request_, settings):
    seen: list[int] = []
    cancelled: list[float] = []

    def beat(_progress: FitProgress | None) -> bool:
        # On a busy machine the first beat may come before the child bears its own name.
        seen.extend(children())
        if seen and not cancelled:
            cancelled.append(time.monotonic())
        return bool(seen)

    with pytest.raises(FitCancelled):
        run_fit(request_, settings, beat=beat, stop=threading.Event())
    assert time.monotonic() - cancelled[0] < 2
    assert not any(alive(pid) for pid in seen)
    assert list(settings.spool_dir.iterdir()) == []


@LINUX
def test_what_the_libraries_write_beside_a_fit_lies_in_its_folder(request_, settings):
    places: list[Path] = []

    def beat(_progress: FitProgress | None) -> bool:
        for pid in children():
            environment = dict(
                item.split("=", 1) for item in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in item
            )
            places.append(Path(environment["TMPDIR"]))
            assert places[-1].is_dir()
            (umask,) = (
                line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Umask")
            )
            assert umask.endswith("0077")
        return bool(places)

    with pytest.raises(FitCancelled):
        run_fit(request_, settings, beat=beat, stop=threading.Event())
    assert places[0].parent.parent == settings.spool_dir
    assert not places[0].exists()


def test_a_fit_ends_when_its_worker_stops(request_, settings):
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()

    started = time.monotonic()
    with pytest.raises(WorkerStopping):
        run_fit(request_, settings, beat=lambda _: False, stop=stop)
    assert time.monotonic() - started < 2


def test_a_fit_that_takes_too_long_is_ended(request_, settings):
    with pytest.raises(FitTimedOut, match="fit_timeout_s"):
        run_fit(request_, replace(settings, fit_timeout_s=1.0), beat=lambda _: False, stop=threading.Event())


def test_what_the_heartbeat_raises_ends_the_fit(request_, settings):
    def beat(_progress: FitProgress | None) -> bool:
        raise ConnectionError("the lease was lost")

    with pytest.raises(ConnectionError):
        run_fit(request_, settings, beat=beat, stop=threading.Event())
    assert list(settings.spool_dir.iterdir()) == []


@LINUX
def test_a_killed_fit_is_a_crash_that_may_be_tried_again(request_, settings):
    def beat(_progress: FitProgress | None) -> bool:
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        return False

    with pytest.raises(FitProcessFailed, match="ended by SIGKILL") as crash:
        run_fit(request_, settings, beat=beat, stop=threading.Event())
    assert crash.value.code == "fit-crashed"
    assert crash.value.retry


def test_a_request_that_cannot_be_fitted_is_refused_in_words(request_, settings):
    with pytest.raises(FitProcessFailed, match="nonsense") as refused:
        run_fit(
            replace(request_, formula="nonsense + (1|gender)"), settings, beat=lambda _: False, stop=threading.Event()
        )
    assert refused.value.code == "fit-refused"
    assert not refused.value.retry


@LINUX
def test_a_fit_that_needs_too_much_memory_says_so(request_, settings):
    with pytest.raises(FitOutOfMemory, match="limit of 300 MB"):
        run_fit(request_, replace(settings, fit_memory_mb=300), beat=lambda _: False, stop=threading.Event())


@LINUX
def test_a_fit_dies_with_its_worker(request_, settings, tmp_path):
    long = replace(request_.nuts, tune=20_000, draws=20_000)
    replace(request_, nuts=long).write(tmp_path)
    worker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                f"""
                import json, os, subprocess, sys, time
                command = [sys.executable, "-m", "jobs.fit_process", str(os.getpid())]
                child = subprocess.Popen(command, stdin=subprocess.PIPE)
                print(child.pid, flush=True)
                child.stdin.write(json.dumps({str(tmp_path)!r}).encode() + b"\\n")
                child.stdin.flush()
                time.sleep(3600)
                """
            ),
        ],
        stdout=subprocess.PIPE,
        env=child_environment(settings),
        text=True,
    )
    assert worker.stdout is not None
    with worker.stdout:
        child = int(worker.stdout.readline())
        # It takes orders once it has asked to end with its parent, and opens this file as the first thing that it does.
        while not (tmp_path / "stderr").exists():
            assert alive(child)
            time.sleep(0.01)
        worker.kill()
        worker.wait()
        # Its end of the pipe closes with it, however busy the machine is, a moment before it is gone.
        worker.stdout.read()
    while alive(child):
        time.sleep(0.01)

    # It was ended; left to itself it would have fitted for a minute, and written what it found.
    assert not (tmp_path / "result.json").exists()
