"""The clock: due tasks once, by one process, and caught up after a pause."""

import signal
import subprocess
import sys
import threading
import time as wall_time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest

from jobs.backup_job import BACKUP, ask_backup
from jobs.clock import HouseClock, Task, schedule
from jobs.errors import FitProcessFailed
from jobs.survey import load_survey, update_survey
from jobs.sweep import sweep
from jobs.tasks import house_tasks
from polling.store import clock_tasks, leases, outbox, queue


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
    assert clock(house, task, "two").tick(task, house.now + timedelta(seconds=12)) is False
    assert clock(house, task, "two").tick(task, house.now + timedelta(seconds=15)) is True


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
    tasks = house_tasks(house.settings)
    assert {task.name: task.every for task in tasks if task.at is None} == {
        "sweep": timedelta(hours=1),
        "score-releases": timedelta(hours=1),
        "check": timedelta(seconds=20),
        "clean-spool": timedelta(hours=1),
        "expire-backups": timedelta(hours=1),
        "close-waves": timedelta(minutes=5),
        "forget-draws": timedelta(minutes=5),
        "forget-jobs": timedelta(days=1),
        "watch-questions": timedelta(minutes=5),
        "read-sources": timedelta(minutes=1),
        "finish-erasures": timedelta(hours=1),
        "purge": timedelta(hours=1),
        "forget-replies": timedelta(hours=1),
        "forget-events": timedelta(hours=1),
    }
    assert {task.name: task.at for task in tasks if task.at} == {"backup": time(3, 30), "confirm": time(2)}
    by_hand = house_tasks(replace(house.settings, backup_at=""))
    assert {task.name for task in tasks} - {task.name for task in by_hand} == {"backup"}


class TestTimeOfDay:
    """House time is noon at first; the task is due at two in the night."""

    @pytest.fixture
    def runs(self):
        return []

    @pytest.fixture
    def nightly(self, house, runs):
        task = replace(noting(runs), at=time(2))
        with house.store.write() as session:
            clock_tasks.know(session, ["note"], now=house.now)
        mine = clock(house, task)
        return lambda at: mine.tick(task, at)

    def test_it_is_due_when_the_time_has_come(self, house, nightly, runs):
        ticks = [house.now + timedelta(hours=hours) for hours in (0, 13.9, 14, 15, 37.9, 38)]
        assert [nightly(at) for at in ticks] == [False, False, True, False, False, True]
        assert [run.hour for run in runs] == [2, 2]

    def test_a_missed_night_is_caught_up_once(self, house, nightly):
        assert nightly(house.now + timedelta(hours=14))
        late = house.now + timedelta(days=3, hours=1)
        assert [nightly(late), nightly(late + timedelta(minutes=1))] == [True, False]
        # and the next night is the next night
        assert nightly(house.now + timedelta(days=3, hours=14))

    @pytest.mark.parametrize("ran_at", [14, 14.5, 16])
    def test_a_clock_that_is_set_back_by_an_hour_does_not_run_it_twice(self, house, nightly, ran_at):
        ran = house.now + timedelta(hours=ran_at)
        assert nightly(ran)
        hour_before = [ran - timedelta(hours=1) + timedelta(minutes=minutes) for minutes in range(0, 120, 10)]
        assert not any(nightly(at) for at in hour_before)
        assert nightly(house.now + timedelta(hours=38))

    def test_a_clock_that_was_years_ahead_is_forgotten(self, house, nightly):
        assert nightly(house.now + timedelta(days=800))
        assert nightly(house.now) is False
        assert nightly(house.now + timedelta(hours=14))


def test_a_clock_that_is_set_back_by_an_hour_neither_stops_a_task_nor_runs_it_at_once(house):
    runs = []
    task = noting(runs, every=timedelta(minutes=5))
    mine = clock(house, task)
    mine.tick(task, house.now)
    back = house.now - timedelta(hours=1)

    assert [mine.tick(task, back + timedelta(minutes=n)) for n in range(12)] == [n in (5, 10) for n in range(12)]


