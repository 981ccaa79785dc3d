"""Results as they are stored, and the scores of releases: both stores."""

from datetime import date

import polars as pl
import pytest
from sqlalchemy.exc import IntegrityError

from polling.errors import QuestionNotFound, ResultConflict, ResultNotFound
from polling.store import fits, known_results, releases, scores
from polling.store.engine import Store
from polling.store.known_results import NewResult
from tests.polling.store.conftest import NOW, new_fit, seconds

DAY = date(2026, 3, 8)


def new_result(share: float = 0.5, day: date = DAY, **changes: object) -> NewResult:
    table = pl.DataFrame({"level": ["nation"], "area": ["all"], "option": ["yes"], "share": [share], "se": [None]})
    about = {"survey_id": "demo", "survey_version": 1, "question_id": "vote", "refers_to": day, "source": "the office"}
    return NewResult(**about | {"content_sha256": str(share), "table": table} | changes)


def add(session, *arguments: object, reason: str | None = None, **changes: object):
    return known_results.add_result(session, new_result(*arguments, **changes), reason=reason, actor="test", now=NOW)


def test_the_same_again_is_the_same_and_another_needs_a_reason(survey_store: Store):
    with survey_store.write() as session:
        first, created = add(session)
        again, twice = add(session)
        assert (created, twice, again) == (True, False, first)
        with pytest.raises(ResultConflict, match="version 1, the office"):
            add(session, 0.6)
        second, _ = add(session, 0.6, reason="recount")
    with survey_store.read() as session:
        assert [
            (one.version, one.state, one.reason) for one in known_results.list_results(session, "demo", "vote")
        ] == [
            (2, "current", "recount"),
            (1, "replaced", None),
        ]
        assert known_results.current_results(session, "demo", "vote") == [second]
        assert known_results.get_result(session, "demo", "vote", first.id).ended_reason == "recount"
        assert known_results.load_table(session, second.id)["share"].to_list() == [0.6]


def test_results_of_other_days_stand_beside_each_other(survey_store: Store):
    with survey_store.write() as session:
        add(session)
        add(session, 0.7, date(2026, 4, 1))
        assert [one.refers_to.month for one in known_results.current_results(session, "demo", "vote")] == [4, 3]


def test_what_is_withdrawn_is_kept_and_may_be_told_again(survey_store: Store):
    with survey_store.write() as session:
        first, _ = add(session)
        gone = known_results.withdraw_result(session, "demo", "vote", first.id, reason="wrong", actor="x", now=NOW)
        assert (gone.state, gone.ended_by, gone.ended_reason) == ("withdrawn", "x", "wrong")
        with pytest.raises(ResultConflict, match="withdrawn already"):
            known_results.withdraw_result(session, "demo", "vote", first.id, reason="wrong", actor="x", now=NOW)
        again, created = add(session)
        assert (created, again.version, again.reason) == (True, 2, None)


def test_what_is_not_there_is_named(survey_store: Store):
    with survey_store.write() as session:
        first, _ = add(session)
        with pytest.raises(QuestionNotFound):
            add(session, question_id="moon")
        for question, result in (("vote", "none"), ("tax", first.id)):
            with pytest.raises(ResultNotFound):
                known_results.get_result(session, "demo", question, result)


def publish(session, seed: int, data_through: date | None = date(2026, 3, 1)) -> str:
    fit_id = fits.save_fit(session, new_fit(seed=seed, data_through=data_through), now=NOW)
    return releases.publish(session, fit_id=fit_id, now=NOW + seconds(seed)).id


def test_every_pair_is_to_be_scored_once_and_what_is_written_stays(survey_store: Store):
    with survey_store.write() as session:
        one, two = publish(session, 1), publish(session, 2, None)
        assert scores.questions_to_score(session) == []
        result, _ = add(session)
        assert scores.unscored(session, "demo", "vote") == [(two, result.id), (one, result.id)]
        assert scores.questions_to_score(session) == [("demo", "vote")]
        scores.add_score(session, one, result.id, scores=[{"rmse": 0.1}], unscored=None, now=NOW)
        scores.add_score(session, one, result.id, scores=[{"rmse": 9.9}], unscored=None, now=NOW)
        scores.add_score(session, two, result.id, scores=None, unscored="Gone.", now=NOW)
        assert scores.questions_to_score(session) == []
    with survey_store.read() as session:
        told = scores.list_scores(session, "demo", "vote")
        assert [(s.number, s.scores, s.unscored, s.lead_days) for s in told] == [
            (1, [{"rmse": 0.1}], None, 7),
            (2, None, "Gone.", None),
        ]


def test_scores_against_what_was_replaced_are_kept_and_not_shown(survey_store: Store):
    with survey_store.write() as session:
        one = publish(session, 1)
        first, _ = add(session)
        scores.add_score(session, one, first.id, scores=[], unscored=None, now=NOW)
        second, _ = add(session, 0.6, reason="recount")
        assert scores.list_scores(session, "demo", "vote") == []
        assert scores.unscored(session, "demo", "vote") == [(one, second.id)]


def test_a_score_says_numbers_or_why_there_are_none(survey_store: Store):
    with survey_store.write() as session:
        one, (result, _) = publish(session, 1), add(session)
    with pytest.raises(IntegrityError), survey_store.write() as session:
        scores.add_score(session, one, result.id, scores=None, unscored=None, now=NOW)
