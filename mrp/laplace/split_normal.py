r"""A normal density with one standard deviation below its mode and another above.

    p(x) = 2 / (sqrt(2 pi) (a + b)) exp(-x^2 / (2 s^2)),      s = a where x < 0, b elsewhere

It takes the place of a normal density as what draws are made from where the exact density is lopsided. Each sd is the
largest that any of some points on its side asks for: importance sampling is hurt only by too narrow ones.

References
----------
Geweke (1989), "Bayesian inference in econometric models using Monte Carlo integration", Econometrica 57(6), 1317-1339,
section 4.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

__all__ = ["sides", "split_normal"]

type Floats = NDArray[np.float64]

# Distances at which the exact density is looked at, and bounds of the sds, for a density whose sd at its mode is 1.
_FAR, _WIDEST = (1.5, 3.0, 5.0, 7.0), 3.0


def sides(log_density: Callable[[float], float]) -> tuple[float, float]:
    """The sds below and above the mode.

    Parameters
    ----------
    log_density
        The exact one, by the distance from its mode, in units of the sd that its curvature there tells.
    """
    top = log_density(0.0)
    found = []
    for sign in (-1.0, 1.0):
        fall = [top - log_density(sign * far) for far in _FAR]
        widths = [far / np.sqrt(2 * one) if one > 0 else _WIDEST for far, one in zip(_FAR, fall, strict=True)]
        found.append(float(np.clip(max(widths), 1 / _WIDEST, _WIDEST)))
    return found[0], found[1]


def split_normal(noise: Floats, below: float, above: float) -> tuple[Floats, Floats]:
    """Standard normal numbers turned into ones with an sd below 0 and another above.

    Returns the log density as well, up to the constant by which that of a standard normal number x is -x^2 / 2.

    Examples
    --------
    >>> split_normal(np.array([-1.0, 1.0]), 2.0, 2.0)[0]
    array([-2.,  2.])
    """
    whole = below + above
    left, right = ndtr(noise) * whole / 2, ndtr(-noise) * whole / 2
    is_left = left < below / 2
    scaled = np.where(is_left, ndtri(np.minimum(left / below, 0.5)), -ndtri(np.minimum(right / above, 0.5)))
    return scaled * np.where(is_left, below, above), np.log(2 / whole) - 0.5 * scaled**2
