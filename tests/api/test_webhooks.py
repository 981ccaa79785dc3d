"""Webhooks over HTTP: created, listed, followed, deleted; the secret is shown once and is in no log."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from polling.store import outbox
from tests.api.world import NOON, OTHER, SURVEY, World
from tests.jobs.receiver import Receiver, receiving

ALL = f"/v1/surveys/{SURVEY}/webhooks"


def create(world: World, url: str = "https://[2001:4860:4860::8888]/in", **body: Any) -> Any:
    return world.client.post(ALL, headers=world.bearer("admin"), json={"url": url} | body)


def test_a_webhook_is_created_listed_and_deleted(world: World) -> None:
    made = create(world)
    assert made.status_code == 201
    body = made.json()
    secret = body.pop("secret")
    assert secret.startswith("whsec_")
    assert body["types"] == ["job", "release", "wave"]
    listed = world.get(ALL)
    assert listed.json() == {"survey": SURVEY, "webhooks": [body]}
    assert secret not in listed.text
    deliveries = world.get(body["deliveries_url"]).json()
    assert deliveries == {"webhook": body["id"], "deliveries": [], "next_cursor": None}

    gone = world.client.delete(f"{ALL}/{body['id']}", headers=world.bearer("admin"))
    assert (gone.status_code, gone.content) == (204, b"")
    assert world.get(ALL).json()["webhooks"] == []
    assert world.get(body["deliveries_url"]).json()["type"] == "webhook-not-found"


@pytest.mark.parametrize(
    "body",
    [{"url": "http://example.com"}, {"url": "https://127.0.0.1/"}, {"url": "https://localhost/"}],
)
def test_an_address_inside_is_refused(world: World, body: dict[str, Any]) -> None:
    reply = create(world, **body)
    assert (reply.status_code, reply.json()["type"]) == (422, "webhook-refused")


@pytest.mark.parametrize(
    "changes", [{"types": []}, {"types": ["moon"]}, {"url": 5}, {"more": 1}, {"url": "https://a\0b"}]
)
def test_a_body_that_means_nothing_is_refused(world: World, changes: dict[str, Any]) -> None:
    assert create(world, **changes).status_code == 400


def test_a_webhook_of_another_survey_is_not_found(world: World) -> None:
    made = create(world).json()
    world.keys["everywhere"] = world.key("admin", survey=None)
    path = f"/v1/surveys/{OTHER}/webhooks/{made['id']}"
    assert world.get(f"{path}/deliveries", "everywhere").status_code == 404
    assert world.client.delete(path, headers=world.bearer("everywhere")).status_code == 404
    assert world.client.post(f"{path}/deliveries/1/replay", headers=world.bearer("everywhere")).status_code == 404
    assert len(world.get(ALL).json()["webhooks"]) == 1


@pytest.mark.parametrize("event", [0, 2**63 - 1, 2**63, 10**40])
def test_an_event_that_cannot_be_is_not_found(world: World, event: int) -> None:
    one = create(world).json()
    reply = world.client.post(f"{ALL}/{one['id']}/deliveries/{event}/replay", headers=world.bearer("admin"))

    assert (reply.status_code, reply.json()["type"]) == (404, "delivery-not-found")


@pytest.fixture
def receiver(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    world.settings = replace(world.settings, webhook_networks="127.0.0.0/8")
    object.__setattr__(world.services, "settings", world.settings)
    with receiving(tmp_path, monkeypatch) as one:
        yield one


def test_what_happens_arrives_is_logged_and_can_be_sent_again(world: World, receiver: Receiver) -> None:
    made = create(world, receiver.url).json()
    world.release()
    world.work()

    kinds = [event["kind"] for event in receiver.events]
    assert kinds == ["job-queued", "wave-received", "job-running", "release-published", "job-succeeded"]
    receiver.check(made["secret"])
    (first, *_) = reversed(world.get(made["deliveries_url"]).json()["deliveries"])
    assert (first["state"], first["attempts"], first["status"], first["detail"]) == ("delivered", 1, 200, None)

    reply = world.client.post(first["replay_url"], headers=world.bearer("admin"))
    assert reply.status_code == 202
    world.work()
    assert world.get(reply.json()["url"]).json()["code"] == "sent"
    assert receiver.events[-1] == receiver.events[0]
    assert receiver.got[-1][0]["webhook-id"] == receiver.got[0][0]["webhook-id"]


def test_no_secret_and_no_address_is_in_a_log_or_the_audit_chain(
    world: World, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = create(world, receiver.url + "&canary=4711").json()
    receiver.status = 500
    with world.store.write() as session:
        outbox.append(session, "release-published", SURVEY, {"question_id": "rail"}, NOON)
    world.work()
    delivery = world.get(made["deliveries_url"])

    assert delivery.json()["deliveries"][0]["detail"] == "The receiver answered 500."
    ours = "\n".join(one.getMessage() for one in caplog.records if not one.name.startswith(("httpx", "httpcore")))
    assert "not accepted at webhook" in ours
    with world.store.read() as session:
        from polling.store import audit

        chain = str(audit.read_entries(session))
    for text in (ours, chain, delivery.text):
        assert "canary" not in text
        assert made["secret"] not in text
