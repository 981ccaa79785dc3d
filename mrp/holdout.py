r"""Score a fit on interviews that it has not seen.

Each interview is predicted by the mean of the draws of its cell's share, p_c, with y_c of n_c for the option:

    log score = -sum_c (y_c log p_c + (n_c - y_c) log(1 - p_c)) / sum_c n_c,   Brier likewise with (1 - p_c)^2 and p_c^2

Of a group of cells, such as a district, the fit predicts the number for the option: in draw s the sum of Binomial(n_c,
p_sc). Its place among the draws, ties broken at random, is uniform if the fit is calibrated, however few interviews
there are (randomised PIT); an interval of probability a covers if the place is within a/2 of one half.

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

__all__ = ["HeldOutScores", "score_held_out"]

type Floats = NDArray[np.float64]

_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class HeldOutScores:
    """How well interviews were predicted; smaller is better but for the coverage."""

    n_interviews: int
    log_score: float
    """Mean of -log of the probability of each answer, natural logarithm."""
    brier: float
    n_groups: int
    """Groups with interviews."""
    coverage: Mapping[str, float]
    """Share of groups whose number for the option is inside the central interval, by its probability."""

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
        coverage={level: float(np.mean(np.abs(place - 0.5) <= float(level) / 2)) for level in COVERAGE_LEVELS},
    )
