"""Shares of all options of an ordered scale in some cells, draw by draw."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.cell_pass import inverse_logit, linear_predictor
from mrp.design import DesignRows
from mrp.latents import LatentDraws
from mrp.ordinal.design import OrdinalDesign
from mrp.ordinal.poststratification import between, middles

__all__ = ["ScaleBlocks", "cell_scale", "scale_blocks"]


@dataclass(frozen=True, slots=True)
class ScaleBlocks:
    """Shares of all options in cells that are coded, a block of cells at a time."""

    rows: DesignRows
    by_latent: NDArray[np.float32]
    """Draws of the common latents, shape (latent, draw)."""
    middle: NDArray[np.float32]
    """Cutpoints of an intercept of 0, shape (draw, cutpoint)."""

    @property
    def n_draws(self) -> int:
        """How many draws the shares are of."""
        return int(self.by_latent.shape[1])

    def __call__(self, start: int, stop: int) -> NDArray[np.float32]:
        """Of the cells from ``start`` to ``stop``, shape (option, cell, draw)."""
        v = np.empty((stop - start, self.n_draws), dtype=np.float32)
        linear_predictor(self.by_latent, self.rows, start, stop, out=v)
        return between(np.stack([inverse_logit(v - one) for one in self.middle.T]))


def cell_scale(
    latents: LatentDraws, design: OrdinalDesign, cells: pl.DataFrame, *, most_draws: int
) -> NDArray[np.float32]:
    """Shares of all options in cells, shape (option, draw, cell); of many draws some, evenly.

    Parameters
    ----------
    cells
        `OrdinalDesign.cell_columns`, and those of ``count_columns`` whose effects are to be in the shares.
    """
    blocks = scale_blocks(latents, design, cells, most_draws=most_draws)
    return blocks(0, cells.height).transpose(0, 2, 1)


def scale_blocks(latents: LatentDraws, design: OrdinalDesign, cells: pl.DataFrame, *, most_draws: int) -> ScaleBlocks:
    """The same, a block of cells at a time."""
    draws = latents.draws[:: -(-latents.draws.shape[0] // most_draws)]
    by_latent = np.ascontiguousarray(draws[:, : design.n_common].T)
    return ScaleBlocks(design.rows(cells), by_latent, middles(draws, design.n_options))
