"""What a quality check found: a measured value, its limit, and both in words."""

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["LEAST_INTERVIEWS", "Flag", "flag"]

LEAST_INTERVIEWS = 50
"""In fewer, a share says nothing about a wave."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One check of one thing."""

    kind: str
    """duplicates, overlap, speeders, straight_lining, impossible, weight_ratio, design_effect, composition, drift,
    surprise."""
    about: str | None
    """The battery, demographic, question or other wave; None: the whole wave."""
    measured: float
    limit: float
    over: bool
    """Whether the wave has to wait for an analyst."""
    words: str

    def to_json(self) -> dict[str, Any]:
        """As it is stored and shown."""
        return asdict(self)


def flag(kind: str, measured: float, limit: float, words: str, *, about: str | None = None) -> Flag:
    """A flag that is over its limit if the value is; NaN is over."""
    return Flag(kind, about, round(measured, 4), limit, not measured <= limit, words)
