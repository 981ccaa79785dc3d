import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrp.counts import collapse, require_counts
from mrp.errors import CountsError

INTERVIEWS = pl.DataFrame(
    {
        "district": ["A", "A", "B", "A", "B"],
        "sex": ["f", "m", "f", "f", "f"],
        "vote": ["yes", "no", "yes", "no", None],
    }
)


def test_answers_and_choices_are_counted_per_cell_and_missing_answers_left_out():
    counts = collapse(INTERVIEWS, by=("district", "sex"), answer="vote", option="yes")

    assert counts.rows() == [("A", "f", 2, 1), ("A", "m", 1, 0), ("B", "f", 1, 1)]
    assert counts.columns == ["district", "sex", "n", "y"]


def test_without_columns_there_is_one_cell():
    assert collapse(INTERVIEWS, by=(), answer="vote", option="yes").rows() == [(4, 2)]


def test_no_interviews_make_no_cells():
    assert collapse(INTERVIEWS[:0], by=("district",), answer="vote", option="yes").height == 0


def test_an_answered_interview_without_a_cell_is_an_error():
    with pytest.raises(CountsError, match="1 of 4 interviews with an answer have no sex"):
        collapse(
            INTERVIEWS.with_columns(sex=pl.Series(["f", None, "f", "f", "f"])),
            by=("sex",),
            answer="vote",
            option="yes",
        )


def test_a_missing_column_is_an_error():
    with pytest.raises(CountsError, match="no column 'age'"):
        collapse(INTERVIEWS, by=("age",), answer="vote", option="yes")


@given(st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from("xyz"), st.sampled_from(["yes", "no", None]))))
def test_agrees_with_a_loop_whatever_the_order(rows):
    interviews = pl.DataFrame(rows, schema={"g": pl.String, "h": pl.String, "a": pl.String}, orient="row")
    expected: dict[tuple[str, str], list[int]] = {}
    for g, h, a in rows:
        if a is not None:
            cell = expected.setdefault((g, h), [0, 0])
            cell[0] += 1
            cell[1] += a == "yes"

    counts = collapse(interviews, by=("g", "h"), answer="a", option="yes")

    assert counts.rows() == [(g, h, n, y) for (g, h), (n, y) in sorted(expected.items())]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (pl.DataFrame({"n": [1]}), "column 'y'"),
        (pl.DataFrame({"n": [1, None], "y": [1, 0]}), "column 'n'"),
        (pl.DataFrame({"n": [3], "y": [4]}), "y = 4 of n = 3"),
        (pl.DataFrame({"n": [3.0, float("inf")], "y": [1, 1]}), "1 cells have n = inf, no finite number"),
        (pl.DataFrame({"n": [3, 3], "y": [1.0, float("nan")]}), "1 cells have y = NaN|1 cells have y = nan"),
        (pl.DataFrame({"n": [3], "y": [-1]}), "y = -1 of n = 3"),
        (pl.DataFrame({"n": [], "y": []}, schema={"n": pl.Int64, "y": pl.Int64}), "no answer to fit"),
    ],
)
def test_counts_that_no_likelihood_has_are_refused(counts: pl.DataFrame, message: str):
    with pytest.raises(CountsError, match=message):
        require_counts(counts)


@pytest.mark.parametrize(
    ("answers", "option", "message"),
    [
        (["yes", "no"], "Yes", "some 'yes'"),
        (["yes ", "no"], "yes", "some 'yes '"),
        ([True, False], "True", "Boolean, not labels"),
        ([1.0, 0.0], "1", "Float64, not labels"),
    ],
)
def test_an_option_that_nobody_chose_by_a_slip_is_refused(answers: list[object], option: str, message: str):
    with pytest.raises(CountsError, match=message):
        collapse(pl.DataFrame({"answer": answers}), by=(), answer="answer", option=option)


def test_an_option_that_nobody_chose_is_counted():
    counted = collapse(pl.DataFrame({"answer": ["no", "no"]}), by=(), answer="answer", option="yes")
    assert counted.to_dicts() == [{"n": 2, "y": 0}]
