"""Power-scaling: the numbers of ArviZ, hand-made cases, and priors that were made to matter."""

from functools import cache

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy.stats import beta, halfnorm, norm

from mrp.checks.sensitivity import SENSITIVE, Sensitivity, log_priors, power_scaling, sensitivity, sensitivity_concerns
from mrp.counts import observed_levels
from mrp.design import build_design
from mrp.errors import ShapeMismatch
from mrp.hyper import hyper_space, sd_name
from mrp.laplace.engine import LaplaceSettings, fit_laplace
from mrp.latents import LatentDraws, from_datatree
from mrp.priors import Priors, parse_priors
from tests.mrp.checks.worlds import RIGHT, WORLD, counts_of, interviews
from tests.mrp.maps import EIGHT, slow_mixing_density
from tests.mrp.polls import OBSERVED
from tests.mrp.polls import WORLD as MAPPED


@cache
def sensitivities(formula: str, priors: tuple[tuple[str, str], ...] = (), n: int = 3000) -> dict[str, Sensitivity]:
    counts = counts_of(interviews(seed=1, n=n))
    design, own = build_design(formula, WORLD, observed=observed_levels(counts)), parse_priors(dict(priors))
    tree = fit_laplace(design, counts, own, seed=1, settings=LaplaceSettings(points=200, draws=1000, threads=1))
    sds = [tree["posterior"][sd_name(one.term)].to_numpy().reshape(1000, -1) for one in design.effects]
    hypers = np.concatenate([np.empty((1000, 0)), *sds], axis=1)
    found = sensitivity(from_datatree(tree, design), design, WORLD, counts, priors=own, hypers=hypers)
    return {one.name: one for one in found}


def test_the_numbers_are_those_of_arviz():
    import arviz_stats as azs

    rng = np.random.default_rng(1)
    values = rng.gamma(3, 1, 2000)
    # Not so strong that smoothing the weights matters.
    log_prior, log_likelihood = -((values - 1) ** 2) / 10, -2 * np.abs(values - 3) + rng.normal(0, 1, 2000)
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"x": (("chain", "draw"), values[None])}),
            "log_prior": xr.Dataset({"x": (("chain", "draw"), log_prior[None])}),
            "log_likelihood": xr.Dataset({"y": (("chain", "draw"), log_likelihood[None])}),
        }
    )

    for group, density in (("prior", log_prior), ("likelihood", log_likelihood)):
        theirs = float(azs.psense(tree, group=group)["x"])
        assert_allclose(power_scaling(values, density), theirs, rtol=0.02)


def test_a_density_that_knows_nothing_of_a_quantity_does_not_move_it():
    rng = np.random.default_rng(2)
    values, other = rng.standard_normal((2, 4000))

    assert power_scaling(values, -0.5 * other**2) < SENSITIVE
    # A normal posterior of mean 0: its own prior, as narrow, halves the variance when it is doubled.
    assert power_scaling(values, -0.5 * values**2) > SENSITIVE
    assert power_scaling(np.zeros(10), values[:10]) == 0.0


def test_log_priors_are_those_of_the_model_up_to_constants():
    design = build_design("sex + (sex|age) + ar1(period) + bym2(district)", WORLD, observed=OBSERVED)
    rng = np.random.default_rng(3)
    latents = LatentDraws(rng.normal(0, 1, (50, design.n_latents)).astype(np.float32), design.latent_names)
    sds, correlations = rng.gamma(2, 0.2, (50, 4)), rng.uniform(-0.9, 0.9, (50, 2))
    phi = rng.uniform(0.05, 0.95, 50)

    found = log_priors(latents, design, Priors(), np.column_stack([sds, correlations, phi]))

    expected = {
        "intercept": norm(0, 1.5).logpdf(latents.draws[:, 0]),
        "sex[male]": norm(0, 1).logpdf(latents.draws[:, 1]),
        "sd (1+sex|age)[1]": halfnorm(scale=0.5).logpdf(sds[:, 0]),
        "sd (1+sex|age)[sex[male]]": halfnorm(scale=0.5).logpdf(sds[:, 1]),
        "sd ar1(period)": halfnorm(scale=0.5).logpdf(sds[:, 2]),
        "sd bym2(district)": halfnorm(scale=0.5).logpdf(sds[:, 3]),
        "correlation (1+sex|age)": beta(2, 2).logpdf((correlations[:, 0] + 1) / 2),
        "autocorrelation ar1(period)": beta(5, 2).logpdf((correlations[:, 1] + 1) / 2),
        "mixing bym2(district)": np.log(slow_mixing_density(12, EIGHT, 0.5, 0.67, phi)),
    }
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert_allclose(found[name] - found[name][0], values - values[0], atol=1e-5, err_msg=name)


def test_the_mixing_of_a_map_has_its_own_prior():
    design = build_design("bym2(district)", MAPPED)
    rng = np.random.default_rng(4)
    latents = LatentDraws(rng.normal(0, 1, (5, design.n_latents)).astype(np.float32), design.latent_names)
    phi = np.linspace(0.1, 0.9, 5)

    found = log_priors(latents, design, Priors(), np.column_stack([np.full(5, 0.3), phi]))

    (term,) = hyper_space(design, Priors()).terms
    assert list(found) == ["intercept", "sd bym2(district)", "mixing bym2(district)"]
    assert_allclose(found["mixing bym2(district)"], term.mixing.log_density(phi))


def test_with_many_interviews_and_default_priors_no_estimate_leans_on_a_prior():
    found = sensitivities(RIGHT)

    assert found["nation"].diagnosis == "fine"
    assert found["nation"].likelihood >= SENSITIVE
    assert sensitivity_concerns(tuple(found.values())) == ()
    levels = [f"age {one}" for one in WORLD.demographics["age"]]
    assert {"intercept", "sd (1|district)", "nation", "sex male", *levels, "district D03"} <= set(found)


def test_a_prior_far_from_the_data_is_named_with_what_it_moves():
    found = sensitivities("sex", (("intercept", "normal(3, 0.05)"),))

    (first,) = sensitivity_concerns(tuple(found.values()))

    assert (first.kind, first.columns) == ("prior-conflict", ("intercept",))
    assert first.sentence.startswith("The estimate of the nation, and ")
    assert found["nation"].leans_on == "intercept"


def test_a_tight_prior_of_one_coefficient_is_named_and_no_other():
    found = sensitivities(RIGHT, (("sex", "normal(1, 0.05)"),))

    (first,) = sensitivity_concerns(tuple(found.values()))

    assert first.columns == ("sex[male]",)
    assert "sex male" in first.sentence or "sex female" in first.sentence


def test_few_interviews_leave_it_to_the_prior():
    found = sensitivities(RIGHT, n=40)

    assert found["sd (1|age)"].prior > 2 * sensitivities(RIGHT)["nation"].prior
    assert found["nation"].prior < found["sd (1|age)"].prior


def test_parameters_of_another_fit_are_refused():
    design = build_design(RIGHT, WORLD)
    latents = LatentDraws(np.zeros((5, design.n_latents), dtype=np.float32), design.latent_names)

    with pytest.raises(ShapeMismatch, match=r"\(5, 2\)"):
        log_priors(latents, design, Priors(), np.ones((4, 2)))
