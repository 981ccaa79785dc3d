"""Read a model formula: what opinion is allowed to depend on.

    rep_share_2016 + (1|state) + (1 + gender|educ) + rw1(age) + ar1(period) + house(pollster)

=========================  =====================================================================================

``x``                      coefficient of a district predictor, a parent area or a demographic
``(1|g)``, ``(1|g:h)``     varying intercepts, the latter for every combination of levels
``(x|g)``                  the same as ``(1 + x|g)``: intercepts and slopes that vary together; ``(0 + x|g)`` slopes
                           alone, ``(x||g)`` without correlations
``(1|p|g)``                as ``(1|g)``, its effects correlated with those of the other questions of a joint fit that
                           have a term with the label ``p``, see `mrp.joint`; of one question alone it is ``(1|g)``
``rw1(x)``, ``rw2(x)``     random walk over an ordered demographic or ``period``; ``rw2`` with its slope as coefficient
``rw1(x|g)``               one such walk for every level of ``g``, with a common standard deviation
``ar1(period)``            effects of periods that remember a part of the one before; ``(1|period)``, ``(x|period)``
                           and ``(1|age:period)`` are those that do not
``icar(district)``         effects of districts that are like those of their neighbours
``bym2(district)``         the same, and effects of every district by itself, in proportions that the data decide
``house(pollster)``,       how people were asked: fitted, summing to zero, left out of the prediction
``mode(mode)``
=========================  =====================================================================================


What looks like lme4 or brms means what it means there. An intercept is always there.
"""

import re
import warnings
from dataclasses import dataclass
from typing import Any

