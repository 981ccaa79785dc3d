"""Who is at work on the data of this installation: servers and workers share a lock that a restore needs alone.

The lock is one of the operating system's on a file in ``data_dir``: it is gone with the process that held it, however
that ended. A file beside it says that a restore was begun and not finished; nobody starts to work until it was.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from jobs.errors import RestoreRefused
from jobs.settings import Settings

__all__ = [
    "alone",
    "at_work",
    "is_somebody_at_work",
    "pending_file",
    "require_finished_restore",
    "unfinished_restore",
    "write_private",
]


@contextmanager
def at_work(settings: Settings) -> Iterator[None]:
    """Keep restores away while serving or working.

    Raises
    ------
    RestoreRefused
        If a restore is going on, or was begun and not finished.
    """
    with _locked(settings, fcntl.LOCK_SH, "A restore is going on. Start again when it has ended."):
        require_finished_restore(settings)
        yield


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Keep servers and workers away during a restore.

    Raises
    ------
    RestoreRefused
        If one is at work.
    """
    with _locked(settings, fcntl.LOCK_EX, "A server or worker is at work on this database. Stop it first."):
        yield


def require_finished_restore(settings: Settings) -> None:
    """Make sure that the database is not what an interrupted restore left.

    Raises
    ------
    RestoreRefused
        If a restore was begun and not finished.
    """
    if (pending := unfinished_restore(settings)) is not None:
        raise RestoreRefused(
            f"The restore of {pending} was interrupted and the database may not be what it should be. "
            f"Run `hustings restore {pending}` again."
        )


def is_somebody_at_work(settings: Settings) -> bool:
    """Whether a server or worker of this machine is running."""
    if not _file(settings).exists():
        return False
    try:
        with alone(settings):
            return False
    except RestoreRefused:
        return True


def unfinished_restore(settings: Settings) -> str | None:
    """The backup whose restore was begun and not finished."""
    try:
        return str(msgspec.json.decode(pending_file(settings).read_bytes())["backup"])
    except FileNotFoundError:
        return None


def pending_file(settings: Settings) -> Path:
    """Where a restore says that it was begun."""
    return settings.data_dir / "restore-pending.json"


def write_private(path: Path, content: bytes) -> None:
    """Write a whole file for its owner only, and have it on the disk."""
    partial = path.with_name(f".{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _locked(settings: Settings, kind: int, refusal: str) -> Iterator[None]:
    descriptor = os.open(_file(settings), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RestoreRefused(refusal) from None
        yield
    finally:
        os.close(descriptor)


def _file(settings: Settings) -> Path:
    return settings.data_dir / "at-work.lock"
