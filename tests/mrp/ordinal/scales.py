"""A small electorate that answers on a scale, with a planted truth; the model in plain loops."""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.electorate import Electorate
from mrp.ordinal import OrdinalDesign, build_ordinal_design, collapse_ordinal
from tests.mrp.worlds import electorate

SCALE = ("strongly disagree", "disagree", "neither", "agree", "strongly agree")
FORMULA = "lean + (1|district) + (1|age)"
WORLD = electorate(n_districts=6)


def design(formula: str = FORMULA, options: tuple[str, ...] = SCALE) -> OrdinalDesign:
    return build_ordinal_design(formula, WORLD, options)


def latents(of: OrdinalDesign, *, seed: int, sd: float = 0.5) -> NDArray[np.float64]:
    """Normal, all with the same sd, shape (latent,)."""
    return np.random.default_rng(seed).normal(0, sd, of.n_latents)


def cuts(of: OrdinalDesign, at: NDArray[np.float64]) -> list[float]:
    """Cutpoints one after the other, moved so that the middle one, or half way between two, is minus the intercept."""
    found = [0.0]
    for log_width in at[of.n_common :]:
        found.append(found[-1] + math.exp(log_width))
    n = len(found)
    middle = (found[(n - 1) // 2] + found[n // 2]) / 2
    return [one - middle - at[0] for one in found]


def cell_shares(of: OrdinalDesign, at: NDArray[np.float64], table: pl.DataFrame) -> NDArray[np.float64]:
    """Shares of each row in plain loops, shape (row, option)."""
    rows, limits = of.rows(table), cuts(of, at)
    shares = np.zeros((table.height, of.n_options))
    for i in range(table.height):
        eta = 0.0
        for j in range(rows.x.shape[1]):
            eta += rows.x[i, j] * at[1 + j]
        for e in range(rows.index.shape[1]):
            eta += rows.weight[i, e] * at[rows.index[i, e]]
        below = 0.0
        for k, limit in enumerate(limits):
            upto = 1 / (1 + math.exp(eta - limit))
            shares[i, k] = upto - below
            below = upto
        shares[i, -1] = 1 - below
    return shares


@dataclass(frozen=True, slots=True)
class Poll:
    interviews: pl.DataFrame
    truth: NDArray[np.float64]
    """Of each cell of the frame, shape (cell, option)."""


def poll(
    of: OrdinalDesign, *, n: int, seed: int, at: NDArray[np.float64] | None = None, world: Electorate = WORLD
) -> Poll:
    """Ask ``n`` people chosen at random."""
    rng = np.random.default_rng(seed)
    shares = cell_shares(of, latents(of, seed=seed + 1) if at is None else at, world.frame)
    people = world.frame["n_people"].to_numpy()
    cell = rng.choice(people.size, n, p=people / people.sum())
    chosen = (rng.random(n)[:, None] > shares[cell].cumsum(axis=1)[:, :-1]).sum(axis=1)
    answers = pl.Series([of.options[i] for i in chosen], dtype=pl.String)
    return Poll(world.frame.drop("n_people")[cell].with_columns(view=answers), shares)


def counted(of: OrdinalDesign, interviews: pl.DataFrame) -> pl.DataFrame:
    return collapse_ordinal(interviews, by=of.count_columns, answer="view", options=of.options)