def test_a_clock_that_is_set_wakes_the_timers(house, monkeypatch, caplog):
    monkeypatch.setattr("jobs.clock.WATCH_S", 0.02)
    runs, ahead = [], [timedelta(0)]
    task = noting(runs)
    mine = HouseClock(house.store, (task,), owner="one", clock=lambda: datetime.now(UTC) + ahead[0])
    real = wall_time.time
    monkeypatch.setattr("jobs.clock.time.time", lambda: real() + ahead[0].total_seconds())
    with house.store.write() as session:
        leases.record_run(session, "note", datetime.now(UTC) - timedelta(hours=23.5))
    mine.start()
    try:
        ahead[0] = timedelta(hours=1)
        for _ in range(200):
            if runs:
                break
            wall_time.sleep(0.02)
    finally:
        mine.stop()
    assert len(runs) == 1
    assert "was set by +3600 s" in caplog.text


def test_what_runs_and_what_ran_is_told(house):
    def fail(_session, _now):
        raise FitProcessFailed("x", "no disk", retry=False)

    tasks = (
        Task("good", timedelta(hours=1), lambda _session, _now: "3 things done", about="do things"),
        Task("bad", timedelta(days=1), fail, at=time(2)),
        Task(
            "asks", timedelta(days=1), lambda session, now: ask_backup(session, house.settings, now=now).id, kind=BACKUP
        ),
    )
    mine = HouseClock(house.store, tasks, owner="one")
    for task in tasks:
        with suppress(FitProcessFailed):
            mine.tick(task, house.now)
    with house.store.read() as session:
        shown = {one.name: one for one in schedule(session, tasks, now=house.now)}
        assert leases.holder(session, "clock", house.now) == "one"

    good, bad, asks = (shown[name] for name in ("good", "bad", "asks"))
    assert (good.outcome, good.detail, good.last_run_at) == ("done", "3 things done", house.now)
    assert good.next_at == house.now + timedelta(hours=1)
    assert good.seconds < 5
    assert (bad.outcome, bad.detail, bad.last_run_at, bad.at) == ("failed", "no disk", None, "02:00")
    assert bad.next_at == house.now + timedelta(hours=14)
    assert (asks.job.kind, asks.job.state, asks.detail) == ("backup", "queued", asks.job.id)


CLOCK_PROCESS = """
import sys, threading
from datetime import timedelta
from jobs.backup_job import BACKUP, ask_backup
from jobs.clock import HouseClock, Task, schedule
from polling.store import outbox
from polling.store.engine import open_store

owner = sys.argv[2]
def beat(session, now):
    outbox.append(session, "beat", None, owner, now)
task = Task("beat", timedelta(seconds=0.4), beat)
HouseClock(open_store(sys.argv[1]), (task,), owner=owner, lease=timedelta(seconds=1.2)).start()
print("ready", flush=True)
threading.Event().wait()
"""


def test_of_two_clocks_one_runs_through_a_kill_and_a_stop(house):
    def begin(owner):
        command = [sys.executable, "-c", CLOCK_PROCESS, house.settings.store_url, owner]
        started[owner] = subprocess.Popen(command, stdout=subprocess.PIPE)
        started[owner].stdout.readline()

    def beats():
        with house.store.read() as session:
            return [one for one in outbox.read_after(session, 0, limit=1000) if one.kind == "beat"]

    def wait_for(owner, seconds):
        """Until this one leads; how long it took."""
        begun = wall_time.monotonic()
        while not (found := beats()) or found[-1].payload != owner:
            assert wall_time.monotonic() < begun + seconds, [one.payload for one in found[-5:]]
            wall_time.sleep(0.02)

    started = {}
    try:
        begin("a")
        wait_for("a", 5)
        begin("b")
        wall_time.sleep(1)
        assert {one.payload for one in beats()} == {"a"}
        started["a"].kill()
        wait_for("b", 1.2 + 1)
        begin("c")
        started["b"].send_signal(signal.SIGSTOP)
        wait_for("c", 1.2 + 1)
        wall_time.sleep(1)
        started["b"].send_signal(signal.SIGCONT)
        wall_time.sleep(1)
        moments = [one.created_at for one in beats()]
    finally:
        for process in started.values():
            process.kill()
            process.communicate()
    apart = [later - earlier for earlier, later in pairwise(moments)]
    assert min(apart) >= timedelta(seconds=0.4)
