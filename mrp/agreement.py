r"""Do two fits of one model agree within their Monte-Carlo error?

For each estimate, with mean m, standard deviation s, quantiles q_p and their Monte-Carlo errors se, N the reference:

    D = (m - m_N) / s_N,          se_D^2 = (se(m)^2 + se(m_N)^2) / s_N^2
    R = log(s / s_N),             se_R^2 = (se(s) / s)^2 + (se(s_N) / s_N)^2
    Q = (q_p - q_p,N) / s_N,      se_Q^2 = (se(q_p)^2 + se(q_p,N)^2) / s_N^2,      p = 0.05, 0.95

Each error is from the effective draws of what is averaged: the draws, their squared deviations (chains that avoid each
other estimate a mean better and a standard deviation worse than independent draws do), the indicators "below q_p". Two
exact samplers with thousands of draws nearly always break bare limits somewhere among dozens of estimates, so every
limit is widened by 3.5 standard errors, and the typical error of the means is judged after its own noise is taken off:

    sqrt(max(0, mean(D^2 - se_D^2))) <= 0.05
    |D| <= 0.1 + 3.5 se_D,      |R| <= 0.05 + 3.5 se_R,      |Q| <= 0.15 + 3.5 se_Q

A reference that is itself not known settles nothing: `reference_quality` asks for R-hat <= 1.005 and effective draws of
every estimate, so many that its own error is small beside these limits.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.errors import ScoreError
from mrp.poststratification import AreaDraws
from mrp.summary import effective_draws

__all__ = ["Agreement", "Moments", "ReferenceQuality", "agreement", "differences", "moments", "reference_quality"]

type Floats = NDArray[np.float64]

TAILS = (0.05, 0.95)
_WIDER = 3.5
_TYPICAL, _MEAN, _LOG_SD, _QUANTILE = 0.05, 0.1, 0.05, 0.15
_MAX_R_HAT = 1.005
# Errors of means of 0.022 sds: half of the strictest limit. A fit keeps 4,000 draws, so that more cannot be asked.
_MIN_EFFECTIVE = 2000


@dataclass(frozen=True, slots=True)
class Moments:
    """What is compared of each estimate, with Monte-Carlo errors: small enough to be stored for a reference fit."""

    names: tuple[str, ...]
    """Of the estimates, such as "state AL" or "period 2024-W22, age 65+"."""
    mean: Floats
    """Shape (estimate,), like the others unless said otherwise; all on the scale of shares."""
    mean_error: Floats
    sd: Floats
    sd_error: Floats
    quantile: Floats
    """At `TAILS`, shape (2, estimate)."""
    quantile_error: Floats
    """Shape (2, estimate)."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two fits are apart, and whether that is more than chance and the limits allow."""

    typical: float
    """Typical difference of means in posterior sds, its Monte-Carlo noise taken off."""
    typical_by_chance: float
    """What it may be by chance where the limit is just kept and all estimates move together: of few estimates, or of
    many that share most of their error, the noise is taken off no better than that."""
    worst_mean: float
    """Largest |D| ..."""
    worst_mean_of: str
    """... and of which estimate; so for the others."""
    worst_log_sd: float
    worst_log_sd_of: str
    worst_quantile: float
    worst_quantile_of: str
    problems: tuple[str, ...]
    """Every limit that is broken, in words; empty if they agree."""

    @property
    def agrees(self) -> bool:
        return not self.problems

    @property
    def may_be_chance(self) -> bool:
        """Whether only the typical difference is over its limit, by no more than its own noise explains."""
        return len(self.problems) == 1 and _TYPICAL < self.typical <= self.typical_by_chance


@dataclass(frozen=True, slots=True)
class ReferenceQuality:
    """How well the estimates of a fit by NUTS are known."""

    r_hat: float
    """Largest split R-hat of any estimate ..."""
    r_hat_of: str
    """... and of which."""
    effective: float
    """Smallest number of effective draws."""
    effective_of: str
    problems: tuple[str, ...]
    """Why it is no reference, in words; empty if it is one."""


def reference_quality(*estimates: AreaDraws) -> ReferenceQuality:
    """Judge whether the estimates of a fit by NUTS are known well enough to compare another fit with.

    R-hat is that of Gelman et al. (2013), "Bayesian Data Analysis", section 11.4, of chains split in halves: shares are
    bounded, so that ranks add nothing to it.
    """
    names = [name for one in estimates for name in _names(one.areas)]
    r_hat = np.concatenate([_split_r_hat(one) for one in estimates])
    effective = np.concatenate([_effective(one.draws, one) for one in estimates])
    # `nan_to_num`: what is not finite is the worst there is.
    high, low = int(np.argmax(np.nan_to_num(r_hat, nan=np.inf))), int(np.argmin(np.nan_to_num(effective, nan=-1.0)))
    problems = []
    if not r_hat[high] <= _MAX_R_HAT:
        problems.append(f"R-hat of {names[high]} is {r_hat[high]:.4f}, limit {_MAX_R_HAT}")
    if not effective[low] >= _MIN_EFFECTIVE:
        problems.append(f"{names[low]} has {effective[low]:,.0f} effective draws, need {_MIN_EFFECTIVE:,}")
    return ReferenceQuality(float(r_hat[high]), names[high], float(effective[low]), names[low], tuple(problems))


def moments(*estimates: AreaDraws) -> Moments:
    """Summarise the estimates of one fit for comparison.

    Parameters
    ----------
    estimates
        Draws for any areas and groups; all their columns are compared.
    """
    parts = [_moments(one) for one in estimates]
    names = tuple(name for one in estimates for name in _names(one.areas))
    return Moments(names, *(np.concatenate(of_parts, axis=-1) for of_parts in zip(*parts, strict=True)))


