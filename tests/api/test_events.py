"""The stream of a survey's events: nothing is lost, nothing is told to whom it is not for, every place comes free."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import event_hub, event_stream
from api.edge import Edge
from api.keys import revoke_key
from jobs.events import KINDS, ROLES, TYPES
from polling.store import outbox
from polling.store.engine import Store
from tests.api.following import Following
from tests.api.world import NOON, OTHER, POLLSTER, RIVAL, SURVEY, World, make_world

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_hub, "LOOK_S", 0.01)
    monkeypatch.setattr(event_stream, "LAST_WORDS_S", 0.2)


MARK = -1
"""The version in an event that is there to be waited for."""


def follow(world: World, role: str = "admin", **about: Any) -> Following:
    world.bearer(role)
    return Following(Edge(world.app), world.keys[role], **about)


def happen(store: Store, *numbers: int, survey: str = SURVEY, kind: str = "survey-updated") -> list[int]:
    with store.write() as session:
        return [outbox.append(session, kind, survey, {"version": n}, NOON) for n in numbers]


def newest(store: Store) -> int:
    with store.read() as session:
        return outbox.newest_id(session)


async def seen_by(world: World, role: str, **about: Any) -> list[dict[str, Any]]:
    """Everything that a role is told of what happened so far."""
    async with follow(world, role, query="last_event_id=0", **about) as one:
        end = happen(world.store, MARK)[0]
        with suppress(AssertionError):
            await one.until(lambda: one.ids[-1:] == [end], seconds=0.5)
        return [event for event in one.events if event.get("version") != MARK]


# Steps: an event of the survey, one of another survey, client 0, 1 or 2 goes away and comes back, a pause.
STEPS = st.lists(st.sampled_from(["here", "there", 0, 1, 2, "pause"]), max_size=40)


@pytest.fixture(scope="module")
def followed(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    from tests.api.conftest import _world

    yield from _world(_sqlite_template, tmp_path_factory.mktemp("followed"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, begin=st.sampled_from(["now", "first"]))
def test_whoever_reconnects_has_every_event_once_and_in_order(
    followed: World, steps: list[str | int], begin: str
) -> None:
    async def run() -> None:
        start = newest(followed.store)
        query = "" if begin == "now" else f"last_event_id={start}"
        clients = [await follow(followed, query=query).__aenter__() for _ in range(3)]
        had: list[list[int]] = [[], [], []]
        expected: list[int] = []
        for step in steps:
            if step == "pause":
                await asyncio.sleep(0.015)
            elif step == "here":
                expected += happen(followed.store, 1)
            elif step == "there":
                happen(followed.store, 1, survey=OTHER)
            else:
                leaving = clients[step]
                await leaving.leave()
                had[step] += leaving.ids
                last = leaving.last if leaving.last is not None else start if begin == "first" else None
                if last is None:  # it left before it knew its place: what it then misses, it never asked for
                    last = start
                headers = {"Last-Event-ID": str(had[step][-1] if had[step] else last)}
                clients[step] = await follow(followed, query=query, headers=headers).__aenter__()
        for number, client in enumerate(clients):
            done = lambda n=number, c=client: len(had[n]) + len(c.ids) >= len(expected)  # noqa: E731
            await client.until(done)
        await asyncio.sleep(0.02)
        for number, client in enumerate(clients):
            await client.leave()
            assert had[number] + client.ids == expected

    asyncio.run(run())
    assert len(followed.services.events) == 0


def test_writers_at_the_same_time_lose_nothing(store: Store, tmp_path: Path) -> None:
    """A later id may not be told before an earlier one that is not committed yet: it would never be told."""
    world = make_world(store, tmp_path)
    start = newest(store)

    def write(number: int) -> None:
        for n in range(12):
            with store.write() as session:
                outbox.append(session, "survey-updated", SURVEY, {"version": n}, NOON)
                time.sleep(0.01 * (number % 3))  # between the id and the commit, when others have their turn

    async def run() -> list[int]:
        async with follow(world) as one:
            writers = [Thread(target=write, args=(n,)) for n in range(4)]
            for writer in writers:
                writer.start()
            await one.until(lambda: len(one.ids) >= 48, seconds=30)
            for writer in writers:
                writer.join()
            return one.ids

    with world.client:
        ids = asyncio.run(run())
    with store.read() as session:
        assert ids == [event.id for event in outbox.read_after(session, start)]


def test_each_role_is_told_what_it_may_know(world: World) -> None:
    world.release()
    world.key("pollster", pollster=RIVAL)
    world.keys["rival"] = world.key("pollster", pollster=RIVAL)
    world.push("r1", role="rival")
    world.push("odd", role="pollster", content=b"x")  # rejected: nothing happened

    async def run() -> dict[str, list[dict[str, Any]]]:
        return {role: await seen_by(world, role) for role in (*ROLES, "rival")}

    seen = asyncio.run(run())
    kinds = {role: [event["kind"] for event in told] for role, told in seen.items()}
    assert kinds["reader"] == ["release-published"]
    assert kinds["pollster"] == ["wave-received", "release-published"]
    assert kinds["rival"] == ["release-published", "wave-received"]
    assert kinds["dpo"] == ["wave-received", "release-published", "wave-received"]
    everything = [
        "survey-added",
        "job-queued",
        "wave-received",
        "job-running",
        "release-published",
        "job-succeeded",
        "job-queued",
        "wave-received",
    ]
    assert kinds["analyst"] == kinds["admin"] == everything
    assert {event["pollster"] for event in seen["pollster"] if event["type"] == "wave"} == {POLLSTER}


def test_a_pollster_is_not_told_of_releases_that_its_waves_do_not_touch(world: World) -> None:
    world.release()
    world.keys["rival"] = world.key("pollster", pollster=RIVAL)

    assert asyncio.run(seen_by(world, "rival")) == []


def test_an_event_leads_to_what_it_is_about(world: World) -> None:
    world.release()

    for event in asyncio.run(seen_by(world, "admin")):
        if event["type"] in ("wave", "job", "release"):
            assert world.get(event["url"]).json()["id"] == event[event["type"]]


def test_events_have_no_counts_reasons_or_answers(world: World) -> None:
    world.release()
    world.push("w2")
    canary = "because respondent r17 of the 400 said yes"
    for act in ("withdraw", "restore"):
        path = f"/v1/surveys/{SURVEY}/waves/w1/{act}"
        assert world.client.post(path, headers=world.bearer("pollster"), json={"reason": canary}).status_code == 200
    path = f"/v1/surveys/{SURVEY}/questions/rail/hold"
    assert world.client.post(path, headers=world.bearer("analyst"), json={"reason": canary}).status_code == 200
    world.work()

    told = asyncio.run(seen_by(world, "admin"))

    assert {event["kind"] for event in told} >= {"wave-withdrawn", "wave-restored", "question-held", "job-succeeded"}
    assert "r17" not in json.dumps(told)
    assert 400 not in [value for event in told for value in event.values()]
    allowed = {"id", "type", "kind", "survey", "at", "url", "wave", "questions", "version", "state", "pollster"}
    allowed |= {"reference", "job", "question", "work", "attempt", "code", "release", "number", "taken_back"}
    assert {name for event in told for name in event} <= allowed


def test_every_kind_that_is_noted_was_decided_about() -> None:
    """A kind that ``jobs.events`` does not declare is told to nobody: then somebody has to have meant that."""
    sources = [path.read_text() for room in ("polling", "jobs") for path in (ROOT / room).rglob("*.py")]
    noted = {kind for text in sources for kind in re.findall(r'outbox\.append\(\s*session, "([a-z-]+)"', text)}
    waves = {kind for text in sources for kind in re.findall(r'append_event\([^"]*?"([a-z-]+)"', text)}

    assert len(noted) >= 9
    assert len(waves) >= 9
    assert noted | {f"wave-{kind}" for kind in waves} <= set(KINDS)
    assert {kind for kind, _ in KINDS.values()} == set(TYPES)
    assert set().union(*ROLES.values()) == set(TYPES)


def test_without_a_last_id_it_begins_now_and_says_where(world: World) -> None:
    async def run() -> None:
        before = newest(world.store)
        async with follow(world) as one:
            await one.until(lambda: one.last is not None)
            assert one.everything == [{"id": before, "kind": "ready", "survey": SURVEY, "type": "ready"}]
            assert one.body.startswith(b"retry: ")
            (new,) = happen(world.store, 7)
            await one.until(lambda: one.ids == [new])

    asyncio.run(run())


def test_the_header_counts_more_than_the_parameter(world: World) -> None:
    first, second = happen(world.store, 1, 2)

    async def run() -> None:
        headers = {"Last-Event-ID": str(first)}
        async with follow(world, query="last_event_id=0", headers=headers) as one:
            await one.until(lambda: one.ids == [second])

    asyncio.run(run())


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "9" * 30, "%00"])
def test_an_id_that_is_none_is_refused(world: World, given: str) -> None:
    reply = world.get(f"/v1/surveys/{SURVEY}/events?last_event_id={given}")
    assert (reply.status_code, reply.json()["type"]) in ((400, "bad-event-id"), (400, "nul-character"))


def test_whoever_comes_too_late_is_told_so(world: World) -> None:
    _, second, third = happen(world.store, 1, 2, 3)
    happen(world.store, 1, survey=OTHER)
    with world.store.write() as session:
        assert outbox.forget(session, before=NOON + timedelta(seconds=1)) > 0
        assert outbox.forget(session, before=NOON + timedelta(seconds=1)) == 0

    gone = world.get(f"/v1/surveys/{SURVEY}/events?last_event_id={second}")
    unknown = world.get(f"/v1/surveys/{SURVEY}/events?last_event_id={third + 1000}")

    assert (gone.status_code, gone.json()["type"]) == (410, "events-gone")
    assert "event_days" in gone.json()["detail"]
    assert (unknown.status_code, unknown.json()["type"]) == (410, "events-gone")
    assert "restored" in unknown.json()["detail"]

    async def run() -> None:
        (new,) = happen(world.store, 9)
        for query, expected in (("last_event_id=0", [third, new]), (f"last_event_id={third}", [new])):
            async with follow(world, query=query) as one:
                await one.until(lambda one=one, expected=expected: one.ids == expected)

    asyncio.run(run())


def test_a_survey_outside_the_key_is_not_found_and_no_key_opens_nothing(world: World) -> None:
    assert world.get(f"/v1/surveys/{OTHER}/events").status_code == 404
    assert world.client.get(f"/v1/surveys/{SURVEY}/events").status_code == 401
    world.keys["monitor"] = world.key("monitor")
    assert world.get(f"/v1/surveys/{SURVEY}/events", "monitor").status_code == 403


def test_head_has_an_end(world: World) -> None:
    reply = world.client.head(f"/v1/surveys/{SURVEY}/events", headers=world.bearer("reader"))
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert len(world.services.events) == 0


def test_a_client_that_takes_nothing_is_cut_and_comes_back_to_everything(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_hub, "MAX_WAITING", 5)

    async def run() -> None:
        start = newest(world.store)
        async with follow(world, takes=False) as slow, follow(world) as quick:
            expected = []
            for n in range(20):
                expected += happen(world.store, n)
                await quick.until(lambda n=n: len(quick.ids) == n + 1)
            await slow.gone()
            assert slow.ids == []
            await quick.until(lambda: len(world.services.events) == 1)
        async with follow(world, query=f"last_event_id={start}") as again:
            await again.until(lambda: again.ids == expected)

    asyncio.run(run())


def test_a_key_has_so_many_streams_and_a_place_comes_free_when_its_client_goes(
    tmp_path: Path, sqlite_store: Store
) -> None:
    world = make_world(sqlite_store, tmp_path, streams_per_key=2, max_streams=3)

    async def run() -> None:
        one = await follow(world).__aenter__()
        async with follow(world), follow(world) as refused:
            assert refused.status == 429
            problem = json.loads(refused.body)
            assert problem["type"] == "too-many-streams"
            assert "streams_per_key" in problem["detail"]
            async with follow(world, "reader"), follow(world, "analyst") as full:
                assert "max_streams" in json.loads(full.body)["detail"]
            await one.leave()
            async with follow(world) as again:
                assert again.status == 200
        assert len(world.services.events) == 0

    with world.client:
        asyncio.run(run())


@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_a_key_that_opens_nothing_any_more_loses_its_streams(world: World, how: str) -> None:
    expires = world.now + timedelta(hours=1)
    world.keys["short"] = world.key("admin", expires_at=expires)
    prefix = world.keys["short"].split("_")[1]

    async def run() -> None:
        async with follow(world, "short") as ending, follow(world) as other:
            await asyncio.sleep(0.1)
            if how == "revoked":
                revoke_key(world.store, world.secrets, prefix, actor="test", now=world.now)
            else:
                world.now = expires
            await ending.gone()
            assert b": The key was revoked or has expired.\n\n" in ending.body
            (new,) = happen(world.store, 1)
            await other.until(lambda: other.ids == [new])
            assert ending.ids == []

    asyncio.run(run())


def test_a_quiet_stream_gives_signs_of_life(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.05)

    async def run() -> None:
        async with follow(world) as one:
            await one.until(lambda: one.body.count(b": still here\n\n") >= 2)
            assert one.events == []

    asyncio.run(run())


def test_streams_end_when_the_service_stops_and_new_ones_at_once(world: World) -> None:
    async def run() -> None:
        async with follow(world) as one, follow(world, takes=False) as stuck:
            (new,) = happen(world.store, 1)
            await one.until(lambda: one.ids == [new])
            world.services.events.end()
            await one.gone()
            await stuck.gone()
            assert one.body.endswith(b": The service is stopping. Connect again.\n\n")
            assert one.ended
        async with follow(world) as late:
            await late.gone()
            assert late.status == 200

    asyncio.run(run())
    assert len(world.services.events) == 0


def test_a_server_that_lags_behind_another_repeats_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        hub = world.services.events
        async with follow(world) as first:
            await first.until(lambda: first.last is not None)
            monkeypatch.setattr(hub, "look", lambda: None)
            await asyncio.sleep(0.05)
            seen, unseen = happen(world.store, 1, 2)
            async with follow(world, query=f"last_event_id={seen}") as second:
                await asyncio.sleep(0.05)
                monkeypatch.undo()
                await second.until(lambda: second.ids == [unseen])
                await first.until(lambda: first.ids == [seen, unseen])

    asyncio.run(run())


def test_followers_cost_one_look_for_all_of_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = SimpleNamespace(n=0)
    real: Callable[..., Any] = world.store.read

    async def run() -> None:
        clients = [await follow(world).__aenter__() for _ in range(40)]
        for one in clients:
            await one.until(lambda one=one: one.last is not None)

        def counted() -> Any:
            reads.n += 1
            return real()

        monkeypatch.setattr(world.store, "read", counted)
        for _ in range(20):  # a look that joining caused may be under way
            reads.n = 0
            await asyncio.sleep(0.2)
            if reads.n == 0:
                break
        assert reads.n == 0  # nothing was committed
        expected = happen(world.store, 1)
        for one in clients:
            await one.until(lambda one=one: one.ids == expected)
        assert reads.n <= 2
        for one in clients:
            await one.leave()

    asyncio.run(run())
