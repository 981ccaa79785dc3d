"""Turn a formula and an electorate into the numbers of the linear predictor.

    eta[i] = intercept + sum_j x[i, j] coefficient[j] + sum_k weight[i, k] effect[index[i, k]]

with weight 1 but for slopes, whose weight is the coded predictor. The *latents* are ordered: intercept, coefficients,
then the effects term by term. A two-level column is coded
-0.5 / +0.5, more levels by sum-to-zero contrasts (the last level is minus the sum of the others); a numeric predictor
is centred and scaled by its mean and standard deviation over the people of the frame, and keeps both constants.
A design holds everything needed to code a row that has a district and demographics, so it can be stored with a fit.

Rows of counts also have the period, pollster and mode that the model reads. A row without them is a prediction: for the
period of the design, by nobody in particular, so that nuisance effects are left out.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.coding import EffectCoding, FactorCoding, PredictorCoding, code_effect, code_predictor, code_slope
from mrp.electorate import Electorate
from mrp.errors import CountsError, DrawsError, FormulaError, FrameError
from mrp.formula import parse_formula
from mrp.formula_check import check_formula
from mrp.one_level import supported
from mrp.periods import period_grid
from mrp.terms import OBSERVED, Walk

__all__ = ["Design", "DesignRows", "ShiftCoding", "build_design"]

FORMAT_VERSION = 2


@dataclass(frozen=True, slots=True)
class DesignRows:
    """Coded rows of a table."""

    x: NDArray[np.float64]
    """Coded predictors, shape (row, coefficient)."""
    index: NDArray[np.int32]
    """Positions of the row's effects among all latents, shape (row, entry): an entry for every column of every term."""
    weight: NDArray[np.float64]
    """What those effects are multiplied by: 1, the value of a slope's predictor, or 0 for what is left out."""


@dataclass(frozen=True, slots=True)
class ShiftCoding:
    """A number for each area that is added to the linear predictor and is no part of the model."""

    term: str
    factor: FactorCoding


