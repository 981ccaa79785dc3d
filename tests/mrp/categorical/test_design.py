"""Options declared, formulas of them read, cells coded and counted, and what is refused in which words."""

import json
import re

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mrp.categorical import (
    CategoricalDesign,
    Options,
    build_categorical_design,
    coarsest_options,
    collapse_options,
)
from mrp.categorical.model import require_categorical_priors
from mrp.categorical.options import OwnTerm, take_own_terms
from mrp.errors import CountsError, DrawsError, FormulaError, FrameError, PriorError
from mrp.priors import Priors, parse_priors
from tests.mrp.categorical import parties
from tests.mrp.categorical.parties import OPTIONS, PARTIES, WORLD, counted, design

LEAGUE = PARTIES.index("South League")


@pytest.mark.parametrize(
    ("formula", "rest", "terms"),
    [
        ("own(past)", "1", (OwnTerm("own", "past", log=False),)),
        (
            "lean + own( log( past ) ) + (1 + lean|age)",
            "lean + (1 + lean|age)",
            (OwnTerm("own", "past", log=True),),
        ),
        ("offset(log(past)) + (1|age)", "(1|age)", (OwnTerm("offset", "past", log=True),)),
        ("owner + (1|age)", "owner + (1|age)", ()),
    ],
)
def test_the_terms_of_the_options_own_columns_are_read(formula: str, rest: str, terms: tuple[OwnTerm, ...]):
    assert take_own_terms(formula) == (rest, terms)


@pytest.mark.parametrize(
    ("formula", "told"),
    [
        ("own(past) + own(past)", "own(past) is there twice"),
        ("offset(past)", "'offset(past)' is not understood"),
        ("own(sqrt(past))", "'own(sqrt(past))' is not understood"),
        ("own(past_share)", "no columns of the options are declared as 'past_share'; declared are past"),
        ("own(past) + regoin", "regoin"),
    ],
)
def test_a_formula_that_is_not_understood_is_refused_with_the_whole_of_it(formula: str, told: str):
    with pytest.raises(FormulaError, match=re.escape(told)) as refused:
        design(formula)
    assert refused.value.formula == formula


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("a",), "two options or more, got 1"),
        (("a", "b", "a"), "option 'a' occurs more than once"),
        ("ab", "options must be a list, got 'ab'"),
    ],
)
def test_options_that_are_no_choice_are_refused(options: tuple[str, ...], told: str):
    with pytest.raises(FrameError, match=re.escape(told)):
        Options(options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (Options(("a", "b"), only_in={"b": {"lean": ("x",)}}), "stands only in some 'lean', which is no kind of area"),
        (Options(("a", "b"), only_in={"b": {"region": ("Sout",)}}), "region 'Sout', which is not one of North, South"),
        (Options(("a", "b"), only_in={"b": {"region": ("South",)}}), "fewer than two options stand in district D00"),
        (Options(("a", "b"), columns={"past": {"a": "past_0"}}), "option b has no column for past"),
        (Options(("a", "b"), columns={"past": {"a": "past_0", "b": "name"}}), "'name' of b is no numeric column"),
        (Options(("a", "b"), columns={"past": {"a": "lean", "b": "lean"}}), "past is the same for all options"),
    ],
)
def test_options_that_do_not_fit_the_electorate_are_refused(options: Options, told: str):
    with pytest.raises((FrameError, FormulaError), match=re.escape(told)):
        build_categorical_design("own(past)", WORLD, options)


def test_a_share_of_zero_has_no_logarithm_unless_the_option_does_not_stand_there():
    past = WORLD.districts.with_columns(
        past_3=pl.when(pl.col("region") == "South").then("past_3").otherwise(pl.lit(0.0))
    )
    none_outside = type(WORLD)(WORLD.frame, past, WORLD.district, WORLD.demographics)
    assert np.isfinite(build_categorical_design("own(log(past))", none_outside, OPTIONS).own[0].values).all()
    everywhere = Options(PARTIES, columns=OPTIONS.columns)
    with pytest.raises(FormulaError, match="past_3 of South League is 0 in D00, where it stands; a logarithm needs"):
        build_categorical_design("own(log(past))", none_outside, everywhere)


def test_own_values_are_centred_over_what_stands_and_scaled_over_people():
    of = design()
    (own,) = of.own
    stands = np.isfinite(of.offset)
    assert_array_equal(stands[:, LEAGUE], WORLD.districts.sort("code")["region"].to_numpy() == "South")
    assert stands[:, :LEAGUE].all()
    people = dict(WORLD.frame.group_by("district").agg(pl.col("n_people").sum()).iter_rows())
    raw, squares, weight = {}, 0.0, 0.0
    for d, row in enumerate(WORLD.districts.sort("code").iter_rows(named=True)):
        here = [i for i in range(4) if stands[d, i]]
        logs = [np.log(row[f"past_{i}"]) for i in here]
        raw[d] = {i: one - sum(logs) / len(logs) for i, one in zip(here, logs, strict=True)}
        squares += people[row["code"]] * sum(one**2 for one in raw[d].values())
        weight += people[row["code"]] * len(here)
    scale = (squares / weight) ** 0.5
    assert own.scale == pytest.approx(scale)
    for d, values in raw.items():
        assert_allclose(own.values[d], [values.get(i, 0.0) / scale for i in range(4)], atol=1e-12)


