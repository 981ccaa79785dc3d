"""What a source offers, however it is reached."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Protocol

from polling.source import SIDECARS, TEMPORARY, Source

__all__ = ["MAX_OFFERED", "Fetched", "Offered", "Place", "is_wanted", "sidecar_names"]

MAX_OFFERED = 10_000
"""Files that one look may find."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A file seen from outside."""

    name: str
    fingerprint: str
    """Changes whenever the file or its sidecar does: size and time, or tag."""
    sidecar: str | None = None
    """Name of the file that tells of it."""
    refused: str | None = None
    """Why it is not read."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file and what lies beside it. Special-category data."""

    content: bytes = field(repr=False)
    sidecar: bytes | None = field(default=None, repr=False)


class Place(Protocol):
    """A folder, an address, a bucket."""

    settles: bool
    """Whether a file may be seen half written, so that it is read only when two looks saw the same."""

    def look(self) -> Sequence[Offered]:
        """The files that are there now, in the order of their names.

        Raises
        ------
        SourceUnreachable
            If that cannot be found out now.
        """

    def fetch(self, offered: Offered) -> Fetched | None:
        """A file, or None if it changed since the look.

        Raises
        ------
        SourceUnreachable
            If it cannot be read now.
        FileRefused
            If it is not to be read.
        """


def is_wanted(name: str, source: Source) -> bool:
    """Whether a name is one of a file of interviews."""
    if name.startswith(".") or name.lower().endswith((*TEMPORARY, *SIDECARS)):
        return False
    return fnmatchcase(name, source.pattern)


def sidecar_names(name: str) -> tuple[str, ...]:
    """What the sidecar of a file may be called."""
    return tuple(name + ending for ending in SIDECARS)
