"""A fit made bad on purpose: the checks name what was planted, first of all; an honest one is left in peace."""

import pytest
from scipy.stats import binom

from mrp.checks.concerns import misfit_concerns
from mrp.checks.misfit import FALSE_ALARM
from tests.mrp.checks.worlds import RIGHT, WORLD, concerns_of, counts_of, fit, fitted, interviews, misfits_of

PINNED = (("(1|district)", "half_normal(0.01)"),)
FAR = (("intercept", "normal(3, 0.05)"),)


def test_one_biased_pollster_is_named_with_the_size_and_the_sign_of_its_bias():
    first, *others = concerns_of(*fitted(RIGHT, bias=0.8))

    assert (first.kind, first.columns, first.levels, first.severity) == ("misfit", ("pollster",), ("Blue",), "grave")
    # 0.8 on the logit scale are 19 points, of which the mean of all, a quarter of them Blue's, takes 5; chance 2 or 4.
    assert -0.21 <= first.size <= -0.08
    assert "pollster Blue's interviews are" in first.sentence
    assert "lower than it expects" in first.sentence
    assert first.advice == "hold pollster Blue's waves back and look at them, or add house(pollster) to the model"
    assert others == []


def test_a_biased_pollster_in_a_model_with_house_effects_is_said_to_be_taken_care_of():
    (only,) = concerns_of(*fitted(f"{RIGHT} + house(pollster)", bias=0.8))

    assert (only.kind, only.levels, only.severity) == ("house-effect", ("Blue",), "notable")
    assert -0.19 <= only.size <= -0.09


def test_a_missing_interaction_is_named_with_the_term_that_it_lacks():
    first, *others = concerns_of(*fitted(RIGHT, interaction=0.4))

    assert (first.kind, set(first.columns), first.severity) == ("interaction", {"sex", "age"}, "grave")
    assert first.advice == "add (1|sex:age) to the model"
    assert others == []


def test_the_interaction_in_the_model_is_no_concern():
    assert concerns_of(*fitted(f"{RIGHT} + (1|sex:age)", interaction=0.4)) == ()


def test_a_standard_deviation_that_is_pinned_near_zero_is_named_with_its_term():
    first = concerns_of(*fitted(RIGHT, PINNED))[0]

    assert (first.kind, first.columns, first.severity) == ("misfit", ("district",), "grave")
    assert first.advice.startswith("widen the prior of (1|district)")
    names = dict(WORLD.districts.select("code", "name").iter_rows())
    latents, design, counts = fitted(RIGHT, PINNED)
    named = misfit_concerns(misfits_of(latents, design, counts), design, names=names)[0]
    assert f"district {names[named.levels[0]]} ({named.levels[0]}) is" in named.sentence


def test_a_prior_of_the_intercept_far_from_the_data_is_named():
    first = concerns_of(*fitted("sex", FAR))[0]

    assert (first.kind, first.columns, first.severity) == ("misfit", (), "grave")
    assert "lower than the model expects" in first.sentence
    assert "prior of the intercept" in first.advice


@pytest.mark.parametrize("formula", [RIGHT, f"{RIGHT} + (1|sex:age) + (1|region)", "sex + (1|district:age)"])
def test_an_honest_fit_raises_no_concern(formula: str):
    assert concerns_of(*fitted(formula)) == ()


@pytest.mark.slow
def test_honest_fits_raise_a_concern_no_more_often_than_stated():
    n = 120
    fits = (fit(RIGHT, counts_of(interviews(seed=seed, n=1500))) for seed in range(n))
    alarms = sum(any(one.is_misfit for one in misfits_of(*one)) for one in fits)

    assert alarms <= binom.ppf(0.999, n, FALSE_ALARM)
