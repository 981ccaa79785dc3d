"""Several options: truths from the prior, ranks uniform among what the Laplace engine draws."""

from functools import cache

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from mrp import Priors
from mrp.categorical import categorical_latents, coarsest_options, fit_categorical_laplace, option_draws
from mrp.categorical.conditional import CategoricalConditional
from mrp.laplace.engine import LaplaceSettings
from mrp.latents import LatentDraws
from tests.mrp.categorical.parties import PARTIES, WORLD, cell_shares, counted, design
from tests.recovery.simulation import N_DRAWS, Simulated, gathered
from tests.recovery.uniformity import outside_envelope

type Floats = NDArray[np.float64]

DESIGN = design("own(log(past)) + (1|district) + (1|age)")
N_INTERVIEWS = 200


def truth(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Sds and latents from the default priors."""
    k, sds = DESIGN.n_options, np.abs(rng.normal(0, 0.5, 2))
    spread = np.ones(DESIGN.n_common) * 1.5
    for sd, effect, offset in zip(sds, DESIGN.common.effects, DESIGN.common.offsets, strict=True):
        spread[offset : offset + effect.size] = sd
    vectors = rng.standard_normal((DESIGN.n_common, k))
    vectors = spread[:, None] * (vectors - vectors.mean(axis=1, keepdims=True))
    return sds, np.concatenate([vectors.ravel(), rng.standard_normal(1)])


def quantities(latents: Floats, sds: Floats, conditional: CategoricalConditional) -> dict[str, Floats]:
    """Of draws, shape (draw, latent) and (draw, sd)."""
    draws = LatentDraws(latents.astype(np.float32), DESIGN.latent_names, link="softmax")
    nation = option_draws(draws, DESIGN, WORLD).draws[:, 0]
    first = option_draws(draws, DESIGN, WORLD, by=("district",)).draws[:, 0]
    joint = [float(conditional.log_joint(z[None], sd)[0]) for z, sd in zip(latents, sds, strict=True)]
    scale = -0.5 * ((sds / 0.5) ** 2).sum(axis=1)
    return {
        "sd (1|district)": sds[:, 0],
        "sd (1|age)": sds[:, 1],
        "own(log(past))": latents[:, -1],
        **{f"{party} in the nation": nation[:, i] for i, party in enumerate(PARTIES)},
        **{f"{party} in one district": first[:, i] for i, party in enumerate(PARTIES[:3])},
        "log joint density": np.array(joint) + scale,
    }


def survey(seed: int) -> tuple[dict[str, Floats], dict[str, Floats], float]:
    """The planted quantities, the draws of them, and whether the engine trusts its weights."""
    rng = np.random.default_rng([17, seed])
    sds, latents = truth(rng)
    shares = cell_shares(DESIGN, latents, WORLD.frame)
    people = WORLD.frame["n_people"].to_numpy()
    cell = rng.choice(people.size, N_INTERVIEWS, p=people / people.sum())
    chosen = (rng.random(N_INTERVIEWS)[:, None] > shares[cell].cumsum(axis=1)[:, :-1]).sum(axis=1)
    interviews = WORLD.frame.drop("n_people")[cell].with_columns(vote=pl.Series([PARTIES[i] for i in chosen]))
    counts = coarsest_options(DESIGN, counted(DESIGN, interviews))
    settings = LaplaceSettings(points=150, draws=300, threads=1)
    tree = fit_categorical_laplace(DESIGN, counts, Priors(), seed=seed, settings=settings)
    kept = rng.choice(300, N_DRAWS, replace=False)
    drawn = categorical_latents(tree, DESIGN).draws[kept].astype(np.float64)
    names = [f"sd {effect.term}" for effect in DESIGN.common.effects]
    hypers = np.stack([tree["posterior"][name].to_numpy()[0, kept] for name in names], axis=1)
    conditional = CategoricalConditional(DESIGN, counts, Priors())
    theirs = quantities(drawn, hypers, conditional)
    planted = quantities(latents[None], sds[None], conditional)
    trusted = max(tree.attrs["k_hat_sd"], tree.attrs["k_hat_joint"]) <= 0.7
    return planted, theirs, float(trusted)


@cache
def simulated(n_surveys: int) -> Simulated:
    return gathered(survey, n_surveys)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("n_surveys", [8, pytest.param(500, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_the_laplace_engine_is_calibrated_on_several_options(n_surveys: int):
    found = simulated(n_surveys)

    assert outside_envelope(found.ranks(seed=1), n_draws=N_DRAWS) == {}
    # The others would be fitted again with NUTS.
    assert found.facts["trusted"].mean() > 0.8


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("spread", [1 / 1.3, 1.3])
def test_posterior_sds_off_by_a_factor_of_one_point_three_are_found(spread: float):
    assert outside_envelope(simulated(500).ranks(seed=1, spread=spread), n_draws=N_DRAWS)
