"""The coordinates that NUTS moves in: the same density as the definition's, and nearly round."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import logit

from mrp.hyper import hyper_space
from mrp.laplace.conditional import Conditional
from mrp.priors import Priors
from mrp.warm_start import warm_start
from mrp.whitened import whitened_form
from tests.mrp.polls import fit_inputs

PRIORS = Priors()


@pytest.mark.parametrize(
    "formula",
    [
        "lean + (1|district) + (sex|age) + ar1(period)",
        "rw2(age) + house(pollster) + (lean||age) + rw1(period|region)",
        "lean + bym2(district) + ar1(period)",
        "(1|district) + icar(district)",
    ],
)
def test_the_density_is_that_of_the_laplace_engine_in_other_coordinates(formula: str):
    """Which in turn is that of the PyMC definition."""
    design, counts = fit_inputs(formula, n=300)
    form = whitened_form(design, counts, PRIORS, warm_start(design, counts, PRIORS))
    model = form.model()
    log_density = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    moved = model.replace_rvs_by_values([model["moved"]])
    moved_at = model.compile_fn(moved, inputs=model.value_vars, mode="FAST_COMPILE", on_unused_input="ignore")
    space, conditional = hyper_space(design, PRIORS), Conditional(design, counts, PRIORS)
    rng = np.random.default_rng(2)
    basis, mean = form.fixed["basis"], form.fixed["mean"]
    found, gaps = [], []
    for _ in range(3):
        sd = rng.uniform(0.1, 1.2, space.n_sds)
        r = rng.uniform(-0.8, 0.8, len(space.shapes))
        phi = rng.uniform(0.05, 0.95, len(space.mixings))
        prior = stats.halfnorm.logpdf(sd, scale=space.scale).sum()
        prior += stats.beta.logpdf((r + 1) / 2, *space.shapes.T).sum() if r.size else 0.0
        prior += sum(float(own.log_density(one)) for own, one in zip(space.mixings, phi, strict=True))
        hypers = np.concatenate([sd, r, phi])
        point: dict[str, Any] = {"sd_log__": np.log(sd), "eps": rng.normal(size=mean.size)}
        if r.size:
            point["unit_logodds__"] = np.log((1 + r) / (1 - r))
        if phi.size:
            point["phi_interval__"] = logit(phi[0])
        (own,) = moved_at(point)
        # Coordinates are a linear function of eps given the hypers: its matrix, a column at a time.
        columns = [moved_at({**point, "eps": point["eps"] + unit})[0] - own for unit in np.eye(mean.size)]
        _, log_volume = np.linalg.slogdet(np.array(columns).T)
        latents = basis @ (mean + own)
        expected = float(conditional.log_joint(latents[None], hypers)[0]) + prior + log_volume
        found.append(float(log_density(point)))
        gaps.append(found[-1] - expected)

    assert_allclose(gaps, gaps[0], atol=1e-8 * np.abs(found).max())


def test_all_numbers_are_finite_for_separated_answers():
    design, counts = fit_inputs("(sex|age) + ar1(period) + house(pollster)", n=200)
    for answers in (counts["y"], counts["n"], counts["n"] * 0):
        same = counts.with_columns(y=answers)
        form = whitened_form(design, same, PRIORS, warm_start(design, same, PRIORS))

        assert np.isfinite(form.numbers).all()
        assert np.isfinite(form.start).all()


def test_sampling_starts_at_the_mode():
    """The jump to another point of the same sds and correlations never raises their density with the latents'."""
    design, counts = fit_inputs("lean + (1|district) + (sex|age)", n=300)
    form = whitened_form(design, counts, PRIORS, warm_start(design, counts, PRIORS))
    model = form.model()
    log_density = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    sizes = [model.initial_point()[value.name].size for value in model.value_vars]
    parts = np.split(form.start, np.cumsum(sizes)[:-1])
    point = {value.name: part for value, part in zip(model.value_vars, parts, strict=True)}
    best = float(log_density(point))
    rng = np.random.default_rng(3)
    for _ in range(20):
        assert float(log_density({**point, "eps": rng.normal(0, 0.3, sizes[-1])})) < best
