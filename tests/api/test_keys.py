"""Keys over HTTP and on the command line: made, listed, rotated with an overlap, revoked, and when they were used."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from api.key_uses import PAUSE_S, KeyUses
from api.keys import create_key, rotate_key
from polling.errors import KeyStateRefused
from polling.secrets import SecretsFile
from polling.store import audit
from polling.store import keys as stored_keys
from polling.store.engine import Store
from tests.api.test_cli import Run, run  # noqa: F401 (a fixture)
from tests.api.world import NOON, OTHER, POLLSTER, SURVEY, World, write_survey

KEYS = f"/v1/surveys/{SURVEY}/keys"
HOUR = timedelta(hours=1)


def post(world: World, path: str = "", survey: str = SURVEY, **body: Any) -> Any:
    return world.client.post(f"/v1/surveys/{survey}/keys{path}", headers=world.bearer("admin"), json=body)


def works(world: World, key: str) -> bool:
    return bool(world.client.get("/v1/surveys", headers={"Authorization": f"Bearer {key}"}).status_code == 200)


def prefix_of(key: str) -> str:
    return key.split("_")[1]


def entries(world: World) -> list[Any]:
    with world.store.read() as session:
        return [one for one in audit.read_entries(session) if one.action.startswith("key-")]


def test_an_admin_makes_a_key_for_the_survey_and_it_works(world: World):
    reply = post(world, role="pollster", pollster=POLLSTER, days=30, label="their server")

    assert (reply.status_code, reply.headers["cache-control"]) == (201, "no-store")
    made = reply.json()
    about = made["about"]
    assert about["prefix"] == prefix_of(made["key"])
    assert (about["role"], about["pollster"], about["label"], about["state"]) == (
        "pollster",
        POLLSTER,
        "their server",
        "usable",
    )
    assert about["expires_at"] == (world.now + timedelta(days=30)).isoformat().replace("+00:00", "Z")
    assert works(world, made["key"])
    seen = world.client.get("/v1/surveys", headers={"Authorization": f"Bearer {made['key']}"}).json()
    assert [one["id"] for one in seen["surveys"]] == [SURVEY]
    world.now += timedelta(days=30)
    assert not works(world, made["key"])


@pytest.mark.parametrize(
    ("body", "status", "kind", "words"),
    [
        ({"role": "pollster"}, 422, "bad-key-request", "needs the pollster"),
        ({"role": "reader", "pollster": POLLSTER}, 422, "bad-key-request", "speaks for a pollster"),
        ({"role": "readr"}, 422, "unknown-choice", "Did you mean 'reader'?"),
        ({"role": "reader", "days": 0}, 400, "bad-request", "days"),
        ({"role": "reader", "scope": OTHER}, 400, "bad-request", "scope"),
        ({}, 400, "bad-request", "role"),
        ({"role": "reader", "label": "a\0b"}, 400, "nul-character", "NUL"),
    ],
)
def test_what_cannot_be_is_refused(world: World, body: dict[str, Any], status: int, kind: str, words: str):
    before = entries(world)
    reply = post(world, **body)

    assert (reply.status_code, reply.json()["type"]) == (status, kind)
    assert words in reply.json()["detail"]
    assert entries(world)[: len(before)] == before
    assert [one.action for one in entries(world)[len(before) :]] == ["key-created"]  # the admin's own


def test_the_list_has_the_surveys_own_keys_and_no_secret(world: World):
    everywhere, elsewhere = world.key("reader", survey=None), world.key("reader", survey=OTHER)
    mine = world.key("reader", label="the app")

    reply = world.get(KEYS)

    assert {one["prefix"] for one in reply.json()["keys"]} == {prefix_of(mine), prefix_of(world.keys["admin"])}
    for key in (mine, everywhere, elsewhere):
        assert key.split("_")[2] not in reply.text
    assert "hash" not in reply.text


def test_a_rotated_key_works_beside_the_new_one_for_the_overlap(world: World):
    old = world.key("analyst", label="a note")

    reply = post(world, f"/{prefix_of(old)}/rotate", overlap_hours=2)

    assert reply.status_code == 201
    new, about, replaced = (reply.json()[name] for name in ("key", "about", "replaced"))
    assert (about["role"], about["label"], about["replaces"], about["expires_at"]) == (
        "analyst",
        "a note",
        prefix_of(old),
        None,
    )
    assert replaced["expires_at"] == (world.now + 2 * HOUR).isoformat().replace("+00:00", "Z")
    assert works(world, old)
    assert works(world, new)
    world.now += 2 * HOUR
    assert not works(world, old)
    assert works(world, new)
    entry = entries(world)[-1]
    assert (entry.action, entry.subject, entry.survey_id) == ("key-rotated", prefix_of(old), SURVEY)
    assert entry.detail["new_key"] == prefix_of(new)
    assert entry.actor.endswith(prefix_of(world.keys["admin"]))


def test_without_an_overlap_the_old_key_ends_at_once(world: World):
    old = world.key("reader")
    new = post(world, f"/{prefix_of(old)}/rotate", overlap_hours=0).json()["key"]

    assert (works(world, old), works(world, new)) == (False, True)


def test_a_key_that_expires_gets_a_successor_that_lives_as_long_and_does_not_live_longer_itself(world: World):
    old = world.key("reader", expires_at=world.now + 10 * HOUR)
    world.now += 9 * HOUR

    told = post(world, f"/{prefix_of(old)}/rotate", overlap_hours=24).json()

    assert told["about"]["expires_at"] == (world.now + 10 * HOUR).isoformat().replace("+00:00", "Z")
    assert told["replaced"]["expires_at"] == (world.now + HOUR).isoformat().replace("+00:00", "Z")


def test_a_key_is_rotated_once_unless_its_successor_was_revoked(world: World):
    old = prefix_of(world.key("reader"))
    first = post(world, f"/{old}/rotate").json()["about"]["prefix"]

    again = post(world, f"/{old}/rotate")
    assert (again.status_code, again.json()["type"]) == (409, "key-state")
    assert first in again.json()["detail"]
    assert post(world, f"/{first}/revoke").json()["state"] == "revoked"
    assert post(world, f"/{old}/rotate").status_code == 201


def test_of_two_rotations_at_the_same_moment_one_takes_place(store: Store, tmp_path: Path):
    secrets, about = SecretsFile(tmp_path / "secrets.toml"), {"actor": "t", "now": NOON}
    prefix = prefix_of(create_key(store, secrets, role="reader", survey_id=None, **about)[0])

    def rotate(_: int) -> str:
        try:
            return rotate_key(store, secrets, prefix, **about)[1].prefix
        except KeyStateRefused:
            return ""

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(rotate, range(4)))

    assert sum(map(bool, made)) == 1
    with store.read() as session:
        assert len(stored_keys.list_keys(session)) == 2


def test_a_key_that_is_over_is_not_rotated(world: World):
    revoked, expired = world.key("reader"), world.key("reader", expires_at=world.now)
    post(world, f"/{prefix_of(revoked)}/revoke")

    for key, state in ((revoked, "revoked"), (expired, "expired")):
        reply = post(world, f"/{prefix_of(key)}/rotate")
        assert (reply.status_code, reply.json()["type"]) == (409, "key-state")
        assert state in reply.json()["detail"]


def test_a_revoked_key_is_refused_at_once_and_revoking_again_changes_nothing(world: World):
    key = world.key("reader")
    assert works(world, key)

    first = post(world, f"/{prefix_of(key)}/revoke").json()
    assert not works(world, key)
    world.now += HOUR
    assert post(world, f"/{prefix_of(key)}/revoke").json() == first


@pytest.mark.parametrize("act", ["rotate", "revoke"])
@pytest.mark.parametrize("scope", [OTHER, None])
def test_keys_of_other_surveys_and_of_every_survey_are_not_found(world: World, act: str, scope: str | None):
    key = world.key("admin", survey=scope)

    reply = post(world, f"/{prefix_of(key)}/{act}")
    missing = post(world, f"/00000000/{act}")

    assert (reply.status_code, reply.json()["type"]) == (404, "key-not-found")
    assert reply.text.replace(prefix_of(key), "00000000") == missing.text
    assert works(world, key)


# When a key was used


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def last_used(world: World, key: str) -> Any:
    with world.store.read() as session:
        found = stored_keys.find_key_by_prefix(session, prefix_of(key))
    assert found is not None
    return found.last_used_at


def test_a_use_is_noted_to_the_hour_with_one_write_for_many_requests(world: World, monkeypatch: pytest.MonkeyPatch):
    key, clock = world.key("reader"), Clock()
    uses = KeyUses(world.store, clock=clock)
    object.__setattr__(world.services, "uses", uses)
    written: list[int] = []
    note = stored_keys.note_uses
    monkeypatch.setattr(
        stored_keys, "note_uses", lambda session, used: (written.append(len(used)), note(session, used))
    )
    world.now = world.now.replace(minute=59)

    for _ in range(5):
        works(world, key)
        uses.write_in_time()
    assert last_used(world, key) is None  # too early
    clock.now += PAUSE_S
    for _ in range(5):
        works(world, key)
        uses.write_in_time()
    assert last_used(world, key) == world.now.replace(minute=0)
    world.now += timedelta(minutes=1)
    works(world, key)
    uses.write_in_time()
    assert written == [1]
    clock.now += PAUSE_S
    uses.write_in_time()
    assert written == [1, 1]
    assert last_used(world, key) == world.now
    told = {one["prefix"]: one["last_used_at"] for one in world.get(KEYS).json()["keys"]}
    assert told[prefix_of(key)] == world.now.isoformat().replace("+00:00", "Z")


def test_a_use_that_cannot_be_written_now_is_written_later(world: World, monkeypatch: pytest.MonkeyPatch):
    key, clock = world.key("reader"), Clock()
    uses = KeyUses(world.store, clock=clock)
    object.__setattr__(world.services, "uses", uses)
    works(world, key)

    def locked(*_: object) -> None:
        raise OperationalError("UPDATE", {}, Exception("database is locked"))

    with monkeypatch.context() as patch:
        patch.setattr(stored_keys, "note_uses", locked)
        clock.now += PAUSE_S
        uses.write_in_time()
    uses.write_in_time()
    assert last_used(world, key) is None  # a pause after each try
    clock.now += PAUSE_S
    uses.write_in_time()
    assert last_used(world, key) == world.now


def test_a_key_that_is_not_accepted_was_not_used(world: World):
    key = world.key("reader", expires_at=world.now)
    works(world, key)
    world.services.uses.write()

    assert last_used(world, key) is None


# On the command line


def test_keys_are_rotated_on_the_command_line(run: Run, tmp_path: Path):  # noqa: F811
    run("survey", "add", write_survey(tmp_path / "town"))
    old = json.loads(run("key", "create", "--role", "reader", "--survey", SURVEY, "--json").output)

    text = run("key", "rotate", old["prefix"], "--overlap-hours", 1)
    assert text.stdout.startswith("hust_")
    assert "stays valid until" in text.stderr
    rows = json.loads(run("key", "list", "--json").output)["keys"]
    assert [(one["prefix"], one["replaces"]) for one in rows] == [
        (old["prefix"], None),
        (prefix_of(text.stdout.strip()), old["prefix"]),
    ]
    assert "last used" in run("key", "list").output
    run("key", "rotate", old["prefix"], code=1)
    run("key", "rotate", "nonsense", code=2)
    run("key", "rotate", old["prefix"], "--overlap-hours", 9999, code=2)
