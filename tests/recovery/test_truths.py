"""Simulated truths have the prior of the PyMC model, which is drawn from by other code."""

from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

from mrp import Design, Priors, build_design, parse_priors
from mrp.coding import EffectKind
from mrp.hyper import correlation_name, hyper_space, mixing_name, sd_name
from mrp.model import build_model
from mrp.structure import correlation_root
from tests.mrp.polls import OBSERVED, WORLD, poll
from tests.recovery.truths import correlation_matrix, draw_truth

N = 3000
# Every kind of effect once, but those on a map; priors that differ, so that one in the place of another is seen.
FORMULA = (
    "lean + region + rw2(age) + (1|district) + (sex|age) + (lean||region) + (0 + region|sex) "
    "+ rw1(period|region) + ar1(period) + house(pollster) + mode(mode)"
)
PRIORS = parse_priors(
    {
        "intercept": "normal(0.3, 1.2)",
        "coefficient": "normal(-0.2, 0.8)",
        "region": "normal(0.1, 0.3)",
        "sd": "half_normal(0.5)",
        "rw2(age)": "half_normal(0.7)",
        "ar1(period)": "half_normal(0.9), beta(4, 2)",
        "house(pollster)": "half_normal(0.3)",
        "(1+sex|age)": "half_normal(0.6), lkj(1.5)",
        "(0+region|sex)": "half_normal(0.4), lkj(3)",
    }
)
MAPS = {
    "icar(district) + (1|district)": parse_priors({"icar(district)": "half_normal(0.8)"}),
    "bym2(district)": parse_priors({"bym2(district)": "half_normal(0.7), pc(0.4, 0.3)"}),
}


def simulated(design: Design, priors: Priors) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    latents, hypers = zip(*(draw_truth(design, priors, rng) for _ in range(N)), strict=True)
    return np.array(latents), np.array(hypers)


def by_pymc(design: Design, priors: Priors) -> tuple[np.ndarray, np.ndarray]:
    import pymc as pm

    counts = poll(n=400).group_by(design.count_columns).agg(n=pl.len().cast(pl.Int64), y=pl.len().cast(pl.Int64))
    names = ["intercept", *(["coefficient"] if design.coefficient_names else []), *(e.term for e in design.effects)]
    hypers = [sd_name(effect.term) for effect in design.effects]
    hypers += [correlation_name(effect.term) for effect in design.effects if effect.n_correlations]
    hypers += [mixing_name(effect.term) for effect in design.effects if effect.n_mixings]
    with build_model(design, counts, priors):
        drawn: Any = pm.sample_prior_predictive(
            N, var_names=[*names, *hypers], random_seed=2, compile_kwargs={"mode": "FAST_COMPILE"}
        )
    values = drawn["prior"]
    return tuple(  # type: ignore[return-value]
        np.concatenate([values[name].to_numpy().reshape(N, -1) for name in group], axis=1) for group in (names, hypers)
    )


def standardised(design: Design, priors: Priors, latents: np.ndarray, hypers: np.ndarray) -> np.ndarray:
    """Latents with effects in units of their sd: errors of scale show sooner where the sd is out of the way."""
    latents = latents.copy()
    for effect, offset, of in zip(design.effects, design.offsets, hyper_space(design, priors).terms, strict=True):
        latents[:, offset : offset + effect.size] /= np.tile(hypers[:, of.sds], effect.n_groups)
    return latents


def gaps(one: np.ndarray, other: np.ndarray, weight: np.ndarray, other_weight: np.ndarray) -> np.ndarray:
    """Differences of the means of weighted products of every two columns, in standard errors."""

    def moments(values: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = (values * of[:, None]).T @ values / N
        return mean, ((values * of[:, None]) ** 2).T @ values**2 / N - mean**2

    (mean, variance), (other_mean, other_variance) = moments(one, weight), moments(other, other_weight)
    return np.asarray((mean - other_mean) / np.sqrt((variance + other_variance) / N + 1e-12))


def test_every_kind_of_effect_is_among_the_formulas():
    designs = [build_design(formula, WORLD, observed=OBSERVED) for formula in (FORMULA, *MAPS)]

    assert {effect.kind for design in designs for effect in design.effects} == set(get_args(EffectKind.__value__))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("formula", "priors"), [(FORMULA, PRIORS), *MAPS.items()], ids=["all", *MAPS])
def test_simulated_truths_have_the_moments_of_the_prior_of_the_pymc_model(formula: str, priors: Priors):
    design = build_design(formula, WORLD, observed=OBSERVED)
    latents, hypers = simulated(design, priors)
    of_pymc, hypers_of_pymc = by_pymc(design, priors)
    ones = np.ones(N)

    # With a column of ones: means, second moments and products, of parameters and of latents. Some 2,000 numbers.
    one = np.column_stack([ones, hypers, standardised(design, priors, latents, hypers)])
    other = np.column_stack([ones, hypers_of_pymc, standardised(design, priors, of_pymc, hypers_of_pymc)])
    assert np.abs(gaps(one, other, ones, ones)).max() < 5.2
    # Products of latents with their parameters, such as neighbouring periods with the autocorrelation.
    for weight, other_weight in zip(hypers.T, hypers_of_pymc.T, strict=True):
        assert np.abs(gaps(one, other, weight, other_weight)).max() < 5.5


@pytest.mark.parametrize("size", [2, 3, 4])
def test_correlations_from_partial_ones_are_those_of_the_engines(size: int):
    partial = np.random.default_rng(3).uniform(-0.9, 0.9, size * (size - 1) // 2)
    root = np.array(correlation_root(partial, size))

    assert_allclose(correlation_matrix(partial, size), root @ root.T, atol=1e-12)
