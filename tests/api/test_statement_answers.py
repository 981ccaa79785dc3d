"""What a disclosure statement says of answers of every kind: where options stand, scores, unit, range, spread."""

from dataclasses import replace

from api.statement.answers import answers_counted, answers_tables
from api.statement.model import _own_columns, _spread
from polling.declaration import Question

BINARY = Question("rail", "rail", "A rail line?", "binary", ("yes", "no"), "(1|district)")
PARTY = replace(
    BINARY,
    kind="categorical",
    options=("Rail", "Town", "Isles"),
    own_columns={"past": {"Rail": "rail_2021", "Town": "town_2021"}},
    only_in={"Isles": {"region": ("South", "West")}},
)
SCALE = replace(BINARY, kind="ordinal", options=("no", "perhaps", "yes"), scores=(-1.0, 0.0, 2.5))
MINUTES = replace(BINARY, kind="numeric", options=(), unit="minutes", range=(0.0, 60.0))


def test_two_options_are_told_as_they_were():
    assert answers_counted(BINARY) == [
        "Answers counted: yes, no.",
        "Shares are of those who gave one of these answers. Others are left out.",
    ]
    assert "with those who did not know, as not having chosen" in answers_counted(
        replace(BINARY, base=("answered", "dont_know"))
    )[1]  # fmt: skip
    assert answers_tables(BINARY) == _spread(BINARY) == _own_columns(BINARY) == []


def test_it_says_where_options_stand_and_which_columns_are_theirs():
    (table,) = answers_tables(PARTY)

    assert table.rows == [["Isles", "region", "South, West"]]
    assert "Isles cannot be chosen everywhere." in answers_counted(PARTY)[-1]
    assert _own_columns(PARTY) == [["past", "Rail", "rail_2021"], ["past", "Town", "town_2021"]]


def test_scores_are_told_declared_or_not():
    assert "they count as numbers: no -1, perhaps 0, yes 2.5." in answers_counted(SCALE)[1]
    told = answers_counted(replace(SCALE, scores=()))[1]
    assert told.endswith("no 1, perhaps 2, yes 3 (none are declared: their places are taken).")


def test_numbers_have_unit_and_range():
    assert answers_counted(MINUTES) == [
        "Answers are numbers, in minutes, from 0 to 60; others are faults.",
        "Means are of those who gave a number. Others are left out.",
    ]
    assert answers_counted(replace(MINUTES, unit=None, range=None))[0] == "Answers are numbers."


def test_spread_between_options_and_within_cells_is_told():
    assert _spread(PARTY) == ["Every varying term has one standard deviation for all options."]
    assert "of each option" in _spread(replace(PARTY, sd="by option"))[0]
    assert "beta-binomial" in _spread(replace(BINARY, dispersion=True))[0]
    assert "Dirichlet-multinomial" in _spread(replace(PARTY, dispersion=True))[1]
