"""Cells of answers that are numbers, merged in any order to the same result; see `mrp.numeric.counts` for the formula.

References
----------
Chan, Golub and LeVeque (1979), "Updating formulae and a pairwise algorithm for computing sample variances", Stanford
STAN-CS-79-773, equation 2.1.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.errors import CountsError

__all__ = ["NUMBERS", "WEIGHING", "are_weighted", "mass_of", "merged", "whole"]

type Floats = NDArray[np.float64]

NUMBERS = ("n", "mean", "ss")
WEIGHING = ("weight", "weight_square")
"""Of weighted cells: sums of weights, and of their squares."""


def merged(cells: pl.DataFrame, by: tuple[str, ...]) -> pl.DataFrame:
    """Cells of the same ``by`` merged; see the module."""
    numbers = [name for name in cells.columns if name not in by]
    if not cells.height:
        return cells.select(*by, *numbers)
    # In the order of their contents: a sum of floats depends on the order in its last digits.
    cells = cells.sort([*by, "mean", *(name for name in numbers if name != "mean")])
    if by:
        of = cells.select(pl.struct(by).rle_id()).to_series().to_numpy().astype(np.int64)
    else:
        of = np.zeros(cells.height, dtype=np.int64)
    first = np.flatnonzero(np.diff(of, prepend=-1))

    def total(values: Floats) -> Floats:
        return np.bincount(of, weights=values)

    mass, mean, ss = (cells[name].cast(pl.Float64).to_numpy() for name in (mass_of(cells), "mean", "ss"))
    base = mean[first]
    mean_of = base + total(mass * (mean - base[of])) / total(mass)
    made = {"mean": mean_of, "ss": total(ss + mass * (mean - mean_of[of]) ** 2)}
    made |= {name: total(cells[name].to_numpy()) for name in WEIGHING if name in numbers}
    n = pl.Series("n", np.add.reduceat(cells["n"].to_numpy(), first))
    columns = [pl.Series(name, made[name]) if name in made else n for name in numbers]
    return cells[first].select(by).with_columns(columns) if by else pl.DataFrame(columns)


def whole(cells: pl.DataFrame) -> pl.DataFrame:
    """All cells in one."""
    return merged(cells.select(name for name in cells.columns if name in (*NUMBERS, *WEIGHING)), ())


def mass_of(cells: pl.DataFrame) -> str:
    return "weight" if "weight" in cells.columns else "n"


def are_weighted(counts: pl.DataFrame) -> bool:
    has = [name for name in WEIGHING if name in counts.columns]
    if len(has) == 1:
        missing = next(name for name in WEIGHING if name not in has)
        raise CountsError(
            f"the counts have a column {has[0]!r} and no {missing}, which weighted counts have; let "
            "mrp.numeric.collapse_numeric make them with weight=..., or drop the column for counts without weights"
        )
    return bool(has)
