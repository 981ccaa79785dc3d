"""Formulas of several questions read together, their latents laid out, and what is refused in which words."""

import json

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mrp.design import Design, build_design
from mrp.errors import CountsError, DrawsError, FormulaError, FrameError, PriorError
from mrp.formula import formula_columns, parse_formula
from mrp.joint import JointDesign, SharedTerm, build_joint_design
from mrp.joint.aliasing import joint_warnings
from mrp.joint.counts import coarsest_of
from mrp.joint.posterior import own_hypers
from mrp.joint.priors import describe_priors, joint_priors
from mrp.joint.stacked import joint_space, stack
from mrp.priors import Priors, parse_priors
from mrp.terms import VaryingIntercept, label_of, observed_columns
from tests.mrp.joint import questions
from tests.mrp.joint.questions import THREE, TWO, WORLD

DESIGN = build_joint_design(THREE, WORLD)


def test_a_term_with_a_label_is_read_as_in_brms():
    (term,) = parse_formula("( 1 | p | district : age )").terms

    assert term == VaryingIntercept(("district", "age"), "p")
    assert str(term) == "(1|p|district:age)"
    assert label_of(str(term)) == "p"
    assert label_of("(1|age)") == label_of("(x||age)") == label_of("lean") == ""


def test_a_label_is_no_column():
    assert observed_columns("(1|period|district) + (1|mode|age:period) + (1||pollster)") == ("period", "pollster")
    assert formula_columns("lean + (1|period|district)") == {"lean", "district"}


def test_each_question_has_the_design_of_a_fit_of_it_alone():
    for question, formula in THREE.items():
        assert DESIGN.of(question).to_json() == build_design(formula, WORLD).to_json()
    assert DESIGN.shared == (
        SharedTerm("p", "(1|p|district)", ("rail", "roads", "bridges")),
        SharedTerm("r", "(1|r|age)", ("rail", "bridges")),
    )
    assert DESIGN.latent_names[:4] == (
        "intercept of rail",
        "lean of rail",
        "(1|p|district)[D00] of rail",
        "(1|p|district)[D01] of rail",
    )
    assert DESIGN.n_latents == len(DESIGN.latent_names) == sum(one.n_latents for one in DESIGN.designs.values())


def test_latents_are_stacked_with_the_effects_of_a_district_side_by_side():
    stacked = stack(DESIGN)
    assert sorted(stacked.order) == list(range(DESIGN.n_latents))
    shared = next(k for k, one in stacked.shared.items() if one.label == "p")
    at = {q: stacked.order[questions.where(DESIGN, q, "(1|p|district)")] for q in DESIGN.questions}
    first = stacked.offsets[shared]
    assert_array_equal(at["rail"], first + 3 * np.arange(8))
    assert_array_equal(at["roads"], at["rail"] + 1)
    assert_array_equal(at["bridges"], at["rail"] + 2)
    assert stacked.effects[shared].columns == ("rail", "roads", "bridges")
    assert stacked.effects[-1].term == "(1|district:sex) of roads"


def test_parameters_are_those_of_each_question_with_correlations_for_each_pair():
    priors = {
        "rail": parse_priors({"(1|p|district)": "half_normal(1)"}),
        "roads": parse_priors({"rw1(age)": "half_normal(0.2)"}),
        "bridges": parse_priors({"(1|r|age)": "half_normal(0.7)"}),
    }
    space, stacked = joint_space(DESIGN, priors), stack(DESIGN)

    assert [term.term for term in space.terms] == [effect.term for effect in stacked.effects]
    assert_allclose(space.scale, [1, 0.5, 0.5, 0.5, 0.7, 0.2, 0.5])
    # LKJ(2): of three questions 2 + 1/2 for the first column and 2 for the second, of two 2.
    assert_allclose(space.shapes, [[2.5, 2.5], [2.5, 2.5], [2, 2], [2, 2]])
    # In the order of a fit of it alone: (1|p|district), (1|r|age) and so on.
    assert_array_equal(own_hypers(stacked, "rail"), [0, 3])
    assert_array_equal(own_hypers(stacked, "roads"), [1, 5, 6])
    assert_array_equal(own_hypers(stacked, "bridges"), [2, 4])


def test_a_design_survives_json():
    again = JointDesign.from_json(json.loads(json.dumps(DESIGN.to_json())))

    assert again.to_json() == DESIGN.to_json()
    assert again.shared == DESIGN.shared
    with pytest.raises(DrawsError, match="of kind None and format version 3, not 'joint' and 1"):
        JointDesign.from_json({"format_version": 3})


@pytest.mark.parametrize(
    ("formulas", "problem"),
    [
        ({"rail": "(1|p|district)"}, "there is one question, rail; a joint fit has two or more: fit one by itself"),
        ({}, "there is no question; a joint fit has two or more"),
        ({"rail/roads": "1", "b": "1"}, "a question is called 'rail/roads'; its name has to be text without '/'"),
        (
            {"rail": "(1|p|district)", "roads": "(1|district)"},
            "the label p is in rail alone, so that (1|p|district) is correlated with nothing; write (1|district), or",
        ),
        (
            {"rail": "(1|p|district)", "roads": "(1|p|age)"},
            "the label p has different groupings, (1|p|district) in rail and (1|p|age) in roads; give each grouping",
        ),
        (
            {"rail": "(1|p|sex:age)", "roads": "(1|p|age:sex)"},
            "the label p has different groupings, (1|p|sex:age) in rail and (1|p|age:sex) in roads",
        ),
        (
            {"rail": "(1|p|district) + (1|p|age)", "roads": "(1|p|district)"},
            "the label p has different groupings, (1|p|district) in rail and (1|p|age) in rail",
        ),
        (
            {"rail": "(1|p|district)", "roads": "(1|p|q|district)"},
            "roads: (1|p|q|district) has more bars than a term can have; write (1|p|g), with one label p",
        ),
        (
            {"rail": "(1|p|district) + (1|district)", "roads": "(1|p|district)"},
            "rail: (1|district) has the same factors as (1|p|district); keep one",
        ),
        ({"rail": "(1|p|lean)", "roads": "(1|p|lean)"}, "rail: lean in (1|p|lean) is numeric"),
    ],
)
def test_what_does_not_go_together_is_refused(formulas: dict[str, str], problem: str):
    with pytest.raises(FormulaError) as caught:
        build_joint_design(formulas, WORLD)

    assert any(problem in one for one in caught.value.problems), caught.value.problems


