"""Numbers as somebody passes them in: an array, a list, a column of a table."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mrp.errors import CountsError

__all__ = ["as_numbers"]


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
