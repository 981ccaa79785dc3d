"""Turn a formula and an electorate into the numbers of the linear predictor of a question answered with a number.

    answer[i] = centre + scale * (eta[i] + residual),     residual ~ Normal(0, sd),     eta as in `mrp.design`

The last of the "latents" is no effect but that sd, in the unit of eta: with it the draws of a release say how people of
one cell differ, not only how cells do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.design import Design, DesignRows, build_design
from mrp.electorate import Electorate
from mrp.errors import DrawsError
from mrp.numeric.counts import unit_of
from mrp.numeric.residual import RESIDUAL
from mrp.numeric.unit import Unit

__all__ = ["NumericDesign", "build_numeric_design"]

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class NumericDesign:
    """Coding of every term of a model, and the unit it thinks in; see `build_numeric_design`."""

    formula: str
    common: Design
    unit: Unit | None = None
    """None until the design is fitted: then that of the answers."""

    @property
    def cell_columns(self) -> tuple[str, ...]:
        """Columns of the frame that the model reads."""
        return self.common.cell_columns

    @property
    def count_columns(self) -> tuple[str, ...]:
        """Columns that interviews must be counted by."""
        return self.common.count_columns

    @property
    def n_latents(self) -> int:
        return self.common.n_latents + 1

    @property
    def latent_names(self) -> tuple[str, ...]:
        """Those of `mrp.design.Design.latent_names`, then "sd residual"."""
        return (*self.common.latent_names, RESIDUAL)

    def at_period(self, period: str) -> "NumericDesign":
        """The same model, predicting another period; see `mrp.design.Design.at_period`."""
        return replace(self, common=self.common.at_period(period))

    def rows(self, table: pl.DataFrame) -> DesignRows:
        """Code the rows of a table; see `mrp.design.Design.rows`."""
        return self.common.rows(table)

    def covers(self, table: pl.DataFrame) -> NDArray[np.bool_]:
        """Which rows have only levels that the model knows, shape (row,)."""
        return self.common.covers(table)

    def for_counts(self, counts: pl.DataFrame) -> "NumericDesign":
        """The design with a unit: its own, or that of the answers; see `mrp.numeric.counts.unit_of`."""
        return self if self.unit is not None else replace(self, unit=unit_of(self.common, counts))

    def require_unit(self) -> Unit:
        """The unit.

        Raises
        ------
        DrawsError
            If there is none yet.
        """
        if self.unit is None:
            raise DrawsError("the design has no unit before it is fitted; use the design of the fit")
        return self.unit

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes; the inverse of `from_json`."""
        return {
            "format_version": FORMAT_VERSION,
            "kind": "numeric",
            "formula": self.formula,
            "common": self.common.to_json(),
            "unit": None if self.unit is None else self.unit.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "NumericDesign":
        """Read what `to_json` wrote.

        Raises
        ------
        DrawsError
            If the value is no numeric design, or one of another format version.
        """
        if value.get("kind") != "numeric" or value.get("format_version") != FORMAT_VERSION:
            told = f"of kind {value.get('kind')!r} and format version {value.get('format_version')!r}"
            raise DrawsError(f"the design is {told}, not 'numeric' and {FORMAT_VERSION}; refit the question")
        unit = value["unit"]
        return cls(value["formula"], Design.from_json(value["common"]), None if unit is None else Unit.from_json(unit))


def build_numeric_design(
    formula: str,
    electorate: Electorate,
    unit: Unit | None = None,
    *,
    observed: Mapping[str, Sequence[str]] | None = None,
    period: str | None = None,
) -> NumericDesign:
    """Code every term of a formula for an electorate.

    Parameters
    ----------
    formula
        As for a binary question, see `mrp.formula`.
    electorate, observed, period
        As for `mrp.design.build_design`.
    unit
        What the answers are measured in by the model; None: their own mean and standard deviation, once there are some.

    Raises
    ------
    FormulaError
        With what is wrong with the formula.
    FrameError
        If there is no such period.
    """
    return NumericDesign(formula, build_design(formula, electorate, observed=observed, period=period), unit)
