"""Does a formula fit an electorate? Everything that stops it, in words, at once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mrp.electorate import Electorate
from mrp.errors import FormulaError
from mrp.formula import parse_formula
from mrp.neighbours import NEIGHBOURS
from mrp.numbers import is_constant
from mrp.same_groups import area_of_district, areas_among, claims
from mrp.terms import (
    OBSERVED,
    Autoregression,
    GroupTerm,
    Nuisance,
    Predictor,
    Spatial,
    Term,
    VaryingIntercept,
    VaryingSlopes,
    Walk,
)

__all__ = ["check_formula"]

_CALLS = {"pollster": "house", "mode": "mode"}
"""How a column that says how people were asked is written as a term."""


def check_formula(
    formula: str, electorate: Electorate, *, observed: Mapping[str, Sequence[str]] | None = None
) -> tuple[str, ...]:
    """Everything that stops a formula from being fitted on an electorate, in words; empty if nothing does.

    Parameters
    ----------
    formula
        As for `mrp.formula.parse_formula`.
    electorate
        The districts and demographics that the terms may name.
    observed
        Levels of "period", "pollster" and "mode", those that the counts have. None: not known yet, so that a term of
        theirs is taken on trust.
    """
    try:
        parsed = parse_formula(formula)
    except FormulaError as error:
        return error.problems
    problems = [problem for term in parsed.terms for problem in _problems(term, electorate, observed)]
    seen: dict[object, GroupTerm] = {}
    for term in parsed.groups:
        for claim in claims(term, electorate):
            first = seen.setdefault(claim, term)
            if first is not term:
                problems.append(_same(term, first))
                break
    return tuple(problems)


def _same(term: GroupTerm, first: GroupTerm) -> str:
    one, other = (set(getattr(of, "factors", ())) for of in (term, first))
    if one == other:
        return f"{term} has the same factors as {first}; keep one"
    return f"{term} has the same groups as {first}, each of the one being one of the other; keep one"


def _problems(term: Term, electorate: Electorate, observed: Mapping[str, Sequence[str]] | None) -> Iterator[str]:
    where = "" if term.names == (str(term),) else f" in {term}"
    factors = (electorate.district, *electorate.parents, *electorate.demographics)
    if isinstance(term, Predictor):
        yield from _coefficient_problems(term.name, where, electorate)
    elif isinstance(term, VaryingSlopes):
        for name in term.predictors:
            found = list(_coefficient_problems(name, where, electorate))
            yield from found or _constant_problems(name, term, electorate)
    elif isinstance(term, Walk):
        yield from _order_problems(term, electorate, observed)
    elif isinstance(term, Spatial):
        yield from _map_problems(term, electorate)
    elif isinstance(term, Autoregression | Nuisance):
        yield from _observed_problems(term.name, where, electorate, observed)
    if isinstance(term, VaryingIntercept | VaryingSlopes | Walk):
        for name in term.factors:
            if name == "period" and name not in factors:
                yield from _observed_problems(name, where, electorate, observed)
            elif name in OBSERVED and name not in factors:
                yield f"{name}{where} says how people were asked; write {_CALLS[name]}({name})"
            elif name in electorate.predictors:
                yield f"{name}{where} is numeric; varying intercepts need levels: one of {', '.join(factors)}"
            else:
                yield from _level_problems(name, where, electorate)


def _coefficient_problems(name: str, where: str, electorate: Electorate) -> Iterator[str]:
    if name in electorate.predictors:
        yield from _predictor_problems(name, electorate)
    elif name == electorate.district:
        yield f"{name}{where} is the district itself; write (1|{name})"
    else:
        yield from _level_problems(name, where, electorate)


def _level_problems(name: str, where: str, electorate: Electorate) -> Iterator[str]:
    known = (electorate.district, *electorate.parents, *electorate.demographics)
    if reason := electorate.unusable(name):
        yield f"{name}{where} is a column of the districts that cannot be used: {reason}"
    elif name in OBSERVED and name not in known:
        instead = "rw1(period) or ar1(period)" if name == "period" else f"{_CALLS[name]}({name})"
        yield f"{name}{where} names nothing of the electorate; it is known of interviews: write {instead}"
    elif name not in known:
        yield f"{name}{where} names nothing; this electorate has {', '.join((*known, *electorate.predictors))}"
    elif len(electorate.levels(name)) < 2:
        yield f"{name}{where} has one level ({electorate.levels(name)[0]}), so it cannot explain anything"


def _predictor_problems(name: str, electorate: Electorate) -> Iterator[str]:
    values = electorate.districts.select("code", name).sort("code")
    missing = values.filter(values[name].is_null() | ~values[name].is_finite())["code"].to_list()
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        yield f"{name} has no value in {', '.join(missing[:3])}{more}"
    elif is_constant(values[name].to_list()):
        yield f"{name} is the same in every district, so it cannot explain anything"


def _constant_problems(name: str, term: VaryingSlopes, electorate: Electorate) -> Iterator[str]:
    """A slope needs a predictor that differs among those who share it."""
    if name in term.factors or _is_constant_within(areas_among(term.factors, electorate), name, electorate):
        same = ":".join(term.factors)
        yield f"{name} in {term} is the same throughout each {same}, so its slope cannot be told from the intercept"


def _is_constant_within(areas: tuple[str, ...], name: str, electorate: Electorate) -> bool:
    """Whether a column of the districts has one value in each of some areas."""
    if not areas or name not in (*electorate.predictors, *electorate.parents):
        return False
    within: dict[tuple[str, ...], list[Any]] = {}
    values = electorate.districts.sort("code")[name].to_list()
    for area, value in zip(area_of_district(areas, electorate), values, strict=True):
        within.setdefault(area, []).append(value)
    if name in electorate.parents:
        return all(len(set(inside)) == 1 for inside in within.values())
    return all(is_constant(inside) for inside in within.values())


def _order_problems(term: Walk, electorate: Electorate, observed: Mapping[str, Sequence[str]] | None) -> Iterator[str]:
    name = term.name
    ordered = ", ".join((*sorted(electorate.ordered), "period"))
    if name in term.factors:
        yield f"{term} walks over {name} by {name}; leave one out"
    elif name == "period" and name not in electorate.demographics:
        yield from _observed_problems(name, f" in {term}", electorate, observed)
    elif name in electorate.ordered:
        if len(electorate.levels(name)) <= term.order:
            yield f"{name} in {term} has {len(electorate.levels(name))} levels, needs {term.order + 1} or more"
    elif name in (electorate.district, *electorate.parents, *electorate.demographics):
        yield f"{name} in {term} has no order; declare it as ordered, or write (1|{name}). Ordered are {ordered}"
    else:
        yield f"{name} in {term} names nothing that has an order; ordered are {ordered}"


def _map_problems(term: Spatial, electorate: Electorate) -> Iterator[str]:
    district, instead = electorate.district, f"or write (1|{electorate.district})"
    if term.name != district:
        yield f"{term}: neighbours are known of districts alone, and {term.name} is none; write {term.call}({district})"
    elif len(electorate.codes) < 2:
        yield from _level_problems(district, f" in {term}", electorate)
    elif electorate.neighbours is None:
        misspelt = "; there is a column 'neighbors': rename it" if "neighbors" in electorate.districts.columns else ""
        yield (
            f"{term} needs to know which districts are next to each other: add a column '{NEIGHBOURS}' to the table of "
            f"districts, with their codes (a list, or text as in D2;D5), {instead}{misspelt}"
        )
    elif not electorate.neighbours:
        yield f"{term} has no map: no district has a neighbour; fill in the column '{NEIGHBOURS}', {instead}"


def _observed_problems(
    name: str, where: str, electorate: Electorate, observed: Mapping[str, Sequence[str]] | None
) -> Iterator[str]:
    if name in (*electorate.cell_columns, *electorate.parents, *electorate.predictors):
        yield f"{name}{where} is a column of the electorate; rename it, so that {name} means what interviews have"
    elif observed is not None and not observed.get(name):
        has = ", ".join(observed) or "neither period, pollster nor mode"
        yield (
            f"{name}{where} is not known of the interviews, which have {has}; count by {name} (in Python build the "
            "design with observed=mrp.observed_levels(interviews)), or leave the term out"
        )
