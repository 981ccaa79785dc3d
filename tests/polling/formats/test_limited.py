import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from polling.faults import FaultLog
from polling.formats import limited
from polling.formats.limited import Readers
from tests.polling.formats.samples import EXPECTED, SAMPLES, zstd

REQUEST = {"expected": [], "only": False, "inflated_bytes": 10_000_000}
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def readers():
    pool = Readers(most=2)
    yield pool
    pool.close()


def read(readers: Readers, content: bytes):
    log = FaultLog()
    return readers.read(content, log, REQUEST), [fault.reason for fault in log.reported()]


def processes(readers: Readers) -> list[int]:
    return [reader._process.pid for reader in readers._idle]


def test_a_process_is_used_again(readers: Readers):
    for name in ("parquet", "sav", "xlsx", "dta", "ndjson"):
        table, faults = read(readers, SAMPLES[name])
        assert faults == []
        assert table.data["id"].to_list() == EXPECTED["id"]

    assert len(processes(readers)) == 1


def test_a_process_that_died_while_it_had_nothing_to_do_is_replaced(readers: Readers):
    read(readers, SAMPLES["parquet"])
    (first,) = processes(readers)
    os.kill(first, signal.SIGKILL)
    time.sleep(0.1)

    table, faults = read(readers, SAMPLES["parquet"])

    assert faults == []
    assert table is not None
    assert processes(readers) != [first]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGXCPU, "computing"),
        (signal.SIGABRT, "1,400 MB of memory"),
        (signal.SIGSEGV, "the file is damaged"),
        (signal.SIGTERM, "broke at this one"),
    ],
)
def test_a_process_that_dies_at_a_file_is_a_fault_of_the_file(readers: Readers, number: signal.Signals, reason: str):
    read(readers, SAMPLES["parquet"])
    (pid,) = processes(readers)
    os.kill(pid, signal.SIGSTOP)
    killer = threading.Timer(0.3, lambda: (os.kill(pid, number), os.kill(pid, signal.SIGCONT)))
    killer.start()

    table, (told,) = read(readers, SAMPLES["parquet"])

    killer.join()
    assert table is None
    assert reason in told
    assert processes(readers) == []


def test_a_process_that_hangs_is_killed(readers: Readers, monkeypatch: pytest.MonkeyPatch):
    read(readers, SAMPLES["parquet"])
    (pid,) = processes(readers)
    monkeypatch.setattr(limited, "WALL_S", 0.5)
    os.kill(pid, signal.SIGSTOP)

    table, faults = read(readers, SAMPLES["parquet"])

    assert table is None
    assert faults == ["the file cannot be read within 0.5 s"]
    assert not Path(f"/proc/{pid}").exists()


def test_a_file_that_needs_more_memory_than_there_may_be_is_refused(readers: Readers):
    log = FaultLog()
    table = readers.read(zstd(bytes(100_000_000)) * 14, log, {**REQUEST, "inflated_bytes": 2_000_000_000})

    assert table is None
    assert [fault.reason for fault in log.reported()] == ["the file cannot be read within 1,400 MB of memory"]
    assert read(readers, SAMPLES["parquet"])[1] == []


def test_many_threads_share_the_processes(readers: Readers):
    found: list[list[str]] = []

    def one(name: str) -> None:
        table, faults = read(readers, SAMPLES[name])
        assert faults == []
        found.append(table.data["id"].to_list())

    threads = [threading.Thread(target=one, args=(name,)) for name in ("parquet", "sav", "dta", "xlsx") * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [EXPECTED["id"]] * 16
    assert len(processes(readers)) <= 2


def test_a_thread_that_ends_takes_no_process_with_it(readers: Readers):
    thread = threading.Thread(target=read, args=(readers, SAMPLES["parquet"]))
    thread.start()
    thread.join()
    (pid,) = processes(readers)
    time.sleep(0.2)

    assert read(readers, SAMPLES["parquet"])[1] == []
    assert processes(readers) == [pid]


def test_a_process_ends_with_its_parent():
    code = (
        "from polling.faults import FaultLog\n"
        "from polling.formats import limited\n"
        "limited.read_limited(b'{\"a\": 1}', FaultLog())\n"
        "print(limited._readers._idle[0]._process.pid, flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the process outlived its parent")


def test_nothing_that_parses_is_loaded_where_files_arrive():
    code = "import sys, polling.wave_file, polling.formats.limited; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"pyreadstat", "fastexcel", "pyarrow", "pandas"} & set(loaded.split())


def test_a_column_that_marks_damaged_rows_does_not_come_through(readers: Readers):
    table, _ = read(readers, b'"a",b\n1\n1,2\n')

    assert table.damaged_rows.to_list() == [2]
    assert table.data.columns == ["a", "b"]
