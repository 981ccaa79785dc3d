"""Transactions take their locks in one order on PostgreSQL: surveys, jobs, questions, outbox; so none is aborted.

Each test stops one transaction where it has the outbox, lets another one run until it waits, and goes on: had the two
another order, the server would end one of them.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from jobs import job_acts, open_wave, receive, release_acts, retention, wave_life
from jobs.settings import Settings
from jobs.staleness import raise_alarms
from jobs.sweep import sweep
from polling.store import job_events, queue, releases, waves
from polling.store.engine import Store
from polling.store.records import Claim
from tests.api import world as town
from tests.api.world import NOON, OTHER, POLLSTER, SURVEY, World, make_world, wave_csv
from tests.conftest import PostgresServer

pytestmark = pytest.mark.postgres

KEPT = "[retention]\nrespondents_days = 1\n[columns]\n"


@pytest.fixture
def world(
    postgres_server: PostgresServer,
    _postgres_template: str,
    open_stores: Callable[[str], Store],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """Two surveys with a wave in each, on PostgreSQL."""
    monkeypatch.setattr(town, "SURVEY_TOML", town.SURVEY_TOML.replace("[columns]\n", KEPT))
    name = postgres_server.take(template=_postgres_template)
    made = make_world(open_stores(postgres_server.url(name)), tmp_path)
    for survey in (SURVEY, OTHER):
        push(made, survey, "w1", 0)
    yield made
    made.store.close()
    postgres_server.give_back(name)


def push(world: World, survey: str, reference: str, start: int) -> None:
    receive.receive_wave(
        world.store,
        world.secrets,
        world.settings,
        survey_id=survey,
        pollster=POLLSTER,
        reference=reference,
        content=wave_csv(20, start=start),
        fieldwork_start=date(2026, 2, 20),
        fieldwork_end=date(2026, 2, 25),
        now=world.now,
        actor="test",
    )


def take(world: World) -> Claim:
    """Take a job when all are due."""
    with world.store.write() as session:
        claim = queue.claim(session, owner="w", now=world.now + timedelta(hours=1), lease=timedelta(seconds=15))
    assert claim is not None
    return claim


class Other:
    """Another transaction, which runs until it waits for a lock, or has ended."""

    def __init__(self, world: World, act: Callable[[], object]) -> None:
        self._world, self._act = world, act
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run)

    def until_it_waits(self) -> None:
        """Begin."""
        self._thread.start()
        for _ in range(2000):
            if not self._thread.is_alive() or self._waits():
                return
            time.sleep(0.005)
        raise AssertionError("it neither waits nor ends")

    def end(self) -> None:
        """Wait for its end, which has to be a good one."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        assert self._failed == []

    def _waits(self) -> bool:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        with self._world.store.read() as session:
            return bool(session.scalar(text(asked)))

    def _run(self) -> None:
        try:
            self._act()
        except BaseException as error:
            self._failed.append(error)


def stop_at(monkeypatch: pytest.MonkeyPatch, place: str, other: Other, *, after: bool = False) -> None:
    """Let the other transaction run before, or after, the first call of a function."""
    module, _, name = place.rpartition(".")
    real = getattr(__import__(module, fromlist=[name]), name)
    calls: list[None] = []

    def stopped(*args: Any, **about: Any) -> Any:
        calls.append(None)
        answer = real(*args, **about) if after else None
        if len(calls) == 1:
            other.until_it_waits()
        return answer if after else real(*args, **about)

    monkeypatch.setattr(place, stopped)


def put_back(world: World, claim: Claim, how: str) -> None:
    with world.store.write() as session:
        if how == "given back":
            queue.give_back(session, claim, now=world.now)
        else:
            about = {"code": "fit-crashed", "detail": "It crashed.", "retry_after": timedelta(seconds=5)}
            job_events.tell(session, queue.fail(session, claim, now=world.now, **about), now=world.now)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["given back", "tried again"])
def test_a_job_is_put_back_while_a_hold_ends(world: World, monkeypatch: pytest.MonkeyPatch, how: str):
    about = {"question_id": "rail", "reason": "test", "now": world.now, "actor": "test"}
    claim = take(world)
    survey = str(claim.job.survey_id)
    release_acts.hold(world.store, world.secrets, world.settings, survey_id=survey, **about)  # type: ignore[arg-type]
    other = Other(world, partial(put_back, world, claim, how))
    stop_at(monkeypatch, "jobs.release_acts.ask_refit", other)

    ended = release_acts.end_hold(world.store, world.secrets, world.settings, survey_id=survey, **about)  # type: ignore[arg-type]
    other.end()

    assert ended.changed
    with world.store.read() as session:
        (waiting,) = queue.list_jobs(session, survey, ("queued",))
        assert queue.get_job(session, claim.job.id).state in ("queued", "failed")
    assert waiting.question_id == "rail"


