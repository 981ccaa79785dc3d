"""Where an axis begins, ends and has its ticks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Scale", "count_scale", "difference_scale", "number_scale", "share_scale"]

STEPS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0)
MOST_STEPS = 6


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear axis: its ends and ticks, and how its numbers are written."""

    low: float
    high: float
    ticks: tuple[float, ...]
    label: str
    """A Vega expression of ``datum.value``."""

    def encoding(self) -> dict[str, Any]:
        """As a Vega-Lite ``scale``."""
        return {"domain": [self.low, self.high], "nice": False, "zero": False}

    def axis(self, **more: Any) -> dict[str, Any]:
        """As a Vega-Lite ``axis``."""
        return {"values": list(self.ticks), "labelExpr": self.label, **more}


def share_scale(values: Sequence[float], *, most_steps: int = MOST_STEPS) -> Scale:
    """Ends and ticks for shares: as close around them as round ticks allow, never outside [0, 1]."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    ticks = _ticks(max(low, 0.0), min(high, 1.0), most_steps, least=0.0, most=1.0)
    decimals = _decimals(ticks)
    return Scale(ticks[0], ticks[-1], ticks, f"format(datum.value, '.{decimals}%')")


def difference_scale(values: Sequence[float]) -> Scale:
    """Ends and ticks in points for differences of shares, zero among them."""
    low, high = min((0.0, *values)), max((0.0, *values))
    ticks = _ticks(low, high, MOST_STEPS, least=-1.0, most=1.0)
    decimals = _decimals(ticks)
    number = f"replace(format(100 * datum.value, '+.{decimals}f'), '-', '−')"
    return Scale(ticks[0], ticks[-1], ticks, f"datum.value == 0 ? '0' : {number}")


def count_scale(values: Sequence[float]) -> Scale:
    """Ends and ticks for numbers of something, from 0 on."""
    high = max((1.0, *values))
    magnitude = 10 ** math.floor(math.log10(high))
    step = next(part * magnitude for part in (0.2, 0.5, 1.0, 2.0) if high / (part * magnitude) <= MOST_STEPS)
    step = max(step, 1.0)
    ticks = tuple(step * number for number in range(math.ceil(high / step) + 1))
    return Scale(0.0, ticks[-1], ticks, "format(datum.value, ',.0f')")


def number_scale(values: Sequence[float]) -> Scale:
    """Ends and ticks for numbers of any size, as close around them as round ticks allow."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    least = max(high - low, 1e-9 * max(abs(low), abs(high), 1.0)) / MOST_STEPS
    magnitude = 10.0 ** math.floor(math.log10(least))
    for step in (part * magnitude for part in (1, 2, 5, 10, 20)):
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        last += first == last
        if last - first <= MOST_STEPS:
            break
    ticks = tuple(round(number * step, 12) for number in range(first, last + 1))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return Scale(ticks[0], ticks[-1], ticks, f"replace(format(datum.value, ',.{decimals}f'), '-', '−')")


def _ticks(low: float, high: float, most_steps: int, *, least: float, most: float) -> tuple[float, ...]:
    """Multiples of a round step from at or below ``low`` to at or above ``high``."""
    for step in STEPS:
        # A multiple that is reached but for rounding is reached.
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if first == last:
            first, last = (first - 1, last) if last * step >= most else (first, last + 1)
        if last - first <= most_steps:
            return tuple(min(max(number * step, least), most) for number in range(first, last + 1))
    return (least, most)


def _decimals(ticks: tuple[float, ...]) -> int:
    """Decimals of percent that tell the ticks apart."""
    step = 100 * (ticks[1] - ticks[0])
    return 0 if step >= 0.999 else 1 if step >= 0.0999 else 2
