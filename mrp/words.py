"""Say in words what a difference is: its direction, if there is hardly a doubt, and its size in points.

**The rule of the words.** The direction is said if its probability is at least ``sure`` (0.95); otherwise there is no
clear one, which does not say that there is no difference: look at the interval.
"""

import math
from typing import Literal

from mrp.quantity import Probability, Quantity

__all__ = ["direction", "in_points", "require_sure"]


def direction[W: str](p: Probability, more: W, less: W, neither: W, *, sure: float = 0.95) -> W:
    """The word for a difference that is above 0 with probability ``p``.

    Parameters
    ----------
    more, less, neither
        The words: above 0, below 0, and if neither is probable enough.
    sure
        Probability from which a direction is said, in (0.5, 1).
    """
    if p.value >= sure:
        return more
    return less if p.value <= 1 - sure else neither


def in_points(
    difference: Quantity, interval: float, *, kind: Literal["share", "mean"] = "share", unit: str = ""
) -> str:
    """A difference of shares, e.g. "+2.1 points (90% interval +0.3 to +3.9)"; of means "+2.1 minutes (90% ...)".

    Parameters
    ----------
    unit
        Of means, where it has a name. There are as many decimals as it takes to show a tenth of the sd.
    """
    d = difference
    if kind == "mean":
        n, of = _decimals(d.sd), f" {unit}" if unit else ""
        return f"{d.mean:+,.{n}f}{of} ({100 * interval:g}% interval {d.low:+,.{n}f} to {d.high:+,.{n}f})"
    return f"{100 * d.mean:+.1f} points ({100 * interval:g}% interval {100 * d.low:+.1f} to {100 * d.high:+.1f})"


def _decimals(sd: float) -> int:
    return max(0, 1 - math.floor(math.log10(sd))) if sd > 0 else 1


def require_sure(sure: float) -> None:
    """Raise `ValueError` unless ``sure`` is in (0.5, 1)."""
    if not 0.5 < sure < 1:
        raise ValueError(f"sure must be above 0.5 and below 1, got {sure}; write 0.95 for 95%")
