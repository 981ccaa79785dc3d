r"""What people did, from what they report: reports that are wrong at known rates, turned back.

Of those who did it the share ``sensitivity`` says so, of the others the share ``specificity`` says that they did not.
In every draw ``s`` and any group ``g``

    reported[s, g] = sensitivity true[s, g] + (1 - specificity) (1 - true[s, g])
    true[s, g]     = (reported[s, g] - (1 - specificity)) / (sensitivity + specificity - 1)

(Rogan and Gladen 1978). The rates are the same in all cells, so that the equation of the cells is that of every sum of
them, of voters, districts and frames too: the shares of a group are turned back, and no cell's. True shares then add up
as reported ones do, and what is cut is cut as late as it can be.

The model is of reports, and does not know that they lie between 1 - specificity and sensitivity. A draw of a small
group may lie outside; what it says of the truth is below 0 or above 1, and is put there. That takes no truth out of an
interval, since no truth is outside, and moves the mean of such a group inwards; `cut` is how many draws it befell. The
alternative, a likelihood in which the true option is latent (Gelman and Carpenter 2020), keeps every draw possible, and
needs a link that neither engine has: it would be another fit of the same interviews, of which reports and truth could
not be told beside each other draw by draw.

The rates are taken as they are declared: an error of theirs is in no interval.

References
----------
Rogan and Gladen (1978), "Estimating prevalence from the results of a screening test", American Journal of Epidemiology
107(1), 71-76.
Gelman and Carpenter (2020), "Bayesian analysis of tests with unknown specificity and sensitivity", Journal of the Royal
Statistical Society C 69(5), 1269-1283.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mrp.errors import DrawsError, FrameError
from mrp.poststratification import AreaDraws

__all__ = ["LEAST", "Misreport", "cut"]

type Floats = NDArray[np.float64]

LEAST = 1e-6
"""Part of a cell that belongs to a population at least: an area in which nobody did has no mean among them."""


@dataclass(frozen=True, slots=True)
class Misreport:
    """How often reports of what somebody did are right.

    Raises
    ------
    FrameError
        If a rate is impossible, or reports that are wrong as often as right would say nothing.
    """

    sensitivity: float
    """Share of those who did it who report it, in (0, 1]."""
    specificity: float
    """Share of the others who report that they did not, in (0, 1]."""

    def __post_init__(self) -> None:
        for name, rate in (("sensitivity", self.sensitivity), ("specificity", self.specificity)):
            if not 0 < rate <= 1:
                raise FrameError(f"{name} is {rate:g}; it must be above 0 and at most 1")
        if self.slope <= 0:
            raise FrameError(
                f"a report with sensitivity {self.sensitivity:g} and specificity {self.specificity:g} says nothing of "
                "what was; their sum must be above 1"
            )

    @property
    def slope(self) -> float:
        """By how much the reported share grows with the true one, in (0, 1]."""
        return self.sensitivity + self.specificity - 1

    @property
    def is_none(self) -> bool:
        """Whether every report is right."""
        return self.sensitivity == self.specificity == 1

    def reported(self, true: float) -> float:
        """The share who report that they did what the share ``true`` did."""
        return self.sensitivity * true + (1 - self.specificity) * (1 - true)

    def true_shares(self, reported: AreaDraws) -> AreaDraws:
        """Draws of the shares who did it, from those who report it.

        Parameters
        ----------
        reported
            Draws of the share of the option that is reported, of any areas.

        Returns
        -------
        AreaDraws
            Of the same areas, draw for draw, in [0, 1]; exactly 0 or 1 where a draw was put there.

        Raises
        ------
        DrawsError
            If the draws are of means.

        Examples
        --------
        Of a group 41% say that they did it, of whom 90% would, and 2% of the others: (0.41 - 0.02) / 0.88 = 44.3% did.
        """
        if reported.kind != "share":
            raise DrawsError("the draws are of means, and only shares of who did something are reported wrongly")
        # The draws of an area lie next to each other in memory, as summaries read them.
        return replace(reported, draws=self.turned_back(reported.draws.T).T)

    def turned_back(self, reported: Floats) -> Floats:
        """Shares of groups that did it, in [0, 1], from those that report it; of any shape."""
        return np.clip((reported - (1 - self.specificity)) / self.slope, 0, 1)

    def true_cells(self, reported: NDArray[np.float32]) -> NDArray[np.float32]:
        """Shares of cells that did it, from those that report it, in place: weights of people, not below `LEAST`.

        A cell cannot count with fewer than nobody, nor with more than everybody. What is cut here is in no sum of
        cells any more: a district whose total is known has a little more, or less, of those who belong.
        """
        reported -= np.float32(1 - self.specificity)
        reported /= np.float32(self.slope)
        return np.clip(reported, np.float32(LEAST), np.float32(1), out=reported)

    def answer_variance(self, true: AreaDraws) -> Floats:
        """What one report tells of the truth, as a variance: p (1 - p) / slope^2 of the mean reported share p.

        Returns
        -------
        numpy.ndarray
            Shape (area,), > 0; 1 / (4 slope^2) at most.
        """
        p = self.sensitivity * true.draws.mean(axis=0) + (1 - self.specificity) * (1 - true.draws.mean(axis=0))
        return np.maximum(p * (1 - p), np.finfo(np.float64).tiny) / self.slope**2


def cut(true: AreaDraws) -> Floats:
    """Share of the draws of each area that were put at 0 or 1, shape (area,)."""
    return np.asarray(((true.draws <= 0) | (true.draws >= 1)).mean(axis=0))
