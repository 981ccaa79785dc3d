r"""Compare estimates with what happened.

The interval score of a central interval [l, u] with probability 1 - a at the outcome y,

    (u - l) + 2/a max(l - y, 0) + 2/a max(y - u, 0),

rewards narrow intervals that cover; smaller is better. A truth that is itself an estimate with standard error ``se`` is
what a draw plus Normal(0, se) would have been, so intervals are widened by that before they are compared.

References
----------
Gneiting and Raftery (2007), "Strictly proper scoring rules, prediction, and estimation", JASA 102, 359-378,
section 6.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrp.errors import ScoreError, ShapeMismatch
from mrp.proper_scores import Calls, call_scores, crps, pit, pit_counts

__all__ = ["COVERAGE_LEVELS", "Scores", "rank_correlation", "score"]

type Floats = NDArray[np.float64]

COVERAGE_LEVELS = ("0.5", "0.8", "0.9", "0.95")
_SCORED_INTERVAL = 0.9


@dataclass(frozen=True, slots=True)
class Scores:
    """How good estimates were; all but coverage, correlation and calls on the scale of shares or means."""

    n_districts: int
    rmse: float
    mae: float
    bias: float
    """Mean of estimate minus truth."""
    correlation: float | None
    """Pearson's; None if either side is constant or there are fewer than 3 districts."""
    coverage: Mapping[str, float]
    """Share of truths inside the central interval, by its probability."""
    interval_score: float
    """Of the 90% interval, averaged over districts."""
    mean_width: float
    """Of the 90% interval."""
    crps: float
    """Continuous ranked probability score, averaged over districts; see `mrp.proper_scores`, as for what follows."""
    n_calls: int
    """Districts where the share was above or below the threshold of a win."""
    n_right_calls: int
    """Those of them where what happened had more than half of the probability."""
    brier: float | None
    """Of the calls; None without any, like the next."""
    log_score: float | None
    pit: tuple[int, ...]
    """How many districts have their probability integral transform in each tenth of [0, 1]."""

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes."""
        return {
            "n_districts": self.n_districts,
            "rmse": self.rmse,
            "mae": self.mae,
            "bias": self.bias,
            "correlation": self.correlation,
            "coverage": dict(self.coverage),
            "interval_score": self.interval_score,
            "mean_width": self.mean_width,
            "crps": self.crps,
            "n_calls": self.n_calls,
            "n_right_calls": self.n_right_calls,
            "brier": self.brier,
            "log_score": self.log_score,
            "pit": list(self.pit),
        }


def score(
    draws: Floats,
    truth: Floats,
    *,
    point: Floats | None = None,
    truth_se: Floats | None = None,
    seed: int = 0,
    threshold: float | None = 0.5,
) -> Scores:
    """Score draws of shares, or of means.

    Parameters
    ----------
    draws
        Posterior draws, or evenly spaced quantiles of any other distribution, shape (draw, district).
    truth
        What happened, in [0, 1], of means in their unit, shape (district,).
    point
        The estimate itself where it is not the mean of the draws, shape (district,).
    truth_se
        Standard error of ``truth`` where it was measured on a sample, shape (district,); intervals then are those of a
        draw plus Normal(0, se).
    seed
        For that noise.
    threshold
        The share above which a district is won. None: these are means, which no district is won by.

    Raises
    ------
    ScoreError
        If there is no district, a number is not finite, or a truth is no share.
    ShapeMismatch
        If the districts of two arguments do not line up.
    """
    if draws.ndim != 2 or draws.shape[1] != truth.size:
        raise ShapeMismatch("draws", f"(draw, {truth.size})", draws.shape)
    estimate = draws.mean(axis=0) if point is None else point
    for name, values in (("point", estimate), ("truth_se", truth_se)):
        if values is not None and values.shape != truth.shape:
            raise ShapeMismatch(name, f"({truth.size},)", values.shape)
    if truth.size == 0 or draws.shape[0] == 0:
        raise ScoreError("there is nothing to score: no district has both an estimate and a truth")
    if not all(np.isfinite(values).all() for values in (draws, truth, estimate)):
        raise ScoreError("an estimate or a truth is not a finite number; leave that district out")
    if threshold is not None and (wrong := (truth < 0) | (truth > 1)).any():
        raise ScoreError(f"a truth is {truth[wrong][0]:g}; it must be a share in [0, 1]: divide percent by 100")
    if truth_se is not None:
        if not (np.isfinite(truth_se) & (truth_se >= 0)).all():
            raise ScoreError("a standard error of the truth is negative or not finite; leave that district out")
        draws = draws + truth_se * np.random.default_rng(seed).standard_normal(draws.shape)
    error = estimate - truth
    coverage = {}
    for level in COVERAGE_LEVELS:
        low, high = _interval(draws, float(level))
        coverage[level] = float(np.mean((low <= truth) & (truth <= high)))
    low, high = _interval(draws, _SCORED_INTERVAL)
    outside = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    calls = Calls(0, 0, None, None) if threshold is None else call_scores(draws, truth, threshold=threshold)
    return Scores(
        n_districts=truth.size,
        rmse=float(np.sqrt(np.mean(error**2))),
        mae=float(np.mean(np.abs(error))),
        bias=float(np.mean(error)),
        correlation=_correlation(estimate, truth),
        coverage=coverage,
        interval_score=float(np.mean(high - low + 2 / (1 - _SCORED_INTERVAL) * outside)),
        mean_width=float(np.mean(high - low)),
        crps=float(np.mean(crps(draws, truth))),
        n_calls=calls.n,
        n_right_calls=calls.n_right,
        brier=calls.brier,
        log_score=calls.log_score,
        pit=pit_counts(pit(draws, truth)),
    )


def rank_correlation(estimate: Floats, benchmark: Floats) -> float | None:
    """Spearman's correlation: do two sources put the districts in the same order?

    Parameters
    ----------
    estimate, benchmark
        On any scale, shape (district,). Ties share their mean rank.

    Returns
    -------
    float or None
        In [-1, 1]; None if either side is constant or there are fewer than 3 districts.
    """
    if estimate.shape != benchmark.shape:
        raise ShapeMismatch("benchmark", str(estimate.shape), benchmark.shape)
    from scipy.stats import rankdata

    return _correlation(rankdata(estimate), rankdata(benchmark))


def _interval(draws: Floats, probability: float) -> tuple[Floats, Floats]:
    low, high = np.quantile(draws, [(1 - probability) / 2, (1 + probability) / 2], axis=0)
    return low, high


def _correlation(a: Floats, b: Floats) -> float | None:
    if a.size < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])
