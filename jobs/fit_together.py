"""Fit a question together with its partners: of the joint fit every part comes back, and what they share in words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from jobs.fit_request import FitRequest
from jobs.labels import formula_labels
from mrp.adjusted import Along, Totals
from mrp.counts import observed_levels
from mrp.errors import FrameError
from mrp.joint import JointDesign, JointFit, build_joint_design, fit_joint
from mrp.joint.priors import describe_priors, joint_priors
from mrp.periods import natural_order
from mrp.priors import Priors, parse_priors
from mrp.progress import Progress

if TYPE_CHECKING:
    from mrp.fit import FittedModel

__all__ = ["JointModel", "Together", "fit_together", "joint_model", "priors_between"]

_ENDS = (0.05, 0.95)


@dataclass(frozen=True, slots=True)
class JointModel:
    """What a question and its partners are fitted with."""

    design: JointDesign
    priors: dict[str, Priors]
    counts: dict[str, pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Together:
    """The part of one question of a joint fit."""

    fitted: "FittedModel"
    told: dict[str, Any]
    """Of what it shares with its partners."""
    along: Along | None
    """The partner whose known totals move it, if there is one."""


def joint_model(request: FitRequest) -> JointModel:
    """The model of a request with partners.

    Questions are in the order of their ids, whichever of them is asked for: the same interviews and seed give all of
    them the same draws.

    Raises
    ------
    MrpError
        If the model cannot be built.
    """
    of = {request.question: request} | {one.id: one for one in request.partners}
    together = {name: of[name] for name in sorted(of)}
    observed: dict[str, list[str]] = {}
    for one in together.values():
        for column, levels in observed_levels(one.counts).items():
            observed.setdefault(column, []).extend(levels)
    ordered = {column: natural_order(dict.fromkeys(levels)) for column, levels in observed.items()}
    formulas = {name: one.formula for name, one in together.items()}
    # A label that is left to one question is that of a partner without interviews, or of nobody.
    labels = [label for formula in formulas.values() for label in formula_labels(formula)]
    design = build_joint_design(formulas, request.electorate, observed=ordered, alone=labels)
    priors = joint_priors({name: parse_priors(one.priors) for name, one in together.items()}, design)
    return JointModel(design, priors, {name: one.counts for name, one in together.items()})


def fit_together(
    request: FitRequest, model: JointModel, on_progress: Callable[[Progress], None]
) -> dict[str, Together]:
    """Every question's part of the joint fit, by id; without partners that cannot move as they are declared to.

    Raises
    ------
    MrpError
        If the model cannot be fitted, or the question that was asked for cannot move.
    """
    fit = fit_joint(
        model.design,
        request.electorate,
        model.counts,
        model.priors,
        engine=request.engine,
        seed=request.seed,
        nuts=request.nuts,
        laplace=request.laplace,
        on_progress=on_progress,
    )
    told = _told(fit)
    adjusted = {request.question: request.adjustments} | {one.id: one.adjustments for one in request.partners}
    parts = {}
    for name in model.counts:
        try:
            along = _along(fit, name, adjusted[name].totals)
        except FrameError:
            if name == request.question:
                raise
            continue  # which its own refit says
        parts[name] = Together(fit.of(name), told, along)
    return parts


def priors_between(model: JointModel) -> dict[str, str]:
    """Priors of the correlations, in words."""
    words = describe_priors(model.priors, model.design)
    return {f"correlations of {shared.term}": words[shared.term] for shared in model.design.shared}


def _along(fit: JointFit, question: str, totals: Totals | None) -> Along | None:
    """How a question moves with the partner whose totals are known."""
    if totals is None or totals.question == question:
        return None
    for shared in fit.design.shared:
        effects = {effect.term: effect for effect in fit.design.designs[question].effects}
        by = [factor.name for factor in effects[shared.term].factors]
        if {question, totals.question} <= set(shared.questions) and by == [totals.by]:
            others = [one for one in shared.questions if one != totals.question]
            slope = fit.slopes(shared.label, known=(totals.question,))[:, others.index(question), 0]
            known = fit.of(totals.question)
            return Along(known.latents, known.design, slope)
    raise FrameError(
        f"{question} and {totals.question} share no effects of {totals.by}, by which the one could move with "
        f"the other; write (1|p|{totals.by}) in both formulas"
    )


def _told(fit: JointFit) -> dict[str, Any]:
    """Posterior mean and 90% interval of the correlation of every two questions that share a term."""
    found = []
    for shared in fit.design.shared:
        draws = fit.correlations(shared.label)
        for j, other in enumerate(shared.questions):
            for i, one in enumerate(shared.questions[:j]):
                mean = float(draws[:, i, j].mean())
                low, high = (float(end) for end in np.quantile(draws[:, i, j], _ENDS))
                sentence = (
                    f"the effects {shared.term} on {one} and {other} have a correlation of {mean:.2f} "
                    f"(90% interval {low:.2f} to {high:.2f})"
                )
                numbers = {"mean": round(mean, 4), "low": round(low, 4), "high": round(high, 4)}
                found.append({"term": shared.term, "questions": [one, other], **numbers, "sentence": sentence})
    return {"questions": list(fit.design.questions), "correlations": found}
