"""The job that scores releases: when it is asked for, what it does when it is stopped, cancelled or meets a fault."""

import threading
from datetime import date, timedelta

import polars as pl
import pytest
from sqlalchemy import text

from jobs import release_acts
from jobs.known_results import add_known_result
from jobs.score_ask import SCORE, ask_missing_scores
from polling.errors import ResultRejected
from polling.store import queue, scores
from tests.jobs.house import House

QUESTION = "rail"


def work(house: House, **changes: object) -> None:
    house.wait(60)
    worker = house.worker(**changes)
    while worker.turn(house.now):
        pass


def publish(house: House, number: int) -> None:
    house.push(number)
    work(house)


def know(house: House, **changes: object):
    """The truth that the fixtures know, as a survey folder has it."""
    about = {"survey_id": house.written.survey_id, "question_id": QUESTION, "now": house.now, "actor": "test"}
    content = (house.written.path / "truth.parquet").read_bytes()
    told = {"content": content, "refers_to": date(2025, 10, 1), "source": "the generator", "file": "truth.parquet"}
    return add_known_result(house.store, house.secrets, **(about | told | changes))


def scored(house: House) -> list[scores.ScoreRecord]:
    with house.store.read() as session:
        return scores.list_scores(session, house.written.survey_id, QUESTION)


def score_jobs(house: House, *states: str) -> list:
    return [job for job in house.jobs(*states) if job.kind == SCORE]


def test_the_truth_of_a_fixture_is_compared_with_past_and_later_releases(house: House):
    publish(house, 1)
    added = know(house)
    assert added.created
    assert added.result.n_rows == 16
    work(house)
    [job] = score_jobs(house)
    assert (job.state, job.code, job.detail) == ("succeeded", "scored", "1 score of releases.")
    publish(house, 2)

    assert [record.number for record in scored(house)] == [1, 2]
    of_model = [row for record in scored(house) for row in record.scores if row["method"] == "mrp"]
    assert {row["level"]: row["n_areas"] for row in of_model} == {"district": 8, "nation": 1, "region": 5}
    assert not know(house).created


def test_a_fit_that_was_kept_back_is_scored_when_the_hold_ends(house: House):
    publish(house, 1)
    know(house)
    work(house)
    about = {"survey_id": house.written.survey_id, "question_id": QUESTION, "actor": "test", "reason": "wait"}
    release_acts.hold(house.store, house.secrets, house.settings, now=house.now, **about)
    publish(house, 2)
    assert [record.number for record in scored(house)] == [1]
    release_acts.end_hold(house.store, house.secrets, house.settings, now=house.now, **about)
    work(house)
    assert [record.number for record in scored(house)] == [1, 2]


def test_a_result_may_come_before_the_first_release(house: House):
    assert know(house).job is None
    publish(house, 1)
    assert [record.number for record in scored(house)] == [1]


def test_without_a_result_nothing_is_asked_for(house: House):
    publish(house, 1)
    assert score_jobs(house) == []
    with house.store.write() as session:
        assert ask_missing_scores(session, now=house.now) == 0


def test_scores_that_are_missing_are_asked_for_again_once(house: House):
    publish(house, 1)
    know(house)
    with house.store.write() as session:
        for job in score_jobs(house, "queued"):
            queue.cancel(session, job.id, now=house.now)
    with house.store.write() as session:
        assert ask_missing_scores(session, now=house.now) == 1
    with house.store.write() as session:
        assert ask_missing_scores(session, now=house.now) == 0
    work(house)
    assert len(scored(house)) == 1


def test_a_worker_that_stops_gives_the_job_back(house: House):
    publish(house, 1)
    know(house)
    house.wait(60)
    worker = house.worker()
    worker._stop = threading.Event()
    worker._stop.set()
    worker.turn(house.now)
    assert [job.state for job in score_jobs(house)] == ["queued"]
    assert scored(house) == []
    work(house)
    assert len(scored(house)) == 1


def test_a_fault_is_tried_again_and_what_is_served_is_none_the_worse(house: House, monkeypatch: pytest.MonkeyPatch):
    publish(house, 1)
    know(house)
    with monkeypatch.context() as patch:
        patch.setattr("jobs.score.score_release", lambda *_, **__: 1 / 0)
        work(house)
    [job] = score_jobs(house)
    assert (job.state, job.code) == ("queued", "internal-error")
    with house.store.read() as session:
        stale = session.execute(text("SELECT stale_reason FROM question_state WHERE question_id = 'rail'")).scalar_one()
    assert stale is None
    house.now += timedelta(minutes=5)
    work(house)
    assert len(scored(house)) == 1


def test_a_release_with_nothing_in_common_says_so(house: House, monkeypatch: pytest.MonkeyPatch):
    publish(house, 1)
    know(house)
    monkeypatch.setattr("jobs.score.score_release", lambda *_, **__: [])
    work(house)
    [record] = scored(house)
    assert (record.scores, record.unscored) == (
        None,
        "Nothing that the result tells is estimated by it: its survey had other districts or levels.",
    )


def test_groups_are_compared_by_the_demographics_of_the_truth(house: House):
    publish(house, 1)
    table = pl.read_parquet(house.written.path / "truth_by_period.parquet")
    wanted = table.filter((pl.col("question") == QUESTION) & (pl.col("period") == 0) & (pl.col("level") == "gender"))
    content = wanted.select(
        pl.lit("all").alias("geography"), "option", "share", pl.col("area").alias("gender")
    ).write_csv()
    know(house, content=content.encode(), file="gender.csv")
    work(house)
    [record] = scored(house)
    assert [(row["level"], row["by"], row["n_areas"]) for row in record.scores] == [("nation", ["gender"], 2)]


def test_a_source_and_a_day_are_checked(house: House):
    with pytest.raises(ResultRejected) as refused:
        know(house, source="x" * 501, refers_to=date(2030, 1, 1))
    assert [one.column for one in refused.value.faults] == ["source", "date"]
