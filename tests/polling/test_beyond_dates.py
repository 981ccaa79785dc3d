"""Known totals of other days than the frame are told of, from two years on, if somebody says of when the frame is."""

from datetime import date

import pytest

from polling.beyond_dates import days_of, distant_totals, far_from_frame
from polling.declaration import SurveyDeclaration
from polling.survey_toml import parse_declaration
from tests.polling.test_beyond import ALL


def declared(frame_date: str | None) -> SurveyDeclaration:
    told = ALL if frame_date is None else ALL.replace("[frame]", f'[frame]\ndate = "{frame_date}"', 1)
    survey, faults = parse_declaration(told.encode())
    assert survey is not None, faults.reported()
    return survey


def told(frame_date: str | None) -> list[str]:
    return list(distant_totals(declared(frame_date)))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2021-03-21", date(2021, 3, 21), date(2021, 3, 21)),
        ("2021-02", date(2021, 2, 1), date(2021, 2, 28)),
        ("2021-12", date(2021, 12, 1), date(2021, 12, 31)),
        ("the census of 2021", date(2021, 1, 1), date(2021, 12, 31)),
        ("mid-2021 estimates (2021)", date(2021, 1, 1), date(2021, 12, 31)),
    ],
)
def test_a_date_in_words_is_the_days_that_it_may_be(text: str, first: date, last: date):
    assert days_of(text) == (first, last)


@pytest.mark.parametrize("text", ["", "not known", "2011 and 2021", "2021-02-30", "120210", "1850"])
def test_what_names_no_day_or_several_is_none(text: str):
    assert days_of(text) is None


# The totals are of 2024-07-04.
@pytest.mark.parametrize(
    "near", [None, "not known", "2024", "2026-07-03", "2022-07-06", "2022", "July 2026, by 2026-07"]
)
def test_totals_near_the_frame_or_of_a_frame_of_no_day_are_not_told_of(near: str | None):
    assert told(near) == []


@pytest.mark.parametrize(
    ("far", "years"), [("2021", "2.5"), ("2026-07-08", "2.0"), ("2011-03-27", "13.3"), ("2031", "6.5")]
)
def test_totals_far_from_the_frame_are(far: str, years: str):
    of_vote, of_party = told(far)
    assert f"the known totals of vote are of 2024-07-04, and the frame of {far}, {years} years apart" in of_vote
    assert "hustings frame build" in of_vote
    assert of_party == of_vote.replace("of vote", "of party")


def test_totals_of_no_day_are_not_told_of():
    assert list(far_from_frame(declared("2011"), "vote", None)) == []
    assert len(list(far_from_frame(declared("2011"), "vote", date(2013, 12, 30)))) == 0
    assert len(list(far_from_frame(declared("2011"), "vote", date(2014, 1, 2)))) == 1
