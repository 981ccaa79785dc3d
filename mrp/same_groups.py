"""When two terms have the same effects: their levels are in one-to-one relation, so that no data tell them apart.

Every district is in one area of each kind, so that ``region:district`` has the groups of ``district``. What a term
groups people by is therefore the division of the districts that its areas make, and its other factors by name.
"""

from collections.abc import Iterable, Iterator

import polars as pl

from mrp.electorate import Electorate
from mrp.terms import Autoregression, GroupTerm, Spatial, VaryingIntercept, VaryingSlopes, Walk

__all__ = ["area_of_district", "areas_among", "claims"]


def claims(term: GroupTerm, electorate: Electorate) -> Iterator[object]:
    """What only one term can be, so that two with the same claim cannot be told apart."""
    if isinstance(term, VaryingIntercept):
        yield _groups(term.factors, electorate)
    elif isinstance(term, VaryingSlopes):
        if term.intercept:
            yield _groups(term.factors, electorate)
        for name in term.predictors:
            yield name, _groups(term.factors, electorate)
    elif isinstance(term, Walk | Autoregression):
        yield "over", term.name, _groups(term.factors if isinstance(term, Walk) else (), electorate)
    elif isinstance(term, Spatial):
        yield "next to", term.name
        if term.call == "bym2":  # it has effects of every district by itself as well
            yield _groups(term.factors, electorate)
    else:
        yield term.call


def areas_among(factors: Iterable[str], electorate: Electorate) -> tuple[str, ...]:
    """Those of some factors that a district decides: itself and its parents."""
    return tuple(name for name in factors if name == electorate.district or name in electorate.parents)


def area_of_district(areas: tuple[str, ...], electorate: Electorate) -> tuple[tuple[str, ...], ...]:
    """For each district, in the order of `Electorate.codes`, its level of each of some areas."""
    columns = [pl.col("code" if name == electorate.district else name).alias(name) for name in areas]
    return tuple(electorate.districts.sort("code").select(columns).iter_rows())


def _groups(factors: tuple[str, ...], electorate: Electorate) -> object:
    areas = areas_among(factors, electorate)
    of_district = area_of_district(areas, electorate) if areas else ()
    first = {area: i for i, area in reversed(list(enumerate(of_district)))}
    return tuple(first[area] for area in of_district), frozenset(factors).difference(areas)