@dataclass(frozen=True, slots=True)
class Design:
    """Coding of every term of a model; see `build_design`."""

    formula: str
    district: str
    keys: Mapping[str, tuple[str, ...]]
    """The columns of the frame that the model reads, with their levels."""
    predictors: tuple[PredictorCoding, ...]
    effects: tuple[EffectCoding, ...]
    observed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of period, pollster and mode those that the model reads, with their levels; periods on a regular grid."""
    period: str | None = None
    """The period that is predicted, if the model reads periods."""
    left_out: tuple[str, ...] = ()
    """Terms of the formula that the interviews cannot support yet, and why, in words; see `mrp.one_level`."""
    shifts: tuple[ShiftCoding, ...] = ()
    """What is added after the fit, see `mrp.shifts`; their latents come last."""

    @property
    def common(self) -> "Design":
        """Itself: designs of other kinds of questions have one of these inside."""
        return self

    @property
    def cell_columns(self) -> tuple[str, ...]:
        """Columns of the frame that the model reads; two cells that agree in these have the same prediction."""
        return tuple(self.keys)

    @property
    def count_columns(self) -> tuple[str, ...]:
        """Columns that interviews must be counted by: ``cell_columns``, then what the model reads of an interview."""
        return (*self.keys, *self.observed)

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
        shifts = (f"{shift.term}[{level}]" for shift in self.shifts for level in shift.factor.levels)
        return ("intercept", *self.coefficient_names, *effects, *shifts)

    @property
    def n_fitted(self) -> int:
        """Number of latents that the model has; those of shifts follow."""
        return 1 + len(self.coefficient_names) + sum(effect.size for effect in self.effects)

    @property
    def n_latents(self) -> int:
        return self.n_fitted + sum(len(shift.factor.levels) for shift in self.shifts)

    @property
    def has_terms(self) -> bool:
        """Whether cells differ in their prediction; else the intercept is all there is."""
        return bool(self.predictors or self.effects or self.shifts)

    def at_period(self, period: str) -> "Design":
        """The same model, predicting another period of its grid.

        Raises
        ------
        FrameError
            If the model does not read periods, or does not know this one.
        """
        grid = self.observed.get("period")
        if grid is None:
            raise FrameError(f"the model {self.formula!r} has no term of period: its prediction is for all periods")
        if period not in grid:
            raise FrameError(f"period {period!r} is not one of the {len(grid)} of the model, {grid[0]} to {grid[-1]}")
        return replace(self, period=period)

    def rows(self, table: pl.DataFrame) -> DesignRows:
        """Code the rows of a table of cells or counts.

        Parameters
        ----------
        table
            Any table with the columns ``cell_columns``, and those of ``observed`` unless it is to be predicted.

        Raises
        ------
        FrameError
            If a column is missing, or holds a level the model has not seen; see `covers`.
        """
        position = self._positions(table)
        x = np.empty((table.height, len(self.coefficient_names)))
        column = 0
        for predictor in self.predictors:
            width = len(predictor.coefficients)
            x[:, column : column + width] = predictor.values[position[predictor.key]]
            column += width
        n_entries = sum(len(effect.columns) for effect in self.effects) + len(self.shifts)
        index = np.empty((table.height, n_entries), dtype=np.int32)
        weight = np.ones((table.height, n_entries))
        entry = 0
        for effect, offset in zip(self.effects, self.offsets, strict=True):
            width = len(effect.columns)
            own = slice(entry, entry + width)
            entry += width
            if effect.nuisance and any(factor.key not in position for factor in effect.factors):
                index[:, own], weight[:, own] = offset, 0.0
                continue
            at = np.zeros(table.height, dtype=np.int32)
            for factor in effect.factors:
                at = at * len(factor.levels) + factor.index[position[factor.key]]
            index[:, own] = offset + width * at[:, None] + np.arange(width, dtype=np.int32)
            if effect.slopes:
                slopes = [slope.values[position[slope.key]] for slope in effect.slopes]
                weight[:, own] = np.concatenate([np.ones((table.height, int(effect.intercept))), *slopes], axis=1)
        first = self.n_fitted
        for shift in self.shifts:
            index[:, entry] = first + shift.factor.index[position[shift.factor.key]]
            entry, first = entry + 1, first + len(shift.factor.levels)
        return DesignRows(x=x, index=index, weight=weight)

    def covers(self, table: pl.DataFrame) -> NDArray[np.bool_]:
        """Which rows have only levels that the model knows, shape (row,)."""
        known = np.ones(table.height, dtype=np.bool_)
        for key, levels in self._read(table).items():
            known &= self._codes(table, key, levels) >= 0
        return known

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes; the inverse of `from_json`."""
        return {
            "format_version": FORMAT_VERSION,
            "formula": self.formula,
            "district": self.district,
            "keys": {key: list(levels) for key, levels in self.keys.items()},
            "observed": {key: list(levels) for key, levels in self.observed.items()},
            "period": self.period,
            "left_out": list(self.left_out),
            "predictors": [_predictor_json(predictor) for predictor in self.predictors],
            "effects": [
                {
                    "term": effect.term,
                    "kind": effect.kind,
                    "intercept": effect.intercept,
                    "slopes": [_predictor_json(slope) for slope in effect.slopes],
                    "neighbours": [list(pair) for pair in effect.neighbours],
                    "factors": [_factor_json(factor) for factor in effect.factors],
                }
                for effect in self.effects
            ],
            "shifts": [{"term": shift.term, "factor": _factor_json(shift.factor)} for shift in self.shifts],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Design":
        """Read what `to_json` wrote.

        Raises
        ------
        DrawsError
            If the value is of another format version.
        """
        if value.get("format_version") not in (1, FORMAT_VERSION):
            raise DrawsError(
                f"the design has format version {value.get('format_version')!r}, this version reads {FORMAT_VERSION}; "
                "refit the question"
            )
        return cls(
            formula=value["formula"],
            district=value["district"],
            keys={key: tuple(levels) for key, levels in value["keys"].items()},
            predictors=tuple(_predictor(item) for item in value["predictors"]),
            effects=tuple(
                EffectCoding(
                    term=item["term"],
                    factors=tuple(_factor(factor) for factor in item["factors"]),
                    # Version 1 had varying intercepts only.
                    kind=item.get("kind", "independent"),
                    slopes=tuple(_predictor(slope) for slope in item.get("slopes", ())),
                    intercept=item.get("intercept", True),
                    neighbours=tuple((one, two) for one, two in item.get("neighbours", ())),
                )
                for item in value["effects"]
            ),
            observed={key: tuple(levels) for key, levels in value.get("observed", {}).items()},
            period=value.get("period"),
            left_out=tuple(value.get("left_out", ())),
            shifts=tuple(ShiftCoding(item["term"], _factor(item["factor"])) for item in value.get("shifts", ())),
        )

    def _read(self, table: pl.DataFrame) -> dict[str, tuple[str, ...]]:
        """The columns of a table that the model reads, with their levels."""
        return {**self.keys, **{key: levels for key, levels in self.observed.items() if key in table.columns}}

    def _positions(self, table: pl.DataFrame) -> dict[str, NDArray[np.int64]]:
        """Position of each row's level in each column that the model reads, those of the predicted period included."""
        position = {}
        for key, levels in self._read(table).items():
            codes = self._codes(table, key, levels)
            if (unknown := codes < 0).any():
                value = table[key][int(np.argmax(unknown))]
                raise FrameError(
                    f"{int(unknown.sum()):,} rows have {key} {value!r}, which is not one of the {len(levels)} levels "
                    "of the model; fit it on every level of the frame"
                )
            position[key] = codes
        if self.period is not None and "period" not in position:
            position["period"] = np.full(table.height, self.observed["period"].index(self.period))
        return position

    def _codes(self, table: pl.DataFrame, key: str, levels: tuple[str, ...]) -> NDArray[np.int64]:
        """Position of each row's level, -1 where it is unknown or missing."""
        if key not in table.columns:
            raise FrameError(
                f"the table has no column {key!r}, which the model reads; it has {', '.join(table.columns)}"
            )
        codes = table[key].cast(pl.String).cast(pl.Enum(levels), strict=False).to_physical().cast(pl.Int64)
        return codes.fill_null(-1).to_numpy()


def build_design(
    formula: str,
    electorate: Electorate,
    *,
    observed: Mapping[str, Sequence[str]] | None = None,
    period: str | None = None,
) -> Design:
    """Code every term of a formula for an electorate.

    Parameters
    ----------
    formula
        See `mrp.formula`.
    electorate
        Gives the levels, the predictors of the districts, and the people that the centring constants are averaged over.
    observed
        Levels of "period", "pollster" and "mode" that the interviews have, as `mrp.counts.observed_levels` gives them;
        see `mrp.periods.period_grid` for labels of periods.
    period
        The period to predict, one of the grid. Default: the last one with interviews.

    Returns
    -------
    Design
        Terms of a period, pollster or mode that is the only one are not in it; its ``left_out`` says so.

    Raises
    ------
    FormulaError
        With everything that is wrong with the formula.
    CountsError
        If ``observed`` names another column, or has levels that are not text.
    FrameError
        If there is no such period.
    """
    _check_observed(observed or {})
    if problems := check_formula(formula, electorate, observed=observed or {}):
        raise FormulaError(formula, problems)
    parsed = parse_formula(formula)
    named = {name for term in parsed.terms for name in term.names}
    levels = {
        name: period_grid(observed[name]) if name == "period" else tuple(sorted(set(observed[name])))
        for name in OBSERVED
        if observed and name in observed and name in named and name not in electorate.cell_columns
    }
    groups, left_out = supported(parsed.groups, levels, electorate)
    slopes = [term for term in groups if isinstance(term, Walk) and term.order == 2]
    predictors = (
        *(code_predictor(term.name, electorate) for term in parsed.predictors),
        *(code_slope(term, electorate, levels) for term in slopes),
    )
    coded = [code_effect(term, electorate, observed=levels) for term in groups]
    effects = tuple(effect for effect in coded if effect.n_coordinates)
    # A second-order walk over two periods is its slope, a coefficient, and nothing else.
    left_out += tuple(
        f"{effect.term} is left out but for its slope: there are two periods only, and a straight line joins them"
        for effect in coded
        if not effect.n_coordinates
    )
    used = {p.key for p in predictors} | {f.key for e in effects for f in e.factors}
    used |= {slope.key for effect in effects for slope in effect.slopes}
    keys = {column: electorate.levels(column) for column in electorate.cell_columns if column in used}
    design = Design(
        formula,
        electorate.district,
        keys,
        predictors,
        effects,
        levels,
        levels["period"][-1] if "period" in levels else None,
        left_out,
    )
    return design if period is None else design.at_period(period)


def _check_observed(observed: Mapping[str, Sequence[str]]) -> None:
    for name, levels in observed.items():
        if name not in OBSERVED:
            raise CountsError(f"observed has levels of {name!r}; it may have those of {', '.join(OBSERVED)}: rename it")
        if isinstance(levels, str):
            raise CountsError(f"the levels of {name} in observed must be a list, got {levels!r}; write ({levels!r},)")
        if wrong := [level for level in levels if not isinstance(level, str)]:
            raise CountsError(
                f"the levels of {name} in observed must be text, got {wrong[0]!r} ({type(wrong[0]).__name__}); "
                "take them from mrp.observed_levels(interviews)"
            )


def _factor_json(factor: FactorCoding) -> dict[str, Any]:
    return {"name": factor.name, "key": factor.key, "levels": list(factor.levels), "index": factor.index.tolist()}


def _factor(item: Mapping[str, Any]) -> FactorCoding:
    return FactorCoding(item["name"], item["key"], tuple(item["levels"]), np.asarray(item["index"], dtype=np.int32))


def _predictor_json(predictor: PredictorCoding) -> dict[str, Any]:
    return {
        "name": predictor.name,
        "key": predictor.key,
        "coefficients": list(predictor.coefficients),
        "values": predictor.values.tolist(),
        "centre": predictor.centre,
        "scale": predictor.scale,
    }


def _predictor(item: Mapping[str, Any]) -> PredictorCoding:
    return PredictorCoding(
        name=item["name"],
        key=item["key"],
        coefficients=tuple(item["coefficients"]),
        values=np.asarray(item["values"], dtype=np.float64),
        centre=item["centre"],
        scale=item["scale"],
    )
