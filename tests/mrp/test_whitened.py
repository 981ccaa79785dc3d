"""The coordinates that NUTS moves in: the same density as the definition's, and nearly round."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from mrp.hyper import correlation_name, hyper_space
from mrp.laplace.conditional import Conditional
from mrp.priors import Priors
from mrp.whitened import build_whitened_model, starting_points, whiten
from tests.mrp.polls import fit_inputs

PRIORS = Priors()


@pytest.mark.parametrize(
    "formula",
    ["lean + (1|district) + (sex|age) + ar1(period)", "rw2(age) + house(pollster) + (lean||age) + rw1(period|region)"],
)
def test_the_density_is_that_of_the_laplace_engine_in_other_coordinates(formula: str):
    """Which in turn is that of the PyMC definition."""
    design, counts = fit_inputs(formula, n=300)
    whitening = whiten(design, counts, PRIORS)
    model = build_whitened_model(whitening, design, counts, PRIORS)
    log_density = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    latent = model.replace_rvs_by_values([model["latent"]])
    latent_of = model.compile_fn(latent, inputs=model.value_vars, mode="FAST_COMPILE", on_unused_input="ignore")
    space, conditional = hyper_space(design, PRIORS), Conditional(design, counts, PRIORS)
    rng = np.random.default_rng(2)
    size = whitening.mean.size
    to_coordinates = np.linalg.pinv(whitening.basis)
    found, gaps = [], []
    for _ in range(3):
        sd = rng.uniform(0.1, 1.2, space.n_sds)
        r = rng.uniform(-0.8, 0.8, space.size - space.n_sds)
        prior = stats.halfnorm.logpdf(sd, scale=space.scale).sum()
        prior += stats.beta.logpdf((r + 1) / 2, *space.shapes.T).sum() if r.size else 0.0
        hypers = np.concatenate([sd, r])
        point: dict[str, Any] = {"eps": rng.normal(size=size)}
        for terms in space.terms:
            own = hypers[terms.sds]
            point[f"sd {terms.term}_log__"] = np.log(own if own.size > 1 else own[0])
            if terms.shapes:
                own = hypers[terms.correlations]
                odds = np.log((1 + own) / (1 - own))
                point[f"unit {correlation_name(terms.term)}_logodds__"] = odds if odds.size > 1 else odds[0]
        (latents,) = latent_of(point)
        # Coordinates are a linear function of eps given the hypers: its matrix, a column at a time.
        moved = [latent_of({**point, "eps": point["eps"] + unit})[0] - latents for unit in np.eye(size)]
        _, log_volume = np.linalg.slogdet(to_coordinates @ np.array(moved).T)
        expected = float(conditional.log_joint(latents[None], hypers)[0]) + prior + log_volume
        found.append(float(log_density(point)))
        gaps.append(found[-1] - expected)

    assert_allclose(gaps, gaps[0], atol=1e-8 * np.abs(found).max())


def test_the_start_is_the_mode_and_finite_for_separated_answers():
    design, counts = fit_inputs("(sex|age) + ar1(period) + house(pollster)", n=200)
    for answers in (counts["y"], counts["n"], counts["n"] * 0):
        same = counts.with_columns(y=answers)
        whitening = whiten(design, same, PRIORS)
        model = build_whitened_model(whitening, design, same, PRIORS)
        start = starting_points(whitening, design, PRIORS, model)

        assert {variable.name for variable in model.free_RVs} == set(start)
        assert np.isfinite(whitening.information).all()
        assert np.isfinite(whitening.pull).all()
