"""Reads while the database is away: what is answered from memory, what that says of itself, and for how long."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from api.memory import Memory
from polling.keys import key_prefix
from polling.store import keys
from polling.store.engine import Store
from tests.api.world import SURVEY, World, wave_csv

ESTIMATES = f"/v1/surveys/{SURVEY}/questions/rail/estimates"


class Ticks:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks(world: World) -> Ticks:
    """The clock of a memory that looks only when a test does."""
    world.services.memory.stop()
    clock = Ticks()
    memory = Memory(world.store, world.services.releases, memory_s=900, most=2, clock=clock)
    object.__setattr__(world.services, "memory", memory)
    return clock


@contextmanager
def away(store: Store) -> Iterator[None]:
    """The database does not answer."""

    @contextmanager
    def refuse() -> Iterator[Any]:
        raise OperationalError("SELECT 1", {}, Exception("connection refused"))
        yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "stamp", lambda: refuse().__enter__())
        patch.setattr(store, "read", refuse)
        patch.setattr(store, "write", refuse)
        yield


@pytest.mark.usefixtures("ticks")
def test_estimates_are_the_same_and_say_that_nobody_knows_whether_they_are_current(world: World):
    world.release()
    before = world.get(ESTIMATES, params={"level": "district"})
    world.services.memory.look()

    with away(world.store):
        reply = world.get(ESTIMATES, params={"level": "district"})

    assert reply.status_code == 200
    assert reply.json()["estimates"] == before.json()["estimates"]
    assert reply.json()["stale_reason"].startswith("The database has not answered since 20")
    assert reply.json()["stale_since"] is not None
    assert reply.headers["etag"] != before.headers["etag"]


@pytest.mark.usefixtures("ticks")
def test_what_may_be_asked_is_answered_too_and_what_needs_the_database_is_503(world: World):
    world.release()
    paths = [f"/v1/surveys/{SURVEY}{rest}" for rest in ("", "/districts", "/questions", "/questions/rail")]
    replies = [world.get(path) for path in [*paths, ESTIMATES]]
    pushing = world.bearer("pollster")
    world.services.memory.look()

    with away(world.store):
        again = [world.get(path) for path in paths]
        refused = [world.get(f"/v1/surveys/{SURVEY}/waves"), world.get(f"/v1/surveys/{SURVEY}/jobs"), world.push("w2")]

    assert pushing
    assert {reply.status_code for reply in replies + again} == {200}
    assert again[0].json() == replies[0].json()
    assert again[1].json() == replies[1].json()
    assert "has not answered since" in again[3].json()["stale_reason"]
    assert again[2].json()["questions"][0] == again[3].json()
    assert [(reply.status_code, reply.json()["type"]) for reply in refused] == [(503, "database-unreachable")] * 3


def test_after_its_time_nothing_is_answered_from_memory(world: World, ticks: Ticks):
    world.release()
    world.get(ESTIMATES)
    world.services.memory.look()

    with away(world.store):
        ticks.now += 900
        assert world.get(ESTIMATES).status_code == 200
        ticks.now += 1
        reply = world.get(ESTIMATES)

    assert (reply.status_code, reply.json()["type"]) == (503, "database-unreachable")
    assert "900 s (setting memory_s)" in reply.json()["detail"]
    assert reply.headers["retry-after"] == "5"


@pytest.mark.usefixtures("ticks")
def test_a_key_that_was_revoked_or_has_expired_is_refused_from_memory_too(world: World):
    world.release()
    revoked, expiring = world.key("reader"), world.key("reader", expires_at=world.now + timedelta(hours=1))
    world.get(ESTIMATES)
    with world.store.write() as session:
        keys.revoke_key(session, key_prefix(revoked), now=world.now)
    world.services.memory.look()

    with away(world.store):
        of_revoked = world.client.get(ESTIMATES, headers={"Authorization": f"Bearer {revoked}"})
        of_good = world.client.get(ESTIMATES, headers={"Authorization": f"Bearer {expiring}"})
        world.now += timedelta(hours=2)
        of_expired = world.client.get(ESTIMATES, headers={"Authorization": f"Bearer {expiring}"})

    assert [reply.status_code for reply in (of_revoked, of_good, of_expired)] == [401, 200, 401]


@pytest.mark.usefixtures("ticks")
def test_a_release_that_nobody_has_read_yet_is_ready_after_a_look(world: World):
    world.release()
    world.get(ESTIMATES)
    second = world.release("w2", wave_csv(start=1000))
    world.services.memory.look()

    with away(world.store):
        reply = world.get(ESTIMATES)

    assert reply.status_code == 200
    assert reply.json()["release_id"] == second.id


@pytest.mark.usefixtures("ticks")
def test_what_nobody_read_lately_is_not_in_memory_and_what_does_not_exist_is_not_found(world: World):
    world.release()
    boss = {"Authorization": f"Bearer {world.key('admin', None)}"}
    world.bearer("admin")
    world.services.memory.look()

    with away(world.store):
        unread = world.get(ESTIMATES)
        unasked = world.get(f"/v1/surveys/{SURVEY}/questions/none/estimates")
        without = world.get(f"/v1/surveys/{SURVEY}/questions/tax/estimates")
        not_there = world.client.get("/v1/surveys/none/districts", headers=boss)

    assert (unread.status_code, unread.json()["type"]) == (503, "database-unreachable")
    assert "not in memory" in unread.json()["detail"]
    assert (unasked.status_code, unasked.json()["type"]) == (404, "question-not-found")
    assert (without.status_code, without.json()["type"]) == (404, "no-release-yet")
    assert (not_there.status_code, not_there.json()["type"]) == (404, "survey-not-found")


@pytest.mark.usefixtures("ticks")
def test_a_database_that_comes_back_is_asked_again_without_a_restart(world: World):
    world.release()
    world.get(ESTIMATES)
    world.services.memory.look()
    with away(world.store):
        assert "has not answered" in world.get(ESTIMATES).json()["stale_reason"]
    second = world.release("w2", wave_csv(start=1000))
    # Nobody asks the database before a look has found it.
    assert "has not answered" in world.get(ESTIMATES).json()["stale_reason"]

    world.services.memory.look()

    assert world.get(ESTIMATES).json()["release_id"] == second.id
    assert world.get(ESTIMATES).json()["stale_since"] is None


@pytest.mark.usefixtures("ticks")
def test_before_the_first_look_there_is_no_memory(world: World):
    world.release()
    header = world.bearer("admin")

    with away(world.store):
        reply = world.client.get(ESTIMATES, headers=header)

    assert (reply.status_code, reply.json()["type"]) == (503, "database-unreachable")


def test_the_thread_looks_by_itself_and_ends_with_the_application(world: World):
    assert any(thread.name == "memory" for thread in threading.enumerate())
    world.release()
    world.get(ESTIMATES)
    seen = threading.Event()
    memory = world.services.memory
    looked = memory.look
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "look", lambda: (looked(), seen.set()))
        assert seen.wait(10)
    with away(world.store):
        assert world.get(ESTIMATES).status_code == 200

    memory.stop()
    assert not any(thread.name == "memory" for thread in threading.enumerate())
