"""An ordered scale: truths from the prior, ranks uniform among what the Laplace engine draws."""

from functools import cache

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from mrp import Priors
from mrp.laplace.dense import DenseConditional
from mrp.laplace.engine import LaplaceSettings
from mrp.latents import LatentDraws
from mrp.ordinal import coarsest_ordinal, fit_ordinal_laplace, ordinal_draws, ordinal_latents
from mrp.ordinal.conditional import ordinal_conditional
from tests.mrp.ordinal.scales import WORLD, counted, design, poll
from tests.recovery.simulation import N_DRAWS, Simulated, gathered
from tests.recovery.uniformity import outside_envelope

type Floats = NDArray[np.float64]

SCALE = ("disagree", "rather not", "rather", "agree")
DESIGN = design("(1|district) + (1|age)", SCALE)
N_INTERVIEWS = 150


def truth(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Sds and latents from the default priors."""
    sds = np.abs(rng.normal(0, 0.5, 2))
    spread = np.ones(DESIGN.n_latents)
    spread[0] = 1.5
    for sd, effect, offset in zip(sds, DESIGN.common.effects, DESIGN.common.offsets, strict=True):
        spread[offset : offset + effect.size] = sd
    return sds, spread * rng.standard_normal(DESIGN.n_latents)


def quantities(latents: Floats, sds: Floats, conditional: DenseConditional) -> dict[str, Floats]:
    """Of draws, shape (draw, latent) and (draw, sd)."""
    draws = LatentDraws(latents.astype(np.float32), DESIGN.latent_names, link="cumulative-logit")
    nation = ordinal_draws(draws, DESIGN, WORLD)
    first = ordinal_draws(draws, DESIGN, WORLD, by=("district",)).draws[:, 0]
    joint = [float(conditional.log_joint(z[None], sd)[0]) for z, sd in zip(latents, sds, strict=True)]
    return {
        "sd (1|district)": sds[:, 0],
        "sd (1|age)": sds[:, 1],
        "log width[rather not]": latents[:, -2],
        "log width[rather]": latents[:, -1],
        "mean score in the nation": nation.mean().draws[:, 0],
        **{f"{option} in the nation": nation.draws[:, 0, i] for i, option in enumerate(SCALE)},
        **{f"{option} in one district": first[:, i] for i, option in enumerate(SCALE[:3])},
        "log joint density": np.array(joint) - 0.5 * ((sds / 0.5) ** 2).sum(axis=1),
    }


def survey(seed: int) -> tuple[dict[str, Floats], dict[str, Floats], float]:
    """The planted quantities, the draws of them, and whether the engine trusts its weights."""
    rng = np.random.default_rng([23, seed])
    sds, latents = truth(rng)
    interviews: pl.DataFrame = poll(DESIGN, n=N_INTERVIEWS, seed=int(rng.integers(2**31)), at=latents).interviews
    counts = coarsest_ordinal(DESIGN, counted(DESIGN, interviews))
    settings = LaplaceSettings(points=150, draws=300, threads=1)
    tree = fit_ordinal_laplace(DESIGN, counts, Priors(), seed=seed, settings=settings)
    kept = rng.choice(300, N_DRAWS, replace=False)
    drawn = ordinal_latents(tree, DESIGN).draws[kept].astype(np.float64)
    names = [f"sd {effect.term}" for effect in DESIGN.common.effects]
    hypers = np.stack([tree["posterior"][name].to_numpy()[0, kept] for name in names], axis=1)
    conditional = ordinal_conditional(DESIGN, counts, Priors())
    theirs = quantities(drawn, hypers, conditional)
    planted = quantities(latents[None], sds[None], conditional)
    trusted = max(tree.attrs["k_hat_sd"], tree.attrs["k_hat_joint"]) <= 0.7
    return planted, theirs, float(trusted)


@cache
def simulated(n_surveys: int) -> Simulated:
    return gathered(survey, n_surveys)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("n_surveys", [20, pytest.param(500, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_the_laplace_engine_is_calibrated_on_an_ordered_scale(n_surveys: int):
    found = simulated(n_surveys)

    assert outside_envelope(found.ranks(seed=1), n_draws=N_DRAWS) == {}
    # The others would be fitted again with NUTS.
    assert found.facts["trusted"].mean() > 0.8


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("spread", [1 / 1.3, 1.3])
def test_posterior_sds_off_by_a_factor_of_one_point_three_are_found(spread: float):
    assert outside_envelope(simulated(500).ranks(seed=1, spread=spread), n_draws=N_DRAWS)
