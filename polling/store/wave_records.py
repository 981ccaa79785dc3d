"""What the store answers and takes about waves: plain values, free of any session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from polling.store.columns import Json

__all__ = [
    "ACCEPTED",
    "COUNTED",
    "HELD",
    "OPEN",
    "WITHDRAWN",
    "CountedPart",
    "NewWave",
    "Standing",
    "WaveChange",
    "WaveEventRecord",
    "WaveRecord",
    "WaveVersionRecord",
    "describe_missing",
]

OPEN = "open"
ACCEPTED = "accepted"
HELD = "held"
WITHDRAWN = "withdrawn"
COUNTED = (OPEN, ACCEPTED)
"""The states whose interviews are counted."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a wave stands."""

    version: int
    """The delivery that is counted if the state lets it: 1, 2, ...; 0 while the wave is open and empty."""
    state: str
    """open | accepted | held | withdrawn"""
    waiting: int | None = None
    """A newer version that an analyst has to let through."""

    @property
    def counted(self) -> int | None:
        """The version that is counted; None if none is."""
        return self.version if self.state in COUNTED else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWave:
    """A delivery that passed every check, ready to be stored."""

    survey_id: str
    survey_version: int
    """The version whose codebook the wave was checked against."""
    pollster: str
    reference: str
    content_sha256: str
    """Hash of the file as it was sent: what makes a repeated delivery the same."""
    payload: bytes
    """The declared columns as received, without the rows set aside (zstd Parquet)."""
    n_interviews: int
    """Interviews in ``payload`` that are counted."""
    questions: tuple[str, ...]
    """Ids of the questions it asked, in the order of the declaration."""
    fieldwork_start: date | None
    fieldwork_end: date | None
    key_version: int
    """Version of the survey's pseudonym key."""
    facts: Mapping[str, Json] = field(default_factory=dict)
    """What its pollster says of it: mode, sponsor, sample_source, universe, language, wording; only what was given."""
    flags: tuple[Json, ...] = ()
    """What the quality checks noticed."""
    held: str | None = None
    """Why an analyst has to let it through before it is counted."""
    n_quarantined: int = 0
    n_without_consent: int = 0
    quarantine: bytes | None = None
    """The rows set aside, with their reasons (Parquet)."""
    file_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveRecord:
    """A wave as it stands, or stood at a moment, without its interviews."""

    id: str
    survey_id: str
    pollster: str
    reference: str
    sequence: int
    """Position in the survey's data history when it was first received: 1, 2, ..."""
    changed: int
    """The same, of what happened to it last."""
    state: str
    """open | accepted | held | withdrawn; open and accepted waves are counted."""
    version: int
    """The delivery that the members below tell of: 1, 2, ...; 0 while the wave is open and empty."""
    waiting: int | None
    """A newer version that an analyst has to let through."""
    created_at: datetime
    closes_on: date | None
    survey_version: int
    content_sha256: str
    n_interviews: int
    n_quarantined: int
    n_without_consent: int
    questions: tuple[str, ...]
    fieldwork_start: date | None
    fieldwork_end: date | None
    facts: Mapping[str, Json]
    flags: tuple[Json, ...]
    key_version: int
    received_at: datetime
    received_by: str
    reason: str | None
    file_name: str | None

    @property
    def is_counted(self) -> bool:
        """Whether its interviews are in the counts."""
        return self.state in COUNTED


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveVersionRecord:
    """One delivery of a wave."""

    version: int
    survey_version: int
    content_sha256: str
    n_interviews: int
    n_quarantined: int
    n_without_consent: int
    questions: tuple[str, ...]
    fieldwork_start: date | None
    fieldwork_end: date | None
    facts: Mapping[str, Json]
    flags: tuple[Json, ...]
    key_version: int
    received_at: datetime
    received_by: str
    reason: str | None
    file_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedPart:
    """Interviews of a counted wave: a file, or one batch. Special-category data."""

    wave: WaveRecord
    number: int
    payload_sha256: str
    payload: bytes | None
    """The declared columns as received; None after a purge."""
    counts: bytes | None
    """Interviews per cell, which a purge left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveEventRecord:
    """Something that happened to a wave, and how the wave stood afterwards."""

    id: int
    wave_id: str
    sequence: int
    kind: str
    """received | replaced | withdrawn | restored | held | let-through | opened | batch | closed | requarantined |
    purged | erased"""
    after: Standing
    at: datetime
    actor: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveChange:
    """An event that moved the counts."""

    wave_id: str
    pollster: str
    reference: str
    sequence: int
    kind: str
    version: int
    questions: tuple[str, ...]
    """Ids of the questions whose counts it moved: those of the version before and of the one after."""
    at: datetime
    reason: str | None

    @property
    def happened(self) -> str:
        """What happened, in a sentence."""
        done = {
            "replaced": f"was corrected (version {self.version})",
            "let-through": "was let through",
            "batch": "has new interviews",
            "requarantined": "has other interviews set aside",
            "purged": "was reduced to counts",
            "erased": "lost interviews to an erasure",
        }.get(self.kind, f"was {self.kind}")
        because = f": {self.reason.rstrip('.')}" if self.reason else ""
        return f"Wave {self.reference} of {self.pollster} {done} on {self.at:%Y-%m-%d}{because}."


def describe_missing(changes: Sequence[WaveChange]) -> str:
    """What a release lacks that does not know of these changes, oldest first and at least one."""
    newest, n = changes[-1], len(changes) - 1
    wave = f"Wave {newest.reference} of {newest.pollster}"
    lacks = f"{wave} is not in it yet" if newest.kind == "received" else f"{newest.happened} This is not in it yet"
    earlier = f", nor {'is 1 earlier change' if n == 1 else f'are {n} earlier changes'} of its waves" if n else ""
    return f"{lacks}{earlier}."
