r"""Do two fits of one model agree within their Monte-Carlo error?

For each estimate, with mean m, standard deviation s and effective draws n of either fit, N the reference:

    D = (m - m_N) / s_N,          se_D^2 = 1 / n_N + (s / s_N)^2 / n
    R = log(s / s_N),             se_R^2 = 1 / (2 n) + 1 / (2 n_N)
    Q = (q_p - q_p,N) / s_N,      se_Q^2 = p (1 - p) / phi(z_p)^2 (1 / n_p + 1 / n_p,N),      p = 0.05, 0.95

where n_p counts effective draws of the indicator "below the quantile" and phi(z_p) is the normal density there. Two
exact samplers with thousands of draws nearly always break bare limits somewhere among dozens of estimates, so every
limit is widened by 3.5 standard errors, and the typical error of the means is judged after its own noise is taken off:

    sqrt(max(0, mean(D^2 - se_D^2))) <= 0.05
    |D| <= 0.1 + 3.5 se_D,      |R| <= 0.05 + 3.5 se_R,      |Q| <= 0.15 + 3.5 se_Q
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mrp.errors import ShapeMismatch
from mrp.poststratify import AreaDraws
from mrp.summary import effective_draws

__all__ = ["Agreement", "Moments", "agreement", "moments"]

type Floats = NDArray[np.float64]

TAILS = (0.05, 0.95)
_WIDER = 3.5
_TYPICAL, _MEAN, _LOG_SD, _QUANTILE = 0.05, 0.1, 0.05, 0.15


@dataclass(frozen=True, slots=True)
class Moments:
    """What is compared of each estimate: small enough to be stored for a reference fit."""

    mean: Floats
    """Shape (estimate,), like the others unless said otherwise."""
    sd: Floats
    quantile: Floats
    """At `TAILS`, shape (2, estimate)."""
    effective: Floats
    """Effective draws of the mean."""
    effective_tail: Floats
    """Effective draws of the indicators below each quantile, shape (2, estimate)."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two fits are apart, and whether that is more than chance and the limits allow."""

    typical: float
    """Typical difference of means in posterior sds, its Monte-Carlo noise taken off."""
    worst_mean: float
    """Largest |D|."""
    worst_log_sd: float
    worst_quantile: float
    problems: tuple[str, ...]
    """Every limit that is broken, in words; empty if they agree."""

    @property
    def agrees(self) -> bool:
        return not self.problems


def moments(*estimates: AreaDraws) -> Moments:
    """Summarise the estimates of one fit for comparison.

    Parameters
    ----------
    estimates
        Draws for any areas and groups; all their columns are compared.
    """
    parts = [_moments(one) for one in estimates]
    fields = ("mean", "sd", "quantile", "effective", "effective_tail")
    return Moments(*(np.concatenate([getattr(part, field) for part in parts], axis=-1) for field in fields))


def agreement(fit: Moments, reference: Moments) -> Agreement:
    """Compare a fit with a reference.

    Parameters
    ----------
    fit, reference
        Of the same estimates in the same order.

    Raises
    ------
    ShapeMismatch
        If they are of different numbers of estimates.
    """
    if fit.mean.shape != reference.mean.shape:
        raise ShapeMismatch("fit", f"{reference.mean.shape} like the reference", fit.mean.shape)
    ratio = fit.sd / reference.sd
    d = (fit.mean - reference.mean) / reference.sd
    se_d = np.sqrt(1 / reference.effective + ratio**2 / fit.effective)
    r = np.log(ratio)
    se_r = np.sqrt(0.5 / fit.effective + 0.5 / reference.effective)
    q = (fit.quantile - reference.quantile) / reference.sd
    p = np.array(TAILS)[:, None]
    at_tail = np.sqrt(p * (1 - p)) / stats.norm.pdf(stats.norm.ppf(p))
    se_q = at_tail * np.sqrt(1 / fit.effective_tail + 1 / reference.effective_tail)
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
                f"the {name} of estimate {at % fit.mean.size} differs by {value.flat[at]:.3f}, "
                f"limit {limit} and 3.5 Monte-Carlo errors: {allowed.flat[at]:.3f}"
            )
    return Agreement(
        typical=typical,
        worst_mean=float(np.abs(d).max()),
        worst_log_sd=float(np.abs(r).max()),
        worst_quantile=float(np.abs(q).max()),
        problems=tuple(problems),
    )


def _moments(estimate: AreaDraws) -> Moments:
    draws = estimate.draws
    quantile = np.quantile(draws, TAILS, axis=0)
    return Moments(
        mean=draws.mean(axis=0),
        sd=draws.std(axis=0),
        quantile=quantile,
        effective=_effective(draws, estimate),
        effective_tail=np.stack([_effective((draws <= one).astype(np.float64), estimate) for one in quantile]),
    )


def _effective(draws: Floats, estimate: AreaDraws) -> Floats:
    return effective_draws(draws, n_chains=estimate.n_chains, points=estimate.points)
