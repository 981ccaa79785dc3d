"""The head of the audit chain, noted outside the database: a line per commit in a file beside the secrets file.

    <id> <mac> <time>                  the chain had so many entries, and this was the code of the last
    back <id> <mac> <time> <signature> a backup was restored whose chain ends there; what was noted before is past

The database alone cannot tell that the end of its chain was cut off, or that an older copy was put in its place. A
line is written and synced after the commit; a crash between the two leaves a head that lags, which is no alarm. A
restore is signed with the audit key, so that who can write here and not read the secrets cannot excuse a cut tail.
"""

import fcntl
import hmac
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from polling.store.audit import AuditHeadRecord

__all__ = ["HeadFile"]

MAX_BYTES = 4 * 2**20
KEPT_LINES = 1000
"""The newest heads stand for the older ones, whose codes are in theirs."""

_LINE = re.compile(r"(back )?([0-9]{1,18}) ([0-9a-f]{64}|-) (\S+)(?: ([0-9a-f]{64}))?")


class HeadFile:
    """The heads that one installation noted; any number of processes may add to it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Whether anything was noted."""
        return self.path.exists()

    def note(self, head: AuditHeadRecord, *, now: datetime) -> None:
        """Add a head, and have it on the disk before returning.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        self._append(f"{head.id} {head.mac} {_time(now)}")

    def note_restore(self, head: AuditHeadRecord | None, audit_key: bytes, *, now: datetime) -> None:
        """Say that the chain went back to ``head`` (None: to its beginning) because a backup was restored."""
        place = "0 -" if head is None else f"{head.id} {head.mac}"
        line = f"back {place} {_time(now)}"
        self._append(f"{line} {_signature(line, audit_key)}")

    def heads(self, audit_key: bytes) -> list[AuditHeadRecord]:
        """Every noted head that the chain must still contain, in the order noted."""
        heads: list[AuditHeadRecord] = []
        for line in self._lines():
            found = _LINE.fullmatch(line)
            if found is None:  # torn by a crash
                continue
            back, identifier, mac, _, signature = found.groups()
            if back:
                unsigned = line.rpartition(" ")[0]
                if not signature or not hmac.compare_digest(signature, _signature(unsigned, audit_key)):
                    continue
                heads = []  # those before are of another branch, or are covered by the code of this one
            if mac != "-":
                heads.append(AuditHeadRecord(int(identifier), mac))
        return heads

    def newest(self, audit_key: bytes) -> AuditHeadRecord | None:
        """The head furthest along."""
        return max(self.heads(audit_key), key=lambda one: one.id, default=None)

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="ascii", errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def _append(self, line: str) -> None:
        with self._locked():
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                whole = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
                os.write(descriptor, f"{'' if whole else chr(10)}{line}\n".encode("ascii"))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if size > MAX_BYTES:
                self._shorten()

    def _shorten(self) -> None:
        new = self.path.with_name(f".{self.path.name}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, ("\n".join(self._lines()[-KEPT_LINES:]) + "\n").encode("ascii", "replace"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        new.replace(self.path)

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


def _time(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _signature(line: str, audit_key: bytes) -> str:
    return hmac.digest(audit_key, f"audit head: {line}".encode(), "sha256").hex()
