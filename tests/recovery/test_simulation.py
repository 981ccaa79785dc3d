"""Truths from the prior: the ranks of what was planted must be uniform among what the engines draw."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from mrp import Priors, build_design
from mrp.laplace.engine import LaplaceSettings, fit_laplace
from tests.mrp.worlds import electorate
from tests.recovery.simulation import Simulated, outside_envelope, simulate

WORLD = electorate(n_districts=8, seed=41)
DESIGN = build_design("lean + sex + (1|district) + (1|age) + (1|sex:age)", WORLD)
SETTINGS = LaplaceSettings(points=300, draws=600)


def laplace(counts: pl.DataFrame, seed: int) -> Any:
    return fit_laplace(DESIGN, counts, Priors(), seed=seed, settings=SETTINGS)


@pytest.fixture(scope="module")
def simulated() -> Simulated:
    return simulate(WORLD, DESIGN, laplace, n_surveys=200, n_interviews=300, seed=42)


@pytest.mark.timeout(600)
def test_the_laplace_engine_is_calibrated_on_a_composite_model(simulated: Simulated):
    assert outside_envelope(simulated.ranks(seed=1)) == {}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("spread", [1 / 1.3, 1.3])
def test_posterior_sds_off_by_a_factor_of_one_point_three_are_found(simulated: Simulated, spread: float):
    assert outside_envelope(simulated.ranks(seed=1, spread=spread))


def test_uniform_ranks_pass_and_others_do_not():
    rng = np.random.default_rng(43)
    fair = {str(i): rng.random(200) for i in range(7)}

    assert outside_envelope(fair) == {}
    assert set(outside_envelope(fair | {"narrow": rng.beta(0.6, 0.6, 200)})) == {"narrow"}
    assert set(outside_envelope(fair | {"low": rng.beta(1, 1.6, 200)})) == {"low"}