def differences(one: Moments, reference: Moments) -> dict[str, list[float]]:
    """How far two fits are apart in every estimate: ``difference`` (D) and ``log_sd_ratio`` (R).

    Both are relative to the reference's uncertainty, so that no estimate can be read from them, of however few people
    it is. A value that ``json.dumps`` takes; 0 where an estimate does not vary.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = (one.mean - reference.mean) / reference.sd, np.log(one.sd / reference.sd)
    difference, ratio = (np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).round(4).tolist() for values in apart)
    return {"difference": difference, "log_sd_ratio": ratio}


def agreement(fit: Moments, reference: Moments) -> Agreement:
    """Compare a fit with a reference.

    Parameters
    ----------
    fit, reference
        Of the same estimates in the same order.

    Raises
    ------
    ScoreError
        If they are not.
    """
    if fit.names != reference.names:
        only = sorted(set(fit.names) ^ set(reference.names))
        example = f", e.g. only one of them has {only[0]!r}" if only else " in another order"
        raise ScoreError(
            f"the fit has {len(fit.names)} estimates and the reference {len(reference.names)}{example}; "
            "ask both the same questions"
        )
    scale = reference.sd
    d = (fit.mean - reference.mean) / scale
    se_d = np.hypot(fit.mean_error, reference.mean_error) / scale
    r = np.log(fit.sd / scale)
    se_r = np.hypot(fit.sd_error / fit.sd, reference.sd_error / scale)
    q = (fit.quantile - reference.quantile) / scale
    se_q = np.hypot(fit.quantile_error, reference.quantile_error) / scale
    typical = float(np.sqrt(max(0.0, np.mean(d**2 - se_d**2))))
    problems = []
    # `not all (<=)` rather than `any (>)`: NaN has to fail.
    if not typical <= _TYPICAL:
        problems.append(f"means differ by typically {typical:.3f} posterior sds, limit {_TYPICAL}")
    for name, value, error, limit in (
        ("mean", d, se_d, _MEAN),
        ("log sd", r, se_r, _LOG_SD),
        ("5% or 95% quantile", q, se_q, _QUANTILE),
    ):
        allowed = limit + _WIDER * error
        if not (np.abs(value) <= allowed).all():
            at = int(np.argmax(np.nan_to_num(np.abs(value) - allowed, nan=np.inf)))
            problems.append(
                f"the {name} of {fit.names[at % d.size]} differs by {value.flat[at]:.3f}, "
                f"limit {limit} and 3.5 Monte-Carlo errors: {allowed.flat[at]:.3f}"
            )
    return Agreement(
        typical=typical,
        # D^2 has the variance 2 se^4; averaged over estimates that move together it keeps it.
        typical_by_chance=float(np.sqrt(_TYPICAL**2 + _WIDER * np.sqrt(2) * np.mean(se_d**2))),
        worst_mean=float(np.abs(d).max()),
        worst_mean_of=fit.names[int(np.argmax(np.abs(d)))],
        worst_log_sd=float(np.abs(r).max()),
        worst_log_sd_of=fit.names[int(np.argmax(np.abs(r)))],
        worst_quantile=float(np.abs(q).max()),
        worst_quantile_of=fit.names[int(np.argmax(np.abs(q).max(axis=0)))],
        problems=tuple(problems),
    )


def _names(areas: pl.DataFrame) -> list[str]:
    by = [column for column in areas.columns if column != "n_people"]
    if not by:
        return ["all"]
    return [", ".join(f"{column} {level}" for column, level in zip(by, row, strict=True)) for row in areas[by].rows()]


def _moments(estimate: AreaDraws) -> tuple[Floats, ...]:
    """The fields of `Moments` after the names."""
    draws = estimate.draws
    mean, sd = draws.mean(axis=0), draws.std(axis=0)
    squares = (draws - mean) ** 2
    quantiles, errors = [], []
    for p in TAILS:
        at = np.quantile(draws, p, axis=0)
        error = np.sqrt(p * (1 - p) / _effective((draws <= at).astype(np.float64), estimate))
        # Half the distance between the quantiles one standard error of the probability below and above.
        low, high = (
            np.array([np.quantile(column, level) for column, level in zip(draws.T, levels, strict=True)])
            for levels in (np.maximum(p - error, 0), np.minimum(p + error, 1))
        )
        quantiles.append(at)
        errors.append((high - low) / 2)
    return (
        mean,
        sd / np.sqrt(_effective(draws, estimate)),
        sd,
        # se(s) = se(s^2) / 2 s
        squares.std(axis=0) / np.sqrt(_effective(squares, estimate)) / (2 * sd),
        np.stack(quantiles),
        np.stack(errors),
    )


def _split_r_hat(estimate: AreaDraws) -> Floats:
    """Shape (estimate,); NaN of chains too short to tell."""
    chains = estimate.draws.reshape(estimate.n_chains, -1, estimate.draws.shape[1])
    half = chains.shape[1] // 2
    if half < 2:
        return np.full(estimate.draws.shape[1], np.nan)
    split = np.concatenate([chains[:, :half], chains[:, -half:]])
    within = split.var(axis=1, ddof=1).mean(axis=0)
    between = split.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.sqrt((half - 1) / half + between / within))


def _effective(draws: Floats, estimate: AreaDraws) -> Floats:
    return effective_draws(draws, n_chains=estimate.n_chains, points=estimate.points)
