"""Sections of a disclosure statement about the model: what it is, how it was fitted, why it was believed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.confirmed import describe_confirmation
from api.statement.payloads import StatementSection, StatementTable
from api.statement.records import Records
from mrp.categorical.in_words import describe_own_term
from mrp.categorical.options import take_own_terms
from mrp.errors import FormulaError
from mrp.in_words import describe_terms
from mrp.verdict import MAX_K_HAT, MAX_MC_ERROR, MAX_RHAT, MIN_BFMI, MIN_ESS, FitVerdict
from polling.declaration import Question

__all__ = ["model_sections", "priors_of"]

ENGINES = {
    "laplace": (
        "A nested Laplace approximation of the posterior distribution, corrected by importance sampling against the "
        "exact density."
    ),
    "nuts": "Hamiltonian Monte Carlo (NUTS) on the model as it is written down in PyMC.",
}
PUBLISHED_IF = {
    "laplace": (
        f"A fit by this engine is published only if Newton's method converged, Pareto k-hat is at most {MAX_K_HAT} at "
        f"both stages, the Monte-Carlo error of every default estimate is at most {MAX_MC_ERROR} of its standard "
        "deviation, and every term of the model moves the prediction."
    ),
    "nuts": (
        f"A fit by this engine is published only if R-hat is at most {MAX_RHAT} and bulk and tail effective sample "
        f"size at least {MIN_ESS} for every parameter, no transition diverged, E-BFMI is at least {MIN_BFMI} in every "
        "chain, and every term of the model moves the prediction."
    ),
}
NUMBERS = {
    "k_hat_sd": "Pareto k-hat of the standard deviations",
    "k_hat_joint": "Pareto k-hat of the joint draws",
    "divergences": "divergent transitions",
    "chains": "chains",
    "draws": "draws (per chain, where there are chains)",
    "acceptance": "mean acceptance",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What the statement says of a kind of question."""

    what: str
    mean_of: str
    likelihood: str
    begin: str
    cell: str
    """The estimate of a cell."""


KINDS: Mapping[str, Kind] = {
    "binary": Kind(
        "the probability that a person of given demographics in a given district answers “{option}”",
        " probabilities",
        "y[c] ~ Binomial(n[c], inverse logit(eta[c])): of n[c] interviews in cell c, y[c] gave the answer.",
        "intercept",
        "inverse logit(eta[c])",
    ),
    "categorical": Kind(
        "the probabilities of all answers of a person of given demographics in a given district",
        " probabilities",
        "y[c] ~ Multinomial(n[c], softmax(eta[c])): of n[c] interviews in cell c, y[c, k] chose option k. Every number "
        "of the model is one for each option; they sum to zero over options, so that none of them is a reference.",
        "intercept",
        "softmax(eta[c])",
    ),
    "ordinal": Kind(
        "the probabilities of all answers, which are in order, of a person of given demographics in a given district",
        " probabilities",
        "y[c] ~ Multinomial(n[c], p[c]), p[c, 1] + ... + p[c, k] = inverse logit(cutpoint[k] - eta[c]): of n[c] "
        "interviews in cell c, y[c, k] chose option k (cumulative logit).",
        "0",
        "p[c]",
    ),
    "numeric": Kind(
        "the mean answer of people of given demographics in a given district",
        "",
        "answer[i] ~ Normal(eta[c], sigma) for each interview i of cell c, with one residual standard deviation sigma; "
        "answers are centred and scaled for the fit, and estimates are in their own unit.",
        "intercept",
        "eta[c]",
    ),
}


def model_sections(records: Records) -> list[StatementSection]:
    """What was done with the interviews."""
    return [_model(records), _priors(records), _engine(records), _diagnostics(records), _software(records)]


def priors_of(records: Records) -> dict[str, str]:
    """Term -> prior in words."""
    stored = records.fit.priors
    return {str(term): str(prior) for term, prior in stored.items()} if isinstance(stored, dict) else {}


def _model(records: Records) -> StatementSection:
    question, fit = records.question, records.fit
    own = KINDS[question.kind]
    text = [
        (
            "Multilevel regression and poststratification (MRP). A regression estimates, from all interviews together, "
            f"{own.what.format(option=question.options[0] if question.options else '')}. The estimate of an area or "
            f"group is the mean of these{own.mean_of} over the people in it, counted by the population frame."
        ),
        own.likelihood,
        *_spread(question),
        f"eta = {own.begin} + {fit.formula}",
        (
            f"estimate of an area A, once per draw = sum over cells c in A of N[c] * {own.cell} / sum of N[c], with N "
            "people in the frame; intervals are taken over draws."
        ),
    ]
    try:
        rest, own_terms = take_own_terms(fit.formula)
        terms = describe_terms(rest) if rest != "1" else {}
        terms |= {str(term): describe_own_term(term) for term in own_terms}
    except FormulaError:  # of a version that read other formulas
        terms = {}
    tables = []
    if terms:
        rows = [[term, words] for term, words in terms.items()]
        tables.append(StatementTable("What opinion may depend on", ["term", "in words"], rows))
    if own_columns := _own_columns(question):
        tables.append(
            StatementTable("Districts' columns for each option", ["in the formula", "option", "column"], own_columns)
        )
    if predictors := _predictors(records):
        caption = "District predictors, centred and scaled over the people of the frame"
        tables.append(StatementTable(caption, ["predictor", "mean", "standard deviation"], predictors))
    else:
        besides = " besides those of options" if own_columns else ""
        text.append(f"No numeric predictor of districts is in the model{besides}.")
    return StatementSection("model", "Model", ["AAPOR 9", "AAPOR 10"], text, tables)


