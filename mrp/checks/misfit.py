r"""Many comparisons judged at once, so that an honest fit is seldom called a bad one.

Each margin is tested twice. With the residual of a group ``r[g] = z[g] sd[g]`` and weights ``1 / sd[g]^2``, what the
margin's own parts explain is taken out first: the mean over groups of one column (everybody is a margin of its own),
of two columns an additive effect of each (which are margins of their own). What is left, standardised by its leverage,

    q[g] = rest[g] / (sd[g] sqrt(1 - h[g])),      Q = sum_g rest[g]^2 / sd[g]^2 ~ chi^2(groups - rank),

gives the worst group, its p value times the number of groups, and the spread of all. P values of posterior predictive
checks are conservative, those of margins that have a term of their own in the model so much that they hardly ever fall
below 0.2: these get a tenth of the weight of others, and each p value is multiplied by 2 times the sum of weights over
its own (weighted Bonferroni, weights fixed before the data are seen). If the model is right, the chance that any is
below `FALSE_ALARM` is at most that; tests measure it.

What is certain need not matter: with 60,000 interviews half a point is far outside chance. A misfit counts from
`SMALLEST` on.

References
----------
Genovese, Roeder and Wasserman (2006), "False discovery control with p-value weighting", Biometrika 93: weights.
Bayarri and Berger (2000), "P values for composite null models", JASA 95, 1127-1142: why they are conservative.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from mrp.checks.predictive import GroupCheck, MarginCheck
from mrp.design import Design
from mrp.formula import parse_formula

__all__ = ["FALSE_ALARM", "SMALLEST", "GroupMisfit", "MarginMisfit", "judge_margins"]

FALSE_ALARM = 0.03
"""Chance that a check of a fit of the right model names any misfit, at most."""
SMALLEST = 0.01
"""The smallest misfit that counts, as a share: one point."""

_MODELLED_WEIGHT = 0.1

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GroupMisfit:
    """A group that is off."""

    group: GroupCheck
    difference: float
    """Observed minus predicted share, beyond what the margin's parts explain."""
    z: float
    """The same, standardised."""
    sd: float
    """Its standard deviation if the model is right."""
    log_chance: float
    """Natural logarithm of its p value, corrected for all tests; at most 0."""


@dataclass(frozen=True, slots=True)
class MarginMisfit:
    """The judgement on one margin."""

    check: MarginCheck
    log_chance: float
    """Natural logarithm of the smaller p value of its two tests, corrected for all tests; at most 0."""
    log_chance_spread: float
    """That of all groups together, uncorrected."""
    typical: float
    """Typical distance of groups from the prediction beyond noise, as a share: a root mean square, >= 0."""
    covered: float
    """Share of groups whose observed share is in the predictive interval."""
    worst: tuple[GroupMisfit, ...]
    """The groups that are off, the worst first; empty where none is by itself."""

    @property
    def is_misfit(self) -> bool:
        """Whether the model does not describe this margin: far outside chance, and large enough to matter."""
        size = max((abs(one.difference) for one in self.worst), default=self.typical)
        return self.log_chance < math.log(FALSE_ALARM) and max(size, self.typical) >= SMALLEST


def judge_margins(
    checks: Sequence[MarginCheck], design: Design, *, least: int = 30, n_shares: int = 1
) -> tuple[MarginMisfit, ...]:
    """Judge the margins of a fit.

    Parameters
    ----------
    checks
        What `mrp.checks.predictive.posterior_predictive` found.
    design
        Of the fit: which margins have a term of their own.
    least
        Groups with fewer interviews are not looked at: little can be said of them, and nothing may be told.
    n_shares
        How many shares are judged by themselves, such as those of the options of a question.

    Returns
    -------
    tuple
        One judgement per margin with a group that is looked at, in the order of ``checks``.
    """
    kept = [MarginCheck(one.margin, tuple(g for g in one.groups if g.n >= least)) for one in checks]
    kept = [one for one in kept if one.groups]
    own = {frozenset(), *(frozenset(term.names) for term in parse_formula(design.formula).terms)}
    weights = [_MODELLED_WEIGHT if frozenset(one.margin.columns) in own else 1.0 for one in kept]
    return tuple(
        _judge(one, n_tests=2 * n_shares * sum(weights) / weight) for one, weight in zip(kept, weights, strict=True)
    )


def _judge(check: MarginCheck, *, n_tests: float) -> MarginMisfit:
    from scipy.stats import chi2  # slow to import, and a worker is to be ready soon

    groups = check.groups
    sd = np.array([max(g.sd, 1e-12) for g in groups])
    n = np.array([float(g.n) for g in groups])
    residual = np.array([g.z for g in groups]) * sd
    rest, leverage, rank = _rest(check, residual, sd)
    free = np.sqrt(np.maximum(1 - leverage, 0.0))
    judged = free > 1e-6  # a group that is alone at its level is explained by it
    z = np.divide(rest, sd * free, out=np.zeros_like(rest), where=judged)
    n_judged, freedom = int(judged.sum()), len(groups) - rank
    single = np.minimum(math.log(2) + log_ndtr(-np.abs(z)) + math.log(max(n_judged, 1) * n_tests), 0.0)
    spread = float(chi2.logsf(float(((rest / sd) ** 2).sum()), freedom)) if freedom > 0 else 0.0
    excess = n @ (rest**2 - sd**2 * (1 - leverage)) / n.sum()
    worst = [
        GroupMisfit(groups[g], float(rest[g]), float(z[g]), float(sd[g] * free[g]), float(single[g]))
        for g in np.argsort(single, kind="stable")
        if single[g] < math.log(FALSE_ALARM) and abs(rest[g]) >= SMALLEST
    ]
    return MarginMisfit(
        check=check,
        log_chance=min(float(single.min()), spread + math.log(n_tests), 0.0),
        log_chance_spread=spread,
        typical=math.sqrt(max(float(excess), 0.0)),
        covered=float(np.mean([g.low <= g.observed <= g.high for g in groups])),
        worst=tuple(worst),
    )


def _rest(check: MarginCheck, residual: Floats, sd: Floats) -> tuple[Floats, Floats, int]:
    """What is left of residuals after the margin's parts; leverages; and how many parameters those took."""
    columns = check.margin.columns
    if not columns:
        return residual, np.zeros(1), 0
    parts = [np.ones((len(residual), 1))]
    if len(columns) > 1:
        parts = [_dummies([group.levels[k] for group in check.groups]) for k in range(len(columns))]
    x = np.hstack(parts) / sd[:, None]
    u, size, _ = np.linalg.svd(x, full_matrices=False)
    u = u[:, size > 1e-9 * size.max()]
    scaled = residual / sd
    return (scaled - u @ (u.T @ scaled)) * sd, np.minimum((u**2).sum(axis=1), 1.0), u.shape[1]


def _dummies(levels: list[str]) -> Floats:
    known = sorted(set(levels))
    return np.array([[float(level == one) for one in known] for level in levels])
