"""Lists page by page: each thing once, whatever comes meanwhile."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.cursors import write_cursor
from polling.store import audit, outbox, queue, webhooks
from polling.store.engine import Store
from tests.api.world import SURVEY, World, make_world, wave_csv

BASE = f"/v1/surveys/{SURVEY}"
RELEASES = f"{BASE}/questions/rail/releases"


def ask(world: World, path: str, role: str = "admin", **parameters: Any) -> dict[str, Any]:
    reply = world.get(path, role, params=parameters)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def every(world: World, path: str, name: str, *, limit: int) -> list[Any]:
    """All pages one after the other."""
    page = ask(world, path, limit=limit)
    found = page[name]
    while page["next_cursor"]:
        assert len(page[name]) == limit
        page = ask(world, path, limit=limit, cursor=page["next_cursor"])
        assert page[name]
        found += page[name]
    return list(found)


@pytest.fixture(scope="module")
def busy(served: World) -> World:
    """Four waves, three releases, some jobs of one moment."""
    for number in (2, 3):
        served.release(f"w{number}", wave_csv(100, start=1000 * number))
    served.push("w4", wave_csv(100, start=4000))
    with served.store.write() as session:
        for question in ("tax", "bridge"):
            queue.ask(
                session,
                kind="refit",
                key=f"{SURVEY}/{question}",
                survey_id=SURVEY,
                question_id=question,
                now=served.now,
                quiet=timedelta(0),
                patience=timedelta(0),
            )
    return served


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("path", "name", "least"), [(RELEASES, "releases", 3), (f"{BASE}/waves", "waves", 4), (f"{BASE}/jobs", "jobs", 6)]
)
def test_the_pages_together_are_the_list(busy: World, path: str, name: str, least: int, limit: int):
    whole = ask(busy, path)

    assert whole["next_cursor"] is None
    assert len(whole[name]) >= least
    found = every(busy, path, name, limit=limit)
    assert [one["id"] for one in found] == [one["id"] for one in whole[name]]


def test_deliveries_are_listed_page_by_page(world: World):
    hooks = f"{BASE}/webhooks"
    sent = {"url": "https://[2001:4860:4860::8888]/in"}
    hook = world.client.post(hooks, headers=world.bearer("admin"), json=sent).json()["id"]
    with world.store.write() as session:
        for _ in range(5):
            event = outbox.append(session, "release-published", SURVEY, {"question_id": "rail"}, world.now)
            about = {"kind": "release-published", "state": "given-up", "status": None, "detail": None}
            webhooks.note_try(session, hook, event, **about, now=world.now)

    whole = ask(world, f"{hooks}/{hook}/deliveries")["deliveries"]

    assert len(whole) == 5
    for limit in (1, 2, 5):
        assert every(world, f"{hooks}/{hook}/deliveries", "deliveries", limit=limit) == whole


def test_what_is_published_meanwhile_pushes_nothing_onto_the_next_page(world: World):
    for number in range(3):
        world.release(f"w{number}", wave_csv(100, start=1000 * number))
    first = ask(world, RELEASES, limit=2)
    world.release("later", wave_csv(100, start=9000))

    second = ask(world, RELEASES, limit=2, cursor=first["next_cursor"])

    assert [one["number"] for one in (*first["releases"], *second["releases"])] == [3, 2, 1]
    assert second["next_cursor"] is None


def test_a_cursor_of_another_list_is_refused(busy: World):
    cursor = ask(busy, RELEASES, limit=1)["next_cursor"]

    for path in (f"{BASE}/questions/tax/releases", f"{BASE}/jobs", f"{BASE}/waves"):
        reply = busy.get(path, params={"cursor": cursor})
        assert (reply.status_code, reply.json()["type"]) == (422, "bad-cursor")
    mine = ask(busy, f"{BASE}/waves", "pollster", limit=1)["next_cursor"]
    assert busy.get(f"{BASE}/waves", params={"cursor": mine}).status_code == 422


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_of_a_list_has_at_most_a_thousand(busy: World, limit: int):
    reply = busy.get(RELEASES, params={"limit": limit})
    assert (reply.status_code, reply.json()["detail"]) == (400, "limit must be from 1 to 1,000.")


def test_pages_of_either_store_are_those_of_the_list(store: Store, tmp_path: Path):
    world = make_world(store, tmp_path)
    with world.client:
        for number in range(3):
            world.release(f"w{number}", wave_csv(100, start=1000 * number))
        for path, name in ((RELEASES, "releases"), (f"{BASE}/waves", "waves"), (f"{BASE}/jobs", "jobs")):
            assert every(world, path, name, limit=2) == ask(world, path)[name]
        # Looked for in the database before it is known to be made up.
        forged = write_cursor("x'; --", 1, "forged"), write_cursor("f" * 32, 1, "forged")
        for cursor in forged:
            reply = world.get(f"{BASE}/questions/rail/estimates", params={"cursor": cursor})
            assert (reply.status_code, reply.json()["type"]) == (422, "bad-cursor")
        # What is read is noted, in the same chain on either.
        url = ask(world, RELEASES)["releases"][0]["url"]
        assert world.get(f"{url}/draws", "analyst").status_code == 200
        with store.read() as session:
            assert list(audit.read_entries(session))[-1].action == "draws-read"
