"""What a model says of cells, draw by draw: shares of its option or options, or the mean of a number.

Of every kind of question in one form, for whoever does more with a cell than add it up. Cells are asked for a block at
a time, so that the draws of all of them are never held together.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.categorical.cells import OptionBlocks, OptionRows
from mrp.categorical.design import CategoricalDesign
from mrp.cell_pass import inverse_logit, linear_predictor
from mrp.design import DesignRows
from mrp.numeric.design import NumericDesign
from mrp.numeric.unit import Unit
from mrp.ordinal.design import OrdinalDesign
from mrp.ordinal.poststratification import between, middles
from mrp.outcomes.designs import AnyDesign

__all__ = ["Blocks", "cell_values"]

type Single = NDArray[np.float32]
type Blocks = Callable[[int, int], Single]
"""First and last cell → what is estimated of the cells between them, shape (estimand, cell, draw)."""


def cell_values(design: AnyDesign, cells: pl.DataFrame) -> Callable[[Single], Blocks]:
    """Code cells once, for any draws.

    Parameters
    ----------
    cells
        With the columns that the design reads, only with levels that it knows.

    Returns
    -------
    callable
        Given draws of the design's latents, shape (draw, latent), what gives the values of its estimands in blocks of
        these cells; shares are in [0, 1], means in the unit of the question.
    """
    if isinstance(design, CategoricalDesign):
        return partial(OptionBlocks.of, rows=OptionRows.of(design.rows(cells)))
    rows = design.common.rows(cells) if design.common.has_terms else None
    if isinstance(design, OrdinalDesign):
        return partial(_ordinal, rows, design.n_options)
    if isinstance(design, NumericDesign):
        return partial(_numeric, rows, design.require_unit())
    return partial(_binary, rows)


def _binary(rows: DesignRows | None, draws: Single) -> Blocks:
    predictor = _predictor(rows, draws)
    return lambda start, stop: inverse_logit(predictor(start, stop))[None]


def _ordinal(rows: DesignRows | None, n_options: int, draws: Single) -> Blocks:
    middle = middles(draws, n_options)
    predictor = _predictor(rows, draws[:, : draws.shape[1] - (n_options - 2)])

    def block(start: int, stop: int) -> Single:
        v = predictor(start, stop)
        return between(np.stack([inverse_logit(v - middle[:, k]) for k in range(n_options - 1)]))

    return block


def _numeric(rows: DesignRows | None, unit: Unit, draws: Single) -> Blocks:
    predictor = _predictor(rows, draws[:, :-1])  # the last is the residual sd
    return lambda start, stop: (np.float32(unit.centre) + np.float32(unit.scale) * predictor(start, stop))[None]


def _predictor(rows: DesignRows | None, draws: Single) -> Blocks:
    by_latent = np.ascontiguousarray(draws.T)

    def block(start: int, stop: int) -> Single:
        out = np.empty((stop - start, by_latent.shape[1]), dtype=np.float32)
        return linear_predictor(by_latent, rows, start, stop, out=out)

    return block
