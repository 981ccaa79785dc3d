"""Shares of all options in some cells, draw by draw."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.categorical.design import CategoricalDesign, CategoricalRows
from mrp.cell_pass import linear_predictor
from mrp.latents import LatentDraws

__all__ = ["OptionBlocks", "cell_options", "option_blocks"]

type Single = NDArray[np.float32]

# Numbers held at a time, as in `mrp.cell_pass`; of all options together.
_CHUNK = 200_000


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

    @property
    def n_draws(self) -> int:
        """How many draws the shares are of."""
        return int(self.of_own.shape[1])

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
    blocks = option_blocks(latents, design, cells, most_draws=most_draws)
    shares = np.empty((design.n_options, cells.height, blocks.n_draws), dtype=np.float32)
    step = max(1, _CHUNK // (blocks.n_draws * design.n_options))
    for start in range(0, cells.height, step):
        stop = min(start + step, cells.height)
        shares[:, start:stop] = blocks(start, stop)
    return shares.transpose(0, 2, 1)


def option_blocks(
    latents: LatentDraws, design: CategoricalDesign, cells: pl.DataFrame, *, most_draws: int
) -> OptionBlocks:
    """The same, a block of cells at a time."""
    step = -(-latents.draws.shape[0] // most_draws)
    return OptionBlocks.of(latents.draws[::step], design.rows(cells), design.n_options)
