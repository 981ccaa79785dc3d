"""Small surveys with a fault planted in them, and what checks of a real fit say."""

from functools import cache

import numpy as np
import polars as pl

from mrp.checks.concerns import Concern, house_concerns, misfit_concerns, worst_first
from mrp.checks.margins import margins_of
from mrp.checks.misfit import MarginMisfit, judge_margins
from mrp.checks.predictive import posterior_predictive
from mrp.counts import collapse, observed_levels
from mrp.design import Design, build_design
from mrp.laplace.engine import LaplaceSettings, fit_laplace
from mrp.latents import LatentDraws, from_datatree
from mrp.priors import Priors, parse_priors
from tests.mrp.maps import EIGHT, on_map
from tests.mrp.worlds import electorate

WORLD = on_map(electorate(n_districts=12), EIGHT)
RIGHT = "sex + (1|district) + (1|age)"
POLLSTERS = ("Blue", "Green", "Grey", "Red")
PERIODS = ("2024-W01", "2024-W02", "2024-W03")
CELL = ("district", "sex", "age", "period", "pollster")


def interviews(*, seed: int, n: int = 3000, bias: float = 0.0, interaction: float = 0.0) -> pl.DataFrame:
    """Answers that follow `RIGHT`, a bias of pollster Blue and an interaction of sex and age; on the logit scale."""
    rng = np.random.default_rng(seed)
    people = WORLD.frame["n_people"].to_numpy()
    asked = WORLD.frame.drop("n_people")[rng.choice(people.size, n, p=people / people.sum())]
    district = rng.normal(0, 0.4, len(WORLD.codes))[[WORLD.codes.index(one) for one in asked["district"]]]
    age = rng.normal(0, 0.4, 4)[[WORLD.demographics["age"].index(one) for one in asked["age"]]]
    male = np.where((asked["sex"] == "male").to_numpy(), 1.0, -1.0)
    ends = np.where(asked["age"].is_in(["18-29", "65+"]).to_numpy(), 1.0, -1.0)
    pollster, period = rng.choice(POLLSTERS, n), rng.choice(PERIODS, n)
    eta = 0.1 + 0.2 * male + district + age + interaction * male * ends - bias * (pollster == "Blue")
    answer = np.where(rng.random(n) < 1 / (1 + np.exp(-eta)), "yes", "no")
    named = {"pollster": pollster, "period": period, "answer": answer}
    return asked.with_columns(pl.Series(name, values) for name, values in named.items())


def counts_of(table: pl.DataFrame) -> pl.DataFrame:
    """Counts by everything that is known of an interview."""
    return collapse(table, by=CELL, answer="answer", option="yes")


@cache
def fitted(
    formula: str, priors: tuple[tuple[str, str], ...] = (), **planted: float
) -> tuple[LatentDraws, Design, pl.DataFrame]:
    """A fit of planted interviews, made once."""
    return fit(formula, counts_of(interviews(**{"seed": 1} | planted)), dict(priors))


def fit(
    formula: str, counts: pl.DataFrame, priors: dict[str, str] | None = None
) -> tuple[LatentDraws, Design, pl.DataFrame]:
    """A small fit by the Laplace engine."""
    design = build_design(formula, WORLD, observed=observed_levels(counts))
    own = parse_priors(priors) if priors else Priors()
    tree = fit_laplace(design, counts, own, seed=1, settings=LaplaceSettings(points=100, draws=400, threads=1))
    return from_datatree(tree, design), design, counts


def misfits_of(latents: LatentDraws, design: Design, counts: pl.DataFrame) -> tuple[MarginMisfit, ...]:
    """The judgement on every margin."""
    margins = margins_of(WORLD, counts)
    return judge_margins(posterior_predictive(latents, design, WORLD, counts, margins), design)


def concerns_of(latents: LatentDraws, design: Design, counts: pl.DataFrame) -> tuple[Concern, ...]:
    """What the checks say, the worst first."""
    said = misfit_concerns(misfits_of(latents, design, counts), design)
    return worst_first([*said, *house_concerns(latents, design, slope=0.25)])
