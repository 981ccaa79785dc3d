"""Shares of all options in some cells, draw by draw."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.categorical.design import CategoricalDesign, CategoricalRows
from mrp.cell_pass import linear_predictor, with_blocks
from mrp.combined_terms import CombinedTerms, combine
from mrp.design import DesignRows
from mrp.latents import LatentDraws

__all__ = ["OptionBlocks", "OptionRows", "cell_options", "option_blocks"]

type Single = NDArray[np.float32]

# Numbers held at a time, as in `mrp.cell_pass`; of all options together.
_CHUNK = 200_000

_NOT_STANDING = -1e30
"""In place of an offset of minus infinity: zero times it is zero, and its exponential is 0."""


@dataclass(frozen=True, slots=True)
class OptionRows:
    """Coded cells, of all options in one, with the terms that vary together added up first where that pays.

    The own predictors and the offset of each option are columns in which the others have a coefficient of 0: so they
    are put together with the terms of the district.
    """

    n_options: int
    n_own: int
    rows: DesignRows
    """Predictors, the own ones of each option in turn, and the offsets; effects come after all of these."""
    combined: CombinedTerms | None
    stands: NDArray[np.bool_]
    """Shape (row, option)."""

    @classmethod
    def of(cls, rows: CategoricalRows) -> "OptionRows":
        """From rows as the design codes them."""
        n_rows, n_own, n_options = rows.own.shape
        own = rows.own.transpose(0, 2, 1).reshape(n_rows, n_options * n_own)
        joint = DesignRows(
            x=np.concatenate([rows.common.x, own, np.maximum(rows.offset, _NOT_STANDING)], axis=1),
            index=rows.common.index + np.int32(n_options * (n_own + 1)),
            weight=rows.common.weight,
        )
        return cls(n_options, n_own, joint, combine(joint), np.isfinite(rows.offset))

    @property
    def read(self) -> DesignRows:
        """What is added up of `latents` for each cell."""
        return self.combined.rows if self.combined else self.rows

    def latents(self, draws: Single, option: int) -> Single:
        """What `read` reads for an option, of draws of all latents, shape (draw, latent): shape (latent, draw)."""
        k, n_own = self.n_options, self.n_own
        n_common = draws.shape[1] - n_own
        common = draws[:, option:n_common:k].T
        columns = np.zeros((k * (n_own + 1), len(draws)), dtype=np.float32)
        columns[option * n_own : (option + 1) * n_own] = draws[:, n_common:].T
        columns[k * n_own + option] = 1.0
        n_free = 1 + self.rows.x.shape[1] - len(columns)
        by_latent = np.concatenate([common[:n_free], columns, common[n_free:]])
        return with_blocks(by_latent, self.combined) if self.combined else by_latent


@dataclass(frozen=True, slots=True)
class OptionBlocks:
    """Shares of all options in cells that are coded, a block of cells at a time."""

    rows: OptionRows
    by_option: tuple[Single, ...]
    """What the rows read for each option, shape (latent, draw)."""

    @classmethod
    def of(cls, draws: Single, rows: OptionRows) -> "OptionBlocks":
        """Of draws of all latents, shape (draw, latent)."""
        return cls(rows, tuple(rows.latents(draws, option) for option in range(rows.n_options)))

    @property
    def n_draws(self) -> int:
        """How many draws the shares are of."""
        return int(self.by_option[0].shape[1])

    def __call__(self, start: int, stop: int) -> Single:
        """Of the cells from ``start`` to ``stop``, shape (option, cell, draw)."""
        options, shares = self.of_standing(start, stop)
        if len(options) == len(self.by_option):
            return shares
        every = np.zeros((len(self.by_option), *shares.shape[1:]), dtype=np.float32)
        every[options] = shares
        return every

    def of_standing(self, start: int, stop: int) -> tuple[NDArray[np.intp], Single]:
        """Options that stand somewhere among the cells, and their shares, shape (one of these, cell, draw)."""
        options = np.flatnonzero(self.rows.stands[start:stop].any(axis=0) | (start == stop))
        eta = np.empty((len(options), stop - start, self.by_option[0].shape[1]), dtype=np.float32)
        for option, one in zip(options, eta, strict=True):
            linear_predictor(self.by_option[option], self.rows.read, start, stop, out=one)
        eta -= eta.max(axis=0)
        np.exp(eta, out=eta)
        eta /= eta.sum(axis=0)
        return options, eta


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
    return OptionBlocks.of(latents.draws[::step], OptionRows.of(design.rows(cells)))
