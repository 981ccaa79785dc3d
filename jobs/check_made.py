"""The checks of a release that need no other fit: what may be told of each, and what is wrong."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jobs.check_ask import LEFT_OUT, PREDICTIVE, PRIORS, SENSITIVITY
from jobs.check_shown import ShownCounts, Told, told_misfits
from mrp.categorical.counts import count_name
from mrp.categorical.design import CategoricalDesign
from mrp.checks.concerns import Concern, house_concerns, misfit_concerns, worst_first
from mrp.checks.estimate_scores import EstimateScore, estimate_scores
from mrp.checks.left_out import CAUTION, MAX_K, leave_cells_out
from mrp.checks.margins import margins_of
from mrp.checks.misfit import judge_margins
from mrp.checks.of_means import SLOPE, predictive_of_means, size_in_unit
from mrp.checks.of_options import predictive_of_options
from mrp.checks.predictive import GroupCheck, MarginCheck, posterior_predictive
from mrp.checks.prior_checks import prior_concerns, prior_conflicts, prior_predictive
from mrp.checks.sensitivity import SENSITIVE, parameter_space, sensitivity, sensitivity_concerns
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.heed import Heed, nobody
from mrp.latents import LatentDraws
from mrp.numeric.design import NumericDesign
from mrp.ordinal.design import OrdinalDesign
from mrp.outcomes import SHARE, AnyDesign
from mrp.priors import Priors
from polling.disclosure import DisclosureRules
from polling.store.columns import Json
from polling.store.records import ReleaseRecord

__all__ = ["CHECKS", "CheckedRelease", "Made", "not_alone"]

type Made = tuple[dict[str, Json], tuple[Concern, ...]]
"""What may be told of a check, and what is wrong, the worst first."""


@dataclass(frozen=True)
class CheckedRelease:
    """A release with what its fit was made of."""

    release: ReleaseRecord
    electorate: Electorate
    fitted: AnyDesign
    priors: Priors
    latents: LatentDraws
    hypers: NDArray[np.float32] | None
    """Natural values of the parameters of the prior at every draw; None of a fit that kept none."""
    counts: pl.DataFrame
    """By the columns that were stored, and by pollster and period where the waves are still the ones that were fitted.
    Special-category data."""
    stored: tuple[str, ...]
    """Columns of the counts that were stored with the fit."""
    seed: int
    """Of the fit, and of what is drawn here."""
    rules: DisclosureRules
    key: bytes
    """The installation's disclosure key."""
    partners: tuple[str, ...] = ()
    """Questions that were fitted together with this one."""
    heed: Heed = nobody
    """What a check calls between parts of its work: it raises what stops the check."""

    @property
    def design(self) -> Design:
        """Of a binary question the design; of another what it has in common with that."""
        return self.fitted.common

    @cached_property
    def by_estimand(self) -> dict[str, ShownCounts]:
        """The counts of every share that is estimated as they may be told; of a mean none are.

        Of an option they are those of the places where it can be chosen, which is whom it is predicted of.
        """
        if isinstance(self.fitted, Design):
            return {SHARE: self.shown}
        if isinstance(self.fitted, NumericDesign):
            return {}
        stands = self.fitted.stands(self.counts)
        return {
            option: replace(self.shown, answer=count_name(option), counts=self.counts.filter(pl.Series(stands[:, k])))
            for k, option in enumerate(self.fitted.options)
        }

    @cached_property
    def shown(self) -> ShownCounts:
        """The counts as they may be told."""
        return ShownCounts(
            counts=self.counts,
            stored=self.stored,
            electorate=self.electorate,
            survey=self.release.survey_id,
            question=self.release.question_id,
            key=self.key,
            rules=self.rules,
            heed=self.heed,
        )


def check_predictive(checked: CheckedRelease) -> Made:
    """Posterior predictive checks by every margin."""
    if isinstance(checked.fitted, CategoricalDesign | OrdinalDesign):
        return _check_options(checked, checked.fitted)
    if isinstance(checked.fitted, NumericDesign):
        return _check_means(checked, checked.fitted)
    design, electorate, shown = checked.design, checked.electorate, checked.shown
    margins = margins_of(electorate, checked.counts)
    found = posterior_predictive(checked.latents, design, electorate, checked.counts, margins, heed=checked.heed)
    told = {one.margin.columns: shown.of(one.margin.columns) for one in found}
    # What is judged is what may be told.
    seen = [MarginCheck(one.margin, _told_groups(one.groups, told[one.margin.columns])) for one in found]
    misfits = judge_margins(seen, design, least=0)
    share = float(np.clip(next((g.predicted for one in found[:1] for g in one.groups), 0.5), 0.01, 0.99))
    slope = share * (1 - share)
    names = dict(electorate.districts.select("code", "name").iter_rows())
    concerns = (*misfit_concerns(misfits, design, names=names), *house_concerns(checked.latents, design, slope=slope))
    return told_misfits(misfits, told, rules=checked.rules), worst_first(concerns)


def _check_options(checked: CheckedRelease, design: CategoricalDesign | OrdinalDesign) -> Made:
    """Posterior predictive checks of every option by every margin."""
    margins = margins_of(checked.electorate, checked.counts)
    found = predictive_of_options(
        checked.latents, design, checked.electorate, checked.counts, margins, heed=checked.heed
    )
    names = dict(checked.electorate.districts.select("code", "name").iter_rows())
    content: dict[str, Any] = {}
    concerns: list[Concern] = []
    every = checked.by_estimand
    for option, of_margins in found.items():
        shown = every[option]
        told = {one.margin.columns: shown.of(one.margin.columns) for one in of_margins}
        seen = [MarginCheck(one.margin, _told_groups(one.groups, told[one.margin.columns])) for one in of_margins]
        misfits = judge_margins(seen, design.common, least=0, n_shares=len(found))
        own: Any = told_misfits(misfits, told, rules=checked.rules)
        own["margins"] = [{"option": option, **margin} for margin in own["margins"]]
        content = own | {"margins": [*content.get("margins", ()), *own["margins"]]}
        concerns += [
            replace(one, sentence=f"{option}: {one.sentence}")
            for one in misfit_concerns(misfits, design.common, names=names)
        ]
    return content, worst_first(concerns)


