"""Check that every term of the model moves the prediction.

A term that is fitted but forgotten in poststratification leaves no error behind, only estimates that are too flat. So
every fit shifts each of its latents in turn and looks at the cells of the frame, through the function that serves
estimates.
"""

import itertools

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.coding import EffectCoding
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.latents import LatentDraws
from mrp.poststratification import area_draws
from mrp.verdict import Problem

__all__ = ["term_parity"]

_SHIFT = 0.5
# A shift of 0.5 moves a share of one half by 0.12; a predictor may be a hundredth of its scale from the mean.
_LEAST_MOVE = 1e-4
# Shares of cells, of 8 bytes, that are compared at a time.
_MOST_AT_A_TIME = 4_000_000


def term_parity(design: Design, electorate: Electorate) -> tuple[Problem, ...]:
    """Shift each latent of a design in turn and see whether the cells it belongs to move, and only those.

    Parameters
    ----------
    design
        Of the fit that is about to be published.
    electorate
        Its cells with people are what is predicted.

    Returns
    -------
    tuple of Problem
        Empty if the intercept moves every cell, every coefficient moves some, every level of another term moves exactly
        the cells that frame, districts and predicted period put at that level, and nuisance terms move nothing.
    """
    cells = _cells(design, electorate)
    effects = {effect.term: effect for effect in design.effects}
    problems = []
    step = max(1, _MOST_AT_A_TIME // max(cells.height, 1))
    names = design.latent_names
    for term, block in design.blocks:
        of_cell = _combination(effects[term], cells) if term in effects else None
        # A term may have as many effects as there are cells, and each is compared with each.
        for start in range(block.start, block.stop, step):
            part = slice(start, min(start + step, block.stop))
            moved = _moves(design, electorate, part)
            if of_cell is not None:
                own = np.arange(part.start - block.start, part.stop - block.start) // len(effects[term].columns)
                right = _right(effects[term], moved, of_cell == own[:, None])
            else:
                right = moved.all(axis=1) if term == "intercept" else moved.any(axis=1)
            if not right.all():
                latent = names[part.start + int(np.argmin(right))]
                text = f"{latent} does not move the cells of the frame it belongs to: the prediction is not the model's"
                problems.append(Problem("term-parity", text))
                break
    return tuple(problems)


def _combination(effect: EffectCoding, cells: pl.DataFrame) -> NDArray[np.int64]:
    """Which combination of a term's levels each cell is at, by name and not by the coding, shape (cell,)."""
    if effect.nuisance:
        return np.full(cells.height, -1)
    factors = [pl.col(name).cast(pl.String) for factor in effect.factors for name in factor.name.split(":")]
    level = cells.select(pl.concat_str(factors, separator=":").alias("level"))["level"].to_list()
    names = itertools.product(*(factor.levels for factor in effect.factors))
    at = {":".join(levels): i for i, levels in enumerate(names)}
    return np.array([at.get(one, -1) for one in level], dtype=np.int64)


def _right(effect: EffectCoding, moved: NDArray[np.bool_], belongs: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether effects of a term move the cells that belong to them, shape (effect,); others are (effect, cell)."""
    if effect.nuisance:
        return ~moved.any(axis=1)
    if not effect.slopes:
        return np.asarray((moved == belongs).all(axis=1))
    # A slope does not move cells where its predictor is zero, but some of a level, and none of another.
    return np.asarray(~(moved & ~belongs).any(axis=1) & (moved.any(axis=1) | (belongs.sum(axis=1) < 2)))


def _cells(design: Design, electorate: Electorate) -> pl.DataFrame:
    """The cells that predictions are compared for, with the parents of their districts."""
    nothing = LatentDraws(np.zeros((1, design.n_latents), dtype=np.float32), design.latent_names)
    cells = area_draws(nothing, design, electorate, by=design.cell_columns).areas
    if design.period is not None:
        cells = cells.with_columns(period=pl.lit(design.period))
    if design.district not in cells.columns:
        return cells
    parents = electorate.districts.select(pl.col("code").alias(design.district), *electorate.parents)
    return cells.join(parents, on=design.district, how="left", maintain_order="left")


def _moves(design: Design, electorate: Electorate, block: slice) -> NDArray[np.bool_]:
    """Which latents of a slice move which cells, shape (latent, cell)."""
    size = block.stop - block.start
    draws = np.zeros((1 + size, design.n_latents), dtype=np.float32)
    draws[1 + np.arange(size), block.start + np.arange(size)] = _SHIFT
    shares = area_draws(LatentDraws(draws, design.latent_names), design, electorate, by=design.cell_columns).draws
    return np.asarray(np.abs(shares[1:] - shares[0]) > _LEAST_MOVE, dtype=np.bool_)