def test_a_wave_arrives_in_one_survey_while_the_clock_closes_waves_of_several(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    for survey in (SURVEY, OTHER):
        about = {"survey_id": survey, "pollster": POLLSTER, "reference": "tracker", "actor": "test", "now": NOON}
        days = {"fieldwork_start": NOON.date(), "closes_on": NOON.date()}
        open_wave.open_wave(world.store, world.secrets, world.settings, **about, **days)  # type: ignore[arg-type]
        batch = b'{"id": "b1", "district": "D1", "gender": "man", "age": "old", "rail": "yes"}\n'
        about = {"survey_id": survey, "wave": "tracker", "number": 1, "content": batch, "now": NOON, "actor": "test"}
        open_wave.receive_batch(world.store, world.secrets, world.settings, **about)  # type: ignore[arg-type]
    # By id, the town comes first.
    other = Other(world, partial(push, world, max(SURVEY, OTHER), "w2", 5000))
    stop_at(monkeypatch, "jobs.open_wave.restate", other, after=True)
    tomorrow = NOON + timedelta(days=1, hours=12)

    with world.store.write() as session:
        open_wave.close_due(session, world.secrets, world.settings, now=tomorrow, actor="clock")
    other.end()

    with world.store.read() as session:
        states = {
            (one.survey_id, one.reference): one.state for s in (SURVEY, OTHER) for one in waves.list_waves(session, s)
        }
    assert states[SURVEY, "tracker"] != "open"
    assert states[OTHER, "tracker"] != "open"
    assert (max(SURVEY, OTHER), "w2") in states


def test_a_wave_arrives_in_one_survey_while_the_clock_purges_several(world: World, monkeypatch: pytest.MonkeyPatch):
    other = Other(world, partial(push, world, max(SURVEY, OTHER), "w2", 5000))
    stop_at(monkeypatch, "jobs.retention.purge", other, after=True)

    with world.store.write() as session:
        retention.purge_all(session, world.secrets, now=NOON + timedelta(days=90), actor="clock")
    other.end()

    with world.store.read() as session:
        purged = [session.scalar(text("SELECT count(*) FROM wave_event WHERE kind = 'purged'"))]
    assert purged == [2]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_whatever_comes_together_nobody_is_aborted(world: World):
    """Acts at random, in six threads; a deadlock would be an exception."""
    numbers, end, failed = iter(range(1, 10**6)), time.monotonic() + 40, []

    def now() -> datetime:
        return datetime.now(UTC)

    def some(rng: random.Random) -> dict[str, Any]:
        return {"survey_id": rng.choice([SURVEY, OTHER]), "reason": "test", "now": now(), "actor": "test"}

    def arrive(rng: random.Random) -> None:
        number = next(numbers)
        day = date(2025, 1, 1) + timedelta(days=number)
        receive.receive_wave(
            world.store, world.secrets, world.settings, survey_id=rng.choice([SURVEY, OTHER]), pollster=POLLSTER,
            reference=f"x{number}", content=wave_csv(20, start=1000 * number, questions=("rail", "tax")),
            fieldwork_start=day, fieldwork_end=day, now=now(), actor="test",
        )  # fmt: skip

    def withdraw(rng: random.Random) -> None:
        about = some(rng)
        with world.store.read() as session:
            listed = [one.id for one in waves.list_waves(session, about["survey_id"]) if one.state == "accepted"]
        if len(listed) > 1:
            wave_life.withdraw(world.store, world.secrets, world.settings, wave=rng.choice(listed), **about)

    def put_one_back(rng: random.Random) -> None:
        with world.store.write() as session:
            later = now() + timedelta(hours=2)
            claim = queue.claim(session, owner="w", now=later, lease=timedelta(seconds=15))
        if claim is not None:
            time.sleep(0.02 * rng.random())
            put_back(world, claim, rng.choice(["given back", "tried again"]))

    def end_badly(rng: random.Random) -> None:
        with world.store.write() as session:
            claim = queue.claim(session, owner="w", now=now() + timedelta(hours=2), lease=timedelta(seconds=15))
        if claim is not None and claim.job.survey_id and claim.job.question_id:
            with world.store.write() as session:
                ended = queue.fail(session, claim, now=now(), code="x", detail="x")
                releases.mark_stale(session, claim.job.survey_id, claim.job.question_id, now(), "x")
                job_events.tell(session, ended, now=now())

    def cancel(rng: random.Random) -> None:
        with world.store.read() as session:
            listed = queue.list_jobs(session, states=("queued", "running"))
        if listed:
            job_acts.cancel(world.store, world.secrets, job_id=rng.choice(listed).id, now=now(), actor="test")

    def keep(rng: random.Random) -> None:
        release_acts.hold(world.store, world.secrets, world.settings, question_id="rail", **some(rng))

    def let_go(rng: random.Random) -> None:
        release_acts.end_hold(world.store, world.secrets, world.settings, question_id="rail", **some(rng))

    def tick(rng: random.Random) -> None:
        with world.store.write() as session:
            if rng.random() < 0.5:
                sweep(session, world.settings, now=now())
            else:
                raise_alarms(session, Settings(stale_alarm_s=1), now=now() + timedelta(hours=3))

    acts = [arrive, arrive, withdraw, put_one_back, put_one_back, put_one_back, end_badly, cancel, keep, let_go, tick]

    def run(seed: int) -> None:
        rng = random.Random(seed)
        while time.monotonic() < end and not failed:
            try:
                rng.choice(acts)(rng)
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
