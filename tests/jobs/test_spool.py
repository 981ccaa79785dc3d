"""What a fit leaves in the spool: nothing that outlives its worker."""

import os
import subprocess
import sys
import textwrap
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.spool import clean_spool, spool_folder


def leftover(house) -> Path:
    """A folder as a killed worker leaves it behind."""
    script = textwrap.dedent(
        f"""
        import os, signal
        from pathlib import Path
        from jobs.spool import spool_folder
        with spool_folder(Path({str(house.settings.spool_dir)!r})) as folder:
            (folder / "counts.parquet").write_bytes(b"x")
            print(folder, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script]
    killed = subprocess.run(command, stdout=subprocess.PIPE, env=environment, text=True, check=False)
    folder = Path(killed.stdout.strip())
    assert (folder / "counts.parquet").exists()
    return folder


def test_what_a_killed_worker_left_is_deleted_at_once_and_running_fits_keep_theirs(house):
    dead = leftover(house)
    with spool_folder(house.settings.spool_dir) as running:
        clean_spool(house.settings, now=datetime.now(UTC))

        assert running.exists()
        assert not dead.exists()


def test_a_worker_that_starts_deletes_what_a_killed_one_left(house):
    dead = leftover(house)
    stop = threading.Event()
    stop.set()

    house.worker().run(stop)

    assert not dead.exists()


def test_without_locks_a_folder_is_deleted_when_no_fit_can_be_that_old(house, monkeypatch):
    def no_locks(*_arguments: object) -> None:
        raise OSError("not supported here")

    old, new = house.settings.spool_dir / "fit-old", house.settings.spool_dir / "fit-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
    now = datetime.now(UTC)
    long_ago = now.timestamp() - house.settings.fit_timeout_s - 4000
    os.utime(old, (long_ago, long_ago))
    with monkeypatch.context() as patch:
        patch.setattr("fcntl.flock", no_locks)
        clean_spool(house.settings, now=now)

        assert not old.exists()
        assert new.exists()
        with spool_folder(house.settings.spool_dir) as folder:
            assert folder.is_dir()


@pytest.mark.parametrize("exists", [False, True])
def test_a_house_in_which_nothing_was_fitted_has_no_spool_to_clean(house, exists: bool):
    if exists:
        house.settings.spool_dir.mkdir()
    clean_spool(house.settings, now=datetime.now(UTC))
