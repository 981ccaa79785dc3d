"""What a quality check found: a measured value, its limit, and both in words."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["LEAST_INTERVIEWS", "Flag", "consent_flag", "flag", "percents"]

LEAST_INTERVIEWS = 50
"""In fewer, a share says nothing about a wave."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One check of one thing."""

    kind: str
    """consent, duplicates, overlap, speeders, straight_lining, impossible, weight_ratio, design_effect, composition,
    drift, surprise."""
    about: str | None
    """The battery, demographic, question or other wave; None: the whole wave."""
    measured: float
    limit: float
    over: bool
    """Whether the wave has to wait for an analyst."""
    words: str

    @staticmethod
    def is_told(stored: Any) -> bool:
        """Whether a stored flag is in the reply to a delivery: over its limit, or about who was left out."""
        return isinstance(stored, Mapping) and (bool(stored["over"]) or stored["kind"] == "consent")

    def to_json(self) -> dict[str, Any]:
        """As it is stored and shown."""
        return asdict(self)


def flag(kind: str, measured: float, limit: float, words: str, *, about: str | None = None) -> Flag:
    """A flag that is over its limit if the value is; NaN is over."""
    return Flag(kind, about, round(measured, 4), limit, not measured <= limit, words)


def percents(measured: float, limit: float) -> tuple[str, str]:
    """A measured share and its limit in percent, with as many digits as it takes to tell them apart."""
    for digits in range(1, 7):
        told = f"{measured:.{digits}%}", f"{limit:.{digits}%}"
        if told[0] != told[1] or measured == limit:
            break
    return told


def consent_flag(undeclared: Mapping[str, int], n_sent: int) -> Flag | None:
    """Tell of labels of consent that are declared neither as yes nor as no; never over a limit.

    Parameters
    ----------
    undeclared
        See ``polling.consent.undeclared_labels``.
    n_sent
        Interviews of the delivery.
    """
    if not undeclared:
        return None
    n = sum(undeclared.values())
    listed = ", ".join(
        f"'{label}' ({count:,})" if label else f"others ({count:,})" for label, count in undeclared.items()
    )
    words = (
        f"{n:,} of {n_sent:,} interviews have a label of consent that is neither in [consent] values nor in no: "
        f"{listed}. They were taken for a no and not stored."
    )
    return Flag("consent", None, round(n / max(1, n_sent), 4), 1.0, False, words)
