"""Interviews that know their period, pollster and mode, with a planted truth of each kind of term."""

import numpy as np
import polars as pl

from mrp.coding import EffectCoding
from mrp.counts import collapse
from mrp.design import Design, build_design
from mrp.electorate import Electorate
from mrp.hyper import HyperSpace
from tests.mrp.maps import EIGHT, on_map
from tests.mrp.worlds import electorate

WORLD = on_map(electorate(n_districts=8), EIGHT)
PERIODS = ("2024-W01", "2024-W02", "2024-W05")
"""Weeks with interviews: the third and fourth are gaps."""
OBSERVED = {"period": PERIODS, "pollster": ("Ask", "Bell", "Call"), "mode": ("phone", "web")}
FORMULAS = (
    "lean + sex + region",
    "(1|sex) + (1|district:age) + (1|district:sex:age)",
    "rw1(age)",
    "rw2(age)",
    "rw1(age|sex)",
    "house(pollster)",
    "mode(mode)",
    "(lean|age)",
    "(sex|age)",
    "(lean||age)",
    "(0 + lean|age)",
    "(region|age)",
    "(sex|district:age)",
    "(1|district) + (region + sex|age)",
    "ar1(period)",
    "rw1(period)",
    "rw2(period)",
    "rw1(period|region)",
    "rw1(period|region:sex)",
    "icar(district)",
    "bym2(district)",
    "lean + bym2(district) + (1|district:age) + rw1(age) + ar1(period)",
    "(1|district) + icar(district) + (sex|age)",
    "lean + sex + (1|district) + (1|age:sex) + rw1(period|region) + (sex|age) + house(pollster) + ar1(period)",
)


def poll(*, n: int = 900, seed: int = 1, world: Electorate = WORLD) -> pl.DataFrame:
    """Interviews whose answers depend on sex, pollster, period and, among men, on age."""
    rng = np.random.default_rng(seed)
    cells = world.frame.drop("n_people")
    people = cells[rng.integers(0, cells.height, n)]
    people = people.with_columns(pl.Series(name, rng.choice(levels, n)) for name, levels in OBSERVED.items())
    eta = np.where(people["sex"] == "male", 0.3, -0.3) + np.where(people["pollster"] == "Ask", 0.4, -0.2)
    eta += np.where(people["period"] == PERIODS[-1], 0.4, -0.2)
    eta += np.where(((people["sex"] == "male") & (people["age"] == "65+")).to_numpy(), 0.6, 0.0)
    return people.with_columns(answer=pl.Series(np.where(rng.random(n) < 1 / (1 + np.exp(-eta)), "yes", "no")))


def fit_inputs(formula: str, *, n: int = 900, seed: int = 1) -> tuple[Design, pl.DataFrame]:
    """Design and counts of a formula."""
    design = build_design(formula, WORLD, observed=OBSERVED)
    return design, collapse(poll(n=n, seed=seed), by=design.count_columns, answer="answer", option="yes")


def working_values(space: HyperSpace, hypers: np.ndarray) -> np.ndarray:
    """Working from natural values, along the last axis."""
    sds, rest = hypers[..., : space.n_sds], hypers[..., space.n_sds :].copy()
    rest[..., len(space.shapes) :] = 2 * rest[..., len(space.shapes) :] - 1
    return np.concatenate([sds, np.arctanh(rest)], axis=-1)


def effect_draw(effect: EffectCoding, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Random coordinates of a term, and the effects that they make."""
    coordinates = rng.normal(0, 0.5, effect.n_coordinates)
    return coordinates, coordinates if effect.basis is None else effect.basis @ coordinates
