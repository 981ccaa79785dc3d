"""Weights in the likelihood of several options: fractional counts, and what is fitted to them."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

from mrp.categorical import Options, build_categorical_design, coarsest_options, collapse_options, fit_categorical
from mrp.categorical.conditional import CategoricalConditional
from mrp.categorical.counts import count_name, option_design_effect
from mrp.categorical.model import build_categorical_model
from mrp.counts import coarsest, collapse
from mrp.design import build_design
from mrp.errors import CountsError
from mrp.laplace.engine import LaplaceSettings
from mrp.priors import Priors
from tests.mrp.categorical import parties
from tests.mrp.categorical.parties import PARTIES, WORLD, design
from tests.mrp.categorical.test_conditional import free_values

DESIGN = design()
INTERVIEWS = parties.poll(DESIGN, n=400, seed=3).interviews.with_columns(
    weight=pl.Series(np.random.default_rng(2).choice([0.5, 1.0, 2.5], 400))
)


def weighted(interviews: pl.DataFrame) -> pl.DataFrame:
    return collapse_options(interviews, by=DESIGN.count_columns, answer="vote", options=DESIGN.options, weight="weight")


def test_a_cell_counts_as_its_interviews_over_the_design_effect_with_the_weighted_shares():
    of = build_categorical_design("(1|age)", WORLD, Options(("a", "b", "c")))
    ages = WORLD.demographics["age"]
    interviews = pl.DataFrame({"age": [ages[0], ages[0], ages[1]], "vote": ["a", "b", "a"], "weight": [1.0, 3.0, 5.0]})
    counts = collapse_options(interviews, by=("age",), answer="vote", options=of.options, weight="weight")

    # Of the first age: squares 10, square of the sum 16: (1 - 1/2) 10 / ((16 - 10) / 2).
    assert option_design_effect(of, counts) == pytest.approx(5 / 3)
    fractional = coarsest_options(of, counts)
    assert fractional["age"].to_list() == list(ages[:2])
    assert_allclose(fractional.select("n", "y[a]", "y[b]", "y[c]"), [[1.2, 0.3, 0.9, 0], [0.6, 0.6, 0, 0]])


def test_two_options_have_the_weighted_counts_of_a_binary_question():
    two = INTERVIEWS.filter(pl.col("vote").is_in(PARTIES[:2]))
    of = build_categorical_design("(1|age)", WORLD, Options(PARTIES[:2]))
    several = collapse_options(two, by=("age", "district"), answer="vote", options=of.options, weight="weight")
    one = collapse(two, by=("age", "district"), answer="vote", option="Left", options=PARTIES[:2], weight="weight")

    ours, theirs = coarsest_options(of, several), coarsest(build_design("(1|age)", WORLD), one)
    assert_allclose(ours.select("n", "y[Left]"), theirs.select("n", "y"), rtol=1e-12)


def test_equal_weights_and_weights_times_ten_change_nothing():
    plain = coarsest_options(DESIGN, parties.counted(DESIGN, INTERVIEWS))
    equal = coarsest_options(DESIGN, weighted(INTERVIEWS.with_columns(weight=pl.lit(3.0))))
    once, larger = (
        coarsest_options(DESIGN, weighted(INTERVIEWS.with_columns(pl.col("weight") * factor))) for factor in (1, 10)
    )

    numbers = ["n", *map(count_name, DESIGN.options)]
    assert_allclose(equal.select(numbers), plain.select(numbers), rtol=1e-12)
    assert_allclose(larger.select(numbers), once.select(numbers), rtol=1e-12)
    assert_allclose(once.select(numbers[1:]).to_numpy().sum(axis=1), once["n"], rtol=1e-12)


def test_the_density_of_fractional_counts_is_that_of_the_model_and_a_fit_says_what_weights_cost():
    counts = weighted(INTERVIEWS)
    log_density = build_categorical_model(DESIGN, counts, Priors()).compile_logp(jacobian=False, mode="FAST_COMPILE")
    conditional = CategoricalConditional(DESIGN, coarsest_options(DESIGN, counts), Priors())
    gaps, n = [], DESIGN.common.offsets[0]
    for seed in range(3):
        at = parties.latents(DESIGN, seed=seed)
        vectors = at[:-1].reshape(-1, 4)
        point = {"intercept_zerosum__": free_values(vectors[0]), "coefficient_zerosum__": free_values(vectors[1:n])}
        for effect, offset in zip(DESIGN.common.effects, DESIGN.common.offsets, strict=True):
            point |= {
                f"sd {effect.term}_log__": np.log(0.4),
                f"{effect.term}_zerosum__": free_values(vectors[offset : offset + effect.size]),
            }
        exact = float(log_density(point | {"own": at[-1:]}))
        gaps.append(exact - float(conditional.log_joint(at[None], np.array([0.4, 0.4]))[0]))
    assert_allclose(gaps, gaps[0], rtol=1e-8)

    few = LaplaceSettings(points=100, draws=500)
    fit = fit_categorical(DESIGN, WORLD, counts, Priors(), engine="laplace", seed=1, laplace=few)
    assert fit.engine == "laplace"
    assert fit.design_effect == pytest.approx(option_design_effect(DESIGN, counts))
    assert fit.diagnostics()["design_effect"] == fit.design_effect > 1.2


def test_weights_that_are_none_and_names_that_are_taken_are_refused():
    wrong = pl.when(pl.int_range(400) == 7).then(0.0).otherwise(pl.col("weight")).alias("weight")
    with pytest.raises(CountsError, match="1 of 400 interviews with an answer have a weight that is no number above 0"):
        weighted(INTERVIEWS.with_columns(wrong))
    with pytest.raises(CountsError, match="the interviews have no column 'w'"):
        collapse_options(INTERVIEWS, by=(), answer="vote", options=DESIGN.options, weight="w")
    with pytest.raises(CountsError, match=r"the counts have no column 'weight\[Left\]'"):
        coarsest_options(DESIGN, weighted(INTERVIEWS).drop("weight[Left]"))