def _spread(question: Question) -> list[str]:
    """How standard deviations are shared, and whether answers may scatter more than chance has it."""
    text = []
    if question.kind == "categorical":
        shared = {
            "shared": "Every varying term has one standard deviation for all options.",
            "by option": "Every varying term has a standard deviation of each option (sd = by option).",
        }
        text.append(shared[question.sd])
    if question.dispersion:
        family = "beta-binomial" if question.kind == "binary" else "Dirichlet-multinomial"
        text.append(
            f"Answers in a cell may be more alike than chance has it (over-dispersion): the counts are {family} around "
            "these probabilities, with one more parameter, the dispersion, which widens intervals."
        )
    return text


def _own_columns(question: Question) -> list[list[str]]:
    """Name in the formula, option, column of the districts."""
    return [[name, option, column] for name, of in question.own_columns.items() for option, column in of.items()]


def _predictors(records: Records) -> list[list[str]]:
    design = records.design.get("common", records.design)
    return [
        [str(one["name"]), f"{one['centre']:.4g}", f"{one['scale']:.4g}"]
        for one in design.get("predictors", [])
        if one.get("key") == design.get("district") and one.get("centre") is not None
    ]


def _priors(records: Records) -> StatementSection:
    rows = [[term, prior] for term, prior in priors_of(records).items()]
    scale = "in units of the spread of answers" if records.question.kind == "numeric" else "on the logit scale"
    text = [f"What the model held to be plausible before it saw an interview, {scale}."]
    table = StatementTable("Prior distributions", ["of", "prior"], rows)
    return StatementSection("priors", "Priors", ["AAPOR 9"], text, [table] if rows else [])


def _engine(records: Records) -> StatementSection:
    engine = records.fit.engine
    text = [f"{engine}: {ENGINES.get(engine, 'see the documentation of the version named below.')}"]
    if escalated := _told(records).get("escalated"):
        text.append(f"The faster engine was tried first and did not pass its checks: {'; '.join(map(str, escalated))}.")
    text.append(f"Seed {records.fit.seed}; fit {records.fit.id}. The same inputs, seed and versions give the same fit.")
    return StatementSection("engine", "How the model was fitted", ["AAPOR 10"], text)


def _diagnostics(records: Records) -> StatementSection:
    verdict = FitVerdict.from_json(records.fit.verdict if isinstance(records.fit.verdict, dict) else {"problems": []})
    text = [PUBLISHED_IF[records.fit.engine]] if records.fit.engine in PUBLISHED_IF else []
    text.append(
        "The fit was found publishable: its checks found no problem."
        if verdict.publishable
        else "The checks of the fit found problems: " + "; ".join(problem.message for problem in verdict.problems) + "."
    )
    text += [f"Warning: {warning}." for warning in verdict.warnings]
    text += _checked(records)
    text.append(describe_confirmation(records.release, records.confirmation).sentence)
    rows = [[name, _number(value)] for name, value in _numbers(records).items()]
    table = StatementTable("Diagnostics", ["measure", "value"], rows)
    return StatementSection("diagnostics", "Diagnostics and verdict", ["AAPOR 10"], text, [table] if rows else [])


def _checked(records: Records) -> list[str]:
    """What comparing the model with its interviews found."""
    if records.concerns is None:
        return []
    if not records.concerns:
        return ["The model was compared with its interviews by every margin: no difference is outside chance."]
    return [one.sentence for one in records.concerns]


def _numbers(records: Records) -> dict[str, Any]:
    found = records.diagnostics
    numbers = {words: found[name] for name, words in NUMBERS.items() if name in found}
    worst = found.get("worst", {})
    if rows := worst.get("r_hat"):
        numbers["highest R-hat"] = rows[0].get("r_hat")
    if rows := worst.get("ess"):
        numbers["lowest effective sample size"] = min(rows[0].get("ess_bulk") or 0, rows[0].get("ess_tail") or 0)
    if chains := [value for value in found.get("e_bfmi", ()) if value is not None]:
        numbers["lowest E-BFMI"] = min(chains)
    return numbers


def _software(records: Records) -> StatementSection:
    stored = records.fit.versions
    rows = [[str(name), str(one)] for name, one in stored.items()] if isinstance(stored, dict) else []
    table = StatementTable("Software that made the fit", ["software", "version"], rows)
    return StatementSection("software", "Software", ["AAPOR 10"], [], [table])


def _told(records: Records) -> dict[str, Any]:
    told = records.diagnostics.get("fit", {})
    return told if isinstance(told, dict) else {}


def _number(value: object) -> str:
    if value is None:
        return "none: all weights are equal"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
