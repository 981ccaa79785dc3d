"""Truths from the prior: the ranks of what was planted must be uniform among what the engines draw."""

from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest

from mrp import Design, Priors, build_design
from mrp.laplace.engine import LaplaceSettings, fit_laplace
from tests.mrp.worlds import electorate
from tests.recovery.simulation import N_DRAWS, Simulated, simulate
from tests.recovery.uniformity import outside_envelope

WORLD = electorate(n_districts=8, seed=41)
DESIGN = build_design("lean + sex + (1|district) + (1|age) + (1|sex:age)", WORLD)


@dataclass(frozen=True, slots=True)
class Laplace:
    settings: LaplaceSettings

    def __call__(self, design: Design, counts: pl.DataFrame, priors: Priors, seed: int) -> Any:
        return fit_laplace(design, counts, priors, seed=seed, settings=self.settings)


@pytest.fixture(scope="module")
def simulated() -> Simulated:
    engine = Laplace(LaplaceSettings(points=300, draws=600, threads=1))
    return simulate(WORLD, DESIGN, engine, n_surveys=100, n_interviews=300, seed=42, processes=2)


@pytest.mark.timeout(600)
def test_the_laplace_engine_is_calibrated_on_a_composite_model(simulated: Simulated):
    assert outside_envelope(simulated.ranks(seed=1), n_draws=N_DRAWS) == {}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("spread", [1 / 1.5, 1.5])
def test_posterior_sds_off_by_a_factor_of_one_and_a_half_are_found(simulated: Simulated, spread: float):
    assert outside_envelope(simulated.ranks(seed=1, spread=spread), n_draws=N_DRAWS)