def _check_means(checked: CheckedRelease, design: NumericDesign) -> Made:
    """Posterior predictive checks of the mean by every margin.

    Means have no noise of disclosure control, so that none is told: of each margin whether it fits, and in concerns how
    far the worst groups are off, in few steps.
    """
    margins = margins_of(checked.electorate, checked.counts)
    found = predictive_of_means(checked.latents, design, checked.electorate, checked.counts, margins, heed=checked.heed)
    large = {one.margin.columns: checked.shown.large_enough(one.margin.columns) for one in found}
    seen = [
        MarginCheck(one.margin, tuple(group for group in one.groups if group.levels in large[one.margin.columns]))
        for one in found
    ]
    misfits = judge_margins(seen, design.common, least=0)
    content: Any = told_misfits(misfits, dict.fromkeys(large), rules=checked.rules)
    names = dict(checked.electorate.districts.select("code", "name").iter_rows())
    size = partial(size_in_unit, design=design)
    concerns = misfit_concerns(misfits, design.common, names=names, size=size)
    houses = house_concerns(checked.latents, design.common, slope=SLOPE, size=size)
    return content, worst_first((*concerns, *houses))


def check_left_out(checked: CheckedRelease) -> Made:
    """The score of the model by leaving cells out, and beside it those of its estimates: sums over many cells."""
    left_out = leave_cells_out(checked.latents, checked.fitted, checked.electorate, checked.counts, heed=checked.heed)
    scores = estimate_scores(left_out, checked.electorate, least=checked.rules.min_interviews, heed=checked.heed)
    whole = next(iter(left_out.values()))  # the score of the model is that of all answers
    return _of_means(checked) | {
        "caution": CAUTION,
        "elpd": round(whole.total, 1),
        "se": round(whole.se, 1),
        "n_parameters": round(whole.n_parameters, 1),
        "max_k": MAX_K,
        "share_above_max_k": round(whole.share_bad, 3),
        "estimates": [_told_score(checked, one) for one in scores],
    }, ()


def _told_score(checked: CheckedRelease, one: EstimateScore) -> Json:
    # How many areas are large enough is a threshold on exact counts.
    level: dict[str, Json] = {"level": one.level} if one.option is None else {"option": one.option, "level": one.level}
    if isinstance(checked.fitted, NumericDesign):
        # The bias of the nation beside its estimate would be the mean of the interviews, which has no noise.
        return level | {name: float(f"{getattr(one, name):.2g}") for name in ("error", "noise", "crps")}
    return level | {name: round(getattr(one, name), 4) for name in ("error", "noise", "crps", "bias")}


def check_priors(checked: CheckedRelease) -> Made:
    """What the priors say by themselves, and where the interviews contradict them."""
    everybody = {name: shown.of(()).get(()) for name, shown in checked.by_estimand.items()}
    predictive = prior_predictive(
        checked.fitted,
        checked.electorate,
        checked.priors,
        seed=checked.seed,
        observed={name: told[1] for name, told in everybody.items() if told is not None},
        heed=checked.heed,
    )
    conflicts = prior_conflicts(checked.latents, checked.fitted, checked.priors)
    first, *others = (one.to_json() for one in predictive.values())
    told: dict[str, Json] = {"options": [first, *others]} if others else {"predictive": first}
    content: dict[str, Json] = (
        _of_means(checked)
        | told
        | {
            "conflicts": [
                asdict(one) | {"distance": round(one.distance, 2), "chance": round(one.chance, 6)} for one in conflicts
            ],
        }
    )
    return content, prior_concerns(predictive, conflicts)


def check_sensitivity(checked: CheckedRelease) -> Made:
    """What would change with the priors, or with more and fewer interviews."""
    wanted = parameter_space(checked.fitted, checked.priors).size
    if checked.hypers is None or checked.hypers.shape[1] != wanted:
        return {"skipped": "Draws of the parameters of the priors are not kept of this fit."}, ()
    found = sensitivity(
        checked.latents,
        checked.fitted,
        checked.electorate,
        checked.counts,
        priors=checked.priors,
        hypers=checked.hypers,
        heed=checked.heed,
    )
    return {"sensitive_from": SENSITIVE, "quantities": [one.to_json() for one in found]}, sensitivity_concerns(found)


def _of_means(checked: CheckedRelease) -> dict[str, Json]:
    """That the numbers of a check are in the unit of the answers, if they are."""
    return {"of": "means"} if isinstance(checked.fitted, NumericDesign) else {}


CHECKS: Mapping[str, Callable[[CheckedRelease], Made]] = {
    PREDICTIVE: check_predictive,
    LEFT_OUT: check_left_out,
    PRIORS: check_priors,
    SENSITIVITY: check_sensitivity,
}
"""Kind -> how it is made."""


def not_alone(checked: CheckedRelease) -> Made | None:
    """What is kept of a check that fits again, if the release is of a joint fit: nothing is compared with it fairly."""
    if not checked.partners:
        return None
    names = ", ".join(checked.partners)
    return {"skipped": f"This check fits the question by itself, and the release was fitted together with {names}."}, ()


def _told_groups(groups: tuple[GroupCheck, ...], told: Told) -> tuple[GroupCheck, ...]:
    return tuple(one for one in groups if one.levels in told)
