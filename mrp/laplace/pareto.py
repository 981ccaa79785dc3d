"""Pareto-smoothed importance weights.

The largest weights are replaced by the expected order statistics of a generalised Pareto distribution fitted to them.
Its shape k-hat says how far weighted means can be trusted: up to 0.7 they converge at a practical rate. The numbers are
those of ``arviz_stats`` (a test compares them), which takes longer to import than a fit may take to start.

References
----------
Vehtari, Simpson, Gelman, Yao and Gabry (2024), "Pareto smoothed importance sampling", JMLR 25.
Zhang and Stephens (2009), "A new and efficient estimation method for the generalized Pareto distribution",
Technometrics 51(3), 316-325.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

__all__ = ["efficiency", "smoothed_rows", "smoothed_weights"]

type Floats = NDArray[np.float64]

_LEAST_TAIL = 5
_FLAT = 0.1
"""Part of the largest weight by which those of the tail may differ and still be called equal."""


def smoothed_weights(log_weight: Floats) -> tuple[Floats, float]:
    """Normalised, smoothed weights and the shape k-hat of their tail.

    Parameters
    ----------
    log_weight
        Logs of importance weights up to a common constant, shape (draw,).

    Returns
    -------
    weight
        Adding up to 1, shape (draw,).
    k_hat
        -inf if the weights of the tail are nearly equal, inf if it is too short or too uneven to be judged.
    """
    n = len(log_weight)
    weight = np.exp(log_weight - log_weight.max())
    n_tail = _tail(n)
    order = np.argsort(weight)
    tail = order[n - n_tail :]
    cutoff = weight[order[max(n - n_tail - 1, 0)]]
    # A shape knows no scale: of largest weights that hardly differ it is the shape of rounding and small errors.
    if cutoff >= 1 - _FLAT:
        return weight / weight.sum(), -np.inf
    k_hat = np.inf
    if n_tail >= _LEAST_TAIL:
        k_hat, scale = _fit(weight[tail] - cutoff)
        if np.isfinite(k_hat):
            left = -np.log1p(-(np.arange(n_tail) + 0.5) / n_tail)  # quantiles of an exponential distribution
            beyond = scale * (np.expm1(k_hat * left) / k_hat if k_hat else left)
            weight[tail] = np.minimum(cutoff + beyond, weight.max())
    return weight / weight.sum(), float(k_hat)


def smoothed_rows(log_weight: Floats) -> tuple[Floats, Floats]:
    """`smoothed_weights` of many sets of weights side by side: a hundred thousand in seconds.

    Parameters
    ----------
    log_weight
        Shape (set, draw).

    Returns
    -------
    weight
        Shape (set, draw).
    k_hat
        Shape (set,).
    """
    n = log_weight.shape[1]
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    n_tail = _tail(n)
    order = np.argsort(weight, axis=1)
    cutoff = np.take_along_axis(weight, order[:, max(n - n_tail - 1, 0), None], axis=1)
    flat = cutoff[:, 0] >= 1 - _FLAT
    k_hat = np.where(flat, -np.inf, np.inf)
    if n_tail >= _LEAST_TAIL and not flat.all():
        uneven = np.flatnonzero(~flat)
        tail = order[uneven, n - n_tail :]
        k_hat[uneven], scale = _fit_rows(weight[uneven[:, None], tail] - cutoff[uneven])
        known = np.isfinite(k_hat[uneven])
        at, k = uneven[known], k_hat[uneven[known], None]
        left = -np.log1p(-(np.arange(n_tail) + 0.5) / n_tail)
        beyond = np.where(k != 0, np.expm1(k * left) / np.where(k != 0, k, 1.0), left) * scale[known, None]
        # The largest of a set is 1 before it is smoothed.
        weight[at[:, None], tail[known]] = np.minimum(cutoff[at] + beyond, 1.0)
    return weight / weight.sum(axis=1, keepdims=True), k_hat


def _fit_rows(excess: Floats) -> tuple[Floats, Floats]:
    """`_fit` of many sets, shape (set, tail): shapes and scales, each (set,)."""
    n_sets, n = excess.shape
    shape, scale = np.full(n_sets, np.inf), np.full(n_sets, np.nan)
    quartile = excess[:, int(n / 4 + 0.5) - 1]
    able = np.flatnonzero(quartile > excess[:, 0])
    if not able.size:
        return shape, scale
    excess, quartile = excess[able], quartile[able, None]
    m = 30 + int(n**0.5)
    b = 1 / excess[:, -1:] + (1 - np.sqrt(m / (np.arange(m) + 0.5))) / (3 * quartile)
    # One point of the grid after the other: all at once are too many numbers for the cache.
    k = np.stack([np.log1p(-b[:, j, None] * excess).mean(axis=1) for j in range(m)], axis=1)
    profile = n * (np.log(-b / k) - k - 1)
    posterior = np.exp(profile - profile.max(axis=1, keepdims=True))
    posterior[posterior < 10 * np.finfo(np.float64).eps * posterior.sum(axis=1, keepdims=True)] = 0
    mean = (b * posterior).sum(axis=1) / posterior.sum(axis=1)
    of_tail = np.log1p(-mean[:, None] * excess).mean(axis=1)
    shape[able] = (n * of_tail + 10 * 0.5) / (n + 10)
    scale[able] = -of_tail / mean
    return shape, scale


def _tail(n: int) -> int:
    return int(3 * n**0.5) if n > 225 else n // 5


def _fit(excess: Floats) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto distribution, from ascending values >= 0; the shape may be infinite."""
    n = len(excess)
    quartile = excess[int(n / 4 + 0.5) - 1]
    if quartile <= excess[0]:
        return np.inf, np.nan
    m = 30 + int(n**0.5)
    b = 1 / excess[-1] + (1 - np.sqrt(m / (np.arange(m) + 0.5))) / (3 * quartile)
    k = np.log1p(-b[:, None] * excess).mean(axis=1)
    profile = n * (np.log(-b / k) - k - 1)
    posterior = np.exp(profile - profile.max())
    posterior[posterior < 10 * np.finfo(np.float64).eps * posterior.sum()] = 0
    mean = float(b @ posterior / posterior.sum())
    shape = float(np.log1p(-mean * excess).mean())
    # A prior worth ten draws at 0.5, without which short tails give wild shapes.
    return (n * shape + 10 * 0.5) / (n + 10), -shape / mean


def efficiency(log_weight: Floats) -> float:
    """Effective over actual number of weighted draws, in (0, 1]."""
    weight = np.exp(log_weight - logsumexp(log_weight))
    return float(1 / np.sum(weight**2) / len(weight))
