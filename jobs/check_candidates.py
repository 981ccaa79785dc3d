"""Fit candidate models of a question to what its release was fitted on, and compare; nothing is stored."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from jobs.check import prepare_check, request_of
from jobs.errors import FitImpossible
from jobs.fit_request import FitRequest, FitResult
from jobs.settings import Settings
from jobs.survey import formula_problems
from mrp.categorical.options import take_own_terms
from mrp.checks.comparison import Candidate, compare_models
from mrp.formula import parse_formula
from mrp.latents import LatentDraws
from mrp.outcomes import AnyDesign, design_from_json
from mrp.term_names import order_free
from polling.errors import ReleaseRefused
from polling.store import surveys
from polling.store.engine import Store

__all__ = ["compare_candidates"]


def compare_candidates(
    store: Store,
    settings: Settings,
    *,
    survey_id: str,
    question_id: str,
    formulas: Sequence[str],
    fit: Callable[[FitRequest], FitResult],
) -> tuple[Candidate, ...]:
    """Compare other models with that of the release that is served.

    Parameters
    ----------
    formulas
        The other models.
    fit
        Runs one fit.

    Raises
    ------
    ReleaseNotFound, DrawsNotFound
        If nothing is served, or its draws or counts are not kept any more.
    ReleaseRefused
        If the question was fitted together with others.
    FitImpossible
        If a formula does not fit the survey.
    """
    with store.read() as session:
        checked = prepare_check(session, settings, survey_id=survey_id, question_id=question_id)
        if checked.partners:
            number, names = checked.release.number, ", ".join(checked.partners)
            raise ReleaseRefused(number, f"models are compared of one question, this one was fitted with {names}.")
        request = request_of(session, settings, checked)
        bundle = surveys.get_survey(session, survey_id, checked.release.survey_version).bundle
    question = bundle.declaration.question(question_id)
    for formula in formulas:
        # Priors of terms that a candidate does not have are left out of it.
        if problems := formula_problems(replace(question, model=formula, priors={}), bundle):
            raise FitImpossible("fit-refused", f"Formula '{formula}': {'; '.join(problems)}")
    fits: dict[str, tuple[LatentDraws, AnyDesign]] = {checked.fitted.formula: (checked.latents, checked.fitted)}
    for formula in dict.fromkeys(formulas):
        if formula in fits:
            continue
        result = fit(replace(request, formula=formula, priors=_priors(request.priors, formula), counts=checked.counts))
        design: Any = result.design
        fits[formula] = LatentDraws.from_bytes(result.draws), design_from_json(design)
    return compare_models(fits, checked.electorate, checked.counts, least=checked.rules.min_interviews)


def _priors(priors: Any, formula: str) -> dict[str, str]:
    """Those of the defaults, and of terms that the formula has."""
    rest, own = take_own_terms(formula)
    known = {order_free(name) for name in (*parse_formula(rest).term_names, *map(str, own))}
    general = {"intercept", "coefficient", "sd", "correlation", "autocorrelation", "mixing", "residual", "log_width"}
    general |= {"dispersion"}
    return {term: prior for term, prior in priors.items() if term in general or order_free(term) in known}
