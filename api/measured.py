"""Draws of a share or of a mean in some groups of a breakdown, and how much one answer differs from another there.

The variance of one answer is what tells how much of an estimate is data (`mrp.information`). Of a share m it is
m (1 - m). Of means it is that of the answers of the group's people, in the mean over draws: of numbers the residuals of
the model and the differences between cells (`mrp.numeric.answer_variances`), of scores c

    sum_o c[o]^2 p[s, o] - (sum_o c[o] p[s, o])^2,      p[s, o]: share of option o in draw s.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from api.breakdown import Breakdown, draws_of, variances_of
from api.estimands import Drawn, means_of
from api.measures import is_complement, scores_of
from api.release_cache import LoadedRelease
from mrp.areas import complement
from mrp.outcomes.designs import MEAN, SHARE
from mrp.poststratification import AreaDraws
from polling.declaration import Question

__all__ = ["Measured", "measured", "of_share", "option_of"]

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measured:
    """Shares or means of some groups."""

    areas: AreaDraws
    answer_variance: Floats | None = None
    """Of means: variance of one answer in each group, in the square of their unit, > 0, shape (area,). Of shares that
    are turned back from reports: of one report, see `mrp.misreport.Misreport.answer_variance`."""

    def part(self, places: NDArray[np.int64]) -> "Measured":
        """Some of the groups, by their places."""
        areas = replace(self.areas, areas=self.areas.areas[places], draws=self.areas.draws[:, places])
        return Measured(areas, None if self.answer_variance is None else self.answer_variance[places])


def measured(
    loaded: LoadedRelease, breakdown: Breakdown, rows: NDArray[np.int64], option: str, *, period: str | None
) -> Measured:
    """What is asked of some groups of a breakdown.

    Parameters
    ----------
    rows
        Which of ``breakdown.groups``, ascending; as many at a time as `api.breakdown.pieces` says.
    option
        Whose share; empty: the mean.
    """
    drawn = draws_of(loaded, breakdown, rows, period=period)
    if option:
        return of_share(loaded, option_of(drawn, loaded.question, option))
    scores = scores_of(loaded.question)
    is_number = MEAN in drawn
    variance = variances_of(loaded, breakdown, rows, period=period) if is_number else _of_scores(drawn, scores)
    # Of options that count the same nothing varies, neither answers nor their mean.
    return Measured(means_of(drawn, scores), np.maximum(variance, np.finfo(np.float64).tiny))


def of_share(loaded: LoadedRelease, areas: AreaDraws) -> Measured:
    """Draws of a share of a release, with what one report tells of it where reports are turned back."""
    misreport = loaded.misreport
    return Measured(areas, None if misreport is None else misreport.answer_variance(areas))


def option_of(drawn: Drawn, question: Question, option: str) -> AreaDraws:
    """Draws of the share of one option."""
    if question.kind != "binary":
        return drawn[option]
    return complement(drawn[SHARE]) if is_complement(option, question) else drawn[SHARE]


def _of_scores(drawn: Drawn, scores: tuple[float, ...]) -> Floats:
    # About the middle of the scale, so that no two large numbers are subtracted from each other.
    middle = (min(scores) + max(scores)) / 2
    away = [score - middle for score in scores]
    mean, square = (means_of(drawn, [one**power for one in away]).draws for power in (1, 2))
    return np.asarray((square - mean**2).mean(axis=0))
