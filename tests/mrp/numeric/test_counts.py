"""Number, mean and sum of squares per cell: by hand, merged in any order, weighted, and refused."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.errors import CountsError
from mrp.numeric import Unit, add_numeric, build_numeric_design, coarsest_numeric, collapse_numeric
from mrp.numeric.counts import in_unit, numeric_design_effect, unit_of
from tests.mrp.numeric.thermometer import WORLD, counted, design, poll

BY_SEX = design("sex").common
INTERVIEWS = pl.DataFrame(
    {"sex": ["female", "male", "female", "female", "male"], "warmth": [10.0, 40.0, 30.0, 20.0, None]}
)


def test_cells_have_the_number_mean_and_sum_of_squares_of_their_answers():
    counts = collapse_numeric(INTERVIEWS, by=("sex",), answer="warmth")

    # 10, 20, 30: mean 20, squares 100 + 0 + 100; the man without an answer does not count.
    expected = pl.DataFrame({"sex": ["female", "male"], "n": [3, 1], "mean": [20.0, 40.0], "ss": [200.0, 0.0]})
    assert counts.equals(expected)
    # 10, 20, 30, 40: mean 25, squares 225 + 25 + 25 + 225.
    whole = pl.DataFrame({"n": [4], "mean": [25.0], "ss": [500.0]})
    assert collapse_numeric(INTERVIEWS, by=(), answer="warmth").equals(whole)
    assert add_numeric([counts], ()).equals(whole)
    assert unit_of(BY_SEX, counts) == Unit(25.0, math.sqrt(500 / 3))


def test_a_weighted_cell_has_the_weighted_mean_and_fewer_interviews():
    answers = pl.DataFrame({"sex": ["male"] * 3, "warmth": [0.0, 10.0, 40.0], "w": [2.0, 1.0, 1.0]})
    counts = collapse_numeric(answers, by=("sex",), answer="warmth", weight="w")

    # Weights over their mean 4/3: 1.5, 0.75, 0.75. Mean (0 + 7.5 + 30) / 3; squares about it of 12.5, 2.5 and 27.5.
    squares = 1.5 * 12.5**2 + 0.75 * 2.5**2 + 0.75 * 27.5**2
    assert_allclose(counts.row(0)[1:], [3, 12.5, squares, 3.0, 3.375])
    # D = (1 - 1/3) 3.375 / ((9 - 3.375) / 3) = 1.2.
    fitted = coarsest_numeric(BY_SEX, counts)
    assert_allclose(fitted.row(0)[1:], [2.5, 12.5, squares * 2.5 / 3])
    assert numeric_design_effect(BY_SEX, counts) == pytest.approx(1.2)
    assert numeric_design_effect(BY_SEX, counted(design("sex"), INTERVIEWS)) == 1.0


def test_equal_weights_change_nothing():
    interviews = poll(design(), n=200, seed=5).interviews.with_columns(w=pl.lit(7.0))
    common = design().common
    plain = coarsest_numeric(common, counted(design(), interviews))
    weighted = collapse_numeric(interviews, by=common.count_columns, answer="warmth", weight="w")

    for name in ("n", "mean", "ss"):
        assert_allclose(coarsest_numeric(common, weighted)[name], plain[name], rtol=1e-12)


answers = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.floats(-1e6, 1e6), st.integers(0, 2)),
    min_size=1,
    max_size=40,
)


@settings(deadline=None)
@given(answers, st.floats(-1e9, 1e9), st.randoms(use_true_random=False))
def test_merging_deliveries_is_collapsing_all_interviews_in_any_order(rows, shift, random):
    table = pl.DataFrame(rows, schema=["g", "h", "y", "delivery"], orient="row").with_columns(pl.col("y") + shift)
    shuffled = table[random.sample(range(table.height), table.height)]
    parts = [part for part in shuffled.partition_by("delivery") if part.height]
    fine = [collapse_numeric(part, by=("g", "h"), answer="y") for part in parts]

    merged = add_numeric(fine, ("g",))

    whole = collapse_numeric(table, by=("g",), answer="y")
    # A different order of the same rows: the same to the last digit.
    assert collapse_numeric(shuffled, by=("g",), answer="y").equals(whole)
    assert merged["g"].to_list() == whole["g"].to_list()
    assert merged["n"].to_list() == whole["n"].to_list()
    size = abs(shift) + 1e6
    for i, group in enumerate(whole["g"]):
        own = table.filter(pl.col("g") == group)["y"].to_numpy()
        mean = math.fsum(own) / own.size
        ss = math.fsum((own - mean) ** 2)
        for row in (whole.row(i, named=True), merged.row(i, named=True)):
            # A mean is a float like any other: what its last digit is worth is what the squares can be off by.
            last = 1e-15 * size
            assert row["mean"] == pytest.approx(mean, abs=10 * last)
            assert row["ss"] == pytest.approx(ss, rel=1e-9, abs=10 * last * (np.sqrt(own.size * ss) + own.size * last))


def test_a_large_shift_does_not_cost_digits():
    """Of squares less the square of the mean nothing would be left."""
    y = np.array([1.0, 2.0, 3.0, 4.0])
    counts = collapse_numeric(pl.DataFrame({"y": 1e12 + y}), by=(), answer="y")

    assert counts.row(0) == (4, 1e12 + 2.5, 5.0)


def test_cells_that_a_design_does_not_tell_apart_are_merged():
    interviews = poll(design(), n=300, seed=2).interviews
    fine = collapse_numeric(interviews, by=("district", "sex", "age"), answer="warmth")
    coarse = coarsest_numeric(design("sex + (1|age)").common, fine)

    assert coarse.columns == ["sex", "age", "n", "mean", "ss"]
    expected = interviews.group_by("sex", "age").agg(
        pl.len().cast(pl.Int64).alias("n"),
        pl.col("warmth").mean().alias("mean"),
        (pl.col("warmth").var() * (pl.len() - 1)).alias("ss"),
    )
    for name in ("n", "mean", "ss"):
        assert_allclose(coarse[name], expected.sort("sex", "age")[name], rtol=1e-12)


def refusal(match: str, **columns: object) -> None:
    given = {"sex": ["male", "female"], "n": [2, 3], "mean": [1.0, 2.0], "ss": [1.0, 1.0]} | columns
    with pytest.raises(CountsError, match=match):
        coarsest_numeric(BY_SEX, pl.DataFrame({name: values for name, values in given.items() if values is not None}))


def test_counts_that_no_answers_have_are_refused():
    refusal("no column 'ss'; make them with mrp.numeric.collapse_numeric", ss=None)
    refusal("whole numbers >= 0 without gaps in column 'n'", n=[2, -1])
    refusal("the counts are of no interview", n=[0, 0])
    refusal("finite numbers without gaps in column 'mean'", mean=[1.0, float("nan")])
    refusal("finite numbers >= 0 without gaps in column 'ss'", ss=[1.0, -1.0])
    refusal("1 cells of one interview have a sum of squares above 0", n=[1, 3])
    refusal("there are interviews in other, which the model does not know", sex=["male", "other"])
    refusal("'weight' and no weight_square", weight=[1.0, 1.0])


def test_a_cell_without_answers_may_have_gaps():
    counts = pl.DataFrame({"sex": ["male", "female"], "n": [0, 3], "mean": [None, 2.0], "ss": [None, 1.0]})
    assert coarsest_numeric(BY_SEX, counts)["n"].to_list() == [3]


def test_answers_without_a_residual_are_refused_in_words():
    refusal("all 5 answers are the same number: there is no spread to fit", mean=[2.0, 2.0], ss=[0.0, 0.0])
    refusal("the answers of people in the same cell hardly differ: .* less than 0.5%", ss=[0.0, 0.0])
    # One interview in every cell says nothing of the residual, and is no fault.
    alone = pl.DataFrame({"sex": ["male", "female"], "n": [1, 1], "mean": [1.0, 2.0], "ss": [0.0, 0.0]})
    assert coarsest_numeric(BY_SEX, alone).height == 2


@pytest.mark.parametrize(
    ("answers", "match"),
    [
        ([1.0, float("nan")], "1 answers in column 'warmth' are no finite numbers up to 1e\\+100"),
        ([1.0, float("inf")], "are no finite numbers"),
        ([1.0, 1e200], "are no finite numbers"),
        (["1", "2"], "the answers in column 'warmth' are String, not numbers; convert them"),
        ([1.0, 998.0], "1 answers in column 'warmth' are not from 0 to 100, e.g. 998"),
    ],
)
def test_what_is_no_answer_is_refused(answers: list[object], match: str):
    with pytest.raises(CountsError, match=match):
        collapse_numeric(pl.DataFrame({"warmth": answers}), by=(), answer="warmth", within=(0, 100))


def test_numbers_that_are_no_answers_are_dropped_on_demand():
    counts = collapse_numeric(pl.DataFrame({"y": [10, 998, 20, None]}), by=(), answer="y", within=(0, 100), drop=(998,))
    assert counts.row(0) == (2, 15.0, 50.0)


def test_a_delivery_without_answers_has_no_cells_and_adds_nothing():
    nobody = INTERVIEWS.clear()
    empty = counted(design("sex"), nobody)
    assert (empty.columns, empty.height) == (["sex", "n", "mean", "ss"], 0)
    some = counted(design("sex"), INTERVIEWS)
    assert add_numeric([empty, some], ("sex",)).equals(some)
    with pytest.raises(CountsError, match="the counts are of no interview"):
        coarsest_numeric(BY_SEX, empty)


def test_missing_columns_and_levels_are_refused():
    with pytest.raises(CountsError, match="the interviews have no column 'cold'; they have sex, warmth"):
        collapse_numeric(INTERVIEWS, by=("sex",), answer="cold")
    gaps = INTERVIEWS.with_columns(sex=pl.Series(["male", None, "male", "male", None]))
    with pytest.raises(CountsError, match="1 of 4 interviews with an answer have no sex"):
        collapse_numeric(gaps, by=("sex",), answer="warmth")
    with pytest.raises(CountsError, match="called 'mean', as what is counted"):
        collapse_numeric(INTERVIEWS.rename({"sex": "mean"}), by=("mean",), answer="warmth")
    weighted = collapse_numeric(INTERVIEWS.with_columns(w=1.0), by=("sex",), answer="warmth", weight="w")
    with pytest.raises(CountsError, match="some counts are weighted and others are not"):
        add_numeric([weighted, counted(design("sex"), INTERVIEWS)], ("sex",))


def test_a_declared_range_is_the_unit_whatever_the_answers():
    assert Unit.of_range(0, 100) == Unit(50.0, 25.0)
    with pytest.raises(CountsError, match="no range from 100 to 0"):
        Unit.of_range(100, 0)
    with pytest.raises(CountsError, match="no unit with the centre 0 and the scale 0"):
        Unit(0, 0)
    of = build_numeric_design("sex", WORLD, Unit.of_range(0, 1e6))
    with pytest.raises(CountsError, match=r"a standard deviation of 11\.18, and the unit is 2\.5e\+05"):
        in_unit(collapse_numeric(INTERVIEWS, by=("sex",), answer="warmth"), of.require_unit())


def test_one_answer_has_no_unit():
    one = pl.DataFrame({"sex": ["male"], "n": [1], "mean": [3.0], "ss": [0.0]})
    with pytest.raises(CountsError, match="one answer has no standard deviation; declare the unit"):
        unit_of(BY_SEX, one)
