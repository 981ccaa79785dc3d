"""Once the draws of a release are deleted nothing answers in their place: no validator, answer or draws in memory."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jobs.draws import forget_draws
from jobs.erasure import overdue
from jobs.settings import Settings
from polling.store import kept_draws
from tests.api.test_memory import ESTIMATES, away
from tests.api.world import POLLSTER, SURVEY, World, wave_csv

RAIL = f"/v1/surveys/{SURVEY}/questions/rail"
QUESTIONS = ("estimates?level=district", "rank?level=district", "seats", "contrast?versus=no", "districts/D1")


def held(world: World) -> tuple[set[str], int]:
    """Releases in memory, and how many answers."""
    return set(world.services.releases._loaded.keys()), len(world.services.answers._bodies)


@pytest.fixture
def old(world: World) -> str:
    """A release that was served long ago, and is not served any more."""
    first = world.release()
    world.release("w2", wave_csv(100, start=1000))
    world.now += timedelta(days=200)
    return first.id


def forget(world: World) -> None:
    with world.store.write() as session:
        assert forget_draws(session, Settings(), now=world.now) >= 1


def ask(world: World, question: str, release: str, **headers: str) -> Any:
    path, _, query = question.partition("?")
    parameters = dict(part.split("=") for part in query.split("&") if part)
    return world.get(f"{RAIL}/{path}", params=parameters | {"release": release}, headers=headers)


def test_what_retention_deleted_is_gone_for_who_has_the_answer_already(world: World, old: str):
    before = {question: ask(world, question, old) for question in QUESTIONS}
    assert {reply.status_code for reply in before.values()} == {200}
    forget(world)

    for question, reply in before.items():
        for known in ({}, {"If-None-Match": reply.headers["etag"]}, {"If-None-Match": "*"}):
            gone = ask(world, question, old, **known)
            assert (gone.status_code, gone.json()["type"]) == (410, "draws-gone"), (question, known)
            assert "days after a release was last served" in gone.json()["detail"]
    current = world.get(f"{RAIL}/estimates")
    assert current.status_code == 200


def test_a_comparison_with_a_release_that_is_gone_is_gone_too(world: World, old: str):
    reply = world.get(f"{RAIL}/revision", params={"before": old})
    assert reply.status_code == 200
    forget(world)

    for known in ({}, {"If-None-Match": reply.headers["etag"]}, {"If-None-Match": "*"}):
        assert world.get(f"{RAIL}/revision", params={"before": old}, headers=known).status_code == 410


def test_draws_and_answers_leave_memory_at_the_next_look_although_nobody_asks(world: World, old: str):
    kept = world.get(f"{RAIL}/estimates").json()["release_id"]
    _, n_of_kept = held(world)
    for question in QUESTIONS:
        ask(world, question, old)
    assert held(world) == ({old, kept}, n_of_kept * (len(QUESTIONS) + 1))
    forget(world)
    world.services.memory.look()

    assert held(world) == ({kept}, n_of_kept)
    assert world.get(f"{RAIL}/estimates").json()["release_id"] == kept


def test_answers_go_also_where_the_draws_had_left_memory_before(world: World, old: str):
    ask(world, "seats", old)
    world.services.releases._loaded.drop(old)
    forget(world)
    world.services.memory.look()

    assert held(world)[1] == 0


def test_what_an_erasure_deleted_while_it_was_served_is_gone_also_while_the_database_is_away(world: World):
    release = world.release().id
    tag = world.get(ESTIMATES).headers["etag"]
    world.services.memory.look()
    asked = {"respondent": "r7", "pollster": POLLSTER}
    world.client.post(f"/v1/surveys/{SURVEY}/erasures", headers=world.bearer("dpo"), json=asked)
    world.services.memory.look()
    assert world.get(ESTIMATES).status_code == 200  # until a refit, or so many days
    world.now += timedelta(days=15)
    with world.store.write() as session:
        overdue(session, replace(world.settings, erasure_days=14), now=world.now)
        assert kept_draws.still_kept(session, [release]) == set()
    world.services.memory.look()

    assert held(world) == (set(), 0)
    assert world.get(ESTIMATES, headers={"If-None-Match": tag}).status_code == 410
    with away(world.store):
        reply = world.get(ESTIMATES)
        assert (reply.status_code, reply.json()["type"]) == (410, "draws-gone")
        assert "somebody who was erased" in reply.json()["detail"]
