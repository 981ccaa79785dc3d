"""A planted country: who lives where, how they voted last, and what they think, which hangs on how they voted."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tests.mrp.worlds import electorate

VOTES = ("none", "left", "right")
BASE = electorate(n_districts=8, seed=11)
PAST_MODEL = "lean + (1|district) + (1|age)"
OPINION_MODEL = "(1|past) + (1|district) + (1|age)"


@dataclass(frozen=True, slots=True)
class Country:
    """A truth drawn at random."""

    frame: pl.DataFrame
    """``BASE.frame`` by past vote: the true numbers of people."""
    share: NDArray[np.float64]
    """Who would say yes, of each cell of ``frame``."""

    def truth(self, by: str | None = None) -> NDArray[np.float64]:
        """Of the nation, shape (1,), or of every level of a column, sorted."""
        people = self.frame.with_columns(yes=pl.col("n_people") * pl.Series(self.share))
        sums = (pl.col("yes").sum(), pl.col("n_people").sum())
        areas = people.group_by(by).agg(sums).sort(by) if by else people.select(sums)
        return (areas["yes"] / areas["n_people"]).to_numpy()

    def ask(self, n: int, *, seed: int) -> pl.DataFrame:
        """Interviews with cell, past vote and answer."""
        rng = np.random.default_rng(seed)
        people = self.frame["n_people"].to_numpy()
        cell = rng.choice(people.size, n, p=people / people.sum())
        answer = np.where(rng.random(n) < self.share[cell], "yes", "no")
        return self.frame.drop("n_people")[cell].with_columns(answer=pl.Series(answer))


def country(seed: int) -> Country:
    """Drawn from the models that are fitted: the priors' scale, sds of effects near one half."""
    rng = np.random.default_rng(seed)
    cells, k = BASE.frame, len(VOTES)

    def effects(column: str, sd: float, *shape: int) -> NDArray[np.float64]:
        levels = BASE.levels(column)
        drawn = rng.normal(0, sd, (len(levels), *shape))
        return drawn[cells[column].cast(pl.Enum(levels)).to_physical().to_numpy()]

    lean = cells.join(BASE.districts, left_on="district", right_on="code", how="left", maintain_order="left")["lean"]
    eta = rng.normal(0, 0.4, k) + effects("district", 0.4, k) + effects("age", 0.5, k)
    eta += (lean.to_numpy()[:, None] - 0.5) / 0.1 * rng.normal(0, 0.3, k)
    past = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    opinion = rng.normal(0, 0.3) + effects("district", 0.3) + effects("age", 0.3)
    by_vote = opinion[:, None] + rng.normal(0, 1.2, k)
    long = cells[np.repeat(np.arange(cells.height), k)]
    frame = long.with_columns(
        pl.Series("past", list(VOTES) * cells.height), pl.col("n_people") * pl.Series(past.ravel())
    )
    return Country(frame.select(*BASE.cell_columns, "past", "n_people"), (1 / (1 + np.exp(-by_vote))).ravel())
