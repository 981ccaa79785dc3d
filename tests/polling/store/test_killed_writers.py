"""kill -9 of a writer: what was acknowledged is there, and nothing is there by half."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

from polling.store import outbox, queue, releases, waves
from polling.store.engine import Store
from polling.store.wave_events import data_sequence

ROOT = Path(__file__).resolve().parents[3]
WRITER = Path(__file__).with_name("writer_process.py")


class Writer:
    """The writer process; what it prints goes to a file, so that its last line is not lost in a pipe."""

    def __init__(self, folder: Path, url: str, prefix: str, *options: str) -> None:
        self.printed = folder / prefix
        command = [sys.executable, str(WRITER), url, prefix, *options]
        with self.printed.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT)
        deadline = time.monotonic() + 30
        while b"\n" not in self.printed.read_bytes():
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def kill(self) -> list[str]:
        """Kill -9; every whole line it printed."""
        self.process.kill()
        self.process.wait()
        return [line.strip() for line in self.printed.read_text().splitlines(keepends=True) if line.endswith("\n")]


def test_writers_killed_at_any_moment_lose_nothing_acknowledged(survey_store: Store, store_url: str, tmp_path: Path):
    acknowledged: set[str] = set()
    for n, delay in enumerate((0.05, 0.1, 0.2)):
        writer = Writer(tmp_path, store_url, f"run{n}")
        time.sleep(delay)
        acknowledged.update(writer.kill())

    with survey_store.read() as session:
        stored = waves.load_parts(session, "demo")
        (job,) = queue.list_jobs(session)
        events = outbox.read_after(session, 0, limit=10_000)
        stale_since = releases.question_state(session, "demo", "vote").stale_since
    references = [part.wave.reference for part in stored]
    assert acknowledged <= set(references)
    # At most the one that was committed and not yet printed when each was killed.
    assert len(references) <= len(acknowledged) + 3
    assert [part.wave.sequence for part in stored] == list(range(1, len(stored) + 1))
    assert sorted(event.payload["reference"] for event in events) == sorted(references)
    assert job.asked == len(stored)
    assert stale_since == min(part.wave.received_at for part in stored)
    assert all(hashlib.sha256(part.payload).hexdigest() == part.payload_sha256 for part in stored)


def test_a_writer_killed_inside_its_transaction_leaves_nothing(survey_store: Store, store_url: str, tmp_path: Path):
    assert Writer(tmp_path, store_url, "run", "inside").kill() == ["run-0"]

    # The next writer is not kept waiting by the dead one.
    with survey_store.write() as session:
        assert waves.list_waves(session, "demo") == []
        assert data_sequence(session, "demo") == 0
        assert queue.list_jobs(session) == []
        assert outbox.read_after(session, 0) == []
