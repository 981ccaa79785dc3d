"""Who is in the denominator of a share."""

import polars as pl
import pytest

from mrp.answers import which_count
from mrp.counts import collapse
from mrp.direct import direct_estimates, side_by_side
from mrp.errors import CountsError
from tests.mrp.answers import estimate_of

SAID = pl.Series("rail", ["yes", "no", "Don't know", None, "yes", "Refused", "no", "no"])
INTERVIEWS = pl.DataFrame({"rail": SAID, "district": ["A"] * 8})
OPTIONS = ("yes", "no")
SILENT = ("Don't know", "Refused")


def test_a_share_is_of_the_options_and_what_is_dropped_is_in_no_count():
    counts = collapse(INTERVIEWS, by=(), answer="rail", option="yes", options=OPTIONS, drop=SILENT)
    direct = direct_estimates(INTERVIEWS, answer="rail", option="yes", options=OPTIONS, drop=SILENT)
    beside = side_by_side(
        estimate_of([[0.4]]), INTERVIEWS, answer="rail", option="yes", options=OPTIONS, drop=SILENT, weight=[1.0] * 8
    )

    assert counts.rows() == [(5, 2)]
    assert direct.select("n_interviews", "share").rows() == [(5, 0.4)]
    assert beside.select("n_interviews", "raw", "weighted").rows() == [(5, 0.4, 0.4)]


def test_those_who_do_not_know_are_in_the_denominator_by_declaration():
    asked = (*OPTIONS, "Don't know")
    assert collapse(INTERVIEWS, by=(), answer="rail", option="yes", options=asked, drop=SILENT[1:]).rows() == [(6, 2)]


def test_with_one_other_answer_nothing_has_to_be_said():
    assert which_count(SAID, "yes", drop=SILENT).sum() == 5
    assert which_count(SAID.head(2), "yes").to_list() == [True, True]
    assert which_count(pl.Series("rail", [None, None]), "yes").to_list() == [False, False]
    assert which_count(SAID.cast(pl.Categorical), "yes", options=OPTIONS, drop=SILENT).sum() == 5


@pytest.mark.parametrize(
    ("option", "how", "message"),
    [
        (
            "yes",
            {},
            r"more answers than 'yes' and one other: \"Don't know\" \(1\), 'Refused' \(1\), 'no' \(3\), 'yes' \(2\); ",
        ),
        (
            "yes",
            {"options": OPTIONS},
            r"neither options nor drop: \"Don't know\" \(1\), 'Refused' \(1\); write into options",
        ),
        ("yes", {"drop": ("Refused",)}, "write all that count as options="),
        ("yes", {"options": "yes"}, r"options must be a list of answers, got 'yes'; write \('yes',\)"),
        ("yes", {"drop": "Refused"}, "drop must be a list of answers"),
        ("maybe", {"options": OPTIONS}, "'maybe' is not one of the options 'yes', 'no'"),
        ("yes", {"options": OPTIONS, "drop": ("no",)}, "'no' is in drop and is to be counted"),
        ("Yes", {"drop": SILENT}, "nobody answered 'Yes' in column 'rail', but some 'yes'; spell it so"),
    ],
)
def test_an_answer_that_nobody_declared_is_one_clear_error(option: str, how: dict[str, tuple[str, ...]], message: str):
    for ask in (
        lambda: collapse(INTERVIEWS, by=(), answer="rail", option=option, **how),
        lambda: direct_estimates(INTERVIEWS, answer="rail", option=option, **how),
    ):
        with pytest.raises(CountsError, match=message):
            ask()


def test_a_column_to_count_by_that_is_called_as_a_count_is_refused():
    with pytest.raises(CountsError, match="a column to count by is called 'n', as what is counted; rename it"):
        collapse(INTERVIEWS.rename({"district": "n"}), by=("n",), answer="rail", option="yes", drop=SILENT)
