"""Turn a formula, an electorate and the options of a question into the numbers of a linear predictor per option.

    eta[i, k] = offset[i, k] + sum_j own[i, j, k] b[j]
              + intercept[k] + sum_j x[i, j] coefficient[j, k] + sum_m weight[i, m] effect[index[i, m], k]

    P(answer k in cell i) = exp(eta[i, k]) / sum_l exp(eta[i, l])

The second line is the model of a binary question, `mrp.design`, with a vector over options, summing to zero, for every
latent. ``b`` are plain numbers, and the offset is minus infinity where an option does not stand. The latents are
ordered: those of the second line, for each its options side by side, then ``b``.

A varying term has one standard deviation for all options, or, with ``sd = "by option"``, one for each: then option k
has the effects of the binary model with its own sd, and what is left of them after their mean over options is taken off
is the effect. Its covariance over options is

    (I - 11'/K) D^2 (I - 11'/K),       D = diag(sd_1 ... sd_K),

which is sd^2 (I - 11'/K) where sds are the same, and knows no order of options. A softmax does not see the mean that is
taken off: it is the model of K effects, independent a priori.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.categorical.options import Options, OwnPredictor, code_offset, code_own, take_own_terms
from mrp.design import Design, DesignRows, build_design
from mrp.electorate import Electorate
from mrp.errors import DrawsError, FormulaError

__all__ = ["CategoricalDesign", "CategoricalRows", "SharedSd", "build_categorical_design"]

type Floats = NDArray[np.float64]
type SharedSd = Literal["shared", "by option"]
"""Whether the options share the standard deviation of a term."""

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class CategoricalRows:
    """Coded rows of a table."""

    common: DesignRows
    own: Floats
    """Coded values of each option, shape (row, own predictor, option)."""
    offset: Floats
    """Shape (row, option); minus infinity where an option does not stand."""


@dataclass(frozen=True, slots=True, eq=False)
class CategoricalDesign:
    """Coding of every term of a model of several options; see `build_categorical_design`."""

    formula: str
    options: tuple[str, ...]
    common: Design
    """The terms that have a vector over options for each number of the binary model."""
    codes: tuple[str, ...]
    """Codes of the districts, in the order of the arrays below."""
    own: tuple[OwnPredictor, ...]
    offset: Floats
    """Shape (district, option); minus infinity where an option does not stand."""
    sd: SharedSd = "shared"
    """Of every varying term."""

    @property
    def n_options(self) -> int:
        return len(self.options)

    @property
    def reads_districts(self) -> bool:
        """Whether the options of a cell differ by its district beyond the common terms."""
        return bool(self.own) or bool(np.any(self.offset != 0))

    @property
    def cell_columns(self) -> tuple[str, ...]:
        """Columns of the frame that the model reads."""
        district = (self.common.district,) if self.reads_districts else ()
        return tuple(dict.fromkeys((*district, *self.common.cell_columns)))

    @property
    def count_columns(self) -> tuple[str, ...]:
        """Columns that interviews must be counted by."""
        return (*self.cell_columns, *self.common.observed)

    @property
    def n_common(self) -> int:
        """Number of vectors over options."""
        return self.common.n_latents

    @property
    def n_latents(self) -> int:
        return self.n_common * self.n_options + len(self.own)

    @property
    def latent_names(self) -> tuple[str, ...]:
        """Names of all latents in order, e.g. "intercept, Green", "(1|state)[AL], Green", "own(past)"."""
        vectors = (f"{name}, {option}" for name in self.common.latent_names for option in self.options)
        return (*vectors, *(predictor.term for predictor in self.own))

    def at_period(self, period: str) -> "CategoricalDesign":
        """The same model, predicting another period; see `mrp.design.Design.at_period`."""
        return replace(self, common=self.common.at_period(period))

    def rows(self, table: pl.DataFrame) -> CategoricalRows:
        """Code the rows of a table of cells or counts with the columns ``cell_columns``.

        Raises
        ------
        FrameError
            If a column is missing, or holds a level the model has not seen; see `covers`.
        """
        common = self.common.rows(table)
        own = np.zeros((table.height, len(self.own), self.n_options))
        offset = np.zeros((table.height, self.n_options))
        if self.reads_districts:
            at = self._district_at(table)
            for j, predictor in enumerate(self.own):
                own[:, j] = predictor.values[at]
            offset = self.offset[at]
        return CategoricalRows(common, own, offset)

    def covers(self, table: pl.DataFrame) -> NDArray[np.bool_]:
        """Which rows have only levels that the model knows, shape (row,)."""
        known = self.common.covers(table)
        return known & (self._district_at(table) >= 0) if self.reads_districts else known

    def stands(self, table: pl.DataFrame) -> NDArray[np.bool_]:
        """Which options can be chosen in each row, shape (row, option)."""
        if not self.reads_districts:
            return np.ones((table.height, self.n_options), dtype=np.bool_)
        return np.isfinite(self.offset[self._district_at(table)])

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes; the inverse of `from_json`."""
        return {
            "format_version": FORMAT_VERSION,
            "kind": "categorical",
            "formula": self.formula,
            "options": list(self.options),
            "common": self.common.to_json(),
            "codes": list(self.codes),
            "own": [{"term": p.term, "values": p.values.tolist(), "scale": p.scale} for p in self.own],
            # JSON has no infinity: where an option does not stand there is no number.
            "offset": [[float(one) if np.isfinite(one) else None for one in row] for row in self.offset],
            "sd": self.sd,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "CategoricalDesign":
        """Read what `to_json` wrote.

        Raises
        ------
        DrawsError
            If the value is no categorical design, or one of another format version.
        """
        if value.get("kind") != "categorical" or value.get("format_version") != FORMAT_VERSION:
            told = f"of kind {value.get('kind')!r} and format version {value.get('format_version')!r}"
            raise DrawsError(f"the design is {told}, not 'categorical' and {FORMAT_VERSION}; refit the question")
        offset = [[-np.inf if one is None else one for one in row] for row in value["offset"]]
        return cls(
            formula=value["formula"],
            options=tuple(value["options"]),
            common=Design.from_json(value["common"]),
            codes=tuple(value["codes"]),
            own=tuple(
                OwnPredictor(item["term"], np.asarray(item["values"], dtype=np.float64), item["scale"])
                for item in value["own"]
            ),
            offset=np.asarray(offset, dtype=np.float64),
            sd=value.get("sd", "shared"),
        )

    def _district_at(self, table: pl.DataFrame) -> NDArray[np.int64]:
        """Position of each row's district, -1 for one that the model does not know."""
        codes = table[self.common.district].cast(pl.String).cast(pl.Enum(self.codes), strict=False)
        return codes.to_physical().cast(pl.Int64).fill_null(-1).to_numpy()


def build_categorical_design(
    formula: str,
    electorate: Electorate,
    options: Options,
    *,
    sd: SharedSd = "shared",
    observed: Mapping[str, Sequence[str]] | None = None,
    period: str | None = None,
) -> CategoricalDesign:
    """Code every term of a formula for an electorate and the options of a question.

    Parameters
    ----------
    formula
        As for a binary question, see `mrp.formula`, and the terms of `mrp.categorical.options`.
    electorate, observed, period
        As for `mrp.design.build_design`.
    options
        What can be chosen, and where.
    sd
        "by option" for a standard deviation of each option in every varying term; see the module.

    Raises
    ------
    FormulaError
        With what is wrong with the formula, or if ``sd`` is neither.
    FrameError
        If options are declared in a way that does not fit the electorate, or there is no such period.
    """
    if sd not in ("shared", "by option"):
        raise FormulaError(formula, (f"sd is {sd!r}; write 'shared' (the default) or 'by option'",))
    rest, terms = take_own_terms(formula)
    try:
        common = build_design(rest, electorate, observed=observed, period=period)
        own = tuple(code_own(term, options, electorate) for term in terms if term.call == "own")
        offset = code_offset(tuple(term for term in terms if term.call == "offset"), options, electorate)
    except FormulaError as error:
        raise FormulaError(formula, error.problems) from error
    return CategoricalDesign(formula, tuple(options.labels), common, electorate.codes, own, offset, sd)
