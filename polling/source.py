"""Where a pollster's files are fetched from: what ``[[sources]]`` of ``survey.toml`` says, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["SIDECARS", "TEMPORARY", "Source", "SourceKind", "Wording"]

type SourceKind = Literal["folder", "https", "s3"]
type Wording = Mapping[str, str]

SIDECARS = (".toml", ".json")
"""Beside a file, its name with one of these endings tells dates, reference and facts: ``wave7.csv.toml``."""

TEMPORARY = (".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".swp", "~")
"""Names of files that are still being written end so, or begin with a dot."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place that is looked at from time to time."""

    name: str
    pollster: str
    """Whose interviews its files are."""
    kind: SourceKind
    every: int
    """Minutes between two looks."""
    path: str = ""
    """folder: where it is."""
    url: str = ""
    """https: of the one file."""
    bucket: str = ""
    prefix: str = ""
    region: str = ""
    endpoint: str = ""
    """s3: its address, where it is not that of Amazon."""
    pattern: str = "*"
    """Which names are files of interviews."""
    changed: Literal["conflict", "replaces"] = "conflict"
    """What other content under the name of a file that was taken means."""
    credentials: str | None = None
    """Name of a section of the secrets file."""
    facts: Mapping[str, str | Wording] = field(default_factory=dict)
    """What is said of every wave from here; a sidecar says it of one file."""
