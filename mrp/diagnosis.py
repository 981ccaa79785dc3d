"""What the diagnostics of a fit mean, for people who do not know them.

Made from the numbers that are stored with every fit, so that it is told for ever, also of fits whose draws are gone.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mrp.verdict import MAX_K_HAT, MAX_RHAT, MIN_BFMI, MIN_ESS

__all__ = ["Check", "Diagnosis", "diagnosis_in_words"]

_CLEAR, _LIKELY = 0.9, 0.75
_TERMS = 4
"""Terms that are compared in words; a list of all would not be read."""
_HARDLY = 0.02
"""On the scale of the logit: half a point of a share near one half."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    passed: bool
    text: str
    """What was found, against which limit, and what it means."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A fit in words."""

    headline: str
    checks: tuple[Check, ...]
    variation: tuple[str, ...]
    """Which terms of the model tell people apart, those that do most first."""


_LOGIT = "the scale of the logit"


def diagnosis_in_words(engine: str, diagnostics: Mapping[str, Any], problems: Sequence[str] = ()) -> Diagnosis:
    """Say what the diagnostics of a fit mean.

    Parameters
    ----------
    engine
        "laplace" or "nuts".
    diagnostics
        As `mrp.diagnostics.diagnose` gives them, with ``variation`` where the terms were compared
        (`mrp.variation.term_variation`).
    problems
        Messages of the verdict: why the fit may not be published.
    """
    checks = _of_nuts(diagnostics) if engine == "nuts" else _of_laplace(diagnostics)
    failed = [check for check in checks if not check.passed]
    n = len(checks)
    if problems:
        headline = f"This fit was not published: {'; '.join(one.rstrip('.') for one in problems)}."
    elif not checks:
        headline = "The computation was not looked at when this fit was made."
    elif failed:
        headline = f"{n - len(failed)} of {n} checks of the computation passed."
    else:
        headline = f"The computation can be trusted: it passed all {n} checks."
    if escalated := diagnostics.get("escalated"):
        why = escalated[0].rstrip(".")
        headline += f" The fast engine did not pass, so that the slow and exact one was used: {why}."
    unit = diagnostics.get("variation_unit")
    return Diagnosis(headline, checks, variation_in_words(diagnostics.get("variation") or [], unit=unit))


def variation_in_words(terms: Sequence[Mapping[str, Any]], *, unit: str | None = None) -> tuple[str, ...]:
    """Compare the terms of a model, as `mrp.variation.TermVariation.to_json` has them, the largest first.

    ``unit``: what they are counted in, such as "the unit of the answers"; None: the logit.
    """
    shown = [term for term in terms if term["sd"] >= _HARDLY][:_TERMS]
    if not shown:
        return ("The model tells hardly any difference between groups of people or districts.",) if terms else ()
    first = shown[0]
    said = [
        (
            f"What tells people apart most is {_called(first['term'])}: its typical difference is {first['sd']:.2f} "
            + (f"in {unit}." if unit else f"on {_LOGIT}, about {_points(first['sd'])} of a share near one half.")
        )
    ]
    for one, two in itertools.pairwise(shown):
        p = one["p_above_next"]
        names = _called(one["term"]), _called(two["term"])
        sds = f"{one['sd']:.2f} against {two['sd']:.2f} {f'in {unit}' if unit else f'on {_LOGIT}'}"
        if p >= _CLEAR:
            more = "explains more of the variation than"
            said.append(f"{_capital(names[0])} {more} {names[1]} ({sds}; probability {p:.2f}).")
        elif p >= _LIKELY:
            said.append(f"{_capital(names[0])} probably explains more than {names[1]} ({sds}; probability {p:.2f}).")
        else:
            said.append(f"Whether {names[0]} or {names[1]} explains more is not clear ({sds}; probability {p:.2f}).")
    if small := [_called(term["term"]) for term in terms if term["sd"] < _HARDLY]:
        said.append(f"Hardly anything comes from {_listed(small)}.")
    return tuple(said)


