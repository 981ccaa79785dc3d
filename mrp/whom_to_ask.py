r"""Whom to ask next: how much narrower intervals would become with further interviews, by group.

Someone drawn at random from a group gives an answer y with the mean p: the group's shares of all options but one, or
its mean. For an estimate theta, with all expectations over the draws of the fit at hand, linear Bayes gives for the
mean of m such answers

    E[Var(theta | answers)] = Var(theta) - c' (Var(p) + E[Var(y | p)] / m)^-1 c,        c = Cov(p, theta)

which for m = 1 and two options is exact: an answer has two values, so that what it tells is linear in it. For more it
is what the best linear rule attains, at least. Nothing is fitted again, and nobody has to be asked to know it. Of
shares, Var(y | p) is diag(p) - p p'; of numbers it is told (`mrp.numeric.poststratification.answer_variances`).

A covariance of S draws is never quite zero: what the rule would gain where there is none, on average
trace((...)^-1 Var(p)) Var(theta) / S, is taken off, so that many groups that tell nothing do not look as if some did.

References
----------
Raiffa and Schlaifer (1961), Applied Statistical Decision Theory, chapter 5: preposterior analysis.
Goldstein and Wooff (2007), Bayes Linear Statistics.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.errors import DrawsError
from mrp.poststratification import AreaDraws
from mrp.summary import effective_draws

__all__ = ["OPTION", "Narrowing", "expected_narrowing", "expected_narrowing_of_options"]

type Floats = NDArray[np.float64]

OPTION = "option"
"""Column of the targets that says whose share is estimated, where there are several options."""


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What interviews in each group would do to each estimate."""

    groups: pl.DataFrame
    """Who could be asked, in the order of the rows below."""
    targets: pl.DataFrame
    """What is to be known better, in the order of the columns below."""
    n: float
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

    def with_error(self, sd: Floats) -> "Narrowing":
        """The same of intervals with an error that interviews do not narrow, such as the one that polls share.

        Interviews take as much off the variance as before, and the error keeps its own.

        Parameters
        ----------
        sd
            Standard deviation of each estimate with the error, shape (target,). One that is smaller than without it,
            as draws of a small error can have, is taken for as large.
        """
        before = np.maximum(sd, self.sd_before)
        gained = np.square(self.sd_before) - np.square(self.sd_after)
        return replace(self, sd_before=before, sd_after=np.sqrt(np.maximum(np.square(before) - gained, 0.0)))

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


def expected_narrowing(
    targets: AreaDraws, groups: AreaDraws, *, n: float, answer_variance: Floats | None = None
) -> Narrowing:
    """Expected standard deviations of estimates after ``n`` further interviews in each group by itself.

    Parameters
    ----------
    targets
        Estimates that are to become narrower; of shares, means, or differences, of one fit.
    groups
        Shares of the groups that could be asked, of the same fit and option; or their means.
    n
        Interviews, >= 1, of people drawn at random from the group. Of weighted ones, so many as they are worth.
    answer_variance
        Of means: variance of one answer among the people of each group, shape (group,).

    Raises
    ------
    DrawsError
        If the two are of different fits, ``n`` is no number of interviews, or means have no variance of an answer.
    """
    p = groups.draws
    if groups.kind == "mean":
        if answer_variance is None or answer_variance.shape != (p.shape[1],):
            raise DrawsError("of means answer_variance is needed, one for each group; see answer_variances")
        noise = answer_variance
    else:
        noise = (p * (1 - p)).mean(axis=0)
    return _narrowing(
        targets, groups, table=targets.areas, theta=targets.draws, p=p[:, :, None], noise=noise[:, None, None], n=n
    )


def expected_narrowing_of_options(
    targets: Mapping[str, AreaDraws], groups: Mapping[str, AreaDraws], *, n: float
) -> Narrowing:
    """The same of the shares of several options, whose answers are looked at together.

    Parameters
    ----------
    targets
        Option -> shares that are to become narrower. The targets of the answer have the column ``option``: all areas of
        the first, then all of the second ...
    groups
        Option -> shares of the groups, of all options: joint draws, which sum to one.

    Raises
    ------
    DrawsError
        As `expected_narrowing`.
    """
    of_options = list(groups.values())
    p = np.stack([one.draws for one in of_options[:-1]], axis=2)  # the last is what is left of one
    mean = p.mean(axis=0)
    noise = np.einsum("gk,kl->gkl", mean, np.eye(p.shape[2])) - np.einsum("sgk,sgl->gkl", p, p) / len(p)
    table = pl.concat(one.areas.with_columns(pl.lit(option).alias(OPTION)) for option, one in targets.items())
    theta = np.concatenate([one.draws for one in targets.values()], axis=1)
    return _narrowing(next(iter(targets.values())), of_options[0], table=table, theta=theta, p=p, noise=noise, n=n)


def _narrowing(
    target: AreaDraws,
    group: AreaDraws,
    *,
    table: pl.DataFrame,
    theta: Floats,
    p: Floats,
    noise: Floats,
    n: float,
) -> Narrowing:
    """The rule of the module, for every group and target.

    Parameters
    ----------
    target, group
        Whose fit and kind of draws they are of.
    table, theta
        The targets, and their draws, shape (draw, target).
    p
        Mean answers, shape (draw, group, part).
    noise
        Variance of one answer, shape (group, part, part).
    """
    if n < 1:
        raise DrawsError(f"n is {n:g}; it must be a number of interviews from 1 on")
    if len(theta) != len(p) or target.fit != group.fit:
        raise DrawsError("targets and groups are of different fits: their draws do not belong together")
    p, theta = p - p.mean(axis=0), theta - theta.mean(axis=0)
    var_theta = np.square(theta).mean(axis=0)
    var_p = np.einsum("sgk,sgl->gkl", p, p) / len(p)
    # An option that stands nowhere in a group tells nothing there: what it adds to the matrix has no inverse.
    inverse = np.linalg.pinv(var_p + noise / n, hermitian=True)
    covariance = np.einsum("sgk,st->gkt", p, theta, optimize=True) / len(p)
    gained = np.einsum("gkt,gkl,glt->gt", covariance, inverse, covariance, optimize=True)
    n_draws = effective_draws(theta, n_chains=target.n_chains, points=target.points)
    by_chance = np.einsum("gkl,gkl->g", inverse, var_p)[:, None] * var_theta / n_draws
    gained = np.clip(gained - by_chance, 0, var_theta)
    return Narrowing(group.areas, table, n, np.sqrt(var_theta), np.sqrt(var_theta - gained))
