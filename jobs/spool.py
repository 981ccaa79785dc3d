"""The spool: a private folder for each running fit, gone when the fit or its worker is.

A folder is locked by the worker that made it, for as long as the fit runs. The
kernel gives the lock back when that process ends, by ``kill -9`` too, so a
folder that can be locked belongs to nobody: it holds counts of interviews and
is deleted at the next start of any worker that shares the spool, and hourly.
The spool itself is locked while a folder is made or looked at, so that a
folder is never seen between its making and its locking. Where the file system
has no such locks, a folder is deleted when no fit can be that old.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jobs.settings import Settings

__all__ = ["clean_spool", "spool_folder"]

MARGIN = timedelta(hours=1)


@contextmanager
def spool_folder(spool_dir: Path) -> Iterator[Path]:
    """A folder that only this user can enter, deleted afterwards whatever happened."""
    spool_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    spool_dir.chmod(0o700)
    with _locked(spool_dir):
        folder = Path(tempfile.mkdtemp(prefix="fit-", dir=spool_dir))  # mkdtemp makes it 0700
        descriptor = _open(folder)
        with suppress(OSError):  # no locks here; the age of the folder has to do
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def clean_spool(settings: Settings, *, now: datetime) -> None:
    """Delete what fits left behind when their worker was killed; running fits keep theirs."""
    if not settings.spool_dir.is_dir():
        return
    too_old = now - timedelta(seconds=settings.fit_timeout_s) - MARGIN
    with _locked(settings.spool_dir):
        for folder in settings.spool_dir.glob("fit-*"):
            with suppress(FileNotFoundError):  # its fit ended at this moment
                if _is_left_behind(folder, too_old):
                    shutil.rmtree(folder, ignore_errors=True)


def _is_left_behind(folder: Path, too_old: datetime) -> bool:
    descriptor = _open(folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return datetime.fromtimestamp(folder.stat().st_mtime, UTC) < too_old
    finally:
        os.close(descriptor)
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = _open(folder)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open(folder: Path) -> int:
    # Not inherited by the fit process: the lock is to end with the worker.
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
