r"""How costs grow, told by measurements: exponents with their error, and the factors of the work on paper.

An exponent is the slope of log(cost) over log(driver), by least squares over repeats at two sizes or more. What repeats
differ at one and the same size is the error of a measurement, pooled over all sizes; by it

    standard error = s / sqrt(sum_i (x_i - mean x)^2),        x: log of the driver, s: pooled sd of log(cost)

Factors solve ``sum_t factor[t] work[t, i] / cost[i] ~ 1`` by least squares with factors >= 0: an error of a tenth
counts the same at every size.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

__all__ = ["Exponent", "exponent", "factors_of", "pooled_sd"]


@dataclass(frozen=True, slots=True)
class Exponent:
    """Of one cost by one driver."""

    value: float
    standard_error: float


def pooled_sd(groups: Sequence[Sequence[float]]) -> float:
    """Standard deviation of log(cost) between repeats, of all sizes together.

    Parameters
    ----------
    groups
        Costs > 0 of the repeats of each size; one with a single repeat tells nothing.

    Raises
    ------
    ValueError
        If no size was repeated.

    Examples
    --------
    >>> round(pooled_sd([[1.0, math.e], [5.0, 5.0]]), 3)
    0.5
    """
    logs = [np.log(group) for group in groups]
    freedom = sum(len(one) - 1 for one in logs)
    if freedom < 1:
        raise ValueError("no size was measured twice; the error of an exponent needs repeats")
    return math.sqrt(sum(float(((one - one.mean()) ** 2).sum()) for one in logs) / freedom)


def exponent(driver: Sequence[float], cost: Sequence[float], *, sd: float) -> Exponent:
    """Slope of log(cost) over log(driver).

    Parameters
    ----------
    driver, cost
        > 0, of each measurement.
    sd
        Of log(cost) between repeats.

    Raises
    ------
    ValueError
        If all measurements are of one size.

    Examples
    --------
    >>> exponent([1, 2, 4], [3, 12, 48], sd=0.0).value
    2.0
    """
    x, y = np.log(driver), np.log(cost)
    away = x - x.mean()
    spread = float(away @ away)
    if spread <= 0:
        raise ValueError("all measurements are of one size; an exponent needs two")
    return Exponent(round(float(away @ y) / spread, 12), sd / math.sqrt(spread))


def factors_of(work: Sequence[Mapping[str, float]], cost: Sequence[float]) -> dict[str, float]:
    """What a unit of each term costs.

    Parameters
    ----------
    work
        The terms of each measurement.
    cost
        What was measured, > 0.
    """
    terms = list(work[0])
    amounts = np.array([[one[term] for term in terms] for one in work]) / np.asarray(cost)[:, None]
    # Terms differ by ten orders of magnitude.
    scale = amounts.max(axis=0)
    found, _ = nnls(amounts / scale, np.ones(len(cost)))
    return {term: float(value) for term, value in zip(terms, found / scale, strict=True)}
