"""Predictors as they are stored: which one holds on a day. Both stores."""

from datetime import date, timedelta

import polars as pl
import pytest

from polling.errors import PredictorsNotFound, SurveyNotFound
from polling.store import predictors
from polling.store.engine import Store
from polling.store.predictors import NewPredictors, PredictorRecord
from tests.polling.store.conftest import NOW

MAY, JUNE, JULY = date(2026, 5, 1), date(2026, 6, 1), date(2026, 7, 1)


def add(session, as_of: date = MAY, *, survey: str = "demo", source: str = "office", **columns: float):
    numbers = {name: [value, value + 1] for name, value in (columns or {"turnout": 0.5}).items()}
    table = pl.DataFrame({"code": ["D1", "D2"], **numbers})
    new = NewPredictors(survey_id=survey, survey_version=1, as_of=as_of, source=source, content_sha256="0", table=table)
    return predictors.add_predictors(session, new, actor="test", now=NOW + timedelta(hours=1))


def numbers_of(found: dict[str, PredictorRecord]) -> dict[str, int]:
    return {column: one.number for column, one in found.items()}


def test_what_was_stored_comes_back(survey_store: Store):
    with survey_store.write() as session:
        added, created = add(session, turnout=0.5, money=3.0)
    with survey_store.read() as session:
        assert created
        assert predictors.list_predictors(session, "demo") == [added]
        assert predictors.get_predictors(session, "demo", added.id) == added
        assert (added.number, added.as_of, added.columns) == (1, MAY, ("turnout", "money"))
        assert predictors.load_table(session, added.id)["money"].to_list() == [3.0, 4.0]
        with pytest.raises(PredictorsNotFound, match="no predictors '7'"):
            predictors.get_predictors(session, "demo", "7")


def test_of_each_column_the_newest_by_the_day_holds_and_of_a_day_the_last_received(survey_store: Store):
    with survey_store.write() as session:
        add(session, JUNE, turnout=0.6)
        add(session, MAY, turnout=0.5, money=1.0)  # received later, of an earlier day
        add(session, JUNE, turnout=0.65, money=2.0)  # a correction of the first
        add(session, JULY, money=3.0)
    with survey_store.read() as session:

        def holding(day: date, *columns: str) -> dict[str, int]:
            return numbers_of(predictors.known_by(session, "demo", columns, day))

        assert holding(MAY - timedelta(days=1), "turnout") == {}
        assert holding(MAY, "turnout", "money") == {"turnout": 2, "money": 2}
        assert holding(JUNE, "turnout", "money") == {"turnout": 3, "money": 3}
        assert holding(JULY, "turnout", "money", "income") == {"turnout": 3, "money": 4}
        assert holding(JULY, "money") == {"money": 4}


def test_what_holds_already_is_not_stored_again_and_what_was_corrected_may_come_back(survey_store: Store):
    with survey_store.write() as session:
        first, _ = add(session, turnout=0.5)
        assert add(session, turnout=0.5) == (first, False)
        assert add(session, turnout=0.5, source="another office")[1]
        assert add(session, turnout=0.7)[1]
        again, created = add(session, turnout=0.5)
        assert (created, again.number, again.sha256) == (True, 4, first.sha256)


def test_a_survey_that_is_not_there_has_none(survey_store: Store):
    with survey_store.write() as session, pytest.raises(SurveyNotFound):
        add(session, survey="elsewhere")
