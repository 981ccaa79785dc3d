"""A small electorate with four parties, one of which stands in the South alone, and a planted truth."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.categorical import CategoricalDesign, Options, build_categorical_design, collapse_options
from mrp.categorical.design import SharedSd
from mrp.electorate import Electorate
from tests.mrp.worlds import electorate

PARTIES = ("Left", "Right", "Green", "South League")
FORMULA = "own(log(past)) + lean + (1|district) + (1|age)"


def world(*, n_districts: int = 6) -> Electorate:
    """Districts that also know each party's last result."""
    plain = electorate(n_districts=n_districts)
    rng = np.random.default_rng(5)
    past = rng.dirichlet([8, 7, 2, 3], n_districts)
    columns = {f"past_{i}": past[:, i] for i in range(len(PARTIES))}
    districts = plain.districts.with_columns(**{name: pl.Series(values) for name, values in columns.items()})
    return Electorate(plain.frame, districts, plain.district, plain.demographics, plain.ordered)


WORLD = world()
OPTIONS = Options(
    PARTIES,
    columns={"past": {party: f"past_{i}" for i, party in enumerate(PARTIES)}},
    only_in={"South League": {"region": ("South",)}},
)


def reordered(order: tuple[int, ...], labels: tuple[str, ...] = PARTIES) -> Options:
    """The same options in another order, by other labels; ``order`` says which of the parties comes where."""
    return Options(
        tuple(labels[i] for i in order),
        columns={"past": {labels[i]: f"past_{i}" for i in order}},
        only_in={labels[3]: {"region": ("South",)}},
    )


def design(formula: str = FORMULA, options: Options = OPTIONS, *, sd: SharedSd = "shared") -> CategoricalDesign:
    return build_categorical_design(formula, WORLD, options, sd=sd)


def latents(of: CategoricalDesign, *, seed: int, sd: float = 0.5) -> NDArray[np.float64]:
    """Drawn from the prior with all sds the same, shape (latent,)."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(0, sd, (of.n_common, of.n_options))
    vectors -= vectors.mean(axis=1, keepdims=True)
    return np.concatenate([vectors.ravel(), rng.normal(0.5, 0.2, len(of.own))])


def cell_shares(of: CategoricalDesign, at: NDArray[np.float64], table: pl.DataFrame) -> NDArray[np.float64]:
    """Shares of each row in plain loops, shape (row, option)."""
    k = of.n_options
    vectors, own = at[: of.n_common * k].reshape(-1, k), at[of.n_common * k :]
    rows = of.rows(table)
    shares = np.zeros((table.height, k))
    for i in range(table.height):
        for o in range(k):
            eta = rows.offset[i, o] + vectors[0, o]
            for j in range(rows.common.x.shape[1]):
                eta += rows.common.x[i, j] * vectors[1 + j, o]
            for e in range(rows.common.index.shape[1]):
                eta += rows.common.weight[i, e] * vectors[rows.common.index[i, e], o]
            for j in range(len(own)):
                eta += rows.own[i, j, o] * own[j]
            shares[i, o] = np.exp(eta)
        shares[i] /= shares[i].sum()
    return shares


@dataclass(frozen=True, slots=True)
class Poll:
    interviews: pl.DataFrame
    truth: NDArray[np.float64]
    """Of each cell of the frame, shape (cell, option)."""


def poll(of: CategoricalDesign, *, n: int, seed: int, electorate: Electorate = WORLD) -> Poll:
    """Ask ``n`` people chosen at random about a truth drawn from the prior."""
    rng = np.random.default_rng(seed)
    shares = cell_shares(of, latents(of, seed=seed + 1), electorate.frame)
    people = electorate.frame["n_people"].to_numpy()
    cell = rng.choice(people.size, n, p=people / people.sum())
    answers = [of.options[rng.choice(of.n_options, p=shares[i])] for i in cell]
    return Poll(electorate.frame.drop("n_people")[cell].with_columns(vote=pl.Series(answers)), shares)


def counted(of: CategoricalDesign, interviews: pl.DataFrame) -> pl.DataFrame:
    return collapse_options(interviews, by=of.count_columns, answer="vote", options=of.options)
