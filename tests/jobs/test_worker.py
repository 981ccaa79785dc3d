"""The worker: one job a turn, published once, every end explained. The fit itself is a stand-in here."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from jobs.errors import FitCancelled, FitOutOfMemory, FitProcessFailed, WorkerStopping
from jobs.restate import ask_refit
from jobs.worker import utc_now
from polling.disclosure import rounded_count
from polling.store import fits, queue, releases
from tests.jobs.house import alive, furnish

PROBLEM = {"code": "r-hat", "message": "R-hat of intercept is 1.2, limit 1.01"}


def state(house, question="rail"):
    with house.store.read() as session:
        return releases.question_state(session, "demo", question)


def release(house, question="rail"):
    with house.store.read() as session:
        return releases.current_release(session, "demo", question)


def due(house):
    """Push the first wave and wait until its refits are due."""
    house.push(1)
    house.wait(2)


def test_an_idle_turn_does_nothing(house):
    assert house.worker().turn(house.now) is False


def test_a_job_that_is_not_due_waits(house):
    house.push(1)

    assert house.worker().turn(house.now) is False


def test_a_turn_does_one_job_and_publishes_its_fit(house):
    due(house)

    assert house.worker().turn(house.now) is True

    done = house.jobs("succeeded")
    assert [job.code for job in done] == ["published"]
    assert len(house.jobs("queued")) == 1
    served = release(house, done[0].question_id)
    assert served.number == 1
    assert served.fit_id == done[0].fit_id
    assert state(house, done[0].question_id).stale_since is None
    assert done[0].detail == f"Release 1: about {rounded_count(served.n_interviews)} interviews in 1 wave."


def test_a_refit_counts_every_accepted_wave(house):
    house.push(1)
    house.push(2)
    house.wait(2)
    worker = house.worker()
    assert worker.turn(house.now)
    assert worker.turn(house.now)

    assert not house.jobs("queued")
    for request in house.fit.requests:
        # "Don't know" and "Refused" are no answers: fewer than 400, more than one wave's.
        assert 200 < request.counts["n"].sum() < 400
        assert set(request.counts.columns) == {"district", "age", "gender", "education", "n", "y"}
    assert release(house).data_through == house.written.waves[1].fieldwork_end


def test_the_same_inputs_give_the_same_seed_and_the_same_fit(house):
    due(house)
    worker = house.worker()
    worker.turn(house.now)
    question = house.jobs("succeeded")[0].question_id
    with house.store.write() as session:
        ask_refit(session, house.settings, survey_id="demo", question_id=question, now=house.now)
    house.wait(2)
    while worker.turn(house.now):
        pass

    with house.store.read() as session:
        assert len(fits.list_fits(session, "demo", question)) == 1
        assert len(releases.list_releases(session, "demo", question)) == 1


def test_the_same_interviews_give_the_same_seed_in_another_database(house, written, tmp_path):
    due(house)
    house.worker().turn(house.now)
    with furnish(written, tmp_path / "other") as other:
        due(other)
        assert [other.worker().turn(other.now) for _ in range(2)] == [True, True]

        seeds = {request.formula + str(request.counts["y"].sum()): request.seed for request in other.fit.requests}
    [mine] = house.fit.requests
    assert seeds[mine.formula + str(mine.counts["y"].sum())] == mine.seed


def test_a_fit_that_fails_is_kept_and_explained_and_not_served(house):
    due(house)
    house.fit.problems.append(PROBLEM)

    house.worker().turn(house.now)

    job = house.jobs("failed")[0]
    assert job.code == "fit-rejected"
    assert "R-hat of intercept is 1.2" in job.detail
    assert release(house, job.question_id) is None
    stale = state(house, job.question_id)
    assert "was not published: R-hat of intercept" in stale.stale_reason
    with house.store.read() as session:
        kept = fits.get_fit(session, job.fit_id)
        assert fits.load_draws(session, job.fit_id)
    assert not kept.publishable


def test_the_last_good_release_stays_when_a_later_fit_fails(house):
    due(house)
    worker = house.worker()
    while worker.turn(house.now):
        pass
    good = release(house)
    house.push(2)
    pushed_at = house.now
    house.wait(2)
    house.fit.problems.append(PROBLEM)
    while worker.turn(house.now):
        pass

    assert release(house) == good
    assert state(house).stale_since == pushed_at
    assert "R-hat" in state(house).stale_reason


def test_a_wave_that_arrives_during_the_fit_keeps_the_release_stale(house):
    due(house)
    started = house.now
    house.fit.before_end = lambda: house.push(2)

    house.worker().turn(house.now)

    job = house.jobs("succeeded")[0]
    stale = state(house, job.question_id)
    assert stale.release_id is not None
    assert stale.stale_since == started
    assert "wave-2" in stale.stale_reason
    assert {job.question_id for job in house.jobs("queued")} == {"rail", "voting_age"}


def test_a_worker_that_lost_its_lease_publishes_nothing(house, caplog):
    due(house)
    slow, other = house.worker(owner="slow"), house.worker(owner="other", fit=type(house.fit)())

    def sleep_through_the_lease():
        house.wait(house.settings.lease_s + 1)
        assert other.turn(house.now)

    house.fit.before_end = sleep_through_the_lease
    assert slow.turn(house.now)

    job = house.jobs("succeeded")[0]
    assert job.attempt == 2
    with house.store.read() as session:
        assert len(releases.list_releases(session, "demo")) == 1
    assert "held by somebody else" in caplog.text


def test_a_job_whose_worker_died_is_taken_over(house):
    due(house)
    with house.store.write() as session:
        dead = queue.claim(session, owner="dead", now=house.now, lease=house.settings.lease)
    house.wait(house.settings.lease_s + 1)

    while house.worker().turn(house.now):
        pass

    jobs = {job.id: job for job in house.jobs("succeeded")}
    assert jobs[dead.job.id].attempt == 2
    with house.store.read() as session:
        assert len(releases.list_releases(session, "demo", dead.job.question_id)) == 1


def failing(error):
    def fit(*_arguments, **_more):
        raise error

    return fit


def test_a_crash_is_tried_again_with_a_growing_pause_and_then_given_up(house):
    due(house)
    worker = house.worker(
        fit=failing(FitProcessFailed("fit-crashed", "The fit process was ended by SIGSEGV.", retry=True))
    )
    with house.store.write() as session:
        for job in queue.list_jobs(session, "demo", question_id="voting_age"):
            queue.cancel(session, job.id, now=house.now)

    pauses = []
    for _ in range(3):
        assert worker.turn(house.now)
        [job] = [job for job in house.jobs() if job.question_id == "rail"]
        if job.state == "queued":
            pauses.append((job.run_after - house.now).total_seconds())
            assert worker.turn(house.now) is False
            house.wait(pauses[-1])

    assert pauses == [5, 10]
    assert (job.state, job.code, job.attempt) == ("failed", "fit-crashed", 3)
    assert "SIGSEGV" in job.detail
    assert "SIGSEGV" in state(house).stale_reason


@pytest.mark.parametrize(
    ("error", "ended", "code"),
    [
        (FitCancelled("The fit was cancelled."), "failed", "cancelled"),
        (FitProcessFailed("fit-refused", "x is constant", retry=False), "failed", "fit-refused"),
        (FitOutOfMemory(512, ""), "queued", "fit-out-of-memory"),
        (RuntimeError("a bug"), "queued", "internal-error"),
        (WorkerStopping("stop"), "queued", None),
    ],
)
def test_every_end_of_a_fit_has_its_code(house, error, ended, code):
    due(house)
    worker = house.worker(fit=failing(error))
    before = {job.id for job in house.jobs() if job.attempt == 0}

    worker.turn(house.now)

    [job] = (
        [job for job in house.jobs() if job.attempt or job.state != "queued" or job.code] or [None] if code else [None]
    )
    if job is None:  # given back: as if it had never started
        assert {job.id for job in house.jobs("queued") if job.attempt == 0} == before
    else:
        assert (job.state, job.code) == (ended, code)


def test_an_unexpected_error_is_not_quoted_in_the_job(house):
    due(house)

    house.worker(fit=failing(RuntimeError("resp_id 4711 said yes"))).turn(house.now)

    details = [job.detail for job in house.jobs() if job.detail]
    assert details == ["An unexpected RuntimeError; the log of the worker has the details."]


def test_a_question_nobody_answered_fails_at_once_with_a_reason(house):
    with house.store.write() as session:
        ask_refit(session, house.settings, survey_id="demo", question_id="rail", now=house.now)
    house.wait(2)

    house.worker().turn(house.now)

    [job] = house.jobs("failed")
    assert job.code == "no-interviews"
    assert job.attempt == 1


def test_a_job_of_an_unknown_kind_fails_with_a_reason(house):
    with house.store.write() as session:
        queue.ask(
            session,
            kind="paint",
            key="wall",
            survey_id="demo",
            question_id=None,
            now=house.now,
            quiet=house.settings.quiet,
            patience=house.settings.patience,
        )
    house.wait(2)

    house.worker().turn(house.now)

    assert [job.code for job in house.jobs("failed")] == ["unknown-kind"]


@pytest.mark.skipif(sys.platform != "linux", reason="a thread has no niceness of its own elsewhere")
def test_what_nobody_waits_for_is_done_with_the_niceness_of_fits(house, monkeypatch):
    found = []
    monkeypatch.setattr("jobs.worker.check", lambda *_, **__: found.append(os.getpriority(os.PRIO_PROCESS, 0)))
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with house.store.write() as session:
        queue.ask(
            session,
            kind="check",
            key="check/demo/rail",
            survey_id="demo",
            question_id="rail",
            now=house.now,
            quiet=house.settings.quiet,
            patience=house.settings.patience,
        )
    house.wait(2)

    house.worker().turn(house.now)

    assert house.settings.fit_nice > 0
    assert found == [min(19, before + house.settings.fit_nice)]


def test_the_loop_ends_soon_after_it_is_told_to(house):
    stop = threading.Event()
    loop = threading.Thread(target=house.worker().run, args=(stop,))
    loop.start()
    time.sleep(0.1)
    stop.set()
    loop.join(2)

    assert not loop.is_alive()


def test_a_wave_that_answers_one_question_of_several_refits_that_one(house):
    due(house)
    worker = house.worker()
    while worker.turn(house.now):
        pass
    other = release(house, "voting_age")
    rows = house.written.waves[1].path.read_text().splitlines()
    house.push(2, content="\n".join(without("voting_age", rows)).encode())
    assert [job.question_id for job in house.jobs("queued")] == ["rail"]
    house.wait(2)
    while worker.turn(house.now):
        pass

    assert len(house.fit.requests) == 3
    assert release(house, "rail").number == 2
    assert release(house, "voting_age") == other
    assert state(house, "voting_age").stale_since is None


def without(question, rows):
    """Lines of CSV without one column."""
    at = rows[0].split(",").index(question)
    return [",".join(cell for n, cell in enumerate(row.split(",")) if n != at) for row in rows]


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_worker_has_a_process_ready_before_there_is_anything_to_fit(house):
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(house.settings.data_dir)])
    try:
        for _ in range(200):
            if waiting := children_of(worker.pid):
                break
            time.sleep(0.05)
    finally:
        worker.terminate()
        worker.wait(5)

    assert len(waiting) == 1
    for _ in range(400):  # while it imports, it does not know yet that it has to end
        if not alive(waiting[0]):
            return
        time.sleep(0.05)
    pytest.fail("the process outlived its worker by twenty seconds")


@pytest.mark.skipif(sys.platform != "linux", reason="kills a process and looks for its child in /proc")
def test_a_worker_killed_in_the_middle_of_a_real_fit_is_replaced_and_publishes_once(house):
    settings = replace(house.settings, lease_s=1.5, heartbeat_s=0.2)
    house.now = utc_now() - timedelta(seconds=5)
    house.push(1)
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(settings.data_dir)])
    try:
        for _ in range(200):
            if house.jobs("running") and children_of(worker.pid):
                break
            time.sleep(0.05)
        [fitting] = children_of(worker.pid)
        [lost] = house.jobs("running")
    finally:
        worker.kill()
        worker.wait()
    house.settings = settings
    other = house.worker(clock=utc_now)
    deadline = time.monotonic() + 10
    while house.jobs("queued", "running") and time.monotonic() < deadline:
        if not other.turn(utc_now()):
            time.sleep(0.1)

    # While it imports, it does not know yet that it has to end.
    while alive(fitting) and time.monotonic() < deadline + 20:
        time.sleep(0.05)
    assert not alive(fitting)
    taken_over = {job.id: job for job in house.jobs("succeeded")}[lost.id]
    assert taken_over.attempt == 2
    with house.store.read() as session:
        assert len(releases.list_releases(session, "demo", lost.question_id)) == 1


WORKER = """
import sys, threading
from dataclasses import replace
from pathlib import Path
from jobs.settings import Settings
from jobs.worker import Worker
from polling.store.engine import open_store

settings = replace(Settings(), data_dir=Path(sys.argv[1]), lease_s=1.5, heartbeat_s=0.2)
Worker(open_store(settings.store_url), settings).run(threading.Event())
"""


def children_of(pid):
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
