"""What the clock asks of workers, and watches: backups, and questions that stay stale."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from jobs.backup import list_backups
from jobs.backup_job import ask_backup
from jobs.staleness import raise_alarms
from polling.store import outbox, queue, releases
from tests.jobs.house import House


@pytest.fixture
def house(house: House, tmp_path) -> House:
    house.settings = replace(house.settings, backup_dir=tmp_path / "backups")
    return house


def backup_job(house: House):
    with house.store.read() as session:
        return queue.list_jobs(session, kind="backup", limit=1)[0]


def ask(house: House) -> None:
    with house.store.write() as session:
        ask_backup(session, house.settings, now=house.now)


def test_a_worker_makes_the_backup_that_the_clock_asks_for(house):
    ask(house)
    ask(house)

    assert [house.worker().turn(house.now) for _ in range(2)] == [True, False]
    assert (backup_job(house).state, backup_job(house).code) == ("succeeded", "backed-up")
    assert len(list_backups(house.settings)) == 1


def test_a_backup_that_fails_is_tried_again_and_says_why(house, tmp_path):
    (tmp_path / "backups").write_text("not a folder")
    ask(house)
    for _ in range(3):
        assert house.worker().turn(house.now)
        house.wait(60)
    assert (backup_job(house).state, backup_job(house).code, backup_job(house).attempt) == (
        "failed",
        "backup-failed",
        3,
    )
    assert "No backup was made in" in backup_job(house).detail


def test_others_write_during_a_backup_and_a_worker_that_stops_does_not_wait(house, monkeypatch):
    begun, let_go = threading.Event(), threading.Event()

    def slow(*_arguments, **_more):
        begun.set()
        let_go.wait(20)
        raise OSError("broken off")

    monkeypatch.setattr("jobs.backup_job.make_backup", slow)
    ask(house)
    worker, stop = house.worker(), threading.Event()
    worker._stop = stop
    turning = threading.Thread(target=worker.turn, args=(house.now,))
    turning.start()
    try:
        assert begun.wait(10)
        house.push(1)  # nobody holds the database
        stop.set()
        turning.join(2)
        assert not turning.is_alive()
    finally:
        let_go.set()
        turning.join()
    assert (backup_job(house).state, backup_job(house).attempt) == ("queued", 0)


def test_a_question_that_stays_stale_is_an_alarm_once(house, caplog):
    def alarms() -> int:
        with house.store.write() as session:
            return raise_alarms(session, house.settings, now=house.now)

    def told() -> list:
        with house.store.read() as session:
            return [one for one in outbox.read_after(session, 0, 1000) if one.kind == "question-stale"]

    house.push(1)
    house.wait(3599)
    assert alarms() == 0
    house.wait(1)
    assert (alarms(), alarms(), len(told())) == (2, 2, 2)
    assert "demo/rail is stale since 2025-10-06 12:00 UTC: Wave wave-1" in caplog.text
    assert told()[0].payload["stale_since"] == (house.now - timedelta(hours=1)).isoformat()

    with house.store.write() as session:
        releases.mark_stale(session, "demo", "rail", house.now, "another reason")  # stale for the same time
    assert (alarms(), len(told())) == (2, 2)
    while house.worker().turn(house.now):
        pass
    assert alarms() == 0
    house.push(2)
    house.wait(3600)
    assert (alarms(), len(told())) == (2, 4)
