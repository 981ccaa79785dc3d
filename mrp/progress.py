"""Say how far a fit is, and how long its stages took."""

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Progress", "Reporter"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a fit is."""

    stage: str
    """One of "prepare", "compile", "sample", "sample again", "collect" by NUTS, of "prepare", "explore", "draw" by the
    Laplace engine; a fit that turns to NUTS goes through both."""
    share: float
    """Done, in [0, 1]; falls only when a fit is sampled again."""
    expected_end_s: float | None
    """Seconds until the end of sampling at the present speed; None while there is nothing to tell it from."""


class Reporter:
    """Passes progress on, and adds up the seconds of each stage."""

    def __init__(self, listener: Callable[[Progress], None] | None) -> None:
        self._listener = listener
        self._seconds: dict[str, float] = {}
        self._stage: str | None = None
        self._since = time.monotonic()

    def __call__(self, stage: str, share: float, expected_end_s: float | None = None) -> None:
        self._add_up()
        self._stage = stage
        if self._listener:
            self._listener(Progress(stage=stage, share=share, expected_end_s=expected_end_s))

    def seconds(self) -> dict[str, float]:
        """Seconds spent in each stage so far."""
        self._add_up()
        return dict(self._seconds)

    def _add_up(self) -> None:
        now = time.monotonic()
        if self._stage is not None:
            self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._since
        self._since = now
