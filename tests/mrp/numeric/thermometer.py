"""A small electorate with a planted temperature, and interviews about it."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.electorate import Electorate
from mrp.numeric import NumericDesign, build_numeric_design, collapse_numeric
from tests.mrp.worlds import electorate

FORMULA = "lean + sex + (1|district) + (1|age) + (1|sex:age)"
WORLD = electorate(n_districts=10)
RESIDUAL = 25.0


def design(formula: str = FORMULA) -> NumericDesign:
    return build_numeric_design(formula, WORLD)


@dataclass(frozen=True, slots=True)
class Poll:
    interviews: pl.DataFrame
    truth: NDArray[np.float64]
    """Mean of each cell of the frame, shape (cell,)."""


def predictor(of: NumericDesign, latents: NDArray[np.float64], table: pl.DataFrame) -> NDArray[np.float64]:
    """eta of each row in plain loops, shape (row,)."""
    rows, n_x = of.rows(table), len(of.common.coefficient_names)
    eta = np.empty(table.height)
    for i in range(table.height):
        eta[i] = latents[0]
        for j in range(n_x):
            eta[i] += rows.x[i, j] * latents[1 + j]
        for e in range(rows.index.shape[1]):
            eta[i] += rows.weight[i, e] * latents[rows.index[i, e]]
    return eta


def poll(of: NumericDesign, *, n: int, seed: int, world: Electorate = WORLD) -> Poll:
    """Ask ``n`` people chosen at random about temperatures around 50."""
    rng = np.random.default_rng(seed)
    truth = 50 + 10 * predictor(of, rng.normal(0, 0.5, of.common.n_latents), world.frame)
    people = world.frame["n_people"].to_numpy()
    cell = rng.choice(people.size, n, p=people / people.sum())
    answers = truth[cell] + RESIDUAL * rng.standard_normal(n)
    return Poll(world.frame.drop("n_people")[cell].with_columns(warmth=pl.Series(answers)), truth)


def counted(of: NumericDesign, interviews: pl.DataFrame) -> pl.DataFrame:
    return collapse_numeric(interviews, by=of.count_columns, answer="warmth")


def true_means(truth: NDArray[np.float64], areas: pl.DataFrame, column: str, world: Electorate = WORLD) -> list[float]:
    """Means of the people of each area in plain loops."""
    people, means = world.frame["n_people"].to_numpy(), []
    for level in areas[column]:
        own = world.frame[column].to_numpy() == level
        means.append(float(people[own] @ truth[own] / people[own].sum()))
    return means
