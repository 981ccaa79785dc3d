"""Refuse counts that no answers have made, and answers that no residual can be told from."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from mrp.errors import CountsError
from mrp.numeric.merging import WEIGHING, mass_of, whole

__all__ = ["require_columns", "require_numbers", "require_residual"]

# Of the sd of all answers: below it a model that can tell cells apart would drive the residual sd to nothing.
_LEAST_WITHIN = 0.005


def require_columns(counts: pl.DataFrame, names: Sequence[str]) -> None:
    for column in names:
        if column not in counts.columns:
            raise CountsError(f"the counts have no column {column!r}; make them with mrp.numeric.collapse_numeric")


def require_numbers(counts: pl.DataFrame) -> None:
    """Refuse what no answers have; a cell without answers may have gaps."""
    n = counts["n"]
    # Counts that were merged with weights have fractions, and are not to be merged again.
    if not n.dtype.is_integer() or n.null_count() or (n < 0).any():
        raise CountsError("counts need whole numbers >= 0 without gaps in column 'n'")
    if not n.sum() > 0:
        raise CountsError("there is no answer to fit: the counts are of no interview; look at what they are made of")
    held = counts.filter(pl.col("n") > 0)
    for column in ("mean", "ss", *(name for name in WEIGHING if name in counts.columns)):
        values = held[column]
        usable = values.dtype.is_numeric() and not values.null_count() and values.cast(pl.Float64).is_finite().all()
        if not usable or (column != "mean" and (values < 0).any()):
            wanted = "finite numbers" if column == "mean" else "finite numbers >= 0"
            raise CountsError(f"counts need {wanted} without gaps in column {column!r}")
    if n_wrong := held.filter((pl.col("n") == 1) & (pl.col("ss") > 0)).height:
        raise CountsError(
            f"{n_wrong:,} cells of one interview have a sum of squares above 0; one answer does not differ from its "
            "mean: look at how the counts were made"
        )


def require_residual(cells: pl.DataFrame) -> None:
    """Refuse answers that do not differ within cells: the likelihood has no maximum at a residual sd above 0."""
    mass, mean, ss = (cells[name].cast(pl.Float64).to_numpy() for name in (mass_of(cells), "mean", "ss"))
    n_spare = int(cells["n"].sum()) - cells.height
    of_all = whole(cells)
    if of_all["n"][0] > 1 and of_all["ss"][0] <= (1e-12 * np.abs(mean).max()) ** 2 * mass.sum():
        raise CountsError(
            f"all {of_all['n'][0]:,} answers are the same number: there is no spread to fit; look at whether the "
            "column holds answers"
        )
    if n_spare and ss.sum() <= _LEAST_WITHIN**2 * of_all["ss"][0] * n_spare / mass.sum():
        raise CountsError(
            "the answers of people in the same cell hardly differ: their standard deviation within cells is less than "
            f"{_LEAST_WITHIN:.1%} of that of all answers, so that there is no residual to estimate; look at whether "
            "the column holds answers or means of cells"
        )
