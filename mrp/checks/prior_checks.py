r"""What the priors say by themselves, and where the interviews contradict them.

*Prior predictive.* National and district shares under the prior alone. Priors that are meant to say little can say
much: Normal(0, 10) on the logit scale puts a share below 5% or above 95% three times out of four. Named are priors that
do so, that let districts differ beyond anything ever seen, or that fix the nation before anybody was asked; and the
share among the interviews where it is far outside of what the priors expect (Box 1980). Of several options each is
looked at; a small share is nothing strange there, and only the upper end is extreme. Of numbers the unit of the model
is the measure: two of its scales from the centre are the ends of a declared range, as 0 and 1 are those of a share.

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
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrp.checks.concerns import Concern, worst_first
from mrp.checks.free_parameters import FreeParameter, common_draws, free_parameters
from mrp.checks.prior_draws import prior_draws
from mrp.electorate import Electorate
from mrp.grouping import Grouping
from mrp.heed import Heed, nobody
from mrp.latents import LatentDraws
from mrp.numeric.design import NumericDesign
from mrp.numeric.unit import Unit
from mrp.outcomes.baselines import stands_in
from mrp.outcomes.designs import AnyDesign, draws_many, estimands
from mrp.priors import Priors

__all__ = ["PriorConflict", "PriorPredictive", "prior_concerns", "prior_conflicts", "prior_predictive"]

EXTREME = 0.05
"""Shares of a nation below this, or above one minus this, are extreme."""
MOST_EXTREME, MOST_SPREAD, LEAST_WIDTH = 0.2, 0.3, 0.1
"""Named: so much probability of extreme national shares, such a standard deviation between districts (median over
draws), a 90% interval of the national share that is narrower than this."""
SURPRISING, CONFLICTING = 0.01, 0.005
_N_DRAWS, _LEAST_DRAWS = 1000, 400
# Of all cells, options and draws: ten seconds' work. Of more cells fewer draws, and quantiles a little rougher.
_MOST_NUMBERS = 600_000_000


@dataclass(frozen=True, slots=True)
class PriorPredictive:
    """Shares, or means, before anybody was asked."""

    nation: Mapping[str, float]
    """Quantiles of the national share, by probability; of an option that stands in some districts, of theirs."""
    extreme: float
    """Probability of an extreme national share; of several options of one above one minus `EXTREME`, of a mean of one
    beyond two scales of the unit."""
    spread: Mapping[str, float]
    """Quantiles of the standard deviation of shares between districts; empty if there is one."""
    districts: tuple[tuple[str, float, float, float], ...]
    """District, and the 5%, 50% and 95% quantiles of its share."""
    surprise: float | None
    """Probability under the prior of a national share as far out as that of the interviews, two-sided; None if not
    asked."""
    option: str | None = None
    """Of several."""
    unit: Unit | None = None
    """Of a mean."""
    everywhere: bool = True
    """Whether the option stands in every district."""

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes."""
        told = {
            "nation": dict(self.nation),
            "extreme": self.extreme,
            "spread": dict(self.spread),
            "districts": list(self.districts),
            "surprise": self.surprise,
        }
        return told | ({} if self.option is None else {"option": self.option})

    @property
    def whole(self) -> float:
        """What a share of one is: of means four scales of the unit, the width of a declared range."""
        return 1.0 if self.unit is None else 4 * self.unit.scale


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
    design: AnyDesign,
    electorate: Electorate,
    priors: Priors,
    *,
    seed: int,
    observed: Mapping[str, float] | None = None,
    heed: Heed = nobody,
) -> dict[str, PriorPredictive]:
    """Draw national and district shares, or means, from the prior; of many cells and options with fewer draws.

    Parameters
    ----------
    observed
        Shares among the interviews, in [0, 1], by what is estimated, to compare with; they may be rounded or perturbed.
        Of an option that stands in some districts, among those that were asked there.
    heed
        Called now and then; see `mrp.heed`.

    Returns
    -------
    dict
        By the names of `mrp.outcomes.designs.estimands`.
    """
    size = electorate.frame.height * len(estimands(design))
    n_draws = max(_LEAST_DRAWS, min(_N_DRAWS, _MOST_NUMBERS // size))
    latents = prior_draws(design, priors, n=n_draws, seed=seed)
    by = (Grouping(), Grouping(by=(electorate.district,)))
    nations, every = draws_many(latents, design, electorate, by, heed=heed)
    codes = every.areas[electorate.district].to_list()
    unit = design.require_unit() if isinstance(design, NumericDesign) else None
    several = len(estimands(design)) > 1
    found = {}
    for name in estimands(design):
        share, districts = nations.of(name).draws[:, 0], every.of(name).draws
        stands = stands_in(design, electorate, name)
        names = [code for code, here in zip(codes, stands, strict=True) if here]
        districts = districts[:, stands]
        if not stands.all():
            people = every.areas["n_people"].to_numpy()[stands]
            share = districts @ (people / people.sum())
        low, middle, high = np.quantile(districts, (0.05, 0.5, 0.95), axis=0)
        extreme = share > 1 - EXTREME
        if unit is not None:
            extreme = np.abs(share - unit.centre) > 2 * unit.scale
        elif not several:
            extreme |= share < EXTREME
        found[name] = PriorPredictive(
            nation=_quantiles(share),
            extreme=float(np.mean(extreme)),
            spread=_quantiles(districts.std(axis=1)) if len(names) > 1 else {},
            districts=tuple(
                (str(code), round(float(a), 4), round(float(b), 4), round(float(c), 4))
                for code, a, b, c in zip(names, low, middle, high, strict=True)
            ),
            surprise=_surprise(share, observed[name]) if observed and name in observed else None,
            option=name if several else None,
            unit=unit,
            everywhere=bool(stands.all()),
        )
    return found


def prior_conflicts(latents: LatentDraws, design: AnyDesign, priors: Priors) -> tuple[PriorConflict, ...]:
    """Every prior of a mean or a standard deviation beside the posterior, in the order of the model's terms.

    Of an effect of several options it is the coordinates that are compared, which have the standard deviation.
    """
    terms: dict[str, list[FreeParameter]] = {}
    for parameter in free_parameters(latents, design, priors):
        terms.setdefault(parameter.term, []).append(parameter)
    found = [_of_normal(term, parameters) for term, parameters in terms.items() if term != "log_width"]
    common = common_draws(latents, design)
    for effect, offset in zip(design.common.effects, design.common.offsets, strict=True):
        scale = priors.for_sd(effect.term)
        effects = common[:, offset : offset + effect.size]
        by_column = effects.reshape(len(effects), effect.n_groups, -1, effects.shape[2])
        # Of few effects the root mean square is uncertain, which its mean over draws has in it.
        size = float(np.sqrt((by_column**2).mean(axis=(1, 3))).mean(axis=0).max())
        distance = size / scale.scale
        found.append(PriorConflict(effect.term, str(scale), distance, math.erfc(distance / math.sqrt(2))))
    if "log_width" in terms:
        found.append(_of_normal("log_width", terms["log_width"]))
    if isinstance(design, NumericDesign):
        distance = float(latents.draws[:, -1].mean()) / priors.residual.scale
        found.append(PriorConflict("residual", str(priors.residual), distance, math.erfc(distance / math.sqrt(2))))
    return tuple(found)


def prior_concerns(
    predictive: Mapping[str, PriorPredictive], conflicts: tuple[PriorConflict, ...]
) -> tuple[Concern, ...]:
    """Put into words what is wrong with the priors; of several options that which is worst of each fault."""
    found = [_conflict(one) for one in conflicts if one.chance < CONFLICTING]
    said: dict[str, list[Concern]] = {}
    for one in predictive.values():
        for advice, concern in _of_predictive(one).items():
            said.setdefault(advice, []).append(concern)
    if sum(one.extreme for one in predictive.values()) <= MOST_EXTREME:
        said.pop("extreme", None)
    return worst_first([*found, *(max(of, key=lambda one: one.size) for of in said.values())])


def _of_predictive(one: PriorPredictive) -> dict[str, Concern]:
    low, high = one.nation["0.05"], one.nation["0.95"]
    low_told, high_told = _told(low, one), _told(high, one)
    what = "share" if one.unit is None else "mean"
    kind = "national" if one.everywhere else "local (where the option stands)"
    found = {}
    if one.surprise is not None and one.surprise < SURPRISING:
        sentence = (
            f"The interviews contradict the priors: these expect a {kind} {what} between {low_told} and "
            f"{high_told}, and the {what} among the interviews is far outside."
        )
        found["surprise"] = _concern(one, 1 - one.surprise, 6.0, sentence, "look at the prior of the intercept")
    if one.extreme > (MOST_EXTREME if one.option is None else 0):
        ends = f"below {_percent(EXTREME)} or above {_percent(1 - EXTREME)}"
        if one.option is not None:
            ends = f"above {_percent(1 - EXTREME)}"
        if one.unit is not None:
            ends = " or ".join(
                f"{side} {_number(one.unit.centre + sign * 2 * one.unit.scale)}"
                for side, sign in (("below", -1), ("above", 1))
            )
        sentence = (
            f"Before anybody was asked the priors expect a {kind} {what} {ends} with probability {one.extreme:.0%}."
        )
        found["extreme"] = _concern(one, one.extreme, 1.0, sentence, "narrow the prior of the intercept")
    if one.spread and one.spread["0.5"] > MOST_SPREAD * one.whole:
        spread = one.spread["0.5"]
        told = f"{round(100 * spread)} points" if one.unit is None else _number(spread)
        sentence = (
            f"Before anybody was asked the priors expect {what}s of districts to differ by {told} (standard "
            "deviation), more than is ever seen."
        )
        advice = "narrow the priors of predictors and of the district"
        found["spread"] = _concern(one, spread / one.whole, 1.0, sentence, advice)
    if high - low < LEAST_WIDTH * one.whole and not (one.option is not None and high < LEAST_WIDTH):
        sentence = f"Before anybody was asked the priors fix the {kind} {what} between {low_told} and {high_told}."
        found["width"] = _concern(one, (high - low) / one.whole, 2.0, sentence, "widen the prior of the intercept")
    return found


def _of_normal(term: str, parameters: list[FreeParameter]) -> PriorConflict:
    prior = parameters[0].prior
    away = [np.abs(one.draws.mean(axis=0) - prior.mean) / prior.sd for one in parameters]
    distances = np.concatenate(away)
    distance = float(distances.max())
    chance = math.erfc(distance / math.sqrt(2)) * len(distances)
    return PriorConflict(term, str(prior), distance, min(1.0, chance))


def _surprise(share: NDArray[np.float64], observed: float) -> float:
    below = (np.sum(share < observed) + 0.5 * np.sum(share == observed) + 0.5) / (len(share) + 1)
    return float(min(1.0, 2 * min(below, 1 - below)))


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


def _concern(one: PriorPredictive, size: float, strength: float, sentence: str, advice: str) -> Concern:
    told = sentence if one.option is None else f"{one.option}: {sentence}"
    return Concern("prior-conflict", "notable", (), (), round(size, 3), strength, told, advice)


def _quantiles(values: Any) -> dict[str, float]:
    return {str(q): round(float(np.quantile(values, q)), 4) for q in (0.05, 0.25, 0.5, 0.75, 0.95)}


def _told(value: float, one: PriorPredictive) -> str:
    return _percent(value) if one.unit is None else _number(value)


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _number(value: float) -> str:
    return f"{float(f'{value:.3g}'):,g}"
