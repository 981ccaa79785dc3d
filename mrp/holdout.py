r"""Score a fit on interviews that it has not seen.

Each interview is predicted by the mean of the draws of its cell's share, p_c, with y_c of n_c for the option:

    log score = -sum_c (y_c log p_c + (n_c - y_c) log(1 - p_c)) / sum_c n_c,   Brier likewise with (1 - p_c)^2 and p_c^2

Of a group of cells, such as a district, the fit predicts the number for the option: in draw s the sum of Binomial(n_c,
p_sc). Its place among the draws, ties broken at random, is uniform if the fit is calibrated, however few interviews
there are (randomised PIT); an interval of probability a covers if the place is within a/2 of one half.

With several options each answer is scored by the probability of its option, and Brier is half of
sum_k (p_k - 1[k given])^2, so that two options give what one share gives. A number is predicted by a normal
distribution with the mean and the variance of the draws of its cell and the residual, whose density is its log score.

References
----------
Czado, Gneiting and Held (2009), "Predictive model assessment for count data", Biometrics 65, 1254-1261.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrp.errors import ScoreError, ShapeMismatch
from mrp.scoring import COVERAGE_LEVELS

__all__ = ["HeldOutScores", "score_held_out", "score_held_out_means", "score_held_out_options"]

type Floats = NDArray[np.float64]

_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class HeldOutScores:
    """How well interviews were predicted; smaller is better but for the coverage."""

    n_interviews: int
    log_score: float
    """Mean of -log of the probability of each answer, natural logarithm."""
    brier: float | None
    """None of numbers."""
    n_groups: int
    """Groups with interviews."""
    coverage: Mapping[str, float]
    """Share of groups whose number for the option is inside the central interval, by its probability; with several
    options each counts by itself, and of numbers the mean."""
    rmse: float | None = None
    """Of numbers: root of the mean squared difference between an answer and the mean predicted, in their unit."""

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes."""
        return asdict(self)


def score_held_out(
    cell_share: NDArray[np.float32] | Floats, n: Floats, y: Floats, group: NDArray[np.int64], *, seed: int = 0
) -> HeldOutScores:
    """Score predictions of interviews.

    Parameters
    ----------
    cell_share
        Draws of the option's share in each cell, in [0, 1], shape (draw, cell).
    n, y
        Interviews of each cell, and those of them for the option, whole numbers, shape (cell,).
    group
        Group of each cell, from 0, shape (cell,).
    seed
        For the numbers predicted, and for ties.

    Raises
    ------
    ScoreError
        If there is no interview.
    ShapeMismatch
        If the cells of two arguments do not line up.
    """
    for name, values in (("n", n), ("y", y), ("group", group)):
        if values.shape != (cell_share.shape[1],):
            raise ShapeMismatch(name, f"({cell_share.shape[1]},)", values.shape)
    total = float(n.sum())
    if total == 0:
        raise ScoreError("there is nothing to score: no interview was held out")
    p = np.clip(cell_share.mean(axis=0, dtype=np.float64), _LEAST, 1 - _LEAST)
    rng = np.random.default_rng(seed)
    predicted = rng.binomial(n.astype(np.int64), np.clip(cell_share, 0.0, 1.0))
    size = int(group.max()) + 1
    asked = np.bincount(group, n, size) > 0
    seen = np.bincount(group, y, size)[asked]
    sums = np.stack([np.bincount(group, row, size)[asked] for row in predicted])
    below, same = (sums < seen).mean(axis=0), (sums == seen).mean(axis=0)
    place = below + rng.random(seen.size) * same
    return HeldOutScores(
        n_interviews=round(total),
        log_score=float(-(y * np.log(p) + (n - y) * np.log1p(-p)).sum() / total),
        brier=float((y * (1 - p) ** 2 + (n - y) * p**2).sum() / total),
        n_groups=int(asked.sum()),
        coverage=_coverage(place),
    )


