"""A burst for several surveys, one of them greedy: through the worker's own loop, with a fit that takes no time."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event

from jobs.burst_figures import Started, turns_of
from jobs.burst_report import Observed, Push, report
from jobs.burst_surveys import BurstSurvey, BurstWave, in_order, write_surveys
from jobs.receive import receive_wave
from jobs.survey import add_survey, load_survey
from polling.store import kept_draws, queue
from tests.jobs.house import NOON, House

FIT_S = 4.0
SEEN = {"answers": [(float(at), 5.0, 200) for at in range(10)], "mixed": 0}


@pytest.fixture(scope="module")
def surveys(tmp_path_factory: pytest.TempPathFactory) -> list[BurstSurvey]:
    """Three of two questions, and a greedy one of eight; the greedy one sends five waves."""
    place = tmp_path_factory.mktemp("burst")
    return list(write_surveys(place, surveys=4, waves=1, size=50, seed=1, n_districts=8, n_demographics=3))


@pytest.fixture
def busy(house: House, surveys: list[BurstSurvey]) -> House:
    """A house with all surveys, whose fits take four seconds each by its clock."""
    for survey in surveys:
        add_survey(house.store, house.secrets, load_survey(survey.folder), actor="test", now=NOON)
    house.settings = replace(house.settings, refit_quiet_s=0.2, refit_patience_s=2.0)
    house.fit.before_end = lambda: house.wait(FIT_S)
    return house


def send(house: House, wave: BurstWave) -> Push:
    receive_wave(
        house.store,
        house.secrets,
        house.settings,
        survey_id=wave.survey,
        pollster=wave.pollster,
        reference=wave.reference,
        content=wave.path.read_bytes(),
        fieldwork_start=wave.fieldwork_start,
        fieldwork_end=wave.fieldwork_end,
        now=house.now,
        actor="test",
    )
    return Push(wave.survey, house.now.timestamp(), house.now.timestamp())


def jobs(house: House):
    with house.store.read() as session:
        return sorted(queue.list_jobs(session), key=lambda job: (job.started_at is None, job.started_at))


def drain(house: House) -> None:
    worker = house.worker()
    while worker.turn(house.now):
        pass


def test_the_backlog_of_a_greedy_survey_keeps_nobody_waiting_for_more_than_a_round(busy, surveys):
    *small, greedy = surveys
    for wave in greedy.waves[:2]:
        send(busy, wave)
    more = iter([*greedy.waves[2:], *(survey.waves[0] for survey in small)])

    def next_wave():
        """While each of the first fits runs another wave comes: the greedy survey's, then those of the others."""
        busy.wait(FIT_S / 2)
        if (wave := next(more, None)) is not None:
            send(busy, wave)
        busy.wait(FIT_S / 2)

    busy.fit.before_end = next_wave
    busy.wait(2)
    drain(busy)

    done = jobs(busy)
    assert {job.code for job in done} == {"published"}
    assert sum(job.survey_id == "greedy" for job in done) > 8
    started = [Started(job.started_at.timestamp(), job.survey_id, job.run_after.timestamp()) for job in done]
    assert turns_of(started, greedy="greedy").worst == 1
    # The small surveys came while the greedy one had most of its backlog before it, and were through before it.
    ends = {survey.id: max(job.finished_at for job in done if job.survey_id == survey.id) for survey in surveys}
    assert max(ends[survey.id] for survey in small) < ends["greedy"]


def test_the_report_of_a_burst_by_hand(busy, surveys):
    pushes = [send(busy, wave) for wave in in_order(surveys, seed=1)]
    began = busy.now.timestamp()
    busy.wait(2)
    drain(busy)
    observed = Observed(
        began=began,
        sent_s=0.0,
        pushes=tuple(pushes),
        idle=SEEN,
        busy=SEEN,
        stale=0,
        empty_mb=1.0,
        before_mb=5.0,
        after_mb=105.0,
        peak_mb={"fit": 400.0},
        load_at_start=0.0,
    )

    told = report(busy.store, busy.settings, surveys, observed, size=50)

    # 3 x 2 + 8 refits of 4 s after 2 s, in rounds of four: the small surveys end in the second, the greedy one last.
    assert (told.surveys, told.questions, told.waves, told.refits) == (4, 14, 9, 14)
    assert told.drained_s == 2 + 14 * FIT_S
    assert told.refits_per_hour == pytest.approx(3600 * 14 / 58, abs=0.1)
    assert told.greedy_waited_s == 58
    assert (told.greedy_refits, told.other_refits) == (8, 2)
    assert 2 + 5 * FIT_S <= told.waiting.median_s <= told.waiting.worst_s <= 2 + 8 * FIT_S
    assert (told.turns.waits, told.turns.worst, told.turns.unfair) == (14, 1, 0)
    assert told.refits_by_engine == {"nuts": 14}
    assert told.stages_s["pause before"] == 0
    assert told.bytes_of["survey"] == 1e6
    # What is neither of waves nor of draws is kept for ever.
    held = 100e6 - 10 * told.bytes_of["wave"] - 14 * told.bytes_of["draws"]
    assert told.bytes_of["release"] == pytest.approx(held / 14, rel=1e-4)
    assert told.api_p99_ms == {"idle": 5.0, "burst": 5.0}


def test_a_question_that_got_no_release_is_told(busy, surveys):
    pushes = [send(busy, wave) for wave in in_order(surveys, seed=1)]
    began = busy.now.timestamp()
    busy.wait(2)
    busy.fit.problems.append({"code": "r-hat", "message": "R-hat of intercept is 1.2, limit 1.01"})
    drain(busy)
    observed = Observed(began, 0.0, tuple(pushes), SEEN, SEEN, 0, 1.0, 5.0, 105.0, {}, 0.0)

    with pytest.raises(RuntimeError, match=r"no release with every wave.*R-hat"):
        report(busy.store, busy.settings, surveys, observed, size=50)


def test_looking_for_old_draws_asks_nothing_for_each_fit(busy):
    asked: list[tuple[str, object]] = []
    with busy.store.read() as session:
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", lambda *about: asked.append(about[2:4]))
        kept_draws.past_their_time(session, now=NOON, all_of=timedelta(days=7), daily=timedelta(days=90))
        candidates, values = asked[0]
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {candidates}", values).all()

    assert not [step.detail for step in plan if "CORRELATED" in step.detail]
