"""A drop folder: read what was put there, change nothing.

Only plain files of the folder itself are read. A symlink could lead out of it
and is refused, also if it takes the place of a file between look and read: the
file is opened relative to the folder without following links, and has to be
the one that was seen.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.errors import FileRefused, SourceUnreachable
from jobs.source_offer import MAX_OFFERED, Fetched, Offered, is_wanted, sidecar_names
from polling.sidecar import MAX_SIDECAR
from polling.source import Source

__all__ = ["Folder"]


class Folder:
    """A folder of this machine."""

    settles = True

    def __init__(self, source: Source, *, max_bytes: int) -> None:
        self._source = source
        self._max_bytes = max_bytes

    def look(self) -> list[Offered]:
        """See ``jobs.source_offer.Place``."""
        with self._open() as folder:
            names = sorted(os.listdir(folder))  # noqa: PTH208 (a descriptor has no path)
            there = set(names)
            wanted = [name for name in names if is_wanted(name, self._source)]
            found = (self._seen(folder, name, there) for name in wanted[:MAX_OFFERED])
            return [one for one in found if one is not None]

    def fetch(self, offered: Offered) -> Fetched | None:
        """See ``jobs.source_offer.Place``."""
        with self._open() as folder:
            there = {offered.name} | ({offered.sidecar} if offered.sidecar else set())
            content = self._read(folder, offered.name, self._max_bytes)
            sidecar = self._read(folder, offered.sidecar, MAX_SIDECAR) if offered.sidecar else None
            if content is None or self._seen(folder, offered.name, there) != offered:
                return None
        return Fetched(content, sidecar)

    def _seen(self, folder: int, name: str, there: set[str]) -> Offered | None:
        sidecar = next((one for one in sidecar_names(name) if one in there), None)
        prints = []
        for one in (name, sidecar):
            if one is None:
                continue
            try:
                about = os.stat(one, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:  # taken away meanwhile
                return None
            prints.append(f"{about.st_size}:{about.st_mtime_ns}:{about.st_ino}")
            if stat.S_ISDIR(about.st_mode) and one == name:
                return None
            if not stat.S_ISREG(about.st_mode):
                return Offered(name, "link", sidecar, f"'{one}' is a link or no plain file. Put the file itself there.")
        return Offered(name, "/".join(prints), sidecar)

    def _read(self, folder: int, name: str, most: int) -> bytes | None:
        try:
            # Not blocking: a pipe of that name would wait for a writer for ever.
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FileRefused(f"'{name}' cannot be read: {error.strerror}.") from None
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise FileRefused(f"'{name}' is no plain file.")
            if about.st_size > most:
                raise FileRefused(f"'{name}' has {about.st_size:,} bytes, and {most:,} are the most.")
            return file.read(most + 1)[:most]

    @contextmanager
    def _open(self) -> Iterator[int]:
        try:
            folder = os.open(self._source.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise SourceUnreachable(f"The folder {self._source.path} cannot be read: {error.strerror}.") from None
        try:
            yield folder
        finally:
            os.close(folder)
