r"""What the priors say by themselves, and where the interviews contradict them.

*Prior predictive.* National and district shares under the prior alone. Priors that are meant to say little can say
much: Normal(0, 10) on the logit scale puts a share below 5% or above 95% three times out of four. Named are priors that
do so, that let districts differ beyond anything ever seen, or that fix the nation before anybody was asked; and the
share among the interviews where it is far outside of what the priors expect (Box 1980).

*Conflict.* Each prior beside what the posterior made of it: for a Normal(m, s) the distance of the posterior mean in
units of ``s``, for a HalfNormal(s) the root mean square of the term's effects in units of ``s``. Far out in the tail of
its prior a parameter is where the interviews pushed it against resistance, and the resistance tells. A prior so narrow
that they did not move it at all is seen in its misfit (`mrp.checks.misfit`).

References
----------
Gabry, Simpson, Vehtari, Betancourt and Gelman (2019), "Visualization in Bayesian workflow", JRSS A 182, 389-402.
Box (1980), "Sampling and Bayes' inference in scientific modelling and robustness", JRSS A 143(4), 383-430.
Evans and Moshonov (2006), "Checking for prior-data conflict", Bayesian Analysis 1(4), 893-914.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mrp.checks.concerns import Concern, worst_first
from mrp.checks.prior_draws import prior_draws
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.poststratification import area_draws_many
from mrp.priors import Priors

__all__ = ["PriorConflict", "PriorPredictive", "prior_concerns", "prior_conflicts", "prior_predictive"]

EXTREME = 0.05
"""Shares of a nation below this, or above one minus this, are extreme."""
MOST_EXTREME, MOST_SPREAD, LEAST_WIDTH = 0.2, 0.3, 0.1
"""Named: so much probability of extreme national shares, such a standard deviation between districts (median over
draws), a 90% interval of the national share that is narrower than this."""
SURPRISING, CONFLICTING = 0.01, 0.005
_N_DRAWS = 1000


@dataclass(frozen=True, slots=True)
class PriorPredictive:
    """Shares before anybody was asked."""

    nation: Mapping[str, float]
    """Quantiles of the national share, by probability."""
    extreme: float
    """Probability of a national share below `EXTREME` or above one minus it."""
    spread: Mapping[str, float]
    """Quantiles of the standard deviation of shares between districts; empty if there is one."""
    districts: tuple[tuple[str, float, float, float], ...]
    """District, and the 5%, 50% and 95% quantiles of its share."""
    surprise: float | None
    """Probability under the prior of a national share as far out as that of the interviews, two-sided; None if not
    asked."""

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes."""
        return asdict(self) | {
            "nation": dict(self.nation),
            "spread": dict(self.spread),
            "districts": list(self.districts),
        }


@dataclass(frozen=True, slots=True)
class PriorConflict:
    """A prior beside what the posterior made of its parameter."""

    term: str
    prior: str
    distance: float
    """Of the posterior from the middle of the prior, in units of the prior's scale."""
    chance: float
    """Probability under the prior of being as far out, or farther."""


def prior_predictive(
    design: Design, electorate: Electorate, priors: Priors, *, seed: int, observed: float | None = None
) -> PriorPredictive:
    """Draw national and district shares from the prior.

    Parameters
    ----------
    observed
        Share among the interviews, in [0, 1], to compare with; it may be a rounded or perturbed one.
    """
    latents = prior_draws(design, priors, n=_N_DRAWS, seed=seed)
    by = (Grouping(), Grouping(by=(electorate.district,)))
    nation, districts = area_draws_many(latents, design, electorate, by)
    share = nation.draws[:, 0]
    low, middle, high = np.quantile(districts.draws, (0.05, 0.5, 0.95), axis=0)
    names = districts.areas[electorate.district].to_list()
    surprise = None
    if observed is not None:
        below = (np.sum(share < observed) + 0.5 * np.sum(share == observed) + 0.5) / (_N_DRAWS + 1)
        surprise = float(min(1.0, 2 * min(below, 1 - below)))
    return PriorPredictive(
        nation=_quantiles(share),
        extreme=float(np.mean((share < EXTREME) | (share > 1 - EXTREME))),
        spread=_quantiles(districts.draws.std(axis=1)) if len(names) > 1 else {},
        districts=tuple(
            (str(name), round(float(a), 4), round(float(b), 4), round(float(c), 4))
            for name, a, b, c in zip(names, low, middle, high, strict=True)
        ),
        surprise=surprise,
    )


