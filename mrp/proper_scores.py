r"""Score whole distributions, and calls of who is ahead; smaller is better throughout.

With draws x_1 <= ... <= x_S of a share and what happened, y:

    CRPS = mean_i |x_i - y| - 1/2 mean_ij |x_i - x_j|,   1/2 mean_ij |x_i - x_j| = sum_i (2 i - S - 1) x_i / S^2

is the absolute error where the distribution is one point, and on the scale of shares. Of a call, with p the probability
of a share above the threshold and w = 1 where it was above it:

    Brier = (p - w)^2,        log score = -log(p if w else 1 - p),        p = (S_above + 1/2) / (S + 1)

S_above draws above the threshold, those on it counted half. The half and the one are Krichevsky and Trofimov's: a
finite number of draws is never sure, and a score is never infinite. A result on the threshold was no win and no defeat,
and is no call.

Of a central interval [l, u] of probability q, with a = 1 - q (Winkler 1972):

    interval score = u - l + 2/a max(l - y, 0) + 2/a max(y - u, 0)

so that an interval pays for its width and, where it misses, for by how much.

The probability integral transform (PIT) is the share of draws below what happened. In calibrated forecasts it is
uniform: a hump is intervals that are too wide, a bowl such that are too narrow, a slope bias.

References
----------
Gneiting and Raftery (2007), "Strictly proper scoring rules, prediction, and estimation", JASA 102, 359-378.
Gneiting, Balabdaoui and Raftery (2007), "Probabilistic forecasts, calibration and sharpness", JRSS B 69, 243-268.
Winkler (1972), "A decision-theoretic approach to interval estimation", JASA 67, 187-191.
Krichevsky and Trofimov (1981), "The performance of universal encoding", IEEE Trans. Inf. Theory 27(2), 199-207.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["PIT_BINS", "Calls", "call_scores", "crps", "interval_score", "leader_scores", "pit", "pit_counts"]

type Floats = NDArray[np.float64]

PIT_BINS: Final = 10
"""Equal parts of [0, 1] in which transforms are counted."""


@dataclass(frozen=True, slots=True)
class Calls:
    """How good the probabilities of being above a threshold were."""

    n: int
    """Districts that were above or below it."""
    n_right: int
    """Those of them where what happened had been given more than half of the probability."""
    brier: float | None
    """Mean over districts; None if there is none."""
    log_score: float | None
    """Mean over districts, natural logarithm; None if there is none."""


def crps(draws: Floats, truth: Floats) -> Floats:
    """Continuous ranked probability score of each district.

    Parameters
    ----------
    draws
        Shape (draw, district).
    truth
        Shape (district,).

    Returns
    -------
    numpy.ndarray
        On the scale of shares, >= 0, shape (district,).
    """
    n_draws = draws.shape[0]
    ordered = np.sort(draws, axis=0)
    spread = (2.0 * np.arange(1, n_draws + 1) - n_draws - 1) @ ordered / n_draws**2
    score: Floats = np.abs(draws - truth).mean(axis=0) - spread
    return score


def leader_scores(draws: NDArray[np.floating[Any]], truth: Floats) -> Calls:
    """Score the probabilities of which option leads, by district.

    With p_k the probability that option k has the largest share, counted as that of a call, and w_k = 1 for the option
    that had it, of K options

        Brier = 1/2 sum_k (p_k - w_k)^2,      log score = -log p_w,      p_k = (S_k + 1/K) / (S + 1)

    which of two options are those of the call who of them is ahead.

    Parameters
    ----------
    draws
        Shares that belong together, shape (draw, district, option).
    truth
        What happened, shape (district, option). Districts without one leader are no calls.
    """
    n_draws, _, k = draws.shape
    first = truth.max(axis=1)
    clear = (truth == first[:, None]).sum(axis=1) == 1
    if not clear.any():
        return Calls(0, 0, None, None)
    leader = truth[clear].argmax(axis=1)
    leads = draws[:, clear].argmax(axis=2)
    times = (leads[:, :, None] == np.arange(k)).sum(axis=0)
    p = (times + 1 / k) / (n_draws + 1)
    of_leader = p[np.arange(len(leader)), leader]
    brier = 0.5 * np.square(p - (np.arange(k) == leader[:, None])).sum(axis=1)
    n_right = int((of_leader > 0.5).sum())
    return Calls(len(leader), n_right, float(brier.mean()), float(-np.log(of_leader).mean()))


def interval_score(draws: Floats, truth: Floats, *, interval: float = 0.9) -> Floats:
    """Score of the central interval of each district.

    Parameters
    ----------
    draws
        Shape (draw, district).
    truth
        Shape (district,).
    interval
        Its probability, in (0, 1).

    Returns
    -------
    numpy.ndarray
        On the scale of shares, >= 0, shape (district,).
    """
    a = 1 - interval
    low, high = np.quantile(draws, [a / 2, 1 - a / 2], axis=0)
    missed = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    score: Floats = high - low + 2 / a * missed
    return score


def call_scores(draws: Floats, truth: Floats, *, threshold: float = 0.5) -> Calls:
    """Score the probabilities that shares are above a threshold.

    Parameters
    ----------
    draws
        Shape (draw, district).
    truth
        Shape (district,).
    threshold
        In [0, 1]; of the first of two options, 0.5 is winning.
    """
    called = truth != threshold
    n = int(called.sum())
    if n == 0:
        return Calls(0, 0, None, None)
    draws, won = draws[:, called], truth[called] > threshold
    p = (np.heaviside(draws - threshold, 0.5).sum(axis=0) + 0.5) / (draws.shape[0] + 1)
    of_outcome = np.where(won, p, 1 - p)
    return Calls(
        n=n,
        n_right=int((of_outcome > 0.5).sum()),
        brier=float(np.mean((1 - of_outcome) ** 2)),
        log_score=float(-np.mean(np.log(of_outcome))),
    )


def pit(draws: Floats, truth: Floats) -> Floats:
    """Share of draws below what happened, those that equal it counted half; in [0, 1], shape (district,).

    Parameters
    ----------
    draws
        Shape (draw, district).
    truth
        Shape (district,).
    """
    below: Floats = np.heaviside(truth - draws, 0.5).mean(axis=0)
    return below


def pit_counts(transforms: Floats) -> tuple[int, ...]:
    """How many transforms lie in each of ``PIT_BINS`` equal parts of [0, 1]; 1 belongs to the last."""
    part = np.minimum((transforms * PIT_BINS).astype(np.int64), PIT_BINS - 1)
    return tuple(int(n) for n in np.bincount(part, minlength=PIT_BINS))
