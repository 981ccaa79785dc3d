"""Tickets: one stream, once, within a minute, on any server of the house, for what their key may see, in no log."""

import asyncio
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.app import build
from api.edge import Edge
from api.errors import TicketRefused
from api.keys import revoke_key
from api.release_cache import ReleaseCache
from api.services import Services
from api.tickets import LASTS, make_ticket, use_ticket
from polling.store import outbox
from polling.store.engine import Store
from polling.store.tickets import take
from tests.api.following import Following
from tests.api.world import NOON, OTHER, SURVEY, World, make_world

EVENTS = f"/v1/surveys/{SURVEY}/events"


def ticket(world: World, role: str = "reader") -> dict[str, Any]:
    reply = world.client.post(f"{EVENTS}/ticket", headers=world.bearer(role))
    assert reply.status_code == 201
    body: dict[str, Any] = reply.json()
    return body


def refused(world: World, path: str) -> str:
    world.bearer("reader")  # somebody has a key here
    reply = world.client.get(path)
    assert reply.status_code == 401
    return str(reply.json()["type"])


def test_a_ticket_opens_one_stream_once_for_what_its_key_may_see(world: World) -> None:
    made = ticket(world)
    assert made["expires_at"] == (world.now + LASTS).isoformat().replace("+00:00", "Z")
    path, _, query = made["url"].partition("?")

    async def run() -> None:
        async with Following(Edge(world.app), None, path=path, query=query) as one:
            with world.store.write() as session:
                outbox.append(session, "survey-updated", SURVEY, {"version": 2}, NOON)  # not for readers
                told = outbox.append(session, "release-published", SURVEY, {"question_id": "rail"}, NOON)
            await one.until(lambda: one.ids == [told])

    asyncio.run(run())
    assert refused(world, made["url"]) == "ticket-refused"


def test_a_ticket_resumes_where_it_is_told(world: World) -> None:
    made = ticket(world, "admin")

    async def run() -> None:
        query = made["url"].partition("?")[2] + "&last_event_id=0"
        async with Following(Edge(world.app), None, query=query) as one:
            await one.until(lambda: [event["kind"] for event in one.events] == ["survey-added"])

    asyncio.run(run())


@pytest.mark.parametrize("text", ["", "x", "hustticket_x", "hustticket_" + "A" * 43, "%ff", "hust_abcdefgh_secret"])
def test_what_is_no_ticket_opens_nothing(world: World, text: str) -> None:
    assert refused(world, f"{EVENTS}?ticket={text}") == "ticket-refused"


def test_a_ticket_is_for_one_survey_and_sixty_seconds(world: World) -> None:
    elsewhere, late = ticket(world), ticket(world)
    world.keys["everywhere"] = world.key("reader", survey=None)

    assert refused(world, elsewhere["url"].replace(SURVEY, OTHER)) == "ticket-refused"
    world.now += LASTS
    assert refused(world, late["url"]) == "ticket-refused"


def test_a_ticket_opens_no_other_route(world: World) -> None:
    query = ticket(world, "admin")["url"].partition("?")[2]

    for path in ("jobs", "questions/rail/estimates", "waves"):
        assert refused(world, f"/v1/surveys/{SURVEY}/{path}?{query}") == "key-missing"
    assert world.client.post(f"{EVENTS}/ticket?{query}").status_code == 401


@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_a_ticket_ends_with_its_key(world: World, how: str) -> None:
    expires = world.now + timedelta(seconds=30)
    world.keys["short"] = world.key("reader", expires_at=expires)
    made = ticket(world, "short")
    if how == "revoked":
        revoke_key(world.store, world.secrets, world.keys["short"].split("_")[1], actor="test", now=world.now)
    else:
        world.now = expires

    assert refused(world, made["url"]) == "key-refused"


def test_a_key_in_the_url_is_refused(world: World) -> None:
    world.bearer("reader")
    for name in ("key", "token", "api_key", "ticket"):
        assert world.client.get(f"{EVENTS}?{name}={world.keys['reader']}").status_code == 401


def test_another_server_on_the_same_database_takes_it_and_of_many_one(
    store: Store, store_url: str, open_stores: Callable[[str], Store], tmp_path: Path
) -> None:
    world = make_world(store, tmp_path)
    other = open_stores(store_url)
    cache = ReleaseCache(other, world.secrets, world.settings)
    there = Services(other, world.secrets, world.settings, cache, lambda: world.now)
    about = {"survey_id": SURVEY, "now": world.now}
    world.key("reader")
    made, _ = make_ticket(world.services, prefix="abc", **about)

    def show(services: Services) -> str | None:
        try:
            return use_ticket(services, made, **about)
        except TicketRefused:
            return None

    with ThreadPoolExecutor(8) as threads:
        shown = list(threads.map(show, [world.services, there] * 8))
    assert [one for one in shown if one is not None] == ["abc"]
    assert build(there) is not None


def test_tickets_whose_time_is_over_are_deleted(world: World) -> None:
    ticket(world)
    world.now += LASTS
    ticket(world)
    with world.store.read() as session:
        from sqlalchemy import text

        assert session.scalar(text("SELECT count(*) FROM event_ticket")) == 1
    with world.store.write() as session:
        assert take(session, "nothing", survey_id=SURVEY, now=world.now) is None


def test_a_ticket_is_in_no_log_and_not_in_the_database(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made = ticket(world)
    secret = made["ticket"].removeprefix("hustticket_")
    world.services.events.end()
    assert world.client.get(made["url"]).status_code == 200
    assert world.client.get(made["url"] + "&nonsense=1").status_code == 401

    logged = "\n".join(one.getMessage() for one in caplog.records if not one.name.startswith("httpx"))
    assert "GET /v1/surveys/town/events 200" in logged
    assert secret not in logged
    unused = ticket(world)["ticket"]
    held = b"".join(path.read_bytes() for path in world.settings.data_dir.glob("hustings.db*"))
    assert unused.encode() not in held
    assert json.dumps(made)  # only the answer has it
