"""Code the terms of a model: which numbers the levels of a column stand for.

Every term reads columns of a cell (its district, its demographics). What a district brings along, a predictor or a
parent area, becomes a table over district codes, so that a coded term needs nothing else to code a new row.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.electorate import Electorate
from mrp.errors import FormulaError
from mrp.formula import VaryingIntercept

__all__ = ["EffectCoding", "FactorCoding", "PredictorCoding", "code_effect", "code_predictor"]


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
    """How one factor of a varying intercept is read from a column of a cell."""

    name: str
    key: str
    levels: tuple[str, ...]
    index: NDArray[np.int32]
    """Position in ``levels`` for each level of ``key``, shape (level of ``key``,)."""


@dataclass(frozen=True, slots=True)
class EffectCoding:
    """A varying intercept: one effect for every combination of the levels of its factors, interviewed or not."""

    term: str
    factors: tuple[FactorCoding, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of levels of each factor."""
        return tuple(len(factor.levels) for factor in self.factors)

    @property
    def size(self) -> int:
        """Number of effects: the product of ``shape``."""
        return int(np.prod(self.shape))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the combinations, the last factor running fastest, e.g. "Female:White"."""
        return tuple(":".join(levels) for levels in itertools.product(*(factor.levels for factor in self.factors)))


def code_predictor(name: str, electorate: Electorate) -> PredictorCoding:
    if name in electorate.predictors:
        values = electorate.districts.sort("code")[name].cast(pl.Float64).to_numpy()
        people = dict(electorate.frame.group_by(electorate.district).agg(pl.col("n_people").sum()).iter_rows())
        weight = np.array([people.get(code, 0.0) for code in electorate.codes])
        centre = float(np.average(values, weights=weight))
        scale = float(np.sqrt(np.average((values - centre) ** 2, weights=weight)))
        if not scale > 0:
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


def code_effect(term: VaryingIntercept, electorate: Electorate) -> EffectCoding:
    return EffectCoding(str(term), tuple(code_factor(name, electorate) for name in term.factors))


def code_factor(name: str, electorate: Electorate) -> FactorCoding:
    levels = electorate.levels(name)
    if name in electorate.parents:
        at = {level: i for i, level in enumerate(levels)}
        parent = dict(electorate.districts.select("code", name).iter_rows())
        index = np.array([at[parent[code]] for code in electorate.codes], dtype=np.int32)
        return FactorCoding(name, electorate.district, levels, index)
    return FactorCoding(name, name, levels, np.arange(len(levels), dtype=np.int32))
