"""Surveys keep every version, and store shared tables once."""

from dataclasses import replace

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from polling.errors import SurveyExists, SurveyNotFound, SurveyVersionNotFound
from polling.store import releases, surveys
from polling.store.blobs import table_sha256
from polling.store.engine import Store

from .conftest import NOW, n_rows, seconds, small_bundle


def test_a_survey_comes_back_as_it_was_added(store: Store):
    bundle = small_bundle()
    with store.write() as session:
        added = surveys.add_survey(session, bundle, now=NOW)
    with store.read() as session:
        stored = surveys.get_survey(session, "demo")

    assert (added.version, added.created) == (1, True)
    assert (stored.id, stored.version, stored.created_at) == ("demo", 1, NOW)
    assert stored.bundle.declaration == bundle.declaration
    assert_frame_equal(stored.bundle.frame, bundle.frame)
    assert_frame_equal(stored.bundle.districts, bundle.districts)


def test_adding_the_same_content_again_finds_it(survey_store: Store):
    with survey_store.write() as session:
        again = surveys.add_survey(session, small_bundle(), now=NOW + seconds(1))
    assert (again.version, again.created, again.created_at) == (1, False, NOW)


def test_adding_other_content_under_a_taken_id_is_refused(survey_store: Store):
    with pytest.raises(SurveyExists, match="survey update"), survey_store.write() as session:
        surveys.add_survey(session, small_bundle(questions=("tax",)), now=NOW)


def test_an_update_is_a_new_version_and_the_old_one_stays(survey_store: Store):
    with survey_store.write() as session:
        updated = surveys.update_survey(session, small_bundle(questions=("tax", "vote", "war")), now=NOW + seconds(9))
    with survey_store.read() as session:
        newest, first = surveys.get_survey(session, "demo"), surveys.get_survey(session, "demo", 1)
        assert [record.version for record in surveys.list_versions(session, "demo")] == [1, 2]
        assert (n_rows(session, "frame"), n_rows(session, "district_table")) == (1, 1)
        assert releases.question_state(session, "demo", "war").version == 0
    assert (updated.version, updated.created) == (2, True)
    assert len(newest.bundle.declaration.questions) == 3
    assert len(first.bundle.declaration.questions) == 2


def test_an_update_with_the_same_content_adds_nothing(survey_store: Store):
    with survey_store.write() as session:
        same = surveys.update_survey(session, small_bundle(), now=NOW + seconds(9))
    assert (same.version, same.created) == (1, False)


def test_one_changed_count_is_a_new_version_with_a_new_frame(survey_store: Store):
    bundle = small_bundle()
    frame = bundle.frame.with_columns(
        pl.when(pl.col("n_people") == 50).then(50.5).otherwise("n_people").alias("n_people")
    )
    with survey_store.write() as session:
        assert surveys.update_survey(session, replace(bundle, frame=frame), now=NOW).version == 2
    with survey_store.read() as session:
        assert surveys.get_survey(session, "demo", 1).bundle.frame["n_people"][2] == 50
        assert surveys.get_survey(session, "demo", 2).bundle.frame["n_people"][2] == 50.5


def test_surveys_are_listed_by_id_in_their_newest_version(survey_store: Store):
    with survey_store.write() as session:
        surveys.add_survey(session, small_bundle("another"), now=NOW)
        surveys.update_survey(session, small_bundle(questions=("tax",)), now=NOW)
    with survey_store.read() as session:
        found = [(record.survey_id, record.version) for record in surveys.list_surveys(session)]
    assert found == [("another", 1), ("demo", 2)]


def test_what_does_not_exist_is_not_found(survey_store: Store):
    with survey_store.write() as session:
        with pytest.raises(SurveyNotFound, match="no survey 'other'"):
            surveys.get_survey(session, "other")
        with pytest.raises(SurveyVersionNotFound, match="Survey 'demo' has no version 7"):
            surveys.get_survey(session, "demo", 7)
        with pytest.raises(SurveyNotFound):
            surveys.update_survey(session, small_bundle("other"), now=NOW)
        with pytest.raises(SurveyNotFound):
            surveys.list_versions(session, "other")


@pytest.mark.parametrize(
    "other",
    [
        pl.DataFrame({"a": ["x", ""]}),
        pl.DataFrame({"b": ["x", None]}),
        pl.DataFrame({"a": ["x,", None]}),
        pl.DataFrame({"a": [None, "x"]}, schema={"a": pl.String}),
        pl.DataFrame({"a": ["x", None]}, schema={"a": pl.Categorical}),
    ],
)
def test_the_hash_of_a_table_differs_if_anything_in_it_does(other: pl.DataFrame):
    assert table_sha256(other) != table_sha256(pl.DataFrame({"a": ["x", None]}))


def test_the_hash_of_a_table_sees_the_last_digit_of_a_number():
    assert table_sha256(pl.DataFrame({"n": [0.3]})) != table_sha256(pl.DataFrame({"n": [0.1 + 0.2]}))
