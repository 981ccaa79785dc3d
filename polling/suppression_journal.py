"""The list of erased respondents once more, outside the database: a line per entry in a file beside the secrets file.

    {"survey_id": ..., "id_mac": ..., "pseudonym_macs": [...], "case_number": ..., "created_at": ...}

A backup is older than the erasures after it, and a database that is lost takes its list with it. A line is on the disk
before the erasure is committed, so before anybody is told that it was done; what is written twice is one entry. Codes
alone are written (``polling.store.suppression``): without the key of the list, in the secrets file, nobody can be
looked up, and nobody can add somebody of their choice. A line that a crash tore is of an erasure that was not done.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from polling.errors import SecretsError
from polling.store.suppression import Entry, merged

__all__ = ["SuppressionJournal"]


class SuppressionJournal:
    """The entries that one installation noted; any number of processes may add to it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Whether anything was noted."""
        return self.path.exists()

    def read(self) -> tuple[tuple[Entry, ...], int]:
        """Every entry, one per respondent, and how many lines are damaged.

        Raises
        ------
        SecretsError
            If it cannot be read, or others may read it.
        """
        try:
            with self.path.open("rb") as file:
                self._require_private(file.fileno())
                lines = file.read().splitlines()
        except FileNotFoundError:
            return (), 0
        except OSError as error:
            raise SecretsError(
                f"The journal of erasures {self.path} cannot be read: {error.strerror}. Nobody is erased without it. "
                "Correct its owner, or put its copy in its place."
            ) from error
        entries, n_damaged = [], 0
        for line in lines:
            try:
                entries.append(msgspec.json.decode(line, type=Entry))
            except msgspec.MsgspecError:
                n_damaged += bool(line)
        return merged(entries), n_damaged

    def add(self, entries: Iterable[Entry]) -> int:
        """Note what it lacks, and have it on the disk before returning; how many entries that were.

        Raises
        ------
        SecretsError
            If it cannot be written, or others may read it.
        """
        if not (lacks := self._lacking(entries)):  # and so nothing is to be written
            return 0
        try:
            with self._locked():
                if lacks := self._lacking(lacks):  # others may have noted them meanwhile
                    self._append(b"".join(msgspec.json.encode(one) + b"\n" for one in lacks))
        except OSError as error:
            raise SecretsError(
                f"The journal of erasures {self.path} cannot be written: {error.strerror}. Nobody is erased "
                "without it. Make room, or let this user write beside the secrets file, and ask again."
            ) from error
        return len(lacks)

    def _lacking(self, entries: Iterable[Entry]) -> list[Entry]:
        known = {(one.survey_id, one.id_mac): one for one in self.read()[0]}
        return [one for one in entries if not one.is_in(known.get((one.survey_id, one.id_mac)))]

    def _append(self, lines: bytes) -> None:
        is_new = not self.path.exists()
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            size = os.fstat(descriptor).st_size
            whole = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
            content = lines if whole else b"\n" + lines
            if (n := file.write(content)) != len(content):
                raise OSError(28, f"only {n} of {len(content)} bytes could be written")
            os.fsync(descriptor)
        if is_new:
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _require_private(self, descriptor: int) -> None:
        if (mode := os.fstat(descriptor).st_mode & 0o777) & 0o077:
            raise SecretsError(
                f"The journal of erasures {self.path} has mode {mode:04o}: others than its owner may use it. "
                f"Run `chmod 600 {self.path}`."
            )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self.path.with_name(self.path.name + ".lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
