"""Terms that need more periods, pollsters or modes than there are yet: left out, in words that everybody sees.

A survey begins with one wave, and so with one period, one pollster and one mode. An effect of the only level there is
cannot be told from the intercept; the survey is fitted without it until there are more, and the fit, its release and
every estimate warn of it. A demographic or an area with one level is another matter: that is how the survey was
declared, and its term is an error (`mrp.formula_check`).
"""

from collections.abc import Mapping
from dataclasses import replace

from mrp.electorate import Electorate
from mrp.same_groups import claims
from mrp.terms import GroupTerm, VaryingIntercept, VaryingSlopes, Walk

__all__ = ["supported"]


def supported(
    terms: tuple[GroupTerm, ...], levels: Mapping[str, tuple[str, ...]], electorate: Electorate
) -> tuple[tuple[GroupTerm, ...], tuple[str, ...]]:
    """The terms that can be fitted, and why others are left out.

    Parameters
    ----------
    terms
        Of a formula that fits the electorate.
    levels
        Of the columns of interviews that they read: period, pollster, mode.

    Returns
    -------
    tuple
        The terms that stay, in their order; for each other a sentence. An interaction such as ``(1|age:period)`` stays
        if no other term has its groups.
    """
    single = {name: of[0] for name, of in levels.items() if len(of) == 1}
    seen = {claim for term in terms if not single.keys() & term.names for claim in claims(term, electorate)}
    kept, reasons = [], []
    for term in terms:
        alone = [name for name in term.names if name in single]
        if not alone:
            kept.append(term)
            continue
        why = f"{term} is left out: there is one {alone[0]} only ({single[alone[0]]})"
        bare = _without(term, single)
        if bare is None:
            reasons.append(f"{why}, whose effect cannot be told from the intercept")
        elif seen.intersection(claims(bare, electorate)):
            reasons.append(f"{why}, so that its effects cannot be told from those of another term")
        else:
            seen.update(claims(bare, electorate))
            kept.append(term)
    return tuple(kept), tuple(reasons)


def _without(term: GroupTerm, single: Mapping[str, str]) -> GroupTerm | None:
    """The term without the columns that have one level; None if nothing of it is left."""
    if isinstance(term, VaryingIntercept | VaryingSlopes):
        factors = tuple(name for name in term.factors if name not in single)
        return replace(term, factors=factors) if factors else None
    if isinstance(term, Walk) and term.name not in single:
        return replace(term, factors=tuple(name for name in term.factors if name not in single))
    return None
