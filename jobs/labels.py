"""The labels of a formula, by which questions are fitted together."""

from functools import lru_cache

from mrp.categorical.options import take_own_terms
from mrp.errors import FormulaError
from mrp.formula import parse_formula
from mrp.terms import VaryingIntercept

__all__ = ["formula_labels"]


@lru_cache(maxsize=1024)  # read at every wave, of every question
def formula_labels(formula: str) -> frozenset[str]:
    """Labels such as p of ``(1|p|district)``; none if the formula cannot be read."""
    try:
        rest, _ = take_own_terms(formula)
        groups = parse_formula(rest).groups
    except FormulaError:
        return frozenset()
    return frozenset(term.label for term in groups if isinstance(term, VaryingIntercept) and term.label)