def _of_nuts(numbers: Mapping[str, Any]) -> tuple[Check, ...]:
    """What is not among the numbers was not looked at, and is not told."""
    worst = numbers.get("worst") or {}
    checks = []
    if rows := worst.get("r_hat"):
        r_hat = max(_number(row["r_hat"], float("inf")) for row in rows)
        told = f"the largest R-hat is {r_hat:.3f} (limit {MAX_RHAT})."
        same = f"{numbers.get('chains')} chains that started apart came to the same answer: "
        passed = r_hat <= MAX_RHAT
        checks.append(Check("r-hat", passed, (same if passed else "The chains do not agree: ") + told))
    if rows := worst.get("ess"):
        ess = min(_number(row[which], 0.0) for row in rows for which in ("ess_bulk", "ess_tail"))
        text = f"The draws are worth {ess:,.0f} independent ones for every parameter or more (needed: {MIN_ESS})."
        checks.append(Check("ess", ess >= MIN_ESS, text))
    if (diverging := numbers.get("divergences")) is not None:
        missed = f"{diverging} steps diverged: parts of the posterior may be missing (limit 0)."
        went = "The sampler could go everywhere: no step diverged."
        checks.append(Check("divergences", diverging == 0, missed if diverging else went))
    if fractions := numbers.get("e_bfmi"):
        energy = min(_number(one, 0.0) for one in fractions)
        text = f"Energy fraction {energy:.2f} (needed: {MIN_BFMI}): how freely likely and unlikely values were reached."
        checks.append(Check("e-bfmi", energy >= MIN_BFMI, text))
    return tuple(checks)


def _of_laplace(numbers: Mapping[str, Any]) -> tuple[Check, ...]:
    checks = []
    for stage, what in (("sd", "standard deviations"), ("joint", "estimates")):
        if f"ess_{stage}" not in numbers:
            continue
        k_hat, effective = numbers.get(f"k_hat_{stage}"), _number(numbers.get(f"ess_{stage}"), 0.0)
        passed = k_hat is None or k_hat <= MAX_K_HAT
        told = "all weights are equal" if k_hat is None else f"Pareto k-hat {k_hat:.2f}"
        said = "The fast approximation " + ("agrees with the exact model" if passed else "is not good enough")
        checks.append(
            Check(
                f"k-hat-{stage}",
                passed,
                f"{said} for the {what}: {told} (limit {MAX_K_HAT}), {effective:,.0f} effective draws.",
            )
        )
    if (steps := numbers.get("newton_steps")) is not None:
        text = f"The most probable values were found every time, in {steps:.1f} Newton steps on average."
        checks.append(Check("newton", True, text))
    return tuple(checks)


def _called(term: str) -> str:
    """A term as people say it: ``(1|state)`` is state, ``(1|educ:age)`` the combination of educ and age."""
    if term.startswith("(") and "|" in term:
        inside = term.strip("()")
        left, _, group = inside.rpartition("|")
        columns = group.split(":")
        named = columns[0] if len(columns) == 1 else f"the combination of {_listed(columns)}"
        slope = left.partition("|")[0]  # without the second bar of (x||g), or the label of (1|p|g)
        return named if slope == "1" else f"how {slope.removeprefix('1+')} works by {named}"
    if "(" in term:
        inside = term[term.index("(") + 1 : -1]
        return inside.replace("|", " by ")
    return term


def _points(sd: float) -> str:
    points = 100 * sd / 4  # the slope of the logistic curve at one half
    return "1 point" if round(points) == 1 else f"{points:.0f} points" if points >= 1 else f"{points:.1f} points"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _capital(text: str) -> str:
    """With a capital where it is a word of ours; names of columns stay as they are."""
    return text[0].upper() + text[1:] if text.startswith(("the ", "how ")) else text


def _number(value: Any, otherwise: float) -> float:
    return otherwise if value is None else float(value)
