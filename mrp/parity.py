"""Check that every term of the model moves the prediction.

A term that is fitted but forgotten in poststratification leaves no error behind, only estimates that are too flat. So
every fit shifts each of its latents in turn and looks at the cells of the frame, through the function that serves
estimates.
"""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.coding import EffectCoding
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.poststratification import FramePass, frame_pass
from mrp.verdict import Problem

__all__ = ["Shares", "term_parity"]

_SHIFT = 0.5
# A shift of 0.5 moves a share of one half by 0.12; a predictor may be a hundredth of its scale from the mean.
_LEAST_MOVE = 1e-4


type Shares = Callable[[NDArray[np.float32]], NDArray[np.float64]]
"""What is served of each cell, shape (draw, cell), from draws of the latents, shape (draw, latent)."""


def term_parity(design: Design, electorate: Electorate, *, shares: Shares | None = None) -> tuple[Problem, ...]:
    """Shift each latent of a design in turn and see whether the cells it belongs to move, and only those.

    Parameters
    ----------
    design
        Of the fit that is about to be published.
    electorate
        Its cells with people are what is predicted.
    shares
        Default: the shares of a binary question, by `mrp.poststratification.FramePass`; cells by the columns that the
        design reads.

    Returns
    -------
    tuple of Problem
        Empty if the intercept moves every cell, every coefficient moves some, every level of another term moves exactly
        the cells that frame, districts and predicted period put at that level, and nuisance terms move nothing.
    """
    by_cell = frame_pass(design, electorate, [Grouping(by=design.cell_columns)])
    cells = _cells(by_cell, electorate)
    if shares is None:
        shares = partial(_binary_shares, by_cell)
    effects = {effect.term: effect for effect in design.effects}
    problems = []
    for term, block in design.blocks:
        if term in effects:
            wrong = _wrong_effect(effects[term], block.start, design, shares, cells)
        else:
            moved = _moves(design, shares, np.arange(block.start, block.stop), np.eye(block.stop - block.start))
            right = moved.all(axis=1) if term == "intercept" else moved.any(axis=1)
            wrong = None if right.all() else int(np.argmin(right))
        if wrong is not None:
            latent = design.latent_names[block.start + wrong]
            text = f"{latent} does not move the cells of the frame it belongs to: the prediction is not the model's"
            problems.append(Problem("term-parity", text))
    return tuple(problems)


def _wrong_effect(effect: EffectCoding, offset: int, design: Design, shares: Shares, cells: pl.DataFrame) -> int | None:
    """Position within a term of the first effect found that does not move exactly its cells; None if all do.

    A term may have as many effects as there are cells. They are shifted many at a time: effect ``g`` in draw ``b`` if
    the binary number g + 1 has digit ``b``, and in another draw if it has not. The draws in which a cell moves then
    spell the one effect that it has; with two of them, it moves where only one of the two draws may.
    """
    of_cell = _combination(effect, cells)
    n_digits = effect.n_groups.bit_length()
    digits = (np.arange(1, effect.n_groups + 1) >> np.arange(n_digits)[:, None]) & 1 == 1
    shifted = np.concatenate([digits, ~digits])
    width = len(effect.columns)
    for column in range(width):
        moved = _moves(design, shares, offset + width * np.arange(effect.n_groups) + column, shifted)
        right = (moved == (shifted[:, of_cell] & (of_cell >= 0))).all(axis=0)
        is_still = ~moved.any(axis=0)
        if effect.slopes:  # a slope does not move cells where its predictor is zero
            right |= is_still
        if not right.all():
            cell = int(np.argmin(right))
            spelled = int(moved[:n_digits, cell] @ (1 << np.arange(n_digits))) - 1
            group = of_cell[cell] if of_cell[cell] >= 0 else min(max(spelled, 0), effect.n_groups - 1)
            return int(width * group + column)
        # But of several cells of a level it moves some.
        n_moved, n_cells = (np.bincount(of_cell[of], minlength=effect.n_groups) for of in (~is_still, of_cell >= 0))
        if (lost := (n_moved == 0) & (n_cells > 1)).any():
            return int(width * np.argmax(lost) + column)
    return None


def _combination(effect: EffectCoding, cells: pl.DataFrame) -> NDArray[np.int64]:
    """Which combination of a term's levels each cell is at, by name and not by the coding, shape (cell,)."""
    if effect.nuisance:
        return np.full(cells.height, -1)
    factors = [pl.col(name).cast(pl.String) for factor in effect.factors for name in factor.name.split(":")]
    level = cells.select(pl.concat_str(factors, separator=":").alias("level"))["level"].to_list()
    names = itertools.product(*(factor.levels for factor in effect.factors))
    at = {":".join(levels): i for i, levels in enumerate(names)}
    return np.array([at.get(one, -1) for one in level], dtype=np.int64)


def _cells(by_cell: FramePass, electorate: Electorate) -> pl.DataFrame:
    """The cells that predictions are compared for, with the parents of their districts."""
    design, (cells,) = by_cell.design, by_cell.areas
    if design.period is not None:
        cells = cells.with_columns(period=pl.lit(design.period))
    if design.district not in cells.columns:
        return cells
    parents = electorate.districts.select(pl.col("code").alias(design.district), *electorate.parents)
    return cells.join(parents, on=design.district, how="left", maintain_order="left")


def _moves(design: Design, shares: Shares, latents: NDArray[np.int64], shifted: NDArray[Any]) -> NDArray[np.bool_]:
    """Which cells move in each draw, shape (draw, cell); ``shifted`` says which of the latents do, (draw, latent)."""
    draws = np.zeros((1 + len(shifted), design.n_latents), dtype=np.float32)
    draws[1:, latents] = _SHIFT * shifted
    served = shares(draws)
    return np.asarray(np.abs(served[1:] - served[0]) > _LEAST_MOVE, dtype=np.bool_)


def _binary_shares(by_cell: FramePass, draws: NDArray[np.float32]) -> NDArray[np.float64]:
    (cells,) = by_cell.of(LatentDraws(draws, by_cell.design.latent_names))
    return cells.draws
