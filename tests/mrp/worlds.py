"""Small electorates with a known truth, made from the definitions and a seed."""

import itertools
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.design import Design
from mrp.electorate import Electorate

FORMULA = "lean + sex + (1|district) + (1|age) + (1|sex:age)"


def electorate(*, n_districts: int = 12, seed: int = 1, empty: float = 0.1) -> Electorate:
    """Districts in three regions, two sexes, four ages; some cells without people."""
    rng = np.random.default_rng(seed)
    codes = [f"D{i:02d}" for i in range(n_districts)]
    districts = pl.DataFrame(
        {
            "code": codes,
            "name": [f"District {i}" for i in range(n_districts)],
            "region": [("North", "South", "West")[i % 3] for i in range(n_districts)],
            "lean": rng.normal(0.5, 0.1, n_districts),
        }
    )
    demographics = {"sex": ("female", "male"), "age": ("18-29", "30-44", "45-64", "65+")}
    cells = list(itertools.product(codes, *demographics.values()))
    people = rng.gamma(1.5, 2000, len(cells)) * (rng.random(len(cells)) > empty)
    frame = pl.DataFrame(cells, schema=["district", *demographics], orient="row").with_columns(
        n_people=pl.Series(people)
    )
    return Electorate(frame, districts, "district", demographics, frozenset({"age"}))


@dataclass(frozen=True, slots=True)
class Opinion:
    """A planted truth: latents, and what they imply for the cells of the frame."""

    latents: NDArray[np.float64]
    cell_share: NDArray[np.float64]


def plant(design: Design, frame: pl.DataFrame, *, seed: int, sd: float = 0.4) -> Opinion:
    """Draw coefficients and effects, and compute cell shares in plain loops."""
    rng = np.random.default_rng(seed)
    latents = rng.normal(0, sd, design.n_latents)
    rows = design.rows(frame)
    share = np.empty(frame.height)
    for cell in range(frame.height):
        eta = latents[0]
        for j in range(rows.x.shape[1]):
            eta += rows.x[cell, j] * latents[1 + j]
        for k in range(rows.index.shape[1]):
            eta += latents[rows.index[cell, k]]
        share[cell] = 1 / (1 + np.exp(-eta))
    return Opinion(latents, share)


def interview(electorate: Electorate, opinion: Opinion, *, n: int, seed: int) -> pl.DataFrame:
    """Ask ``n`` people chosen at random."""
    rng = np.random.default_rng(seed)
    people = electorate.frame["n_people"].to_numpy()
    cell = rng.choice(people.size, n, p=people / people.sum())
    answer = np.where(rng.random(n) < opinion.cell_share[cell], "yes", "no")
    return electorate.frame.drop("n_people")[cell].with_columns(answer=pl.Series(answer))
