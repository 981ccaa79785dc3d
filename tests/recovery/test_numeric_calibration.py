"""Means: truths from the prior, ranks uniform among what the Laplace engine draws."""

from functools import cache

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from mrp import Priors
from mrp.errors import CountsError
from mrp.laplace.engine import LaplaceSettings
from mrp.latents import LatentDraws
from mrp.numeric import (
    Unit,
    build_numeric_design,
    coarsest_numeric,
    fit_numeric_laplace,
    numeric_draws,
    numeric_latents,
)
from mrp.numeric.conditional import NumericConditional
from mrp.numeric.counts import in_unit
from tests.mrp.numeric.thermometer import WORLD, counted, predictor
from tests.recovery.simulation import N_DRAWS, Simulated, gathered
from tests.recovery.uniformity import outside_envelope

type Floats = NDArray[np.float64]

# Truths are drawn in a unit that is known beforehand, as of a question with a declared range.
UNIT = Unit.of_range(0, 100)
DESIGN = build_numeric_design("lean + (1|district) + (1 + sex|age)", WORLD, UNIT)
N_INTERVIEWS = 150


def truth(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Natural parameters and latents, the residual sd last in both, from the default priors."""
    sds, residual = np.abs(rng.normal(0, 0.5, 3)), abs(rng.normal(0, 1.0))
    r = 2 * rng.beta(2, 2) - 1
    district, by_sex = DESIGN.common.effects
    root = np.linalg.cholesky(np.outer(sds[1:], sds[1:]) * np.array([[1, r], [r, 1]]))
    slopes = rng.standard_normal((by_sex.n_groups, 2)) @ root.T
    latents = [rng.normal(0, 1.5, 1), rng.normal(0, 1, 1), rng.normal(0, sds[0], district.size)]
    latents += [slopes.ravel(), np.array([residual])]
    return np.array([*sds, r, residual]), np.concatenate(latents)


def quantities(latents: Floats, hypers: Floats, conditional: NumericConditional) -> dict[str, Floats]:
    """Of draws, shape (draw, latent) and (draw, parameter)."""
    draws = LatentDraws(latents.astype(np.float32), DESIGN.latent_names, link="identity")
    district = numeric_draws(draws, DESIGN, WORLD, by=("district",)).draws
    joint = [float(conditional.log_joint(z[None], h)[0]) for z, h in zip(latents, hypers, strict=True)]
    prior = -0.5 * ((hypers[:, :3] / 0.5) ** 2).sum(axis=1) - 0.5 * hypers[:, 4] ** 2 + np.log1p(-(hypers[:, 3] ** 2))
    return {
        "sd (1|district)": hypers[:, 0],
        "sd of age": hypers[:, 1],
        "sd of sex by age": hypers[:, 2],
        "correlation": hypers[:, 3],
        "sd residual": hypers[:, 4],
        "lean": latents[:, 1],
        "the nation": numeric_draws(draws, DESIGN, WORLD).draws[:, 0],
        "first district": district[:, 0],
        "last district": district[:, -1],
        "oldest": numeric_draws(draws, DESIGN, WORLD, by=("age",)).draws[:, -1],
        "log joint density": np.array(joint) + prior,
    }


def interviews(hypers: Floats, latents: Floats, rng: np.random.Generator) -> pl.DataFrame:
    people = WORLD.frame["n_people"].to_numpy()
    cell = rng.choice(people.size, N_INTERVIEWS, p=people / people.sum())
    eta = predictor(DESIGN, latents, WORLD.frame)[cell] + hypers[-1] * rng.standard_normal(N_INTERVIEWS)
    return WORLD.frame.drop("n_people")[cell].with_columns(warmth=pl.Series(UNIT.centre + UNIT.scale * eta))


def survey(seed: int) -> tuple[dict[str, Floats], dict[str, Floats], float]:
    """The planted quantities, the draws of them, and whether the engine trusts its weights."""
    rng = np.random.default_rng([19, seed])
    while True:  # which surveys are refused depends on their answers alone, so that the others stay uniform
        hypers, latents = truth(rng)
        try:
            counts = coarsest_numeric(DESIGN.common, counted(DESIGN, interviews(hypers, latents, rng)))
            in_unit(counts, UNIT)
            break
        except CountsError:
            continue
    settings = LaplaceSettings(points=200, draws=400, threads=1)
    tree = fit_numeric_laplace(DESIGN, counts, Priors(), seed=seed, settings=settings)
    kept = rng.choice(400, N_DRAWS, replace=False)
    drawn = numeric_latents(tree, DESIGN).draws[kept].astype(np.float64)
    posterior = tree["posterior"]
    names = ["sd (1|district)", "sd (1+sex|age)", "correlation (1+sex|age)", "sd residual"]
    of_prior = np.column_stack([posterior[name].to_numpy()[0, kept] for name in names])
    conditional = NumericConditional(DESIGN, counts, Priors())
    theirs = quantities(drawn, of_prior, conditional)
    planted = quantities(latents[None], hypers[None], conditional)
    return planted, theirs, float(tree.attrs["k_hat_sd"] <= 0.7)


@cache
def simulated(n_surveys: int) -> Simulated:
    return gathered(survey, n_surveys)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("n_surveys", [20, pytest.param(300, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_the_laplace_engine_is_calibrated_on_means(n_surveys: int):
    found = simulated(n_surveys)

    assert outside_envelope(found.ranks(seed=1), n_draws=N_DRAWS) == {}
    # The others would be fitted again with NUTS.
    assert found.facts["trusted"].mean() > 0.8


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("spread", [1 / 1.3, 1.3])
def test_posterior_sds_off_by_a_factor_of_one_point_three_are_found(spread: float):
    assert outside_envelope(simulated(300).ranks(seed=1, spread=spread), n_draws=N_DRAWS)
