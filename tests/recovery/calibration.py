"""Helpers for tests that plant a truth and ask the model to find it."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom


def assert_coverage(
    draws: NDArray[np.float64], truth: NDArray[np.float64], *, interval: float = 0.9, alpha: float = 1e-3
) -> None:
    """Fail if central intervals cover the truth less or more often than chance allows.

    Parameters
    ----------
    draws
        Posterior draws, shape (draw, area).
    truth
        The planted shares, shape (area,). Errors should be near independent
        across areas: take one area per simulated survey if they are not.
    alpha
        Chance of failing when the model is exactly calibrated.
    """
    low, high = np.quantile(draws, [(1 - interval) / 2, (1 + interval) / 2], axis=0)
    n_covered = int(((low <= truth) & (truth <= high)).sum())
    least, most = binom.interval(1 - alpha, truth.size, interval)
    assert least <= n_covered <= most, (
        f"{interval:.0%} intervals covered {n_covered} of {truth.size} areas, expected {least:.0f} to {most:.0f}"
    )
