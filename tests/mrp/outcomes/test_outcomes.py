"""Questions of every kind on one path: declared, counted, written down and read again, fitted, answered."""

import json

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from polars.testing import assert_frame_equal

from mrp import Grouping, Priors, collapse, parse_priors
from mrp.categorical import option_draws
from mrp.design import build_design
from mrp.errors import DrawsError, FrameError
from mrp.evidence import Evidence, kept_tree
from mrp.known_totals import calibrate
from mrp.laplace.engine import LaplaceSettings
from mrp.numeric import numeric_draws
from mrp.ordinal import ordinal_draws
from mrp.outcomes import (
    BinaryOutcome,
    CategoricalOutcome,
    NumericOutcome,
    OrdinalOutcome,
    dataset_of,
    default_draws,
    design_from_json,
    draws_many,
    estimands,
    outcome_from_json,
    priors_in_words,
    variation,
)
from mrp.poststratification import area_draws
from tests.mrp.categorical import parties
from tests.mrp.numeric import thermometer
from tests.mrp.ordinal import scales

FEW = LaplaceSettings(points=60, draws=200)
INTERVIEWS = parties.poll(parties.design(), n=800, seed=3).interviews


def written(value: object) -> object:
    return json.loads(json.dumps(value))


def test_several_options_by_the_common_path_are_those_of_their_own():
    outcome = outcome_from_json(written(CategoricalOutcome(parties.OPTIONS).to_json()))
    assert outcome == CategoricalOutcome(parties.OPTIONS)
    assert outcome.check(parties.FORMULA, parties.WORLD) == ()
    design = outcome.build(parties.FORMULA, parties.WORLD)
    outcome.check_priors(Priors(), design)
    counts = outcome.collapse(INTERVIEWS, by=design.count_columns, answer="vote")
    halves = [
        outcome.collapse(one, by=design.count_columns, answer="vote") for one in (INTERVIEWS[:300], INTERVIEWS[300:])
    ]
    assert_frame_equal(outcome.add(halves, design.count_columns), counts)

    fitted = outcome.fit(design, parties.WORLD, counts, Priors(), engine="laplace", seed=2, laplace=FEW)
    read = design_from_json(written(design.to_json()))
    assert estimands(read) == parties.PARTIES
    (drawn,) = draws_many(fitted.latents, read, parties.WORLD, [Grouping(by=("district",))])
    assert_array_equal(drawn.draws, option_draws(fitted.latents, design, parties.WORLD, by=("district",)).draws)
    nation, *_ = default_draws(fitted.latents, read, parties.WORLD)
    assert nation.draws.shape == (200, 1, len(parties.PARTIES))

    evidence = Evidence.from_bytes(fitted.evidence.to_bytes())
    tree = kept_tree(fitted.latents, evidence, read.common, named=lambda *args: dataset_of(read, *args))
    for name in fitted.tree["posterior"].data_vars:
        ours, kept = fitted.tree["posterior"][name], tree["posterior"][name]
        assert ours.dims == kept.dims
        np.testing.assert_allclose(ours, kept, rtol=1e-5, atol=1e-6)


def test_one_option_by_the_common_path_is_that_of_a_binary_question():
    outcome = outcome_from_json(written(BinaryOutcome(("Left", "else")).to_json()))
    formula = "lean + (1|district) + (1|age)"
    assert outcome.check(formula, parties.WORLD) == ()
    design = outcome.build(formula, parties.WORLD)
    two = INTERVIEWS.with_columns(vote=pl.when(pl.col("vote") == "Left").then(pl.col("vote")).otherwise(pl.lit("else")))
    counts = outcome.collapse(two, by=design.count_columns, answer="vote")
    assert_frame_equal(counts, collapse(two, by=design.count_columns, answer="vote", option="Left"))

    fitted = outcome.fit(design, parties.WORLD, counts, Priors(), engine="laplace", seed=1, laplace=FEW)
    read = design_from_json(written(design.to_json()))
    assert estimands(read) == ("share",)
    (drawn,) = draws_many(fitted.latents, read, parties.WORLD, [Grouping(by=("district",))])
    alone = area_draws(fitted.latents, build_design(formula, parties.WORLD), parties.WORLD, by=("district",))
    assert_array_equal(drawn.of("share").draws, alone.draws)


