r"""Whom to ask next: how much narrower intervals would become with further interviews, by group.

Someone drawn at random from a group answers yes with the probability p, the group's share. For an estimate theta, with
all expectations over the draws of the fit at hand, linear Bayes gives for the mean of m such answers

    E[Var(theta | answers)] = Var(theta) - Cov(theta, p)^2 / (Var(p) + E[p (1 - p)] / m),

which for m = 1 is exact: an answer has two values, so that what it tells is linear in it. For more it is what the best
linear rule attains, at least. Nothing is fitted again, and nobody has to be asked to know it.

A covariance of S draws is never quite zero: of its square Var(theta) Var(p) / S, its expectation where there is none,
is taken off, so that many groups that tell nothing do not look as if some did.

References
----------
Raiffa and Schlaifer (1961), Applied Statistical Decision Theory, chapter 5: preposterior analysis.
Goldstein and Wooff (2007), Bayes Linear Statistics.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.errors import DrawsError
from mrp.poststratification import AreaDraws
from mrp.summary import effective_draws

__all__ = ["Narrowing", "expected_narrowing"]

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What interviews in each group would do to each estimate."""

    groups: pl.DataFrame
    """Who could be asked, in the order of the rows below."""
    targets: pl.DataFrame
    """What is to be known better, in the order of the columns below."""
    n: int
    """Interviews in the one group."""
    sd_before: Floats
    """Posterior standard deviation of each estimate now, shape (target,)."""
    sd_after: Floats
    """Expected root mean square of it with the interviews, shape (group, target)."""

    @property
    def narrower(self) -> Floats:
        """Part of its width that an interval loses, in [0, 1], shape (group, target)."""
        before = np.where(self.sd_before > 0, self.sd_before, 1.0)
        return np.where(self.sd_before > 0, 1 - self.sd_after / before, 0.0)

    def ranked(self) -> pl.DataFrame:
        """Groups by the mean over the targets of what their intervals lose, most first.

        Columns of the groups, then ``narrower`` (the mean), ``most`` (of one target) and ``target`` (which one).
        """
        lost = self.narrower
        labels = [" / ".join(map(str, row)) for row in self.targets.drop("n_people").iter_rows()]
        best = lost.argmax(axis=1)
        return self.groups.with_columns(
            narrower=pl.Series(lost.mean(axis=1)),
            most=pl.Series(lost.max(axis=1)),
            target=pl.Series([labels[i] for i in best]),
        ).sort("narrower", descending=True, maintain_order=True)


def expected_narrowing(targets: AreaDraws, groups: AreaDraws, *, n: int) -> Narrowing:
    """Expected standard deviations of estimates after ``n`` further interviews in each group by itself.

    Parameters
    ----------
    targets
        Estimates that are to become narrower; of shares, or differences, of one fit.
    groups
        Shares of the groups that could be asked, of the same fit and option.
    n
        Interviews, >= 1, of people drawn at random from the group.

    Raises
    ------
    DrawsError
        If the two are of different fits, or ``n`` is no number of interviews.
    """
    if n < 1:
        raise DrawsError(f"n is {n}; it must be a number of interviews from 1 on")
    if targets.draws.shape[0] != groups.draws.shape[0] or targets.fit != groups.fit:
        raise DrawsError("targets and groups are of different fits: their draws do not belong together")
    p, theta = groups.draws, targets.draws
    noise = (p * (1 - p)).mean(axis=0)
    p, theta = p - p.mean(axis=0), theta - theta.mean(axis=0)
    var_p, var_theta = np.square(p).mean(axis=0), np.square(theta).mean(axis=0)
    covariance = p.T @ theta / len(p)
    n_draws = effective_draws(targets.draws, n_chains=targets.n_chains, points=targets.points)
    square = np.maximum(covariance**2 - var_p[:, None] * var_theta / n_draws, 0)
    gained = np.minimum(square / (var_p + noise / n)[:, None], var_theta)
    return Narrowing(groups.areas, targets.areas, n, np.sqrt(var_theta), np.sqrt(var_theta - gained))
