"""Turns: fair between surveys, urgent work first, nothing waits for ever, and clocks that are set back stop nothing."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import event

from polling.store import queue, surveys, turns
from polling.store.engine import Store
from polling.store.records import Claim, JobRecord

from .conftest import NOW, seconds, small_bundle

LEASE = seconds(15)
FIT = seconds(4)


def add(store: Store, *survey_ids: str) -> None:
    with store.write() as session:
        for survey_id in survey_ids:
            surveys.add_survey(session, small_bundle(survey_id), now=NOW)


def ask(store: Store, survey_id: str | None, name: str, at: datetime = NOW, priority: int = 0) -> JobRecord:
    with store.write() as session:
        return queue.ask(
            session,
            kind="refit",
            key=f"{survey_id}/{name}",
            survey_id=survey_id,
            question_id=name,
            now=at,
            quiet=timedelta(0),
            patience=timedelta(0),
            priority=priority,
        )


def claim(store: Store, at: datetime) -> Claim | None:
    with store.write() as session:
        return queue.claim(session, owner="w", now=at, lease=LEASE)


def work(store: Store, now: datetime, takes: timedelta = FIT) -> tuple[JobRecord, datetime]:
    """Do the next job; when it has ended."""
    held = claim(store, now)
    assert held is not None
    with store.write() as session:
        queue.finish(session, held, now=now + takes, code="published", detail="")
    return held.job, now + takes


def test_a_burst_for_a_hundred_surveys_drains_in_rounds(sqlite_store: Store):
    names = [f"s{n:03}" for n in range(100)]
    add(sqlite_store, *names)
    for n, name in enumerate(names):  # the first surveys ask first, and for more
        for question in range(3 if n < 10 else 1):
            ask(sqlite_store, name, f"q{question}", NOW + seconds(n / 100))
    now, order = NOW + seconds(2), []
    for _ in range(120):
        job, now = work(sqlite_store, now)
        order.append(job.survey_id)
    assert order == [*names, *names[:10], *names[:10]]


def test_a_single_wave_does_not_wait_for_the_burst_of_another_survey(store: Store):
    add(store, "large", "small")
    for n in range(20):
        ask(store, "large", f"q{n}")
    _, now = work(store, NOW)
    ask(store, "small", "q", now)

    assert work(store, now)[0].survey_id == "small"


def test_urgent_work_comes_first_and_the_rest_not_never(store: Store):
    add(store, "busy")
    ask(store, None, "backup", priority=5)
    ask(store, "busy", "confirm", priority=9)
    now, started = NOW, {}
    while len(started) < 2 and now < NOW + timedelta(hours=3):
        ask(store, "busy", f"q{now:%H%M%S}", now)  # always something urgent
        job, now = work(store, now, timedelta(minutes=1))
        if job.priority:
            started[job.question_id] = now - NOW
    assert timedelta(minutes=45) < started["backup"] < timedelta(minutes=55)
    assert timedelta(minutes=85) < started["confirm"] < timedelta(minutes=95)


def test_work_that_is_less_urgent_costs_a_survey_no_turn(store: Store):
    add(store, "a", "b")
    ask(store, "a", "source", priority=1)
    _, now = work(store, NOW)
    ask(store, "a", "q", now)
    ask(store, "b", "q", now + seconds(1))

    assert work(store, now + seconds(2))[0].survey_id == "a"


def test_the_most_urgent_of_several_requests_counts(store: Store):
    assert ask(store, None, "x", priority=5).priority == 5
    assert ask(store, None, "x", priority=1).priority == 1
    assert ask(store, None, "x", priority=9).priority == 1


@pytest.mark.parametrize("waits", ["queued", "put back", "abandoned"])
def test_a_clock_that_is_set_back_by_an_hour_stops_nothing(store: Store, waits: str):
    ask(store, None, "x", NOW)
    if waits != "queued":
        held = claim(store, NOW)
    if waits == "put back":
        with store.write() as session:
            queue.fail(session, held, now=NOW, code="x", detail="x", retry_after=seconds(5))
    now = NOW - timedelta(hours=1)
    with store.read() as session:
        assert queue.next_due(session, now=now, lease=LEASE) == now
    assert claim(store, now).job.key == "None/x"
    with store.read() as session:
        assert queue.next_due(session, now=now, lease=LEASE) == now + LEASE


def test_a_turn_reads_the_last_hour_and_not_every_job_that_there_was(sqlite_store: Store):
    add(sqlite_store, "a", "b")
    for survey in ("a", "b"):
        ask(sqlite_store, survey, "q")
    asked: list[tuple[str, object]] = []
    with sqlite_store.read() as session:
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", lambda *about: asked.append(about[2:4]))
        turns.in_turn(session, NOW)
        [_, (starts, values)] = asked
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {starts}", values).all()

    assert "ix_job_started_at" in plan[0].detail


def test_what_is_sent_to_webhooks_has_a_lane_of_its_own(store: Store):
    """Neither is taken, waited for, taken over or made to wait by who takes the other's jobs."""
    add(store, "a", "b")
    for survey in ("a", "b"):
        ask(store, survey, "tax")
    with store.write() as session:
        about = {"survey_id": "a", "question_id": None, "quiet": timedelta(0), "patience": timedelta(0)}
        for name in ("h1", "h2"):
            queue.ask(session, kind="webhook", key=name, now=NOW, **about)
        queue.ask(session, kind="webhook-replay", key="h1/7", now=NOW, priority=1, **about)

    def sent(at: datetime) -> str | None:
        with store.write() as session:
            held = queue.claim(session, owner="sender", now=at, lease=LEASE, lane="post")
        return None if held is None else held.job.key

    assert [sent(NOW) for _ in range(4)] == ["h1", "h2", "h1/7", None]
    # Three starts for survey a, and it is its turn all the same.
    first = claim(store, NOW)
    assert first is not None
    assert first.job.survey_id == "a"
    late = NOW + LEASE + seconds(1)
    with store.read() as session:
        assert queue.next_due(session, now=NOW, lease=LEASE) == NOW  # b waits
        assert queue.next_due(session, now=NOW, lease=LEASE, lane="post") == NOW + LEASE
    taken_over = [claim(store, late), claim(store, late), claim(store, late)]
    assert [one and one.job.kind for one in taken_over] == ["refit", "refit", None]
    assert {sent(late) for _ in range(3)} == {"h1", "h2", "h1/7"}


