"""What is scored beside each other: the estimates of a fit, and what simpler methods make of the same interviews.

The last result of the options of a categorical question are columns of their own (``[questions.<id>.columns.<name>]``,
which ``[backtest] last_result`` names). Options that share a column have a result together: what it was of each by
itself is not known, and uniform swing divides what the joint one becomes as all interviews are divided.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jobs.backtest_score import Estimates
from jobs.outcomes import counts_of_option
from mrp.baselines import Baseline, last_result, uniform_swing
from mrp.categorical.poststratification import OptionDraws
from mrp.electorate import Electorate
from mrp.option_baselines import divided_swing
from mrp.outcomes import AnyDesign, estimands, simple_methods, stands_in
from mrp.priors import parse_priors
from polling.declaration import LastResult, Question

__all__ = ["JOINT", "Methods", "baselines_of", "estimated_names", "model_estimates"]

JOINT = ("predictors_alone",)
"""Simple methods whose draws of several options belong together."""


@dataclass(frozen=True, slots=True)
class Methods:
    """What simpler methods say."""

    estimates: Mapping[str, Estimates]
    """By method, then by option."""
    absent: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By option, then by method: why it says nothing."""

    def of(self, option: str) -> dict[str, Baseline]:
        """What every method says of an option, in their order."""
        return {name: of[option] for name, of in self.estimates.items() if option in of}


def estimated_names(question: Question, design: AnyDesign) -> dict[str, str]:
    """What the estimates of a question are called -> its name in the design: options, or the mean of numbers."""
    names = estimands(design)
    if len(names) == 1 and question.options:
        return {question.options[0]: names[0]}
    return {name: name for name in names}


def model_estimates(drawn: OptionDraws, design: AnyDesign, electorate: Electorate, question: Question) -> Estimates:
    """The fit's own estimates by district, in the form in which all methods are scored: where an option stands."""
    codes = tuple(drawn.areas[electorate.district])
    found = {}
    for option, name in estimated_names(question, design).items():
        draws = drawn.of(name).draws
        whole = Baseline(codes, draws.mean(axis=0), draws)
        found[option] = whole.at(_codes(electorate, stands_in(design, electorate, name)))
    return found


def baselines_of(
    counts: pl.DataFrame, electorate: Electorate, design: AnyDesign, question: Question, declared: LastResult | None
) -> Methods:
    """What simpler methods make of the same interviews.

    Parameters
    ----------
    counts
        As the question's outcome collapses interviews, by the district at least.
    design
        Of the model that is scored; its district predictors, and of options their own columns, are those of
        ``predictors_alone``.
    declared
        The last result, where one is declared.

    Raises
    ------
    ScoreError
        If a last result is no share.
    """
    names = estimated_names(question, design)
    found: dict[str, dict[str, Baseline]] = {
        method: {option: of[name] for option, name in names.items()}
        for method, of in simple_methods(counts, electorate, design, parse_priors(question.priors)).items()
    }
    if declared is None:
        return Methods(found)
    before: dict[str, dict[str, Baseline]] = {"last_result": {}, "uniform_swing": {}}
    absent = {}
    for option, name in names.items():
        stands = stands_in(design, electorate, name)
        own, why = _last_results(option, counts, electorate, question=question, declared=declared, stands=stands)
        for method, baseline in own.items():
            before[method][option] = baseline
        if why:
            absent[option] = why
    return Methods(found | {method: of for method, of in before.items() if of}, absent)


def _last_results(
    option: str,
    counts: pl.DataFrame,
    electorate: Electorate,
    *,
    question: Question,
    declared: LastResult,
    stands: NDArray[np.bool_],
) -> tuple[dict[str, Baseline], dict[str, str]]:
    """What the last result says of an option, and why it does not."""
    if question.kind == "numeric":
        why = f"A last result is a share, and question {question.id} is answered with a number."
        return {}, dict.fromkeys(("last_result", "uniform_swing"), why)
    columns = question.own_columns.get(declared.predictor)
    if columns is None and option != question.options[0]:
        why = (
            f"[backtest] last_result is of {question.options[0]} alone; name a column of each option in "
            f"[questions.{question.id}.columns.<name>], and that name in last_result."
        )
        return {}, dict.fromkeys(("last_result", "uniform_swing"), why)
    if columns is not None and option not in columns:
        why = f"{option} has no column in [questions.{question.id}.columns.{declared.predictor}]."
        return {}, dict.fromkeys(("last_result", "uniform_swing"), why)
    of = declared if columns is None else LastResult(columns[option])
    if of.predictor not in electorate.predictors:
        why = f"[backtest] last_result names {of.predictor}, which is no predictor of districts for this question."
        return {}, dict.fromkeys(("last_result", "uniform_swing"), why)
    result = _shares(of, electorate)
    together = (option,) if columns is None else tuple(one for one in columns if columns[one] == columns[option])
    if len(together) > 1:
        swung = divided_swing(counts, electorate, option=option, together=together, result=result, stands=stands)
        others = ", ".join(one for one in together if one != option)
        why = f"Its last result is known together with that of {others} only ({of.predictor})."
        return {"uniform_swing": swung}, {"last_result": why}
    own = counts_of_option(counts, option)
    return {
        "last_result": last_result(result, electorate, stands=stands),
        "uniform_swing": uniform_swing(own, electorate, result=result, stands=stands),
    }, {}


def _shares(result: LastResult, electorate: Electorate) -> NDArray[np.float64]:
    shares = electorate.districts.sort("code")[result.predictor].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return np.asarray(1.0 - shares if result.complement else shares)


def _codes(electorate: Electorate, stands: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(code for code, here in zip(electorate.codes, stands, strict=True) if here)
