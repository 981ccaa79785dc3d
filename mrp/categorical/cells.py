"""Shares of all options in some cells, draw by draw."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.categorical.design import CategoricalDesign
from mrp.cell_pass import linear_predictor
from mrp.latents import LatentDraws

__all__ = ["cell_options"]


def cell_options(
    latents: LatentDraws, design: CategoricalDesign, cells: pl.DataFrame, *, most_draws: int
) -> NDArray[np.float32]:
    """Shares of all options in cells, shape (option, draw, cell); of many draws some, evenly.

    Parameters
    ----------
    cells
        `CategoricalDesign.cell_columns`, and those of ``count_columns`` whose effects are to be in the shares.
    """
    step = -(-latents.draws.shape[0] // most_draws)
    draws, k, n_own = latents.draws[::step], design.n_options, len(design.own)
    n_common = draws.shape[1] - n_own
    rows = design.rows(cells)
    eta = np.empty((k, cells.height, len(draws)), dtype=np.float32)
    for o in range(k):
        by_latent = np.ascontiguousarray(draws[:, o:n_common:k].T)
        linear_predictor(by_latent, rows.common, 0, cells.height, out=eta[o])
        eta[o] += rows.offset[:, o, None].astype(np.float32)
        if n_own:
            eta[o] += rows.own[:, :, o].astype(np.float32) @ draws[:, n_common:].T
    eta -= eta.max(axis=0)
    np.exp(eta, out=eta)
    eta /= eta.sum(axis=0)
    return eta.transpose(0, 2, 1)
