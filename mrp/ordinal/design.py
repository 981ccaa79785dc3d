"""Turn a formula, an electorate and the ordered options of a question into the numbers of its model.

    P(answer <= option k | cell i) = 1 / (1 + exp(-(c[k] - eta[i]))),      eta[i]: terms of cell i, as in `mrp.design`

The terms are those of a binary question, each a number however many options there are: what moves opinion moves it
along the scale. The latents are ordered: those of the binary model, then the log widths that the cutpoints ``c`` are
made of with the intercept, see `mrp.ordinal.scale`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.categorical.options import Options
from mrp.design import Design, DesignRows, build_design
from mrp.electorate import Electorate
from mrp.errors import DrawsError

__all__ = ["OrdinalDesign", "build_ordinal_design"]

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class OrdinalDesign:
    """Coding of every term of a model of an ordered scale; see `build_ordinal_design`."""

    options: tuple[str, ...]
    """From the lowest to the highest."""
    common: Design
    """The terms, which are those of a binary model."""

    @property
    def formula(self) -> str:
        return self.common.formula

    @property
    def n_options(self) -> int:
        return len(self.options)

    @property
    def inner_options(self) -> tuple[str, ...]:
        """Those that have a cutpoint on both sides, and so a width."""
        return self.options[1:-1]

    @property
    def cutpoint_names(self) -> tuple[str, ...]:
        """Names of the cutpoints, e.g. "Disagree | Neither"."""
        return tuple(f"{low} | {high}" for low, high in zip(self.options, self.options[1:], strict=False))

    @property
    def cell_columns(self) -> tuple[str, ...]:
        """Columns of the frame that the model reads."""
        return self.common.cell_columns

    @property
    def count_columns(self) -> tuple[str, ...]:
        """Columns that interviews must be counted by."""
        return self.common.count_columns

    @property
    def n_common(self) -> int:
        """Number of latents of the terms."""
        return self.common.n_latents

    @property
    def n_latents(self) -> int:
        return self.n_common + len(self.inner_options)

    @property
    def latent_names(self) -> tuple[str, ...]:
        """Names of all latents in order, e.g. "intercept", "(1|state)[AL]", "log width[Neither]"."""
        return (*self.common.latent_names, *(f"log width[{option}]" for option in self.inner_options))

    def at_period(self, period: str) -> "OrdinalDesign":
        """The same model, predicting another period; see `mrp.design.Design.at_period`."""
        return replace(self, common=self.common.at_period(period))

    def rows(self, table: pl.DataFrame) -> DesignRows:
        """Code the rows of a table; see `mrp.design.Design.rows`."""
        return self.common.rows(table)

    def covers(self, table: pl.DataFrame) -> NDArray[np.bool_]:
        """Which rows have only levels that the model knows, shape (row,)."""
        return self.common.covers(table)

    def stands(self, table: pl.DataFrame) -> NDArray[np.bool_]:
        """Which options can be chosen in each row, shape (row, option): all of them."""
        return np.ones((table.height, self.n_options), dtype=np.bool_)

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes; the inverse of `from_json`."""
        return {
            "format_version": FORMAT_VERSION,
            "kind": "ordinal",
            "options": list(self.options),
            "common": self.common.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "OrdinalDesign":
        """Read what `to_json` wrote.

        Raises
        ------
        DrawsError
            If the value is no ordinal design, or one of another format version.
        """
        if value.get("kind") != "ordinal" or value.get("format_version") != FORMAT_VERSION:
            told = f"of kind {value.get('kind')!r} and format version {value.get('format_version')!r}"
            raise DrawsError(f"the design is {told}, not 'ordinal' and {FORMAT_VERSION}; refit the question")
        return cls(tuple(value["options"]), Design.from_json(value["common"]))


def build_ordinal_design(
    formula: str,
    electorate: Electorate,
    options: Sequence[str],
    *,
    observed: Mapping[str, Sequence[str]] | None = None,
    period: str | None = None,
) -> OrdinalDesign:
    """Code every term of a formula for an electorate and the ordered options of a question.

    Parameters
    ----------
    formula
        As for a binary question, see `mrp.formula`.
    options
        All that can be answered, from the lowest to the highest; an effect above 0 moves opinion towards the last.
    electorate, observed, period
        As for `mrp.design.build_design`.

    Raises
    ------
    FormulaError
        With what is wrong with the formula.
    FrameError
        If options are fewer than two or one is there twice, or there is no such period.
    CountsError
        If ``observed`` is not what `mrp.design.build_design` takes.
    """
    declared = Options(options if isinstance(options, str) else tuple(options))  # type: ignore[arg-type]  # refused there
    return OrdinalDesign(declared.labels, build_design(formula, electorate, observed=observed, period=period))