def prior_conflicts(latents: LatentDraws, design: Design, priors: Priors) -> tuple[PriorConflict, ...]:
    """Every prior of a mean or a standard deviation beside the posterior, in the order of the model's terms."""
    means = latents.draws.mean(axis=0).astype(np.float64)
    found = [_of_normal("intercept", priors.intercept.mean, priors.intercept.sd, means[:1], str(priors.intercept))]
    at = 1
    for predictor in design.predictors:
        prior, width = priors.for_predictor(predictor.name), len(predictor.coefficients)
        found.append(_of_normal(predictor.name, prior.mean, prior.sd, means[at : at + width], str(prior)))
        at += width
    for effect, offset in zip(design.effects, design.offsets, strict=True):
        scale = priors.for_sd(effect.term)
        effects = latents.draws[:, offset : offset + effect.size].astype(np.float64)
        by_column = effects.reshape(len(effects), effect.n_groups, -1)
        # Of few effects the root mean square is uncertain, which its mean over draws has in it.
        size = float(np.sqrt((by_column**2).mean(axis=1)).mean(axis=0).max())
        distance = size / scale.scale
        found.append(PriorConflict(effect.term, str(scale), distance, math.erfc(distance / math.sqrt(2))))
    return tuple(found)


def prior_concerns(predictive: PriorPredictive, conflicts: tuple[PriorConflict, ...]) -> tuple[Concern, ...]:
    """Put into words what is wrong with the priors."""
    found = [_conflict(one) for one in conflicts if one.chance < CONFLICTING]
    low, high = predictive.nation["0.05"], predictive.nation["0.95"]
    if predictive.surprise is not None and predictive.surprise < SURPRISING:
        sentence = (
            f"The interviews contradict the priors: these expect a national share between {_percent(low)} and "
            f"{_percent(high)}, and the share among the interviews is far outside."
        )
        found.append(_concern((), 1 - predictive.surprise, 6.0, sentence, "look at the prior of the intercept"))
    if predictive.extreme > MOST_EXTREME:
        sentence = (
            f"Before anybody was asked the priors expect a national share below {_percent(EXTREME)} or above "
            f"{_percent(1 - EXTREME)} with probability {predictive.extreme:.0%}."
        )
        found.append(_concern((), predictive.extreme, 1.0, sentence, "narrow the prior of the intercept"))
    if predictive.spread and predictive.spread["0.5"] > MOST_SPREAD:
        sentence = (
            f"Before anybody was asked the priors expect shares of districts to differ by {_points(predictive)}, "
            "more than is ever seen."
        )
        found.append(
            _concern((), predictive.spread["0.5"], 1.0, sentence, "narrow the priors of predictors and of the district")
        )
    if high - low < LEAST_WIDTH:
        sentence = (
            f"Before anybody was asked the priors fix the national share between {_percent(low)} and {_percent(high)}."
        )
        found.append(_concern((), high - low, 2.0, sentence, "widen the prior of the intercept"))
    return worst_first(found)


def _of_normal(term: str, mean: float, sd: float, values: Any, prior: str) -> PriorConflict:
    distance = float(np.abs((values - mean) / sd).max())
    chance = math.erfc(distance / math.sqrt(2)) * len(values)
    return PriorConflict(term, prior, distance, min(1.0, chance))


def _conflict(one: PriorConflict) -> Concern:
    sentence = (
        f"The prior {one.prior} of {one.term} and the interviews disagree: they put it {one.distance:.1f} of its "
        "scales out, and it pulls back."
    )
    strength = min(40.0, -math.log10(max(one.chance, 1e-40)))
    return Concern(
        kind="prior-conflict",
        severity="grave" if one.chance < 1e-4 else "notable",
        columns=(one.term,),
        levels=(),
        size=round(one.distance, 1),
        strength=float(round(strength)),
        sentence=sentence,
        advice=f"widen the prior of {one.term}, or find out why the interviews say otherwise",
    )


def _concern(columns: tuple[str, ...], size: float, strength: float, sentence: str, advice: str) -> Concern:
    return Concern("prior-conflict", "notable", columns, (), round(size, 3), strength, sentence, advice)


def _quantiles(values: Any) -> dict[str, float]:
    return {str(q): round(float(np.quantile(values, q)), 4) for q in (0.05, 0.25, 0.5, 0.75, 0.95)}


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _points(predictive: PriorPredictive) -> str:
    return f"{round(100 * predictive.spread['0.5'])} points (standard deviation)"
