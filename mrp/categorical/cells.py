"""Shares of all options in some cells, draw by draw."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.categorical.design import CategoricalDesign, CategoricalRows
from mrp.cell_pass import linear_predictor
from mrp.latents import LatentDraws

__all__ = ["OptionBlocks", "cell_options"]

type Single = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class OptionBlocks:
    """Shares of all options in cells that are coded, a block of cells at a time."""

    rows: CategoricalRows
    by_option: tuple[Single, ...]
    """Draws of the common latents of each option, shape (latent, draw)."""
    of_own: Single
    """Draws of the coefficients of the options' own predictors, shape (coefficient, draw)."""

    @classmethod
    def of(cls, draws: Single, rows: CategoricalRows, n_options: int) -> "OptionBlocks":
        """Of draws of all latents, shape (draw, latent)."""
        n_common = draws.shape[1] - rows.own.shape[1]
        by_option = tuple(np.ascontiguousarray(draws[:, o:n_common:n_options].T) for o in range(n_options))
        return cls(rows, by_option, draws[:, n_common:].T)

    def __call__(self, start: int, stop: int) -> Single:
        """Of the cells from ``start`` to ``stop``, shape (option, cell, draw)."""
        here, rows = slice(start, stop), self.rows
        eta = np.empty((len(self.by_option), stop - start, self.of_own.shape[1]), dtype=np.float32)
        for o, by_latent in enumerate(self.by_option):
            linear_predictor(by_latent, rows.common, start, stop, out=eta[o])
            eta[o] += rows.offset[here, o, None].astype(np.float32)
            if len(self.of_own):
                eta[o] += rows.own[here, :, o].astype(np.float32) @ self.of_own
        eta -= eta.max(axis=0)
        np.exp(eta, out=eta)
        eta /= eta.sum(axis=0)
        return eta


def cell_options(latents: LatentDraws, design: CategoricalDesign, cells: pl.DataFrame, *, most_draws: int) -> Single:
    """Shares of all options in cells, shape (option, draw, cell); of many draws some, evenly.

    Parameters
    ----------
    cells
        `CategoricalDesign.cell_columns`, and those of ``count_columns`` whose effects are to be in the shares.
    """
    step = -(-latents.draws.shape[0] // most_draws)
    shares = OptionBlocks.of(latents.draws[::step], design.rows(cells), design.n_options)
    return shares(0, cells.height).transpose(0, 2, 1)
