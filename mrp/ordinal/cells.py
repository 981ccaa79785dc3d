"""Shares of all options of an ordered scale in some cells, draw by draw."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.cell_pass import inverse_logit, linear_predictor
from mrp.latents import LatentDraws
from mrp.ordinal.design import OrdinalDesign
from mrp.ordinal.poststratification import between, middles

__all__ = ["cell_scale"]


def cell_scale(
    latents: LatentDraws, design: OrdinalDesign, cells: pl.DataFrame, *, most_draws: int
) -> NDArray[np.float32]:
    """Shares of all options in cells, shape (option, draw, cell); of many draws some, evenly.

    Parameters
    ----------
    cells
        `OrdinalDesign.cell_columns`, and those of ``count_columns`` whose effects are to be in the shares.
    """
    step = -(-latents.draws.shape[0] // most_draws)
    draws = latents.draws[::step]
    by_latent = np.ascontiguousarray(draws[:, : design.n_common].T)
    v = np.empty((cells.height, len(draws)), dtype=np.float32)
    linear_predictor(by_latent, design.rows(cells), 0, cells.height, out=v)
    middle = middles(draws, design.n_options)
    above = np.stack([inverse_logit(v - middle[:, k]) for k in range(middle.shape[1])])
    return between(above).transpose(0, 2, 1)
