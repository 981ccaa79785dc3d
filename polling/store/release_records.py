"""What the store tells of what is done with releases: holds, what was served when, confirmations."""

from dataclasses import dataclass
from datetime import datetime

from polling.store.columns import Json

__all__ = ["ConfirmationRecord", "HoldRecord", "ServingRecord"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRecord:
    """An analyst keeps the new fits of a question back."""

    at: datetime
    actor: str
    reason: str
    taken_back: int | None
    """Number of the release that was taken back with it, if one was."""
    fit_id: str | None
    """The newest publishable fit that was kept back so far."""

    @property
    def sentence(self) -> str:
        """By whose act, since when and why."""
        act = "Held" if self.taken_back is None else f"Release {self.taken_back} was taken back"
        kept = " A newer fit is kept back." if self.fit_id is not None else ""
        return f"{act} by {self.actor} on {_told(self.at)}: {self.reason.rstrip('.')}.{kept}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingRecord:
    """From ``at`` on this release was served."""

    release_id: str
    number: int
    at: datetime
    kind: str
    """published | rolled-back"""
    actor: str | None
    reason: str | None

    @property
    def sentence(self) -> str:
        """What became of the release before it."""
        if self.kind == "published":
            return f"Release {self.number} replaced it."
        because = (self.reason or "").rstrip(".")
        return (
            f"It was taken back by {self.actor} on {_told(self.at)}: {because}. Release {self.number} took its place."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationRecord:
    """What NUTS said of a release."""

    id: str
    release_id: str
    fit_id: str
    at: datetime
    state: str
    """agrees | disagrees | inconclusive"""
    sentence: str
    numbers: Json
    """How far the two fits are apart, and how good the one by NUTS is."""


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
