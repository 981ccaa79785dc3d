"""Code the terms of a model: which numbers the levels of a column stand for.

Every term reads columns of a cell (its district, its demographics). What a district brings along, a predictor or a
parent area, becomes a table over district codes, so that a coded term needs nothing else to code a new row. Period,
pollster and mode are columns of the counts alone.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.electorate import Electorate
from mrp.errors import FormulaError
from mrp.formula import slope_name
from mrp.neighbours import Pairs
from mrp.numbers import is_constant
from mrp.same_groups import area_of_district, areas_among
from mrp.spatial import components, map_basis, map_directions
from mrp.structure import walk_basis, zero_sum_basis
from mrp.terms import Autoregression, GroupTerm, Nuisance, Spatial, VaryingIntercept, VaryingSlopes, Walk

__all__ = [
    "EffectCoding",
    "EffectKind",
    "FactorCoding",
    "PredictorCoding",
    "code_effect",
    "code_predictor",
    "code_slope",
]


@dataclass(frozen=True, slots=True)
class PredictorCoding:
    """How one predictor is read from a column of a cell."""

    name: str
    key: str
    """The cell column that decides the value: the district (for its predictors and parents) or a demographic."""
    coefficients: tuple[str, ...]
    """One name per coefficient, e.g. "region[South]"."""
    values: NDArray[np.float64]
    """Coded values, shape (level of ``key``, coefficient)."""
    centre: float | None = None
    """Mean over the people of the frame, in the predictor's own unit; None for a column of levels."""
    scale: float | None = None
    """Standard deviation over the people of the frame, in the predictor's own unit; None for a column of levels."""


@dataclass(frozen=True, slots=True)
class FactorCoding:
    """How one factor of a term is read from a column of a cell."""

    name: str
    """Of the column, or of several areas that are one factor together, such as "region:district"."""
    key: str
    levels: tuple[str, ...]
    index: NDArray[np.int32]
    """Position in ``levels`` for each level of ``key``, shape (level of ``key``,)."""


type EffectKind = Literal["independent", "slopes", "correlated slopes", "rw1", "rw2", "ar1", "icar", "bym2", "zero-sum"]


@dataclass(frozen=True, slots=True)
class EffectCoding:
    """Effects of one term: for every combination of the levels of its factors, interviewed or not.

    A term with slopes has several columns of effects per combination, one for each number that a row is coded by.
    """

    term: str
    factors: tuple[FactorCoding, ...]
    kind: EffectKind = "independent"
    """How the effects hang together a priori. A walk goes over the levels of the last factor."""
    slopes: tuple[PredictorCoding, ...] = ()
    """What the effects are slopes of; empty for effects that are added as they are."""
    intercept: bool = True
    """Whether a term with slopes has an intercept as well, its first column."""
    neighbours: Pairs = ()
    """Of a spatial term, the pairs of levels that are next to each other."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of levels of each factor."""
        return tuple(len(factor.levels) for factor in self.factors)

    @property
    def columns(self) -> tuple[str, ...]:
        """One name per column of effects: "1" for an intercept, else the coefficient, e.g. "region[South]"."""
        names = tuple(name for slope in self.slopes for name in slope.coefficients)
        return ("1", *names) if self.intercept else names

    @property
    def n_groups(self) -> int:
        """Number of combinations of levels."""
        return int(np.prod(self.shape))

    @property
    def size(self) -> int:
        """Number of effects: combinations times columns, the columns of a combination side by side."""
        return self.n_groups * len(self.columns)

    @property
    def nuisance(self) -> bool:
        """Whether the effects are left out of the prediction."""
        return self.kind == "zero-sum"

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the effects, the last factor running fastest, e.g. "Female:White"; with slopes "HS, lean"."""
        levels = (":".join(levels) for levels in itertools.product(*(factor.levels for factor in self.factors)))
        if not self.slopes:
            return tuple(levels)
        return tuple(f"{level}, {column}" for level in levels for column in self.columns)

    @property
    def walk_basis(self) -> NDArray[np.float64] | None:
        """Effects of one group of a walk from independent coordinates, shape (level, coordinate); None for others."""
        orders = {"rw1": 1, "rw2": 2}
        return walk_basis(self.shape[-1], orders[self.kind]) if self.kind in orders else None

    @property
    def basis(self) -> NDArray[np.float64] | None:
        """Effects from independent coordinates, shape (effect, coordinate); None where they are the same thing."""
        n = self.shape[-1]
        if (walk := self.walk_basis) is not None:
            return np.asarray(np.kron(np.eye(self.size // n), walk))
        match self.kind:
            case "icar":
                return map_basis(n, self.neighbours)
            case "bym2":
                return map_directions(n, self.neighbours)[0]
            case "zero-sum":
                return zero_sum_basis(n)
            case _:
                return None

    @property
    def directions(self) -> NDArray[np.float64]:
        """Of a mixed map, the eigenvalue of each coordinate: how much it varies if neighbours are alike; else none."""
        return map_directions(self.shape[-1], self.neighbours)[1] if self.kind == "bym2" else np.empty(0)

    @property
    def n_coordinates(self) -> int:
        """Number of independent numbers that the effects are made of."""
        n = self.shape[-1]
        if self.kind == "icar":
            return sum(max(len(one) - 1, 1) for one in components(n, self.neighbours))
        lost = {"rw1": 1, "rw2": 2, "zero-sum": 1}.get(self.kind, 0)
        return self.size // n * max(n - lost, 0) if lost else self.size

    @property
    def n_correlations(self) -> int:
        """Number of correlations or autocorrelations in the prior."""
        n = len(self.columns)
        return {"correlated slopes": n * (n - 1) // 2, "ar1": 1}.get(self.kind, 0)

    @property
    def n_mixings(self) -> int:
        """Number of shares in the prior: how much of the variance is alike between neighbours."""
        return int(self.kind == "bym2")


def code_predictor(name: str, electorate: Electorate) -> PredictorCoding:
    if name in electorate.predictors:
        values = electorate.districts.sort("code")[name].cast(pl.Float64).to_numpy()
        people = dict(electorate.frame.group_by(electorate.district).agg(pl.col("n_people").sum()).iter_rows())
        weight = np.array([people.get(code, 0.0) for code in electorate.codes])
        centre = float(np.average(values, weights=weight))
        scale = float(np.sqrt(np.average((values - centre) ** 2, weights=weight)))
        if is_constant(values[weight > 0]):
            raise FormulaError(name, (f"{name} is the same in every district where people live",))
        coded = ((values - centre) / scale)[:, None]
        return PredictorCoding(name, electorate.district, (name,), coded, centre, scale)
    factor = code_factor(name, electorate)
    labels, contrasts = _contrasts(factor.levels)
    return PredictorCoding(name, factor.key, tuple(f"{name}[{label}]" for label in labels), contrasts[factor.index])


def _contrasts(levels: tuple[str, ...]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Labels and sum-to-zero codes of the levels, shape (level, coefficient)."""
    if len(levels) == 2:
        return (levels[1],), np.array([[-0.5], [0.5]])
    return levels[:-1], np.vstack([np.eye(len(levels) - 1), -np.ones(len(levels) - 1)])