def test_an_ordered_scale_by_the_common_path_is_that_of_its_own():
    outcome = outcome_from_json(written(OrdinalOutcome(scales.SCALE, (-2, -1, 0, 1, 2)).to_json()))
    assert outcome == OrdinalOutcome(scales.SCALE, (-2.0, -1.0, 0.0, 1.0, 2.0))
    assert outcome.check(scales.FORMULA, scales.WORLD) == ()
    assert "own" in outcome.check("own(past)", scales.WORLD)[0]
    design = outcome.build(scales.FORMULA, scales.WORLD)
    outcome.check_priors(Priors(), design)
    interviews = scales.poll(design, n=400, seed=3).interviews
    counts = outcome.collapse(interviews, by=design.count_columns, answer="view")
    halves = [
        outcome.collapse(one, by=design.count_columns, answer="view") for one in (interviews[:100], interviews[100:])
    ]
    assert_frame_equal(outcome.add(halves, design.count_columns), counts)

    fitted = outcome.fit(design, scales.WORLD, counts, Priors(), engine="laplace", seed=1, laplace=FEW)
    read = design_from_json(written(design.to_json()))
    assert estimands(read) == scales.SCALE
    (drawn,) = draws_many(fitted.latents, read, scales.WORLD, [Grouping(by=("district",))])
    assert_array_equal(drawn.draws, ordinal_draws(fitted.latents, design, scales.WORLD, by=("district",)).draws)
    assert drawn.mean(outcome.scores).draws.shape == (200, 6)
    assert {one.term for one in variation(fitted.latents, read, scales.WORLD)} == {"lean", "(1|district)", "(1|age)"}
    assert priors_in_words(Priors(), read)["log_width"].startswith(
        "normal(0, 1), of the distance between the cutpoints"
    )
    nation, *_ = default_draws(fitted.latents, read, scales.WORLD)
    assert nation.options == scales.SCALE

    evidence = Evidence.from_bytes(fitted.evidence.to_bytes())
    tree = kept_tree(fitted.latents, evidence, read.common, named=lambda *args: dataset_of(read, *args))
    for name in fitted.tree["posterior"].data_vars:
        ours, kept = fitted.tree["posterior"][name], tree["posterior"][name]
        assert ours.dims == kept.dims
        np.testing.assert_allclose(ours, kept, rtol=1e-4, atol=1e-5)


def test_scores_that_do_not_belong_to_the_options_are_refused():
    assert OrdinalOutcome(("no", "yes")).scores == (1.0, 2.0)
    with pytest.raises(
        FrameError, match=r"the scores are \[1, 2, 3\]; 2 finite numbers are needed, one for each of no"
    ):
        OrdinalOutcome(("no", "yes"), (1, 2, 3))
    with pytest.raises(FrameError, match="a question needs two options or more, got 1"):
        OrdinalOutcome(("yes",))


def test_numbers_by_the_common_path_are_means():
    outcome = outcome_from_json(written(NumericOutcome((0.0, 100.0)).to_json()))
    assert outcome == NumericOutcome((0.0, 100.0))
    assert outcome_from_json(written(NumericOutcome().to_json())) == NumericOutcome()
    assert outcome.check(thermometer.FORMULA, thermometer.WORLD) == ()
    interviews = thermometer.poll(thermometer.design(), n=400, seed=3).interviews
    interviews = interviews.with_columns(pl.col("warmth").clip(0, 100))
    for own in (outcome, NumericOutcome()):
        design = own.build(thermometer.FORMULA, thermometer.WORLD)
        own.check_priors(parse_priors({"residual": "half_normal(2)"}), design)
        counts = own.collapse(interviews, by=design.count_columns, answer="warmth", drop=("998",))
        halves = [
            own.collapse(one, by=design.count_columns, answer="warmth") for one in (interviews[:99], interviews[99:])
        ]
        assert_frame_equal(own.add(halves, design.count_columns), counts)
    fitted = own.fit(design, thermometer.WORLD, counts, Priors(), engine="laplace", seed=1, laplace=FEW)

    read = design_from_json(written(fitted.design.to_json()))
    assert estimands(read) == ("mean",)
    (drawn,) = draws_many(fitted.latents, read, thermometer.WORLD, [Grouping(by=("district",))])
    mean = drawn.of("mean")
    assert mean.kind == "mean"
    alone = numeric_draws(fitted.latents, fitted.design, thermometer.WORLD, by=("district",))
    assert_array_equal(mean.draws, alone.draws)
    evidence = Evidence.from_bytes(fitted.evidence.to_bytes())
    tree = kept_tree(fitted.latents, evidence, read.common, named=lambda *args: dataset_of(read, *args))
    assert set(fitted.tree["posterior"].data_vars) == set(tree["posterior"].data_vars)
    with pytest.raises(FrameError, match="has means and no shares that could be shifted"):
        calibrate(fitted.latents, read, thermometer.WORLD, {"mean": {"all": 0.5}}, by=None)


def test_what_stops_a_formula_is_told_in_words():
    outcome = CategoricalOutcome(parties.OPTIONS)
    (problem,) = outcome.check("own(log(future)) + (1|district)", parties.WORLD)
    assert "future" in problem
    assert outcome.check("(1|districts)", parties.WORLD)
    (problem,) = BinaryOutcome(("a", "b")).check("own(log(past))", parties.WORLD)
    assert "own" in problem


def test_a_kind_that_is_not_known_is_refused():
    with pytest.raises(DrawsError, match="'tomorrow'"):
        outcome_from_json({"kind": "tomorrow"})


def test_what_is_kept_of_a_standard_deviation_for_each_option_is_a_tree_again():
    outcome = outcome_from_json(written(CategoricalOutcome(parties.OPTIONS, "by option").to_json()))
    design = outcome.build("(1|district)", parties.WORLD)
    counts = outcome.collapse(INTERVIEWS, by=design.count_columns, answer="vote")
    fitted = outcome.fit(design, parties.WORLD, counts, Priors(), engine="laplace", seed=1, laplace=FEW)
    read = design_from_json(written(design.to_json()))
    evidence = Evidence.from_bytes(fitted.evidence.to_bytes())
    tree = kept_tree(fitted.latents, evidence, read.common, named=lambda *args: dataset_of(read, *args))
    name = "sd (1|district)"
    np.testing.assert_allclose(tree["posterior"][name], fitted.tree["posterior"][name], rtol=1e-5)
    assert tree["prior"][name].dims == tree["posterior"][name].dims
