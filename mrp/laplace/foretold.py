r"""Where to start the search for a mode of the latents, from modes at other parameters.

    start(h) = sum_i share_i(h) mode_i,    sum_i share_i = 1

with shares of universal kriging: a linear trend in the parameters and a Gaussian process around it. Modes move so
smoothly with the parameters that from a hundred known ones a start is a step of Newton's method away, where the nearest
of them is two or three away. What the start is decides on time alone.

References
----------
Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", section 2.7.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

__all__ = ["Foretelling"]

type Floats = NDArray[np.float64]

_LENGTH = 8.0
"""Of the process, in standard deviations of the known points: modes are so smooth that a long one foretells best."""
_ERROR = 1e-6
"""Variance of what is wrong with a known mode, of that of the process."""


class Foretelling:
    """Shares of known modes in a start.

    Parameters
    ----------
    known
        Coordinates of the parameters at which modes are known, shape (point, parameter); more points than parameters.
    """

    def __init__(self, known: Floats) -> None:
        self._centre, self._scale = known.mean(axis=0), known.std(axis=0) + 1e-9
        self._known = (known - self._centre) / self._scale
        trend = np.column_stack([np.ones(len(known)), self._known])
        kernel = _correlation(self._known, self._known) + _ERROR * np.eye(len(known))
        self._factors = linalg.lu_factor(np.block([[kernel, trend], [trend.T, np.zeros((trend.shape[1],) * 2)]]))

    def __call__(self, points: Floats) -> Floats:
        """Shares at the rows of ``points``, shape (point, known); rows sum to 1."""
        x = (points - self._centre) / self._scale
        right = np.column_stack([_correlation(x, self._known), np.ones(len(x)), x])
        return np.asarray(linalg.lu_solve(self._factors, right.T)[: len(self._known)].T)


def _correlation(x: Floats, y: Floats) -> Floats:
    distance = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T
    return np.asarray(np.exp(-0.5 * np.maximum(distance, 0) / _LENGTH**2))