def test_two_mixed_maps_are_refused():
    from tests.mrp.polls import WORLD as MAPPED

    with pytest.raises(FormulaError, match=r"bym2\(district\) in rail and bym2\(district\) in roads are two maps"):
        build_joint_design({"rail": "bym2(district)", "roads": "bym2(district)"}, MAPPED)


def test_a_period_is_that_of_all_questions():
    observed = {"period": ("1", "2", "3")}
    design = build_joint_design({"rail": "rw1(period)", "roads": "(1|age)"}, WORLD, observed=observed)

    assert design.of("rail").period == "3"
    assert design.at_period("1").of("rail").period == "1"
    assert design.at_period("1").of("roads").period is None
    earlier = build_joint_design({"rail": "rw1(period)", "roads": "1"}, WORLD, observed=observed, period="2")
    assert earlier.of("rail").period == "2"
    with pytest.raises(FrameError, match="no question of the model has a term of period"):
        questions.two().at_period("1")


def test_priors_are_of_each_question_or_of_all():
    of = joint_priors(Priors(), DESIGN)
    assert of == dict.fromkeys(DESIGN.questions, Priors())
    words = describe_priors(of, DESIGN)
    assert words["(1|p|district)"] == "correlations between rail, roads and bridges ~ lkj(2)"
    assert words["(1|r|age) of bridges"] == "normal(0, sd) with sd ~ half_normal(0.5)"


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ({"rail": Priors()}, r"there are no priors for roads; give every question its own"),
        (
            {"rail": Priors(), "roads": Priors(), "bridge": Priors(), "bridges": Priors()},
            "there are priors for bridge, which is no question; rail, roads, bridges are",
        ),
        (parse_priors({"rw1(age)": "half_normal(1)"}), r"rail: there is a prior for rw1\(age\), which is not a term"),
        (
            {"rail": parse_priors({"(1|p|district)": "lkj(4)"}), "roads": Priors(), "bridges": Priors()},
            r"the correlations of \(1\|p\|district\) have the prior lkj\(4\) in rail and lkj\(2\) in roads",
        ),
        (parse_priors({"(1|p|district)": "beta(1, 1)"}), "rail: the prior of the correlations .* needs lkj"),
    ],
)
def test_priors_that_do_not_belong_are_refused(priors: object, message: str):
    with pytest.raises(PriorError, match=message):
        joint_priors(priors, DESIGN)


def test_counts_are_of_each_question_and_named_where_they_are_wrong():
    design = questions.two()
    counts = questions.poll(design, questions.planted(design, seed=1), {"rail": 50, "roads": 40}, seed=1)
    assert {name: cells["n"].sum() for name, cells in coarsest_of(design, counts).items()} == {"rail": 50, "roads": 40}

    with pytest.raises(CountsError, match=r"there are no counts of roads; give those of every question"):
        coarsest_of(design, {"rail": counts["rail"]})
    with pytest.raises(CountsError, match=r"there are counts of rads, which is no question; rail, roads are"):
        coarsest_of(design, {**counts, "rads": counts["roads"]})
    with pytest.raises(CountsError, match=r"roads: there is no answer to fit"):
        coarsest_of(design, {**counts, "roads": counts["roads"].with_columns(n=0, y=0)})
    with pytest.raises(CountsError, match="by question"):
        coarsest_of(design, counts["rail"])


def test_of_one_question_a_label_means_nothing_and_the_fit_says_so():
    from mrp.aliasing import data_warnings

    design, counts = build_design("(1|p|district)", WORLD), pl.DataFrame({"district": ["D00"], "n": [2], "y": [1]})
    plain = build_design("(1|district)", WORLD)

    assert isinstance(design, Design)
    assert_array_equal(design.rows(WORLD.frame).index, plain.rows(WORLD.frame).index)
    (warning,) = data_warnings(design, counts)
    assert warning == (
        "(1|p|district) is fitted as (1|district): the label p correlates effects with those of other questions, and "
        "no question that is fitted with this one has it; write (1|p|district) in the model of another question too, "
        "or leave the label out"
    )
    assert data_warnings(plain, counts) == []
    joint = questions.two()
    assert joint_warnings(joint, dict.fromkeys(TWO, counts)) == []


def test_warnings_name_the_question_unless_they_are_of_all():
    design = build_joint_design(
        {"rail": "(1|p|district) + ar1(period)", "roads": "(1|p|district)"}, WORLD, observed={"period": ("1",)}
    )
    counts = pl.DataFrame({"district": ["D00"], "period": ["1"], "n": [2], "y": [1]})
    (warning,) = joint_warnings(design, dict.fromkeys(design.questions, counts))
    assert warning.startswith("rail: ar1(period) is left out: there is one period only")
