"""Values by the name of a term, which has many spellings: (x|g) is (1+x|g), and (1|a:b) is (1|b:a)."""

import re
from collections.abc import Mapping

from mrp.errors import FormulaError, PriorError
from mrp.formula import parse_formula

__all__ = ["by_name", "find", "order_free", "term_name"]

_BARRED = re.compile(r"([^(|]*)\(([^(|]*)(\|\|?|\|\w+\|)([^|]*)\)")


def by_name[Own](own: Mapping[str, Own]) -> dict[str, Own]:
    """Priors by the names of their terms, each of which has many spellings."""
    named: dict[str, Own] = {}
    for written, prior in own.items():
        name = term_name(written)
        if order_free(name) in map(order_free, named):
            raise PriorError(f"{name} has two priors of one kind; keep one")
        named[name] = prior
    return named


def term_name(written: str) -> str:
    """The name of a term as a formula gives it: "(1+x|g)" for "(x | g)"."""
    name = "".join(written.split())
    if "|" not in name:
        return name
    try:
        terms = [str(term) for term in parse_formula(name).terms]
    except FormulaError:
        return name  # `Priors.check` says which terms there are
    if len(terms) > 1:
        raise PriorError(f"there is a prior for {name}, which stands for {' and '.join(terms)}; give each its own")
    return terms[0] if terms else name


def order_free(name: str) -> str:
    """The same text for (1|a:b) and (1|b:a), which are one term."""
    barred = _BARRED.fullmatch(name)
    if barred is None:
        return name
    head, columns, bar, factors = barred.groups()
    return f"{head}({'+'.join(sorted(columns.split('+')))}{bar}{':'.join(sorted(factors.split(':')))})"


def find[Own](own: Mapping[str, Own], name: str, default: Own) -> Own:
    """The value for a term, however it is written; ``default`` if there is none."""
    found = (prior for written, prior in own.items() if order_free(written) == order_free(name))
    return next(found, default)
