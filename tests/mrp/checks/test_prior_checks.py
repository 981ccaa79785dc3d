"""What priors say by themselves: draws as the terms mean them, plausible defaults, and priors that are not."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import ks_2samp

from mrp.checks.concerns import Concern
from mrp.checks.prior_checks import prior_concerns, prior_conflicts, prior_predictive
from mrp.checks.prior_draws import prior_draws
from mrp.design import build_design
from mrp.hyper import hyper_space
from mrp.latents import LatentDraws
from mrp.priors import Priors, parse_priors
from tests.mrp.checks.worlds import RIGHT, WORLD, fitted
from tests.mrp.polls import FORMULAS, OBSERVED
from tests.mrp.polls import WORLD as MAPPED
from tests.recovery.truths import draw_truth

TIGHT = (("(1|district)", "half_normal(0.05)"),)


def said(priors: dict[str, str], formula: str = RIGHT, observed: float | None = None) -> tuple[Concern, ...]:
    shares = None if observed is None else {"share": observed}
    found = prior_predictive(build_design(formula, WORLD), WORLD, parse_priors(priors), seed=1, observed=shares)
    return prior_concerns(found, ())


@pytest.mark.parametrize("formula", FORMULAS)
def test_draws_are_those_of_what_the_terms_mean(formula: str):
    design = build_design(formula, MAPPED, observed=OBSERVED)
    n = 400
    fast = prior_draws(design, Priors(), n=n, seed=1).draws
    rng = np.random.default_rng(2)
    slow = np.array([draw_truth(design, Priors(), rng)[0] for _ in range(n)])

    # Single latents, and differences and sums of neighbours, which tell how they hang together.
    last = min(design.n_latents - 1, 12)
    pairs = [(values[:, k], values[:, k] - values[:, k - 1]) for k in range(1, last + 1) for values in (fast, slow)]
    tests = [
        ks_2samp(a, b).pvalue for i in range(0, len(pairs), 2) for a, b in zip(pairs[i], pairs[i + 1], strict=True)
    ]
    assert min(tests) > 1e-4 / len(tests)


def test_default_priors_are_no_concern_whatever_is_observed_within_reason():
    for observed in (0.08, 0.5, 0.9):
        assert said({}, observed=observed) == ()


def test_a_wide_prior_of_the_intercept_puts_the_nation_at_the_ends():
    (only,) = said({"intercept": "normal(0, 10)"})

    assert "below 5% or above 95%" in only.sentence
    assert only.size > 0.5
    assert only.advice == "narrow the prior of the intercept"


def test_districts_that_differ_beyond_anything_are_named():
    (only,) = said({"(1|district)": "half_normal(8)"})

    assert "differ by" in only.sentence


def test_a_prior_that_fixes_the_nation_is_named_and_contradicted():
    contradicted, fixed = said({"intercept": "normal(2, 0.05)", "sex": "normal(0, 0.1)"}, formula="sex", observed=0.5)

    assert "fix the national share between 87%" in fixed.sentence
    assert "The interviews contradict the priors" in contradicted.sentence


def test_conflicts_by_hand():
    design = build_design("sex + (1|district)", WORLD)
    draws = np.zeros((4, design.n_latents), dtype=np.float32)
    draws[:, 0], draws[:, 1], draws[:, 2:] = 3.0, -0.5, 2.0
    priors = parse_priors({"intercept": "normal(0, 1)", "(1|district)": "half_normal(0.5)"})

    intercept, sex, district = prior_conflicts(LatentDraws(draws, design.latent_names), design, priors)

    assert_allclose([intercept.distance, sex.distance, district.distance], [3.0, 0.5, 4.0])
    assert_allclose([intercept.chance, district.chance], [0.0027, 6.3e-5], rtol=0.01)
    assert [one.term for one in (intercept, sex, district)] == ["intercept", "sex", "(1|district)"]


def test_a_standard_deviation_that_the_data_push_against_its_prior_is_named_with_it():
    latents, design, _ = fitted(RIGHT, TIGHT)
    priors = parse_priors(dict(TIGHT))
    predictive = prior_predictive(design, WORLD, priors, seed=1)

    first, *others = prior_concerns(predictive, prior_conflicts(latents, design, priors))

    assert (first.kind, first.columns) == ("prior-conflict", ("(1|district)",))
    assert "half_normal(0.05) of (1|district)" in first.sentence
    assert others == []


def test_an_honest_fit_has_no_conflict():
    latents, design, _ = fitted(RIGHT)
    predictive = prior_predictive(design, WORLD, Priors(), seed=1, observed={"share": 0.5})

    assert prior_concerns(predictive, prior_conflicts(latents, design, Priors())) == ()


def test_districts_of_a_mixed_map_are_as_alike_as_its_prior_of_the_mixing_says():
    design = build_design("bym2(district)", MAPPED)
    (effect,), (term,) = design.effects, hyper_space(design, Priors()).terms
    n = 20_000
    coordinates = prior_draws(design, Priors(), n=n, seed=5).draws[:, 1:] @ np.linalg.pinv(effect.basis).T
    most, least = int(np.argmax(effect.directions)), int(np.argmin(effect.directions))

    found = np.log(coordinates[:, most] ** 2 / coordinates[:, least] ** 2)

    phi = np.linspace(0, 1, 4001)[1:-1] ** 3
    chance = np.exp(term.mixing.log_density(phi)) * np.gradient(phi)
    log_ratio = np.log1p(phi * (effect.directions[most] - 1)) - np.log1p(phi * (effect.directions[least] - 1))
    expected = float(log_ratio @ chance / chance.sum())
    assert expected > 10 * found.std() / np.sqrt(n)  # a mixing of 0 would be seen
    assert abs(found.mean() - expected) < 4 * found.std() / np.sqrt(n)
