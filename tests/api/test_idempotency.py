"""A request that is sent again under its Idempotency-Key."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from api.errors import RequestInFlight
from api.wave_payloads import WaveList
from jobs import delivery
from jobs.tasks import house_tasks
from polling.store import keys, replies, waves
from tests.api.world import SURVEY, World, wave_csv

URL = f"/v1/surveys/{SURVEY}/waves"
FORM = {"reference": "w1", "fieldwork_start": "2026-02-20", "fieldwork_end": "2026-02-25"}


def push(world: World, key: str | None, content: bytes | None = None, *, role: str = "pollster", **form: str) -> Any:
    headers = world.bearer(role) | ({} if key is None else {"Idempotency-Key": key})
    file = ("w.csv", wave_csv() if content is None else content)
    return world.client.post(URL, headers=headers, data=FORM | form, files={"file": file})


def n_waves(world: World) -> int:
    with world.store.read() as session:
        return len(waves.list_waves(session, SURVEY))


def test_the_same_request_gets_the_same_reply_to_the_byte_and_is_done_once(world: World):
    first = push(world, "k1")
    world.now += timedelta(hours=23)
    again = push(world, "k1")

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["content-type"] == first.headers["content-type"]
    assert n_waves(world) == 1


def test_another_request_under_the_key_is_a_conflict(world: World):
    push(world, "k1")
    for other in (push(world, "k1", wave_csv(start=900)), push(world, "k1", reference="w2")):
        assert (other.status_code, other.json()["type"]) == (409, "idempotency-key-reused")
    reply = world.client.post(
        f"{URL}/w1/withdraw", headers=world.bearer("pollster") | {"Idempotency-Key": "k1"}, json={"reason": "x"}
    )
    assert reply.json()["type"] == "idempotency-key-reused"
    assert n_waves(world) == 1


def test_keys_of_two_api_keys_are_two_keys(world: World):
    world.keys["rival"] = world.key("pollster", pollster="Beta")
    assert push(world, "k1").status_code == 202
    assert push(world, "k1", role="rival").json()["pollster"] == "Beta"
    assert n_waves(world) == 2


def test_a_key_is_forgotten_after_a_day_and_its_row_by_the_clock(world: World):
    push(world, "k1")
    world.now += timedelta(hours=24, seconds=1)
    assert push(world, "k1").status_code == 200  # by its content, not by its key

    world.now += timedelta(hours=25)
    (task,) = [one for one in house_tasks(world.settings) if one.name == "forget-replies"]
    with world.store.write() as session:
        task.run(session, world.now)
        assert replies.find_reply(session, "any", "k1", now=world.now) is None


def test_what_was_refused_may_be_sent_again_mended(world: World):
    assert push(world, "k1", b"id,rail\n1,2\n").status_code == 422
    assert push(world, "k1").status_code == 202


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\xe9"])
def test_a_key_that_cannot_be_one_is_refused(world: World, key: str):
    headers = world.bearer("pollster") | {"Idempotency-Key": key.encode("latin-1")}
    reply = world.client.post(URL, headers=headers, data=FORM, files={"file": ("w.csv", wave_csv())})
    assert (reply.status_code, reply.json()["type"]) == (400, "bad-idempotency-key")


def test_the_same_request_while_the_first_is_worked_on_is_told_to_wait(world: World, monkeypatch: pytest.MonkeyPatch):
    inside, go_on = threading.Event(), threading.Event()
    real = delivery.read_wave

    def slow(*arguments: Any, **more: Any) -> Any:
        inside.set()
        assert go_on.wait(20)
        return real(*arguments, **more)

    monkeypatch.setattr("jobs.delivery.read_wave", slow)
    world.bearer("pollster")
    answers: list[Any] = []
    first = threading.Thread(target=lambda: answers.append(push(world, "k1")))
    first.start()
    assert inside.wait(20)
    second = push(world, "k1")
    go_on.set()
    first.join()

    assert (second.status_code, second.json()["type"], second.headers["retry-after"]) == (409, "request-in-flight", "5")
    assert answers[0].status_code == 202
    assert push(world, "k1").content == answers[0].content


def test_a_key_answered_by_another_process_meanwhile_rolls_the_effect_back(world: World):
    """Two processes know nothing of each other's work until both want to commit."""
    exchanges = world.services.exchanges
    world.bearer("pollster")
    with world.store.read() as session:
        (key,) = [one for one in keys.list_keys(session) if one.role == "pollster"]
    with exchanges.begin(world.store, key.id, "k1", {"a": 1}, now=world.now) as here:
        exchanges._running.clear()  # as another process would see it
        assert push(world, "k1").status_code == 202
        with pytest.raises(RequestInFlight), world.store.write() as session:
            here.keep(session, 200, WaveList(SURVEY, None, [], None))
    assert n_waves(world) == 1


def test_an_effect_that_fails_keeps_no_reply(world: World, monkeypatch: pytest.MonkeyPatch):
    def broken(*_arguments: object, **_more: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("polling.store.outbox.append", broken)
        assert push(world, "k1").status_code == 500
    assert n_waves(world) == 0
    assert push(world, "k1").status_code == 202


def test_changes_of_waves_are_answered_the_same_too(world: World):
    push(world, None)
    headers = world.bearer("pollster") | {"Idempotency-Key": "k2"}

    def withdraw() -> Any:
        return world.client.post(f"{URL}/w1/withdraw", headers=headers, json={"reason": "wrong"})

    first, again = withdraw(), withdraw()
    assert [one["state"] for one in first.json()["changed"]] == ["withdrawn"]
    assert again.content == first.content
