"""Interviews on several questions, with a planted truth whose districts go together."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.counts import collapse
from mrp.electorate import Electorate
from mrp.joint import JointDesign, build_joint_design
from tests.mrp.worlds import electorate

type Floats = NDArray[np.float64]

WORLD = electorate(n_districts=8)
TWO = {"rail": "lean + (1|p|district) + (1|age)", "roads": "(1|p|district) + (1|sex)"}
THREE = {
    "rail": "lean + (1|p|district) + (1|r|age)",
    "roads": "sex + (1|p|district) + rw1(age) + (1|district:sex)",
    "bridges": "(1|p|district) + (1|r|age)",
}


def planted(design: JointDesign, *, seed: int, sd: float = 0.6, correlation: float = 0.8) -> Floats:
    """Latents, the effects of a shared term with one correlation between any two questions, shape (latent,)."""
    rng = np.random.default_rng(seed)
    latents = rng.normal(0, 0.3, design.n_latents)
    for shared in design.shared:
        k = len(shared.questions)
        covariance = sd**2 * (correlation * np.ones((k, k)) + (1 - correlation) * np.eye(k))
        of = design.of(shared.questions[0])
        n = next(effect.size for effect in of.effects if effect.term == shared.term)
        vectors = rng.multivariate_normal(np.zeros(k), covariance, n)
        for column, question in enumerate(shared.questions):
            latents[where(design, question, shared.term)] = vectors[:, column]
    return latents


def where(design: JointDesign, question: str, term: str) -> slice:
    """Where the effects of a term of a question are among the latents of all."""
    start = design.parts[question].start
    own = dict(design.of(question).blocks)[term]
    return slice(start + own.start, start + own.stop)


def cell_shares(design: JointDesign, question: str, latents: Floats, table: pl.DataFrame) -> Floats:
    """Shares of each row in plain loops, shape (row,)."""
    own, rows = latents[design.parts[question]], design.of(question).rows(table)
    shares = np.empty(table.height)
    for i in range(table.height):
        eta = own[0]
        for j in range(rows.x.shape[1]):
            eta += rows.x[i, j] * own[1 + j]
        for e in range(rows.index.shape[1]):
            eta += rows.weight[i, e] * own[rows.index[i, e]]
        shares[i] = 1 / (1 + np.exp(-eta))
    return shares


def poll(
    design: JointDesign, latents: Floats, n: dict[str, int], *, seed: int, world: Electorate = WORLD
) -> dict[str, pl.DataFrame]:
    """Ask people chosen at random, ``n`` of them each question; counts of each."""
    rng = np.random.default_rng(seed)
    people = world.frame["n_people"].to_numpy()
    counts = {}
    for question, of in n.items():
        cell = rng.choice(people.size, of, p=people / people.sum())
        share = cell_shares(design, question, latents, world.frame)[cell]
        answer = np.where(rng.random(of) < share, "yes", "no")
        asked = world.frame.drop("n_people")[cell].with_columns(answer=pl.Series(answer))
        columns = design.of(question).count_columns
        counts[question] = collapse(asked, by=columns, answer="answer", option="yes", options=("yes", "no"))
    return counts


def two(world: Electorate = WORLD) -> JointDesign:
    return build_joint_design(TWO, world)