def test_a_design_comes_back_from_json():
    of = design("own(past) + offset(log(past)) + (1|district)")
    again = CategoricalDesign.from_json(json.loads(json.dumps(of.to_json(), allow_nan=False)))

    assert again.latent_names == of.latent_names
    assert again.count_columns == of.count_columns
    for one, other in ((again.rows(WORLD.frame), of.rows(WORLD.frame)),):
        assert_array_equal(one.own, other.own)
        assert_array_equal(one.offset, other.offset)
        assert_array_equal(one.common.index, other.common.index)
    with pytest.raises(DrawsError, match="of kind None and format version"):
        CategoricalDesign.from_json(of.common.to_json())


def test_latents_are_named_by_term_level_and_option():
    names = design("own(past) + (1|age)").latent_names
    assert names[:2] == ("intercept, Left", "intercept, Right")
    assert names[4] == "(1|age)[18-29], Left"
    assert names[-1] == "own(past)"


def test_a_model_reads_the_district_only_where_options_differ_by_it():
    assert design("(1|age)", Options(PARTIES)).cell_columns == ("age",)
    assert design("(1|age)").cell_columns == ("district", "age")


VOTES = pl.DataFrame(
    {"district": ["D00", "D00", "D01", "D01", "D01"], "vote": ["Left", "Green", "Left", "South League", None]}
)


def test_answers_are_counted_by_option():
    counts = collapse_options(VOTES, by=("district",), answer="vote", options=PARTIES)

    assert counts.rows() == [("D00", 2, 1, 0, 1, 0), ("D01", 2, 1, 0, 0, 1)]
    assert counts.columns == ["district", "n", "y[Left]", "y[Right]", "y[Green]", "y[South League]"]
    whole = collapse_options(VOTES, by=(), answer="vote", options=PARTIES, drop=())
    assert whole.rows() == [(4, 2, 0, 1, 1)]


def test_an_answer_that_nobody_declared_is_refused_and_a_dropped_one_is_left_out():
    with pytest.raises(CountsError, match="'South League' \\(1\\)"):
        collapse_options(VOTES, by=("district",), answer="vote", options=PARTIES[:3])
    dropped = collapse_options(VOTES, by=("district",), answer="vote", options=PARTIES[:3], drop=("South League",))
    assert dropped["n"].sum() == 3


def test_an_option_chosen_where_it_does_not_stand_is_refused():
    of = design("(1|age)")
    votes = parties.poll(of, n=60, seed=1).interviews
    wrong = votes.with_columns(district=pl.lit("D00"), vote=pl.lit("South League"))
    with pytest.raises(CountsError, match="interviews chose South League in D00, where it does not stand"):
        coarsest_options(of, counted(of, pl.concat([votes, wrong])))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"n": pl.col("n") + 1}, "the options do not add up to n"),
        ({"y[Left]": pl.col("y[Left]").cast(pl.Float64)}, "whole numbers >= 0 without gaps in column 'y\\[Left\\]'"),
        ({"age": pl.lit("66")}, "which the model does not know"),
    ],
)
def test_counts_that_no_interviews_make_are_refused(change: dict[str, pl.Expr], told: str):
    of = design()
    with pytest.raises(CountsError, match=told):
        coarsest_options(of, counted(of, parties.poll(of, n=60, seed=1).interviews).with_columns(**change))


def test_finer_counts_are_added_up():
    of = design()
    votes = parties.poll(of, n=200, seed=1).interviews
    finer = collapse_options(votes, by=("sex", *of.count_columns), answer="vote", options=PARTIES)
    assert coarsest_options(of, finer).equals(coarsest_options(of, counted(of, votes)))


def test_priors_that_favour_all_options_alike_are_refused():
    of = design()
    require_categorical_priors(parse_priors({"own(log(past))": "normal(1, 0.5)"}), of)
    with pytest.raises(PriorError, match=r"prior of lean is normal\(0.3, 1\); of several options"):
        require_categorical_priors(parse_priors({"lean": "normal(0.3, 1)"}), of)
    with pytest.raises(PriorError, match="there is a prior for own"):
        require_categorical_priors(parse_priors({"own(past)": "normal(1, 0.5)"}), of)
    require_categorical_priors(Priors(), of)
