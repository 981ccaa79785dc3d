"""Turn a formula and an electorate into the numbers of the linear predictor.

    eta[i] = intercept + sum_j x[i, j] coefficient[j] + sum_k effect_k[index[i, k]]

The *latents* are ordered: intercept, coefficients, then the effects term by term. A two-level column is coded
-0.5 / +0.5, more levels by sum-to-zero contrasts (the last level is minus the sum of the others); a numeric predictor
is centred and scaled by its mean and standard deviation over the people of the frame, and keeps both constants.
A design holds everything needed to code a row that has a district and demographics, so it can be stored with a fit.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.coding import EffectCoding, FactorCoding, PredictorCoding, code_effect, code_predictor
from mrp.electorate import Electorate
from mrp.errors import DrawsError, FormulaError, FrameError
from mrp.formula import check_formula, parse_formula

__all__ = ["Design", "DesignRows", "build_design"]

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class DesignRows:
    """Coded rows of a table."""

    x: NDArray[np.float64]
    """Coded predictors, shape (row, coefficient)."""
    index: NDArray[np.int32]
    """Position of the row's effect among all latents, shape (row, varying term)."""


@dataclass(frozen=True, slots=True)
class Design:
    """Coding of every term of a model; see `build_design`."""

    formula: str
    district: str
    keys: Mapping[str, tuple[str, ...]]
    """The cell columns the model reads, with their levels."""
    predictors: tuple[PredictorCoding, ...]
    effects: tuple[EffectCoding, ...]

    @property
    def cell_columns(self) -> tuple[str, ...]:
        """Columns that interviews must be counted by; two cells that agree in these have the same prediction."""
        return tuple(self.keys)

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        return tuple(name for predictor in self.predictors for name in predictor.coefficients)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Position of the first effect of each varying term among the latents."""
        sizes = [1 + len(self.coefficient_names), *(effect.size for effect in self.effects)]
        return tuple(itertools.accumulate(sizes))[: len(self.effects)]

    @property
    def blocks(self) -> tuple[tuple[str, slice], ...]:
        """Each term with the positions of its latents: "intercept", the predictors, the varying terms."""
        names = ["intercept", *(p.name for p in self.predictors), *(e.term for e in self.effects)]
        sizes = [1, *(len(p.coefficients) for p in self.predictors), *(e.size for e in self.effects)]
        ends = itertools.accumulate(sizes)
        return tuple((name, slice(end - size, end)) for name, size, end in zip(names, sizes, ends, strict=True))

    @property
    def latent_names(self) -> tuple[str, ...]:
        """Names of all latents in order, e.g. "intercept", "region[South]", "(1|state)[AL]"."""
        effects = (f"{effect.term}[{label}]" for effect in self.effects for label in effect.labels)
        return ("intercept", *self.coefficient_names, *effects)

    @property
    def n_latents(self) -> int:
        return 1 + len(self.coefficient_names) + sum(effect.size for effect in self.effects)

    def rows(self, table: pl.DataFrame) -> DesignRows:
        """Code the rows of a table of cells or counts.

        Parameters
        ----------
        table
            Any table with the columns ``cell_columns``.

        Raises
        ------
        FrameError
            If a column is missing, or holds a level the model has not seen; see `covers`.
        """
        position = {}
        for key, levels in self.keys.items():
            codes = self._codes(table, key)
            if (unknown := codes < 0).any():
                value = table[key][int(np.argmax(unknown))]
                raise FrameError(
                    f"{int(unknown.sum()):,} rows have {key} {value!r}, which is not one of the {len(levels)} levels "
                    "of the model; fit it on every level of the frame"
                )
            position[key] = codes
        x = np.empty((table.height, len(self.coefficient_names)))
        column = 0
        for predictor in self.predictors:
            width = len(predictor.coefficients)
            x[:, column : column + width] = predictor.values[position[predictor.key]]
            column += width
        index = np.empty((table.height, len(self.effects)), dtype=np.int32)
        for k, (effect, offset) in enumerate(zip(self.effects, self.offsets, strict=True)):
            at = np.zeros(table.height, dtype=np.int32)
            for factor in effect.factors:
                at = at * len(factor.levels) + factor.index[position[factor.key]]
            index[:, k] = at + offset
        return DesignRows(x=x, index=index)

    def covers(self, table: pl.DataFrame) -> NDArray[np.bool_]:
        """Which rows have only levels that the model knows, shape (row,)."""
        known = np.ones(table.height, dtype=np.bool_)
        for key in self.keys:
            known &= self._codes(table, key) >= 0
        return known

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes; the inverse of `from_json`."""
        return {
            "format_version": FORMAT_VERSION,
            "formula": self.formula,
            "district": self.district,
            "keys": {key: list(levels) for key, levels in self.keys.items()},
            "predictors": [
                {
                    "name": predictor.name,
                    "key": predictor.key,
                    "coefficients": list(predictor.coefficients),
                    "values": predictor.values.tolist(),
                    "centre": predictor.centre,
                    "scale": predictor.scale,
                }
                for predictor in self.predictors
            ],
            "effects": [
                {
                    "term": effect.term,
                    "factors": [
                        {"name": f.name, "key": f.key, "levels": list(f.levels), "index": f.index.tolist()}
                        for f in effect.factors
                    ],
                }
                for effect in self.effects
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Design":
        """Read what `to_json` wrote.

        Raises
        ------
        DrawsError
            If the value is of another format version.
        """
        if value.get("format_version") != FORMAT_VERSION:
            raise DrawsError(
                f"the design has format version {value.get('format_version')!r}, this version reads {FORMAT_VERSION}; "
                "refit the question"
            )
        return cls(
            formula=value["formula"],
            district=value["district"],
            keys={key: tuple(levels) for key, levels in value["keys"].items()},
            predictors=tuple(
                PredictorCoding(
                    name=item["name"],
                    key=item["key"],
                    coefficients=tuple(item["coefficients"]),
                    values=np.asarray(item["values"], dtype=np.float64),
                    centre=item["centre"],
                    scale=item["scale"],
                )
                for item in value["predictors"]
            ),
            effects=tuple(
                EffectCoding(
                    term=item["term"],
                    factors=tuple(
                        FactorCoding(f["name"], f["key"], tuple(f["levels"]), np.asarray(f["index"], dtype=np.int32))
                        for f in item["factors"]
                    ),
                )
                for item in value["effects"]
            ),
        )

    def _codes(self, table: pl.DataFrame, key: str) -> NDArray[np.int64]:
        """Position of each row's level, -1 where it is unknown or missing."""
        if key not in table.columns:
            raise FrameError(
                f"the table has no column {key!r}, which the model reads; it has {', '.join(table.columns)}"
            )
        levels = pl.Enum(self.keys[key])
        codes = table[key].cast(pl.String).cast(levels, strict=False).to_physical().cast(pl.Int64)
        return codes.fill_null(-1).to_numpy()


def build_design(formula: str, electorate: Electorate) -> Design:
    """Code every term of a formula for an electorate.

    Parameters
    ----------
    formula
        See `mrp.formula`.
    electorate
        Gives the levels, the predictors of the districts, and the people that the centring constants are averaged over.

    Raises
    ------
    FormulaError
        With everything that is wrong with the formula.
    """
    if problems := check_formula(formula, electorate):
        raise FormulaError(formula, problems)
    parsed = parse_formula(formula)
    predictors = tuple(code_predictor(term.name, electorate) for term in parsed.predictors)
    effects = tuple(code_effect(term, electorate) for term in parsed.varying)
    used = {p.key for p in predictors} | {f.key for e in effects for f in e.factors}
    keys = {column: electorate.levels(column) for column in electorate.cell_columns if column in used}
    return Design(formula=formula, district=electorate.district, keys=keys, predictors=predictors, effects=effects)
