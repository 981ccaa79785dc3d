"""Read a model formula: what opinion is allowed to depend on.

    rep_share_2016 + region + (1|state) + (1|gender:ethnicity)

``x`` is a coefficient of a district predictor, a parent area or a demographic; ``(1|g)`` and ``(1|g:h)`` are varying
intercepts, the latter for every combination of levels. The meaning is that of lme4. An intercept is always there.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mrp.electorate import Electorate
from mrp.errors import FormulaError

__all__ = ["Formula", "Predictor", "Term", "VaryingIntercept", "check_formula", "parse_formula"]

_UNDERSTOOD = "understood are x, (1|g) and (1|g:h)"


@dataclass(frozen=True, slots=True)
class Predictor:
    """A coefficient, or one per contrast when the column has levels."""

    name: str

    @property
    def names(self) -> tuple[str, ...]:
        """The columns this term reads."""
        return (self.name,)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class VaryingIntercept:
    """One effect per combination of levels, drawn from a normal with an unknown standard deviation."""

    factors: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns this term reads."""
        return self.factors

    def __str__(self) -> str:
        return f"(1|{':'.join(self.factors)})"


type Term = Predictor | VaryingIntercept


@dataclass(frozen=True, slots=True)
class Formula:
    """The terms of a model: predictors first, each kind in the order written."""

    text: str
    terms: tuple[Term, ...]

    @property
    def predictors(self) -> tuple[Predictor, ...]:
        return tuple(term for term in self.terms if isinstance(term, Predictor))

    @property
    def varying(self) -> tuple[VaryingIntercept, ...]:
        return tuple(term for term in self.terms if isinstance(term, VaryingIntercept))


def parse_formula(formula: str) -> Formula:
    """Read a formula without looking at any data.

    Parameters
    ----------
    formula
        The right-hand side only, e.g. ``"income + (1|state)"``; ``"1"`` is a model of one constant.

    Raises
    ------
    FormulaError
        If it cannot be read or has a term that this version does not fit. All such terms are named.
    """
    # formulae brings pandas with it: it must not be loaded by those who only serve estimates.
    from formulae import model_description

    if "~" in formula:
        raise FormulaError(formula, ("write the right-hand side only, without '~'",))
    if not formula.strip():
        raise FormulaError(formula, ("it is empty; write 1 for a model of one constant",))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            described: Any = model_description(formula)
    except Exception as error:  # the parser has half a dozen unrelated error classes
        raise FormulaError(formula, (f"cannot be read ({error}); {_UNDERSTOOD}",)) from error
    terms: dict[str, Term] = {}
    problems: list[str] = []
    has_intercept = False
    for item in described.terms:
        if type(item).__name__ == "Intercept":
            has_intercept = True
            continue
        try:
            term = _read_term(item)
        except ValueError as error:
            problems.append(str(error))
        else:
            terms[str(term)] = term
    if not has_intercept:
        problems.append("the intercept cannot be removed; leave out '0' and '-1'")
    if problems:
        raise FormulaError(formula, tuple(problems))
    ordered = sorted(terms.values(), key=lambda term: isinstance(term, VaryingIntercept))
    return Formula(text=formula, terms=tuple(ordered))


def check_formula(formula: str, electorate: Electorate) -> tuple[str, ...]:
    """Everything that stops a formula from being fitted on an electorate, in words; empty if nothing does.

    Parameters
    ----------
    formula
        As for `parse_formula`.
    electorate
        The districts and demographics that the terms may name.
    """
    try:
        parsed = parse_formula(formula)
    except FormulaError as error:
        return error.problems
    problems = [problem for term in parsed.terms for problem in _problems(term, electorate)]
    seen: dict[frozenset[str], VaryingIntercept] = {}
    for term in parsed.varying:
        first = seen.setdefault(frozenset(term.factors), term)
        if first is not term:
            problems.append(f"{term} has the same factors as {first}; keep one")
    return tuple(problems)


def _read_term(item: Any) -> Term:
    if type(item).__name__ == "GroupSpecificTerm":
        factors = tuple(_names(item.factor.components))
        if type(item.expr).__name__ != "Intercept":
            slope = ":".join(_names(item.expr.components))
            raise ValueError(f"({slope}|{':'.join(factors)}) is a varying slope, which is not supported; {_UNDERSTOOD}")
        return VaryingIntercept(factors)
    names = tuple(_names(item.components))
    if len(names) > 1:
        raise ValueError(f"{':'.join(names)} is an interaction of coefficients, which is not supported; {_UNDERSTOOD}")
    return Predictor(names[0])


def _names(components: list[Any]) -> Iterator[str]:
    for part in components:
        if type(part).__name__ != "Variable":
            raise ValueError(f"{getattr(part, 'name', part)} is not supported; {_UNDERSTOOD}")
        yield str(part.name)


def _problems(term: Term, electorate: Electorate) -> Iterator[str]:
    factors = (electorate.district, *electorate.parents, *electorate.demographics)
    where = "" if term.names == (str(term),) else f" in {term}"
    known = factors if isinstance(term, VaryingIntercept) else (*factors[1:], *electorate.predictors)
    for name in term.names:
        if name in known:
            if name not in electorate.predictors and len(electorate.levels(name)) < 2:
                yield f"{name}{where} has one level ({electorate.levels(name)[0]}), so it cannot explain anything"
        elif name in electorate.predictors:
            yield f"{name}{where} is numeric; varying intercepts need levels: one of {', '.join(known)}"
        elif name == electorate.district:
            yield f"{name} is the district itself; write (1|{name})"
        else:
            yield f"{name}{where} names nothing; this electorate has {', '.join((*factors, *electorate.predictors))}"
    if isinstance(term, Predictor) and term.name in electorate.predictors:
        yield from _predictor_problems(term.name, electorate)


def _predictor_problems(name: str, electorate: Electorate) -> Iterator[str]:
    values = electorate.districts.select("code", name).sort("code")
    missing = values.filter(values[name].is_null() | ~values[name].is_finite())["code"].to_list()
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        yield f"{name} has no value in {', '.join(missing[:3])}{more}"
    elif values[name].n_unique() < 2:
        yield f"{name} is the same in every district, so it cannot explain anything"
