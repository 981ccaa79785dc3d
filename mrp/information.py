"""How much of an estimate is data, and how much is the model?

    n_effective  = (sum_i w_i)^2 / sum_i w_i^2                       Kish: interviews with equal weights worth as much
    n_equivalent = m (1 - m) / v                                     interviews that alone would be as precise
    pooling      = clip(1 - n_effective / n_equivalent, 0, 1)        1 where there are no interviews

with the posterior mean m and variance v of the share; m (1 - m) is the variance of one answer, and of means that of the
answers of the area's people takes its place (`mrp.numeric.answer_variances`). Pooling near 0: the area's own interviews
carry the estimate; near 1: it is borrowed from other areas and predictors.

The Monte-Carlo error of n_equivalent is that of the variance, n_equivalent sd(e) / (v sqrt(ess(e))), e = (theta - m)^2,
and that of pooling follows: n_effective / n_equivalent^2 times as much.

References
----------
Kish (1965), "Survey Sampling", Wiley. Gelman and Pardoe (2006), Technometrics 48(2), 241-251, on pooling.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mrp.areas import area_names
from mrp.errors import CountsError, ShapeMismatch
from mrp.numbers import as_numbers
from mrp.poststratification import AreaDraws
from mrp.summary import effective_draws
from mrp.threads import in_threads

__all__ = ["Information", "information", "kish"]

# Numbers that are worth a thread: a few milliseconds' work.
_LEAST = 200_000


@dataclass(frozen=True, slots=True)
class Information:
    """Where one area's estimate comes from."""

    area: Mapping[str, str]
    n_effective: float
    """Effective number of its own interviews."""
    n_equivalent: float
    """Interviews that the posterior is worth; infinite if it has no variance."""
    n_equivalent_mc_error: float
    pooling: float
    """In [0, 1]."""
    pooling_mc_error: float


def information(
    estimate: AreaDraws, n_effective: ArrayLike, *, answer_variance: ArrayLike | None = None
) -> tuple[Information, ...]:
    """Compare every area's posterior with its own interviews.

    Parameters
    ----------
    estimate
        Draws for areas.
    n_effective
        Effective interviews (`kish`; their number where weights are equal) in each area, >= 0, shape (area,).
    answer_variance
        Of means: variance of one answer in each area, in the square of the question's unit, > 0, shape (area,), as
        `mrp.numeric.answer_variances` has it. Shares have their own, m (1 - m), unless answers are reports that are
        wrong at times: `mrp.misreport.Misreport.answer_variance`.

    Raises
    ------
    ShapeMismatch
        If ``n_effective`` or ``answer_variance`` has another number of areas.
    CountsError
        If one of them is negative or not finite, or there is no ``answer_variance`` of means.
    """
    draws, worth = estimate.draws, as_numbers("n_effective", n_effective)
    if worth.shape != (draws.shape[1],):
        raise ShapeMismatch("n_effective", f"({draws.shape[1]},)", worth.shape)
    if not (np.isfinite(worth) & (worth >= 0)).all():
        raise CountsError("effective numbers of interviews must be finite and >= 0")
    of_one = _answer_variance(estimate, answer_variance)
    if not draws.size:
        return ()

    def some_areas(start: int, stop: int) -> NDArray[np.float64]:
        part = draws[:, start:stop]
        mean = part.mean(axis=0)
        squared = (part - mean) ** 2
        ess = effective_draws(squared, n_chains=estimate.n_chains, points=estimate.points)
        return np.array([mean, squared.mean(axis=0), squared.std(axis=0) / np.sqrt(ess)])

    made = in_threads(some_areas, draws.shape[1], least=_LEAST // draws.shape[0])
    mean, variance, variance_error = np.concatenate(made, axis=1)
    # What does not vary is known as if from infinitely many interviews; draws of float32 vary by their rounding.
    known = variance <= (1e-7 * np.abs(mean)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        equivalent = np.where(known, np.inf, (mean * (1 - mean) if of_one is None else of_one) / variance)
        error = np.where(known, 0.0, equivalent * variance_error / variance)
        pooling = np.where(worth == 0, 1.0, np.clip(1 - worth / equivalent, 0, 1))
    columns = (worth, equivalent, error, pooling, worth * error / equivalent**2)
    return tuple(
        Information(name, *map(float, numbers)) for name, *numbers in zip(area_names(estimate), *columns, strict=True)
    )


def _answer_variance(estimate: AreaDraws, answer_variance: ArrayLike | None) -> NDArray[np.float64] | None:
    """Variance of one answer in each area, shape (area,); None of shares, whose mean tells it."""
    if answer_variance is None:
        if estimate.kind == "mean":
            raise CountsError("the estimate is of means; give answer_variance, mrp.numeric.answer_variances has it")
        return None
    of_one, n_areas = as_numbers("answer_variance", answer_variance), estimate.draws.shape[1]
    if of_one.shape != (n_areas,):
        raise ShapeMismatch("answer_variance", f"({n_areas},)", of_one.shape)
    if not (np.isfinite(of_one) & (of_one > 0)).all():
        raise CountsError("variances of one answer must be finite and > 0")
    return of_one


def kish(weight: ArrayLike) -> float:
    """Effective number of interviews with these weights, (sum w)^2 / sum w^2; 0 of none.

    Raises
    ------
    CountsError
        If a weight is negative or not finite.
    """
    w = as_numbers("weight", weight)
    if not (np.isfinite(w) & (w >= 0)).all():
        raise CountsError("weights must be finite and >= 0")
    largest = w.max(initial=0.0)
    if largest == 0:
        return 0.0
    scaled = w / largest  # squares of very large or small weights would not fit
    return float(scaled.sum() ** 2 / (scaled**2).sum())