def score_held_out_options(
    shares: NDArray[np.floating[Any]], y: Floats, group: NDArray[np.int64], *, seed: int = 0
) -> HeldOutScores:
    """Score predictions of interviews with several options.

    Parameters
    ----------
    shares
        Draws of the shares of all options in each cell, shape (option, draw, cell); 0 where an option does not stand.
    y
        Interviews of each cell that gave each option, whole numbers, shape (option, cell).
    group, seed
        As for `score_held_out`.

    Raises
    ------
    ScoreError, ShapeMismatch
        As `score_held_out`.
    """
    k, _, n_cells = shares.shape
    for name, values, shape in (("y", y, (k, n_cells)), ("group", group, (n_cells,))):
        if values.shape != shape:
            raise ShapeMismatch(name, str(shape), values.shape)
    total = float(y.sum())
    if total == 0:
        raise ScoreError("there is nothing to score: no interview was held out")
    share = np.clip(shares.astype(np.float64), 0.0, 1.0)
    share /= share.sum(axis=0)
    p, n = share.mean(axis=1), y.sum(axis=0)
    rng = np.random.default_rng(seed)
    predicted = rng.multinomial(n.astype(np.int64), np.moveaxis(share, 0, -1))  # (draw, cell, option)
    size = int(group.max()) + 1
    asked = np.bincount(group, n, size) > 0
    places = []
    for option in range(k):
        stands = np.bincount(group, p[option] * n, size) > 0
        seen = np.bincount(group, y[option], size)[stands]
        sums = np.stack([np.bincount(group, row, size)[stands] for row in predicted[:, :, option]])
        below, same = (sums < seen).mean(axis=0), (sums == seen).mean(axis=0)
        places.append(below + rng.random(seen.size) * same)
    return HeldOutScores(
        n_interviews=round(total),
        log_score=float(-(y * np.log(np.maximum(p, _LEAST))).sum() / total),
        brier=float(0.5 * (n * (1 + np.square(p).sum(axis=0)) - 2 * (y * p).sum(axis=0)).sum() / total),
        n_groups=int(asked.sum()),
        coverage=_coverage(np.concatenate(places)),
    )


def score_held_out_means(
    means: NDArray[np.floating[Any]],
    residual: Floats,
    cells: tuple[Floats, Floats, Floats],
    group: NDArray[np.int64],
    *,
    seed: int = 0,
) -> HeldOutScores:
    """Score predictions of answers that are numbers.

    Parameters
    ----------
    means
        Draws of the mean of each cell, in the unit of the answers, shape (draw, cell).
    residual
        Standard deviation of answers around it, shape (draw,).
    cells
        Of each cell the number of answers, their mean, and the sum of squares about it, each of shape (cell,).
    group, seed
        As for `score_held_out`; what is predicted of a group is the mean of its answers.

    Raises
    ------
    ScoreError, ShapeMismatch
        As `score_held_out`.
    """
    n, mean, ss = cells
    for name, values in (("n", n), ("mean", mean), ("ss", ss), ("group", group)):
        if values.shape != (means.shape[1],):
            raise ShapeMismatch(name, f"({means.shape[1]},)", values.shape)
    total = float(n.sum())
    if total == 0:
        raise ScoreError("there is nothing to score: no interview was held out")
    middle = means.mean(axis=0, dtype=np.float64)
    variance = means.var(axis=0, dtype=np.float64) + float(np.mean(residual**2))
    squares = ss + n * (mean - middle) ** 2
    size = int(group.max()) + 1
    of = np.bincount(group, n, size)
    asked = of > 0
    seen = np.bincount(group, n * mean, size)[asked] / of[asked]
    sums = np.stack([np.bincount(group, n * row, size)[asked] / of[asked] for row in means])
    noise = np.random.default_rng(seed).standard_normal(sums.shape) * residual[:, None] / np.sqrt(of[asked])
    return HeldOutScores(
        n_interviews=round(total),
        log_score=float((n * np.log(2 * np.pi * variance) + squares / variance).sum() / (2 * total)),
        brier=None,
        n_groups=int(asked.sum()),
        coverage=_coverage((sums + noise < seen).mean(axis=0)),
        rmse=float(np.sqrt(squares.sum() / total)),
    )


def _coverage(place: Floats) -> dict[str, float]:
    return {level: float(np.mean(np.abs(place - 0.5) <= float(level) / 2)) for level in COVERAGE_LEVELS}
