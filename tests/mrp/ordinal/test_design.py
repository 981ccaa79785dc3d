"""What is declared and counted of an ordered scale, its cutpoints, and what is refused in which words."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.errors import CountsError, DrawsError, FormulaError, FrameError, PriorError
from mrp.ordinal import (
    OrdinalDesign,
    build_ordinal_design,
    coarsest_ordinal,
    collapse_ordinal,
    cutpoints,
    option_shares,
)
from mrp.ordinal.scale import spacing
from mrp.priors import Priors, parse_priors, require_priors
from tests.mrp import polls
from tests.mrp.ordinal.scales import WORLD, counted, cuts, design, latents, poll

DESIGN = design()


def test_cutpoints_and_shares_are_those_of_a_table_made_by_hand():
    """Widths 1 and 2 around the middle cutpoint, intercept 0.5: cutpoints -1.5, -0.5, 1.5."""
    found = cutpoints(np.array(0.5), np.log([1.0, 2.0]))
    assert_allclose(found, [-1.5, -0.5, 1.5])

    shares = option_shares(np.array([0.0, 1.0]), found)

    # 1 / (1 + exp(1.5)) = 0.1824, 1 / (1 + exp(0.5)) = 0.3775, 1 / (1 + exp(-1.5)) = 0.8176, and so on.
    assert_allclose(shares, [[0.1824, 0.1951, 0.4400, 0.1824], [0.0759, 0.1066, 0.4400, 0.3775]], atol=1e-4)


def test_of_an_even_number_of_cutpoints_the_point_between_the_middle_two_is_the_intercept():
    assert_allclose(cutpoints(np.array(1.0), np.log([1.0, 2.0, 3.0])), [-3, -2, 0, 3])
    assert_allclose(cutpoints(np.array(1.0), np.empty(0)), [-1])


@given(st.integers(2, 9), st.integers(0, 1000))
def test_shares_are_positive_sum_to_one_and_read_backwards_the_same(n_options: int, seed: int):
    rng = np.random.default_rng(seed)
    intercept, log_width, eta = rng.normal(0, 1.5), rng.normal(0, 1, n_options - 2), rng.normal(0, 1, 4)
    shares = option_shares(eta, cutpoints(np.array(intercept), log_width))

    assert (shares > 0).all()
    assert_allclose(shares.sum(axis=-1), 1)
    mirrored = option_shares(-eta, cutpoints(np.array(-intercept), log_width[::-1]))
    assert_allclose(mirrored, shares[:, ::-1], rtol=1e-9, atol=1e-12)
    assert_allclose(spacing(n_options), -spacing(n_options)[::-1, ::-1])


def test_cutpoints_are_those_of_plain_loops():
    at = latents(DESIGN, seed=2)
    assert_allclose(cutpoints(at[0], at[DESIGN.n_common :]), cuts(DESIGN, at))


def test_latents_are_those_of_the_binary_model_then_the_widths():
    assert DESIGN.latent_names[:2] == ("intercept", "lean")
    assert DESIGN.latent_names[-3:] == ("log width[disagree]", "log width[neither]", "log width[agree]")
    assert DESIGN.n_latents == len(DESIGN.latent_names)
    assert DESIGN.cutpoint_names[0] == "strongly disagree | disagree"
    two = design(options=("no", "yes"))
    assert two.latent_names == two.common.latent_names
    assert two.cutpoint_names == ("no | yes",)


def test_a_stored_design_is_read_back():
    read = OrdinalDesign.from_json(json.loads(json.dumps(DESIGN.to_json())))
    assert read.to_json() == DESIGN.to_json()
    assert read.latent_names == DESIGN.latent_names
    assert read.formula == DESIGN.formula
    with pytest.raises(
        DrawsError, match="the design is of kind 'categorical' and format version 1, not 'ordinal' and 1"
    ):
        OrdinalDesign.from_json({"kind": "categorical", "format_version": 1})


def test_a_design_predicts_another_period():
    of = build_ordinal_design("ar1(period)", polls.WORLD, ("no", "yes"), observed=polls.OBSERVED)
    grid = of.common.observed["period"]
    assert of.common.period == grid[-1]
    assert of.at_period(grid[0]).common.period == grid[0]
    with pytest.raises(FrameError, match="has no term of period"):
        DESIGN.at_period("2024")


def test_options_that_make_no_scale_are_refused():
    with pytest.raises(FrameError, match="a question needs two options or more, got 1"):
        design(options=("agree",))
    with pytest.raises(FrameError, match="option 'agree' occurs more than once; keep one"):
        design(options=("agree", "neither", "agree"))
    with pytest.raises(FrameError, match=r"options must be a list, got 'agree'; write \('agree',\)"):
        build_ordinal_design("1", WORLD, "agree")


def test_terms_of_each_options_own_columns_are_none_of_a_scale():
    with pytest.raises(FormulaError, match="own"):
        design("own(past) + (1|district)")


def test_answers_are_counted_by_option_whatever_the_cell():
    interviews = pl.DataFrame(
        {"age": ["old", "old", "young", "young"], "view": ["agree", "neither", "agree", "refused"]},
    )
    counts = collapse_ordinal(
        interviews, by=("age",), answer="view", options=("disagree", "neither", "agree"), drop=("refused",)
    )
    assert counts.to_dicts() == [
        {"age": "old", "n": 2, "y[disagree]": 0, "y[neither]": 1, "y[agree]": 1},
        {"age": "young", "n": 1, "y[disagree]": 0, "y[neither]": 0, "y[agree]": 1},
    ]


def test_counts_that_do_not_belong_to_the_design_are_refused():
    counts = counted(DESIGN, poll(DESIGN, n=50, seed=1).interviews)
    assert coarsest_ordinal(DESIGN, counts).height == counts.height
    with pytest.raises(CountsError, match=r"the counts have no column 'y\[neither\]'"):
        coarsest_ordinal(DESIGN, counts.drop("y[neither]"))
    with pytest.raises(CountsError, match="there are interviews in Nowhere / "):
        coarsest_ordinal(DESIGN, counts.with_columns(district=pl.lit("Nowhere")))
    with pytest.raises(CountsError, match="the options do not add up to n"):
        coarsest_ordinal(DESIGN, counts.with_columns(n=pl.col("n") + 1))


def test_the_prior_of_widths_has_a_name_and_is_written_down():
    priors = parse_priors({"log_width": "normal(-0.5, 0.5)"})
    assert str(priors.log_width) == "normal(-0.5, 0.5)"
    assert parse_priors(priors.to_json()) == priors
    assert "log_width" not in Priors().to_json()  # which most questions do not have
    require_priors(priors, DESIGN.common, own="log_width")
    with pytest.raises(PriorError, match=r"log_width is normal\(-0.5, 0.5\); only options in order have widths"):
        require_priors(priors, DESIGN.common)
    with pytest.raises(PriorError, match=r"the prior of log_width is half_normal\(1\); it needs normal\(mean, sd\)"):
        parse_priors({"log_width": "half_normal(1)"})
