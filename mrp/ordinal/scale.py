r"""From the latents of an ordered scale to its cutpoints, and to the shares of its options.

Between the K options there are K - 1 cutpoints, of which neighbours are apart by a width, that of the option between
them: ``width = exp(log width)`` for each of the K - 2 options that are neither first nor last. With

    c[k] = middle[k] - intercept,      middle = S width,      S[k, j] = 1[j < k] - median over k of the same

the cutpoints of an ``intercept`` of 0 lie around 0: the middle one, or the point half way between the middle two, is
there. Reading the options from last to first turns the sign of ``middle`` and the order of the widths, and nothing
else: no end of the scale is special.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["cutpoints", "option_shares", "spacing"]

type Floats = NDArray[np.float64]


@cache
def spacing(n_options: int) -> Floats:
    """``S`` of the module: where the cutpoints are by the widths between them, shape (K - 1, K - 2).

    Examples
    --------
    >>> spacing(3)
    array([[-0.5],
           [ 0.5]])
    """
    n = n_options - 1
    above_first = np.tri(n, n - 1, -1)
    middle = above_first[(n - 1) // 2 : n // 2 + 1].mean(axis=0)
    matrix = above_first - middle
    matrix.flags.writeable = False
    return matrix


def cutpoints(intercept: NDArray[np.floating[Any]], log_width: NDArray[np.floating[Any]]) -> Floats:
    """Cutpoints in ascending order, shape (..., K - 1), of intercepts (...,) and log widths (..., K - 2)."""
    widths = np.exp(np.asarray(log_width, dtype=np.float64))
    return np.asarray(widths @ spacing(widths.shape[-1] + 2).T - np.asarray(intercept, dtype=np.float64)[..., None])


def option_shares(eta: NDArray[np.floating[Any]], cuts: NDArray[np.floating[Any]]) -> Floats:
    """Share of each option, shape (..., K): P(answer <= k) = 1 / (1 + exp(eta - c[k])), and differences of those.

    Parameters
    ----------
    eta
        Linear predictor without the intercept, shape (...,).
    cuts
        Cutpoints, shape (..., K - 1).
    """
    upto = 1 / (1 + np.exp(np.asarray(eta)[..., None] - cuts))
    ends = np.zeros_like(upto[..., :1])
    return np.asarray(np.diff(np.concatenate([ends, upto, ends + 1], axis=-1), axis=-1))