from mrp.errors import FormulaError
from mrp.terms import (
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

__all__ = ["Formula", "formula_columns", "parse_formula"]

_UNDERSTOOD = (
    "understood are x, (1|g), (1|g:h), (x|g), (x||g), (1|p|g), rw1(x), rw2(x), rw1(x|g), ar1(period), icar(g), "
    "bym2(g), house(pollster) and mode(mode)"
)
_BARRED = re.compile(r"\(([^()|]*)(\|\|?)([^()|]*)\)")
_LABELLED = re.compile(r"\(([^()|]*)\|([^()|]*)\|([^()|]*)\)")
_CALL = re.compile(r"(rw1|rw2|ar1|icar|bym2|house|mode)\(([^()]*)\)")
# The parser takes it as the first thing only, as in (0 + x|g).
_REMOVED_LATE = re.compile(r"(?<=\w)\s*(\+\s*0|-\s*1)(?!\w)")
_NAME = re.compile(r"[^\W\d]\w*")
# A '+' that is not inside parentheses, which no term has more than one pair of.
_PLUS = re.compile(r"\+(?![^(]*\))")


@dataclass(frozen=True, slots=True)
class Formula:
    """The terms of a model: predictors first, then the others, in the order written."""

    text: str
    terms: tuple[Term, ...]

    @property
    def predictors(self) -> tuple[Predictor, ...]:
        return tuple(term for term in self.terms if isinstance(term, Predictor))

    @property
    def groups(self) -> tuple[GroupTerm, ...]:
        """The terms whose effects are drawn from a distribution with unknown parameters."""
        return tuple(term for term in self.terms if not isinstance(term, Predictor))

    @property
    def term_names(self) -> tuple[str, ...]:
        """Every name that a prior can be given to: the terms, and the slope that a second-order walk brings."""
        slopes = [slope_name(term) for term in self.groups if isinstance(term, Walk) and term.order == 2]
        return (*(str(term) for term in self.predictors), *slopes, *(str(term) for term in self.groups))


def slope_name(term: Walk) -> str:
    """Name of the coefficient that a second-order walk brings."""
    return f"slope({term.name})"


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
    if "~" in formula:
        raise FormulaError(formula, ("write the right-hand side only, without '~'",))
    if not formula.strip():
        raise FormulaError(formula, ("it is empty; write 1 for a model of one constant",))
    if words := _unbalanced(formula):
        raise FormulaError(formula, (words,))
    problems: list[str] = []
    special, plain = _special(formula, problems)
    try:
        described = _described(" + ".join(plain) or "1")
    except ValueError as error:
        raise FormulaError(formula, (*problems, str(error))) from error
    terms = {str(term): term for term in special}
    coefficients = [item for item in described if type(item).__name__ != "Intercept"]
    for item in coefficients:
        try:
            term = _coefficient(item)
        except ValueError as error:
            problems.append(str(error))
        else:
            terms[str(term)] = term
    if len(coefficients) == len(described):
        problems.append("the intercept cannot be removed; leave out '0' and '-1'")
    if problems:
        raise FormulaError(formula, tuple(problems))
    ordered = sorted(terms.values(), key=lambda term: not isinstance(term, Predictor))
    return Formula(text=formula, terms=tuple(ordered))


def formula_columns(formula: str) -> frozenset[str]:
    """Every column that a formula reads: of the frame, of the districts, of how people were asked.

    Raises
    ------
    FormulaError
        If the formula cannot be read.
    """
    return frozenset(name for term in parse_formula(formula).terms for name in term.names)


def _unbalanced(formula: str) -> str | None:
    """Which parenthesis has no partner, in words; None if all have one."""
    opened: list[int] = []
    for at, letter in enumerate(formula):
        if letter == "(":
            opened.append(at)
        elif letter == ")" and not opened:
            return (
                f"{formula[: at + 1].rpartition('+')[2].strip()} closes a parenthesis that nothing opens; write (1|g)"
            )
        elif letter == ")":
            opened.pop()
    return (
        f"{formula[opened[0] :].partition('+')[0].strip()} opens a parenthesis that nothing closes" if opened else None
    )


def _special(formula: str, problems: list[str]) -> tuple[list[Term], list[str]]:
    """The terms with a bar or a call, problems with them added to ``problems``, and the pieces that are left."""
    terms: list[Term] = []
    plain: list[str] = []
    for written in _PLUS.split(formula):
        piece = written.strip()
        try:
            if call := _CALL.fullmatch(piece):
                terms.append(_call(call))
            elif bar := _BARRED.fullmatch(piece):
                terms += _barred(bar)
            elif labelled := _LABELLED.fullmatch(piece):
                terms.append(_labelled(labelled))
            elif piece.count("|") > 2:
                raise ValueError(f"{piece} has more bars than a term can have; write (1|p|g), with one label p")
            else:
                plain.append(piece)
        except ValueError as error:
            problems.append(str(error))
    return terms, plain


def _described(formula: str) -> list[Any]:
    # formulae brings pandas with it: it must not be loaded by those who only serve estimates.
    from formulae import model_description

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(model_description(formula).terms)
    except TypeError as error:  # its text is about classes of the parser
        raise ValueError(f"{formula} puts together what does not go together; {_UNDERSTOOD}") from error
    except Exception as error:  # the parser has half a dozen unrelated error classes
        raise ValueError(f"cannot be read ({error}); {_UNDERSTOOD}") from error


def _call(matched: re.Match[str]) -> Term:
    """A term written as a function of a column."""
    piece = matched[0]
    call, (name, *groups) = matched[1], [part.strip() for part in matched[2].split("|")]
    factors = tuple(factor.strip() for group in groups for factor in group.split(":"))
    if len(groups) > 1 or not all(_NAME.fullmatch(part) for part in (name, *factors)):
        raise ValueError(f"{piece} cannot be read; {_UNDERSTOOD}")
    if factors and call != "rw1":
        raise ValueError(f"{piece}: only rw1 can be given by group; {_UNDERSTOOD}")
    if call in ("rw1", "rw2"):
        return Walk(name, 1 if call == "rw1" else 2, factors)
    if call in ("icar", "bym2"):
        return Spatial("icar" if call == "icar" else "bym2", name)
    wanted = {"ar1": "period", "house": "pollster", "mode": "mode"}[call]
    if name != wanted:
        raise ValueError(f"{piece} is not supported; write {call}({wanted})")
    return Autoregression(name) if call == "ar1" else Nuisance(call, name)


def _barred(matched: re.Match[str]) -> list[Term]:
    """Varying intercepts and slopes; several where the grouping is nested, as in (1|a/b)."""
    left, bar, right = matched.groups()
    if removal := _REMOVED_LATE.search(left):
        rest = " ".join(f"{left[: removal.start()]} {left[removal.end() :]}".split())
        raise ValueError(f"{matched[0]} leaves out its intercept too late; write (0 + {rest}{bar}{right})")
    by_factors: dict[tuple[str, ...], list[Any]] = {}
    for item in _described(f"({left}|{right})"):
        if type(item).__name__ == "GroupSpecificTerm":
            by_factors.setdefault(_names(item.factor.components), []).append(item.expr)
    terms: list[Term] = []
    for factors, expressions in by_factors.items():
        intercept = any(type(one).__name__ == "Intercept" for one in expressions)
        slopes = tuple(_single(one) for one in expressions if type(one).__name__ != "Intercept")
        if slopes:
            terms.append(VaryingSlopes(factors, slopes, intercept, correlated=bar == "|"))
        else:
            terms.append(VaryingIntercept(factors))
    return terms


def _labelled(matched: re.Match[str]) -> Term:
    """Varying intercepts that are correlated between questions."""
    left, label, right = (part.strip() for part in matched.groups())
    factors = tuple(part.strip() for part in right.split(":"))
    if not _NAME.fullmatch(label):
        raise ValueError(f"{matched[0]} has the label {label!r}, which is no name; write (1|p|{right})")
    if left != "1":
        raise ValueError(
            f"{matched[0]} correlates slopes between questions, which is not supported; write (1|{label}|{right}) and "
            f"(0 + {left.removeprefix('1').lstrip(' +') or 'x'}|{right})"
        )
    if not all(_NAME.fullmatch(name) for name in factors):
        raise ValueError(f"{matched[0]} cannot be read: after its label come factors, as in (1|{label}|g:h)")
    return VaryingIntercept(factors, label)


def _coefficient(item: Any) -> Term:
    if type(item).__name__ == "GroupSpecificTerm":
        raise ValueError(f"{item.name} has more parentheses than it needs; {_UNDERSTOOD}")
    return Predictor(_single(item))


def _single(item: Any) -> str:
    names = _names(item.components)
    if len(names) > 1:
        raise ValueError(f"{':'.join(names)} is an interaction of coefficients, which is not supported; {_UNDERSTOOD}")
    return names[0]


def _names(components: list[Any]) -> tuple[str, ...]:
    for part in components:
        if type(part).__name__ != "Variable":
            raise ValueError(f"{getattr(part, 'name', part)} is not supported; {_UNDERSTOOD}")
    return tuple(str(part.name) for part in components)
