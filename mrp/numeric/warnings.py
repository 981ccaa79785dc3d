"""What to know of answers that are numbers before their means are believed, in words.

Squares are what a normal likelihood adds up, so that one answer far from all others outweighs a hundred of them. A cell
whose answers are further from the mean of all than those of the other cells make likely is told of, and neither it nor
its answers are named: of many a cell there is one person in the sample.
"""

import math

import numpy as np
import polars as pl

from mrp.aliasing import data_warnings
from mrp.design import Design

__all__ = ["numeric_warnings"]

_FAR = 10.0
"""Standard deviations from the mean of all that one answer is called far from."""


def numeric_warnings(design: Design, cells: pl.DataFrame) -> list[str]:
    """Those of `mrp.aliasing.data_warnings`, answers far from all others, and a residual that no cell tells of.

    Parameters
    ----------
    design
        Of the model; of a `NumericDesign` its ``common``.
    cells
        As `mrp.numeric.counts.coarsest_numeric` makes them.
    """
    return [*data_warnings(design, cells), *_far_answers(cells), *_untold_residual(design, cells)]


def _far_answers(cells: pl.DataFrame) -> list[str]:
    """With Q the squares of a cell's n answers about the mean, v the variance of all others: Q / v ~ chi^2(n)."""
    n, mean, ss = (cells[name].cast(pl.Float64).to_numpy() for name in ("n", "mean", "ss"))
    squares = ss + n * (mean - np.average(mean, weights=n)) ** 2
    others = n.sum() - n
    with np.errstate(divide="ignore", invalid="ignore"):
        own = squares / ((squares.sum() - squares) / others)
    far = (others > 1) & (own > n + _FAR * np.sqrt(2 * n) + _FAR**2)
    if not far.any():
        return []
    share = squares[far].sum() / squares.sum()
    text = (
        f"{int(far.sum()):,} of {cells.height:,} cells have answers so far from all others (more than {_FAR:g} "
        f"standard deviations) that {share:.0%} of the squared differences come from them, and means follow them; "
        "correct what is mistyped, or ask about the logarithm of amounts"
    )
    return [text]


def _untold_residual(design: Design, cells: pl.DataFrame) -> list[str]:
    """Where no two people are of one cell, and effects may make every difference, priors share it out."""
    n_coordinates = 1 + len(design.coefficient_names) + sum(effect.n_coordinates for effect in design.effects)
    if math.ceil(cells["n"].max()) > 1 or n_coordinates < cells.height:  # type: ignore[arg-type]
        return []
    text = (
        f"no cell has two interviews, and the model has {n_coordinates:,} effects for {cells.height:,} cells: the "
        "priors decide what is an effect and what is residual; leave terms out"
    )
    return [text]