def code_effect(
    term: GroupTerm, electorate: Electorate, *, observed: Mapping[str, tuple[str, ...]] | None = None
) -> EffectCoding:
    """Code one term that is not a coefficient; ``observed`` has the levels of period, pollster and mode."""
    observed = observed or {}

    def factors(*names: str) -> tuple[FactorCoding, ...]:
        areas = areas_among(names, electorate)

        def one(name: str) -> FactorCoding:
            if name in areas:
                return code_areas(areas, electorate)
            return _observed_factor(name, observed) or code_factor(name, electorate)

        # Areas are one factor together, where the first of them stands.
        return tuple(one(name) for name in names if name not in areas[1:])

    match term:
        case VaryingIntercept():
            return EffectCoding(str(term), factors(*term.factors))
        case VaryingSlopes():
            slopes = tuple(code_predictor(name, electorate) for name in term.predictors)
            together = term.correlated and term.intercept + sum(len(slope.coefficients) for slope in slopes) > 1
            kind: EffectKind = "correlated slopes" if together else "slopes"
            return EffectCoding(str(term), factors(*term.factors), kind, slopes, term.intercept)
        case Walk():
            return EffectCoding(str(term), factors(*term.factors, term.name), "rw1" if term.order == 1 else "rw2")
        case Autoregression():
            return EffectCoding(str(term), factors(term.name), "ar1")
        case Spatial():
            return EffectCoding(str(term), factors(term.name), term.call, neighbours=electorate.neighbours or ())
        case Nuisance():
            return EffectCoding(str(term), factors(term.name), "zero-sum")


def code_slope(term: Walk, electorate: Electorate, observed: Mapping[str, tuple[str, ...]]) -> PredictorCoding:
    """The straight line of a second-order walk, from -0.5 at the first level to 0.5 at the last."""
    factor = _observed_factor(term.name, observed) or code_factor(term.name, electorate)
    values = np.linspace(-0.5, 0.5, len(factor.levels))[:, None]
    return PredictorCoding(slope_name(term), factor.key, (slope_name(term),), values)


def code_factor(name: str, electorate: Electorate) -> FactorCoding:
    if name in electorate.parents:
        return code_areas((name,), electorate)
    levels = electorate.levels(name)
    return FactorCoding(name, name, levels, np.arange(len(levels), dtype=np.int32))


def code_areas(names: tuple[str, ...], electorate: Electorate) -> FactorCoding:
    """The district or parents of it as one factor, named "region:district", with the combinations that there are.

    A district is in one region: the other regions have no effect of it, however many interviews there will be.
    """
    of_district = area_of_district(names, electorate)
    areas = sorted(set(of_district))
    at = {area: i for i, area in enumerate(areas)}
    index = np.array([at[area] for area in of_district], dtype=np.int32)
    return FactorCoding(":".join(names), electorate.district, tuple(map(":".join, areas)), index)


def _observed_factor(name: str, observed: Mapping[str, tuple[str, ...]]) -> FactorCoding | None:
    if name not in observed:
        return None
    return FactorCoding(name, name, observed[name], np.arange(len(observed[name]), dtype=np.int32))
