"""How large a misfit is said to be, so that the words tell no count.

A standardised residual to two digits, beside a prediction and its standard deviation, is the count of answers itself.
So residuals are told in steps of a factor of root 2, and sizes as the middle of the step times the standard deviation:
right within a fifth, and of a group of thirty interviews several answers wide.
"""

import math

__all__ = ["told_size", "told_strength"]

_STEPS = (0.0, 2.5, 3.5, 5.0, 7.0, 10.0, 14.0, 20.0, 28.0, 40.0)


def told_size(z: float, sd: float) -> float:
    """A residual of ``z`` standard deviations ``sd``, as it is told."""
    low, high = _step(abs(z))
    return math.copysign(math.sqrt(max(low, 1.0) * high) * sd, z)


def told_strength(z: float) -> float:
    """Minus the decimal logarithm of the chance of so large a residual, as it is told; at least 0."""
    low, _ = _step(abs(z))
    # Of the tail of the normal distribution, which does not underflow this way.
    return 0.0 if low == 0 else round((low**2 / 2 + math.log(low * math.sqrt(math.pi / 2))) / math.log(10), 1)


def _step(z: float) -> tuple[float, float]:
    reached = [step for step in _STEPS if step <= z] or [0.0]
    at = _STEPS.index(reached[-1])
    return _STEPS[at], _STEPS[at + 1] if at + 1 < len(_STEPS) else math.sqrt(2) * _STEPS[-1]
