"""Two replicas of the web server on one database: they say the same, whichever was asked what before."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from sqlalchemy.exc import OperationalError

from api.app import build, with_edge
from api.release_cache import ReleaseCache
from api.services import Services
from polling.store.engine import Store, open_store
from tests.api.world import SURVEY, World, make_world, wave_csv

QUESTION = f"/v1/surveys/{SURVEY}/questions/rail"
COMPARED = ("etag", "content-type", "content-encoding", "content-disposition", "cache-control", "vary", "link")
READS = (
    f"{QUESTION}/estimates",
    f"{QUESTION}/estimates?level=district&by=gender",
    f"{QUESTION}/estimates?districts=D1,D4&level=district&by=age",
    f"{QUESTION}/estimates?where=gender:man&level=region&by=age",
    f"{QUESTION}/estimates?limit=2&level=district&interval=0.5&option=no",
    f"{QUESTION}/estimates?level=district&format=parquet",
    f"{QUESTION}/rank?level=district&format=csv",
    f"{QUESTION}/districts/D1",
    f"{QUESTION}/methods?level=district",
)


class Replica:
    """A web server: its connections, its memory; the clock and the keys are the world's."""

    def __init__(self, world: World, services: Services, client: TestClient[Any]) -> None:
        self.services = services
        self.client = client
        self._world = world

    def send(self, method: str, path: str, role: str = "admin", **more: Any) -> Any:
        headers = self._world.bearer(role) | more.pop("headers", {})
        return self.client.request(method, path, headers=headers, **more)

    def sent(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer."""
        reply = self.send("GET", path)
        return (
            reply.status_code,
            {name: reply.headers[name] for name in COMPARED if name in reply.headers},
            reply.content,
        )


pytestmark = pytest.mark.parametrize(
    "store_kind", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
"""Replicas stand on different machines, which a database in a file does not reach."""


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    return make_world(store, tmp_path)


@pytest.fixture
def replicas(world: World, store_url: str) -> Iterator[tuple[Replica, Replica]]:
    """The world's own web server, and one with connections and a memory of its own."""
    store = open_store(store_url)
    cache = ReleaseCache(store, world.secrets, world.settings)
    services = Services(store, world.secrets, world.settings, cache, lambda: world.now)
    client = TestClient(with_edge(build(services), services), raise_server_exceptions=False)
    with world.client, client:
        yield Replica(world, world.services, world.client), Replica(world, services, client)
    store.close()


def test_both_answer_in_equal_bytes_whatever_either_was_asked_before(world: World, replicas: tuple[Replica, Replica]):
    one, other = replicas
    first = world.release()
    seen = {path: one.sent(path) for path in READS}
    # The other one is asked the other way round, so that its memory is another one at every question.
    for path in reversed(READS):
        assert other.sent(path) == seen[path], path
        assert seen[path][0] == 200

    second = world.release("w2", wave_csv(300, start=10_000))
    for replica in replicas:
        # Written through neither: each sees it at the next question.
        assert replica.send("GET", READS[0]).json()["release_id"] == second.id
    named = [f"{path}{'&' if '?' in path else '?'}release={first.id}" for path in READS]
    assert [one.sent(path) for path in named] == [other.sent(path) for path in named]


def test_what_is_done_through_one_the_other_knows_at_once(world: World, replicas: tuple[Replica, Replica]):
    one, other = replicas
    release = world.release()
    for replica in replicas:
        assert replica.send("GET", READS[0], "reader").status_code == 200

    said = {"reason": "looked at again"}
    assert one.send("POST", f"{QUESTION}/hold", json=said).status_code == 200
    assert "looked at again" in other.send("GET", READS[0]).json()["stale_reason"]
    assert other.send("POST", f"{QUESTION}/hold/end", json=said).status_code == 200
    assert one.send("GET", READS[0]).json()["stale_reason"] is None

    path = f"/v1/surveys/{SURVEY}/releases/{release.id}"
    assert one.send("POST", f"{path}/pin", json=said).status_code == 200
    assert other.send("GET", path).json()["pinned_since"] is not None

    wave = f"/v1/surveys/{SURVEY}/waves"
    form = {"reference": "w2", "fieldwork_start": "2026-02-20", "fieldwork_end": "2026-02-25"}
    sent = {"data": form, "files": {"file": ("w.csv", wave_csv(60, start=5000))}, "headers": {"Idempotency-Key": "k"}}
    first, again = (replica.send("POST", wave, "pollster", **sent) for replica in replicas)
    assert (first.status_code, again.status_code, again.content) == (202, 202, first.content)

    ticket = one.send("POST", f"/v1/surveys/{SURVEY}/events/ticket").json()["ticket"]
    other.services.events.end()  # a stream has no end by itself
    assert other.client.get(f"/v1/surveys/{SURVEY}/events?ticket={ticket}").status_code == 200
    assert one.client.get(f"/v1/surveys/{SURVEY}/events?ticket={ticket}").status_code == 401


def test_a_key_that_one_revokes_opens_nothing_at_the_other(world: World, replicas: tuple[Replica, Replica]):
    one, other = replicas
    world.release()
    made = one.send("POST", f"/v1/surveys/{SURVEY}/keys", json={"role": "reader"}).json()
    key = {"Authorization": f"Bearer {made['key']}"}
    for _ in range(3):  # a reply that is asked for again is kept at the edge
        assert other.client.get(READS[0], headers=key).status_code == 200

    assert one.send("POST", f"/v1/surveys/{SURVEY}/keys/{made['about']['prefix']}/revoke", json={}).status_code == 200
    assert other.client.get(READS[0], headers=key).status_code == 401


def test_both_forget_whom_one_erased(world: World, replicas: tuple[Replica, Replica]):
    one, other = replicas
    before = world.release()
    named = f"{READS[0]}?release={before.id}"
    for replica in replicas:
        for _ in range(3):
            assert replica.send("GET", named).status_code == 200

    asked = {"respondent": "r7"}
    receipt = one.send("POST", f"/v1/surveys/{SURVEY}/erasures", json=asked).json()
    assert receipt["n_interviews"] == 1
    assert other.send("POST", f"/v1/surveys/{SURVEY}/access", json=asked).json()["interviews"] == []
    assert one.sent(READS[0]) == other.sent(READS[0])
    world.work()

    for replica in replicas:
        assert replica.send("GET", READS[0]).json()["release_id"] != before.id
        reply = replica.send("GET", named)
        assert (reply.status_code, reply.json()["type"]) == (410, "draws-gone")
        replica.services.memory.look()
        assert before.id not in replica.services.releases._loaded.keys()  # noqa: SIM118 (no mapping)
    assert one.sent(READS[1]) == other.sent(READS[1])


def test_a_replica_that_was_down_catches_up(
    world: World, replicas: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch
):
    one, other = replicas
    first = world.release()
    assert one.sent(READS[1]) == other.sent(READS[1])
    other.services.memory.look()

    def away(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    with monkeypatch.context() as cut:
        cut.setattr(other.services.store, "stamp", away)
        cut.setattr(other.services.store, "_read_session", away)
        second = world.release("w2", wave_csv(300, start=10_000))
        world.now += timedelta(minutes=1)
        told = other.send("GET", READS[0]).json()
        assert told["release_id"] == first.id
        assert "The database has not answered since" in told["stale_reason"]
        assert one.send("GET", READS[0]).json()["release_id"] == second.id
    other.services.memory.look()

    assert other.send("GET", READS[0]).json()["release_id"] == second.id
    for path in READS:
        assert one.sent(path) == other.sent(path), path


@pytest.mark.parametrize("path", ["/v1{}/estimates", "{}"])
def test_a_release_that_gives_way_while_it_is_read_is_not_missed(
    world: World, replicas: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch, path: str
):
    one, other = replicas
    before = world.release()
    load = other.services.releases._load

    def overtaken(release_id: str) -> Any:
        # Found already, not loaded yet: in this moment somebody in it is erased, and the next release takes its place.
        if release_id == before.id:
            monkeypatch.setattr(other.services.releases, "_load", load)
            assert one.send("POST", f"/v1/surveys/{SURVEY}/erasures", json={"respondent": "r7"}).status_code == 200
            world.work()
        return load(release_id)

    monkeypatch.setattr(other.services.releases, "_load", overtaken)
    url = path.format(f"/surveys/{SURVEY}/questions/rail")
    headers = world.session("admin") | {"Accept": "text/html"} if path == "{}" else world.bearer("admin")
    reply = other.client.get(url, headers=headers)

    assert reply.status_code == 200
    assert before.id not in reply.text
