"""A model in words: what each term of a formula lets opinion depend on, for readers who do not read formulas."""

from mrp.formula import parse_formula
from mrp.terms import Autoregression, Nuisance, Predictor, Spatial, Term, VaryingIntercept, VaryingSlopes, Walk

__all__ = ["describe_term", "describe_terms"]

_ASKED = {"house": "who interviewed", "mode": "how people were interviewed"}


def describe_terms(formula: str) -> dict[str, str]:
    """Term -> what it lets opinion depend on, in the order of the formula.

    Raises
    ------
    FormulaError
        If the formula cannot be read.
    """
    return {str(term): describe_term(term) for term in parse_formula(formula).terms}


def describe_term(term: Term) -> str:
    """What one term lets opinion depend on, e.g. "differences between levels of age, held together ..."."""
    match term:
        case Predictor(name):
            words = f"a coefficient of {name}, the same everywhere"
        case VaryingIntercept(factors):
            words = (
                f"differences between {_groups(factors)}, drawn towards each other as far as the data allow, so that "
                "groups with few interviews borrow from the others"
            )
        case VaryingSlopes(factors, predictors, intercept, correlated):
            also = ", and differences between them" if intercept else ""
            together = "related" if correlated else "unrelated"
            what = f"{'each ' if len(predictors) > 1 else ''}a coefficient of {' and '.join(predictors)}"
            several = f"; {together} to each other" if len(predictors) + intercept > 1 else ""
            words = f"{what} that differs between {_groups(factors)}{also}, drawn towards each other{several}"
        case Walk(name, order, factors):
            alike = "neighbouring levels are alike" if order == 1 else "a trend bends only slowly from level to level"
            apart = f", separately for {_groups(factors)}" if factors else ""
            words = f"differences along {name} in its order, where {alike}{apart}"
        case Autoregression(name):
            words = f"change over {name}, where each {name} remembers a part of the one before"
        case Spatial(call, name):
            alike = "those next to each other on the map are alike"
            own = "" if call == "icar" else " and each differs by itself besides, in proportions that the data decide"
            words = f"differences between levels of {name}, where {alike}{own}"
        case Nuisance(call, _):
            words = f"effects of {_ASKED.get(call, call)}: estimated, summing to zero, and left out of every estimate"
    return words


def _groups(factors: tuple[str, ...]) -> str:
    return f"levels of {factors[0]}" if len(factors) == 1 else f"combinations of {' and '.join(factors)}"
