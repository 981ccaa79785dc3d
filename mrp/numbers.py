"""Numbers as somebody passes them in: an array, a list, a column of a table."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mrp.errors import CountsError, SamplingError

__all__ = ["as_numbers", "is_constant", "require_seed"]

# Numbers that differ by a few thousand times the rounding of their size are one number, computed in several ways.
_ROUNDING = 1e-12


def as_numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """An array of floats; gaps are NaN.

    Raises
    ------
    CountsError
        If they are no numbers, such as the name of a column in place of the column.
    """
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise CountsError(
            f"{name} must be an array of numbers, got {values!r:.40}; pass a column itself: interviews[{name!r}]"
        ) from None


def is_constant(values: ArrayLike) -> bool:
    """Whether finite numbers are all the same but for rounding; True for none."""
    numbers = np.asarray(values, dtype=np.float64)
    return bool(numbers.size == 0 or np.ptp(numbers) <= _ROUNDING * np.abs(numbers).max())


def require_seed(seed: int) -> None:
    """Refuse what no generator can be started with.

    Raises
    ------
    SamplingError
        If it is no whole number, or below 0.
    """
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise SamplingError(f"seed is {seed!r}; it must be a whole number >= 0, such as 1")