def claim_beside(store: Store, like: JobRecord, at: datetime, *questions: str) -> Claim | None:
    with store.write() as session:
        assert queue.waiting_beside(session, like, questions=questions, now=at) in range(21)
        return queue.claim_beside(session, like, questions=questions, owner="w", now=at, lease=LEASE)


def test_beside_a_job_those_of_its_survey_are_taken_as_their_turns_come(store: Store):
    add(store, "large")
    for n in range(4):
        ask(store, "large", f"q{n}", NOW + seconds(n / 100))
    now = NOW + seconds(1)
    first = claim(store, now)
    assert first is not None
    with store.write() as session:
        assert queue.waiting_beside(session, first.job, questions=("q1", "q2", "q3"), now=now) == 3

    beside = [claim_beside(store, first.job, now, "q1", "q2", "q3") for _ in range(4)]

    assert [one and one.job.question_id for one in beside] == ["q1", "q2", "q3", None]
    assert len({one.token for one in beside if one}) == 3


def test_beside_a_job_nobody_elses_turn_is_passed_over(store: Store):
    add(store, "large", "small")
    for n in range(3):
        ask(store, "large", f"q{n}")
    first = claim(store, NOW)
    assert first is not None
    ask(store, "small", "q")

    assert claim_beside(store, first.job, NOW, "q1", "q2") is None
    assert work(store, NOW)[0].survey_id == "small"
    taken = claim_beside(store, first.job, NOW, "q1", "q2")
    assert taken is not None
    assert taken.job.question_id == "q1"


def test_beside_a_job_no_question_is_taken_that_is_not_named_or_was_tried_before(store: Store):
    add(store, "large")
    for n in range(4):
        ask(store, "large", f"q{n}", NOW + seconds(n / 100))
    now = NOW + seconds(1)
    first = claim(store, now)
    second = claim(store, now)
    assert first is not None
    assert second is not None
    with store.write() as session:
        queue.fail(session, second, now=now, code="fit-crashed", detail="", retry_after=timedelta(0))

    assert claim_beside(store, first.job, now, "q3") is None  # q2 comes before
    taken = claim_beside(store, first.job, now + seconds(1), "q1", "q2", "q3")
    assert taken is None or taken.job.question_id != "q1"
