"""The clock: due tasks once, by one process, and caught up after a pause."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobs.clock import HouseClock, Task, house_tasks, sweep
from jobs.errors import FitProcessFailed
from jobs.survey import load_survey, update_survey
from polling.store import leases, queue


def clock(house, task, owner="one"):
    return HouseClock(house.store, (task,), owner=owner)


def noting(runs, every=timedelta(days=1)):
    return Task("note", every, lambda _session, now: runs.append(now))


def test_a_task_runs_when_it_is_due_and_not_before(house):
    runs = []
    task = noting(runs)
    mine = clock(house, task)

    assert mine.tick(task, house.now) is True
    assert mine.tick(task, house.now + timedelta(hours=12)) is False
    assert mine.tick(task, house.now + timedelta(hours=24)) is True
    assert runs == [house.now, house.now + timedelta(hours=24)]


def test_only_the_leader_does_a_task(house):
    runs = []
    task = noting(runs, every=timedelta(seconds=10))

    assert clock(house, task, "one").tick(task, house.now) is True
    assert clock(house, task, "two").tick(task, house.now + timedelta(seconds=20)) is False
    assert clock(house, task, "two").tick(task, house.now + timedelta(minutes=2)) is True


def test_a_task_that_fails_is_not_noted_as_run(house):
    def fail(_session, _now):
        raise OSError("no disk")

    task = Task("broken", timedelta(days=1), fail)
    with pytest.raises(OSError, match="no disk"):
        clock(house, task).tick(task, house.now)
    with house.store.read() as session:
        assert leases.last_run(session, "broken") is None


def test_a_missed_daily_run_is_caught_up_at_start(house):
    yesterday = datetime.now(UTC) - timedelta(hours=30)
    with house.store.write() as session:
        leases.record_run(session, "note", yesterday)
    ran = threading.Event()
    mine = clock(house, Task("note", timedelta(days=1), lambda _session, _now: ran.set()))

    mine.start()
    try:
        assert ran.wait(5)
    finally:
        mine.stop()
    # The run is noted in the transaction that did it, which ends a moment after the event.
    for _ in range(100):
        with house.store.read() as session:
            if leases.last_run(session, "note") > yesterday:
                break
        threading.Event().wait(0.02)
    else:
        raise AssertionError("the run was not noted")


def test_a_run_that_is_not_due_yet_waits_at_start(house):
    with house.store.write() as session:
        leases.record_run(session, "note", datetime.now(UTC) - timedelta(hours=1))
    ran = threading.Event()
    mine = clock(house, Task("note", timedelta(days=1), lambda _session, _now: ran.set()))

    mine.start()
    try:
        assert not ran.wait(0.3)
    finally:
        mine.stop()


def swept(house):
    with house.store.write() as session:
        sweep(session, house.settings, now=house.now)
    return {job.question_id for job in house.jobs("queued")}


def test_a_cancelled_refit_is_asked_for_again(house):
    job = house.push(1).jobs[0]
    with house.store.write() as session:
        queue.cancel(session, job.id, now=house.now)

    assert swept(house) == {"rail", "voting_age"}


def test_a_waiting_refit_is_not_asked_for_twice(house):
    house.push(1)

    swept(house)
    assert [job.asked for job in house.jobs("queued")] == [1, 1]


def test_a_question_whose_release_has_every_wave_needs_nothing(house):
    house.push(1)
    house.wait(2)
    worker = house.worker()
    while worker.turn(house.now):
        pass

    assert swept(house) == set()


def test_a_fit_that_was_rejected_is_not_repeated_on_the_same_data(house):
    house.push(1)
    house.wait(2)
    house.fit.problems.append({"code": "r-hat", "message": "R-hat is 1.2"})
    worker = house.worker()
    while worker.turn(house.now):
        pass

    assert swept(house) == set()
    for job in house.push(2).jobs:
        with house.store.write() as session:
            queue.cancel(session, job.id, now=house.now)
    assert swept(house) == {"rail", "voting_age"}


def test_a_survey_without_waves_needs_nothing(house):
    assert swept(house) == set()


def test_a_fit_that_was_refused_is_asked_for_again_only_when_something_changed(house):
    house.push(1)
    house.wait(2)
    worker = house.worker(fit=refusing)
    while worker.turn(house.now):
        pass
    house.wait(3600)

    assert swept(house) == set()
    changed = renamed(load_survey(house.written.path))
    update_survey(house.store, house.secrets, house.settings, changed, actor="test", now=house.now)
    assert {job.question_id for job in house.jobs("queued")} == {"rail", "voting_age"}


def refusing(*_arguments, **_more):
    raise FitProcessFailed("fit-refused", "x is constant", retry=False)


def renamed(bundle):
    return replace(bundle, declaration=replace(bundle.declaration, title="Another title"))


def test_the_house_has_its_tasks(house):
    assert {task.name: task.every for task in house_tasks(house.settings)} == {
        "confirm": timedelta(days=1),
        "sweep": timedelta(hours=1),
        "clean-spool": timedelta(hours=1),
        "expire-backups": timedelta(hours=1),
        "close-waves": timedelta(minutes=5),
        "read-sources": timedelta(minutes=1),
        "finish-erasures": timedelta(hours=1),
        "purge": timedelta(hours=1),
        "forget-replies": timedelta(hours=1),
    }
