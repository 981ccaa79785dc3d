"""Say how far a fit is."""

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Progress", "Reporter"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a fit is."""

    stage: str
    """One of "prepare", "compile", "sample", "sample again", "collect"."""
    share: float
    """Done, in [0, 1]; never falls within a run of the sampler."""
    expected_end_s: float | None
    """Seconds until the end at the present speed; None while there is nothing to tell it from."""


class Reporter:
    """Passes progress on, and remembers when each stage began."""

    def __init__(self, listener: Callable[[Progress], None] | None) -> None:
        self._listener = listener
        self._began: dict[str, float] = {}

    def __call__(self, stage: str, share: float, expected_end_s: float | None = None) -> None:
        self._began.setdefault(stage, time.monotonic())
        if self._listener:
            self._listener(Progress(stage=stage, share=share, expected_end_s=expected_end_s))

    def seconds(self) -> dict[str, float]:
        """Length of each stage so far."""
        ends = [*list(self._began.values())[1:], time.monotonic()]
        return {stage: end - begin for (stage, begin), end in zip(self._began.items(), ends, strict=True)}
