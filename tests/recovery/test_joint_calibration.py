"""Several questions: truths from the prior, ranks uniform among what the Laplace engine draws."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from mrp import Priors, area_draws
from mrp.joint import build_joint_design, fit_joint_laplace, joint_latents, question_latents
from mrp.joint.counts import coarsest_of
from mrp.joint.stacked import joint_linear_model, stack
from mrp.laplace.conditional import Conditional
from mrp.laplace.engine import LaplaceSettings
from mrp.latents import LatentDraws
from tests.mrp.joint import questions
from tests.mrp.joint.questions import WORLD, where
from tests.recovery.simulation import N_DRAWS, Simulated, gathered
from tests.recovery.uniformity import outside_envelope

type Floats = NDArray[np.float64]

DESIGN = build_joint_design({"rail": "(1|p|district) + (1|age)", "roads": "(1|p|district)"}, WORLD)
PRIORS = dict.fromkeys(DESIGN.questions, Priors())
STACKED = stack(DESIGN)
N = {"rail": 200, "roads": 100}


def truth(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Parameters (two sds of districts, that of ages, the correlation) and latents from the default priors."""
    sds, r = np.abs(rng.normal(0, 0.5, 3)), 2 * rng.beta(2, 2) - 1
    latents = rng.normal(0, 1.5, DESIGN.n_latents)
    latents[where(DESIGN, "rail", "(1|age)")] = rng.normal(0, sds[2], 4)
    covariance = np.outer(sds[:2], sds[:2]) * [[1, r], [r, 1]]
    vectors = rng.multivariate_normal(np.zeros(2), covariance, 8)
    for column, question in enumerate(DESIGN.questions):
        latents[where(DESIGN, question, "(1|p|district)")] = vectors[:, column]
    return np.array([*sds, r]), latents


def quantities(latents: Floats, hypers: Floats, conditional: Conditional) -> dict[str, Floats]:
    """Of draws, shape (draw, latent) and (draw, parameter)."""
    draws = LatentDraws(latents.astype(np.float32), DESIGN.latent_names)
    of = {question: question_latents(draws, DESIGN, question) for question in DESIGN.questions}
    first = {q: area_draws(own, DESIGN.of(q), WORLD, by=("district",)).draws[:, 0] for q, own in of.items()}
    ordered = np.empty(latents.shape)
    ordered[:, STACKED.order] = latents
    joint = [float(conditional.log_joint(z[None], h)[0]) for z, h in zip(ordered, hypers, strict=True)]
    r = hypers[:, 3]
    prior = -0.5 * ((hypers[:, :3] / 0.5) ** 2).sum(axis=1) + np.log1p(-(r**2))
    return {
        "sd of districts on rail": hypers[:, 0],
        "sd of districts on roads": hypers[:, 1],
        "sd of ages": hypers[:, 2],
        "correlation": r,
        "covariance": hypers[:, 0] * hypers[:, 1] * r,
        **{f"{q} in one district": shares for q, shares in first.items()},
        "rail less roads in one district": first["rail"] - first["roads"],
        "log joint density": np.array(joint) + prior,
    }


def survey(seed: int) -> tuple[dict[str, Floats], dict[str, Floats], float]:
    """The planted quantities, the draws of them, and whether the engine trusts its weights."""
    rng = np.random.default_rng([23, seed])
    planted, latents = truth(rng)
    counts = questions.poll(DESIGN, latents, N, seed=int(rng.integers(1 << 31)))
    settings = LaplaceSettings(points=150, draws=300, threads=1)
    tree = fit_joint_laplace(DESIGN, counts, PRIORS, seed=seed, settings=settings)
    kept = rng.choice(300, N_DRAWS, replace=False)
    drawn = joint_latents(tree, DESIGN).draws[kept].astype(np.float64)
    posterior = tree["posterior"]
    names = ("sd (1|p|district)", "sd (1|age) of rail", "correlation (1|p|district)")
    hypers = np.concatenate([posterior[name].to_numpy()[0, kept].reshape(len(kept), -1) for name in names], axis=1)
    model = joint_linear_model(DESIGN, coarsest_of(DESIGN, counts), PRIORS)
    conditional = Conditional.of(model)
    theirs, ours = quantities(drawn, hypers, conditional), quantities(latents[None], planted[None], conditional)
    trusted = max(tree.attrs["k_hat_sd"], tree.attrs["k_hat_joint"]) <= 0.7
    return ours, theirs, float(trusted)


@cache
def simulated(n_surveys: int) -> Simulated:
    return gathered(survey, n_surveys)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("n_surveys", [12, pytest.param(250, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_the_laplace_engine_is_calibrated_on_several_questions(n_surveys: int):
    found = simulated(n_surveys)

    assert outside_envelope(found.ranks(seed=1), n_draws=N_DRAWS) == {}
    # The others would be fitted again with NUTS.
    assert found.facts["trusted"].mean() > 0.8


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("spread", [1 / 1.4, 1.4])
def test_posterior_sds_off_by_a_factor_of_one_point_four_are_found(spread: float):
    assert outside_envelope(simulated(250).ranks(seed=1, spread=spread), n_draws=N_DRAWS)
