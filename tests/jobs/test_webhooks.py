"""Events reach the addresses that admins gave: signed, in order, at least once, and nowhere else."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import webhook_acts, webhook_post
from jobs.errors import WebhookRefused
from jobs.settings import Settings
from jobs.tasks import house_tasks
from jobs.webhook_post import check_url, signature
from jobs.webhooks import GIVE_UP, WEBHOOK
from polling.errors import DeliveryNotFound, SecretsError, WebhookNotFound
from polling.sealed import seal, unseal
from polling.store import audit, outbox, queue, webhooks
from tests.jobs.house import House
from tests.jobs.receiver import HOST, Receiver, receiving

ALL_TYPES = ("wave", "job", "release", "question", "survey")


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, house: House) -> Iterator[Receiver]:
    house.settings = replace(house.settings, webhook_networks="127.0.0.0/8")
    with receiving(tmp_path, monkeypatch) as one:
        yield one


def create(house: House, receiver: Receiver, types: tuple[str, ...] = ALL_TYPES, **about: Any) -> tuple[str, str]:
    told = {"survey_id": "demo", "url": receiver.url, "types": types, "now": house.now, "actor": "test"} | about
    webhook, secret = webhook_acts.create(house.store, house.secrets, house.settings, **told)
    return webhook.id, secret


def happen(house: House, n: int = 1) -> list[int]:
    with house.store.write() as session:
        return [outbox.append(session, "survey-updated", "demo", {"version": i}, house.now) for i in range(n)]


def work(house: House, seconds: float = 0) -> int:
    """Let a worker do everything that is due after a while; how many jobs that was."""
    house.wait(seconds)
    worker, sender, done = house.worker(), house.sender(), 0
    while worker.turn(house.now) or sender.turn(house.now):
        done += 1
    return done


def log(house: House, webhook_id: str) -> list[tuple[int, str, int, int | None]]:
    with house.store.read() as session:
        found = webhooks.list_deliveries(session, webhook_id, limit=100)
    return [(one.event_id, one.state, one.attempts, one.status) for one in reversed(found)]


def test_events_from_now_on_arrive_in_order_and_signed(house: House, receiver: Receiver):
    happen(house)
    webhook_id, secret = create(house, receiver)
    sent = happen(house, 3)
    work(house)

    assert receiver.ids == sent
    receiver.check(secret)
    headers, body = receiver.got[0]
    assert headers["webhook-id"] == f"{webhook_id}-{sent[0]}"
    assert headers["webhook-timestamp"] == str(int(house.now.timestamp()))
    assert headers["host"] == f"{HOST}:{receiver.port}"
    assert b'"type":"survey"' in body
    assert log(house, webhook_id) == [(one, "delivered", 1, 200) for one in sent]
    assert work(house) == 0  # nothing happened since


def test_the_signature_is_that_of_the_published_example():
    """https://github.com/standard-webhooks/standard-webhooks: the vector of its libraries."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    said = signature(secret, message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=body)
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_that_was_away_gets_every_event_once_it_is_back_and_in_order(house: House, receiver: Receiver):
    webhook_id, secret = create(house, receiver)
    receiver.status = 503
    first = happen(house, 2)
    for _ in range(12):  # a minute
        work(house, 5)
        first += happen(house)
    assert receiver.got == []
    ((tried, state, attempts, status),) = log(house, webhook_id)
    assert (tried, state, status) == (first[0], "failing", 503)
    assert 3 <= attempts <= 5  # after 5, 10, 20 ... seconds

    receiver.status = 204
    work(house, 60)

    assert receiver.ids == first
    receiver.check(secret)
    assert log(house, webhook_id)[0] == (first[0], "delivered", attempts + 1, 204)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["event", "away", "back", "work", "wait"]), max_size=12))
def test_whatever_happens_every_event_arrives_and_none_overtakes(
    house: House, receiver: Receiver, steps: list[str]
) -> None:
    receiver.got.clear()
    webhook_id, _ = create(house, receiver)
    expected: list[int] = []
    for step in [*steps, "back", "wait"]:
        if step == "event":
            expected += happen(house)
        elif step in ("away", "back"):
            receiver.status = 500 if step == "away" else 200
        else:
            work(house, 0 if step == "work" else 301)
    try:
        assert receiver.ids == expected
    finally:
        remove(house, webhook_id)


def remove(house: House, webhook_id: str) -> None:
    about = {"survey_id": "demo", "webhook_id": webhook_id, "now": house.now, "actor": "test"}
    webhook_acts.delete(house.store, house.secrets, **about)


def test_only_the_chosen_types_are_sent(house: House, receiver: Receiver):
    create(house, receiver, ("release",))
    house.push(1)
    work(house, 60)
    work(house)

    assert {event["kind"] for event in receiver.events} == {"release-published"}


def test_a_worker_that_dies_after_the_answer_sends_it_twice_with_one_id(house: House, receiver: Receiver):
    webhook_id, _ = create(house, receiver)
    (sent,) = happen(house)

    def taken_over() -> None:
        receiver.after = lambda: None
        later = house.now + timedelta(minutes=5)
        with house.store.write() as session:
            claim = queue.claim(session, owner="other", now=later, lease=house.settings.lease, lane="post")
            assert claim is not None
            queue.give_back(session, claim, now=house.now)

    receiver.after = taken_over
    work(house)

    assert receiver.ids == [sent, sent]
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert log(house, webhook_id) == [(sent, "delivered", 1, 200)]


def test_what_is_refused_for_a_day_is_given_up_and_can_be_sent_again(house: House, receiver: Receiver):
    webhook_id, _ = create(house, receiver)
    receiver.status = 400
    first, second = happen(house, 2)
    work(house)
    work(house, GIVE_UP.total_seconds() + 1)
    assert [(one, state) for one, state, *_ in log(house, webhook_id)] == [(first, "given-up"), (second, "failing")]
    receiver.status = 200
    work(house, 600)
    assert receiver.ids == [second]

    about = {"survey_id": "demo", "webhook_id": webhook_id, "now": house.now, "actor": "test"}
    webhook_acts.send_again(house.store, house.secrets, event_id=first, **about)
    work(house)

    assert receiver.ids == [second, first]
    assert log(house, webhook_id)[0][:2] == (first, "delivered")
    for unknown in (first - 1, second + 1):
        with pytest.raises(DeliveryNotFound):
            webhook_acts.send_again(house.store, house.secrets, event_id=unknown, **about)
    with house.store.read() as session:
        acts = [one.action for one in audit.read_entries(session) if one.action.startswith("webhook")]
    assert acts == ["webhook-created", "webhook-replayed"]


def test_a_redirect_is_not_followed(house: House, receiver: Receiver):
    webhook_id, _ = create(house, receiver)
    receiver.status, receiver.headers = 302, {"Location": "https://127.0.0.1:1/elsewhere"}
    happen(house)
    work(house)

    with house.store.read() as session:
        (one,) = webhooks.list_deliveries(session, webhook_id, limit=9)
    assert (one.status, one.detail) == (302, "The receiver answered 302. Redirects are not followed.")


def test_the_host_is_looked_up_once_for_a_delivery(house: House, receiver: Receiver):
    """A second look could have another answer, at an address that nobody checked."""
    create(house, receiver)
    before = receiver.looked_up
    happen(house)
    work(house)

    assert (len(receiver.got), receiver.looked_up - before) == (1, 1)


def test_a_host_that_moves_into_a_private_network_gets_nothing(house: House, receiver: Receiver):
    webhook_id, _ = create(house, receiver)
    house.settings = replace(house.settings, webhook_networks="")
    happen(house)
    work(house)

    assert receiver.got == []
    with house.store.read() as session:
        (one,) = webhooks.list_deliveries(session, webhook_id, limit=9)
    assert one.detail == f"The host {HOST} is not public. If it is meant, list its network in webhook_networks."


def test_a_certificate_of_another_host_is_not_trusted(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    webhook_id, _ = create(house, receiver)
    monkeypatch.delenv("SSL_CERT_FILE")
    happen(house)
    work(house)

    assert log(house, webhook_id)[0][1:] == ("failing", 1, None)


def test_a_receiver_that_never_answers_is_left(house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    webhook_id, _ = create(house, receiver)
    monkeypatch.setattr(webhook_post, "LONGEST_S", 0.2)
    receiver.pause_s = 1.0
    happen(house)
    work(house)

    assert log(house, webhook_id)[0][1:] == ("failing", 1, None)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.com/", "https addresses only"),
        ("ftp://example.com/", "https addresses only"),
        ("example.com/in", "https addresses only"),
        ("https:///in", "https addresses only"),
        ("https://user:word@example.com/", "user, a password"),
        ("https://example.com/#there", "fragment"),
        ("https://[::1/", "cannot be read"),
        ("https://example.com:99999/", "cannot be read"),
        ("https://nowhere.invalid/", "was not found"),
        ("https://127.0.0.1/", "not public"),
        ("https://localhost/", "not public"),
        ("https://10.1.2.3/", "not public"),
        ("https://192.168.0.1/", "not public"),
        ("https://169.254.169.254/latest/", "not public"),
        ("https://[::1]/", "not public"),
        ("https://[::ffff:127.0.0.1]/", "not public"),
        ("https://[fe80::1]/", "not public"),
        ("https://100.64.0.1/", "not public"),
        ("https://0.0.0.0/", "not public"),
        ("https://224.0.0.1/", "not public"),
        ("https://2130706433/", "not public"),
        ("https://example.com/" + "x" * 2000, "more than 2,000"),
    ],
)
def test_an_address_that_events_are_never_sent_to_is_refused(url: str, said: str):
    with pytest.raises(WebhookRefused, match=said):
        check_url(url, Settings())


def test_a_listed_network_is_allowed_and_no_other():
    listed = replace(Settings(), webhook_networks="10.0.0.0/8, ::1")
    check_url("https://10.1.2.3/", listed)
    check_url("https://[::1]:8443/", listed)
    with pytest.raises(WebhookRefused):
        check_url("https://127.0.0.1/", listed)


def test_a_survey_has_so_many_webhooks(house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(webhook_acts, "MOST", 2)
    create(house, receiver)
    create(house, receiver)
    with pytest.raises(WebhookRefused, match="Delete one first"):
        create(house, receiver)


def test_a_deleted_webhook_gets_nothing_more(house: House, receiver: Receiver):
    webhook_id, _ = create(house, receiver)
    receiver.status = 500
    happen(house)
    work(house)
    remove(house, webhook_id)
    receiver.status = 200
    happen(house)
    work(house, 600)

    assert receiver.got == []
    with pytest.raises(WebhookNotFound):
        remove(house, webhook_id)
    with house.store.read() as session:
        assert queue.list_jobs(session, kind=WEBHOOK, states=("queued", "running")) == []


@pytest.mark.parametrize("again", [False, True])
def test_a_webhook_that_is_deleted_while_it_is_sent_to_ends_its_job_well(
    house: House, receiver: Receiver, caplog: pytest.LogCaptureFixture, again: bool
):
    webhook_id, _ = create(house, receiver)
    (sent,) = happen(house)
    if again:
        work(house)
        about = {"survey_id": "demo", "webhook_id": webhook_id, "now": house.now, "actor": "test"}
        webhook_acts.send_again(house.store, house.secrets, event_id=sent, **about)
    receiver.after = lambda: remove(house, webhook_id)
    work(house)

    # Both jobs of a webhook that was sent to before end at one time by the clock of these tests.
    assert [job.code for job in house.jobs() if job.code != "sent"] == ["webhook-deleted"]
    assert house.jobs("queued", "running") == []
    assert "failed" not in caplog.text


def test_a_secret_is_encrypted_under_a_key_of_the_secrets_file(house: House, receiver: Receiver):
    _, secret = create(house, receiver)
    raw = base64.b64decode(secret.removeprefix("whsec_"))

    held = b"".join(path.read_bytes() for path in house.settings.data_dir.glob("*.sqlite3*"))
    assert raw not in held
    assert secret.encode() not in held
    house.settings.secrets_file.unlink()
    with pytest.raises(SecretsError, match="the secrets of webhooks were made with it"):
        create(house, receiver)
    happen(house)
    work(house)  # the job waits for the file to come back
    assert receiver.got == []


def test_what_is_sealed_opens_only_as_what_it_was():
    key, other = bytes(range(32)), bytes(32)
    sealed = seal(b"word", key=key, of="a")
    assert unseal(sealed, key=key, of="a") == b"word"
    assert seal(b"word", key=key, of="a") != sealed
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for wrong in ((sealed, key, "b"), (sealed, other, "a"), (changed, key, "a"), (b"", key, "a")):
        with pytest.raises(SecretsError):
            unseal(wrong[0], key=wrong[1], of=wrong[2])


def test_the_log_of_old_deliveries_is_forgotten(house: House, receiver: Receiver):
    webhook_id, _ = create(house, receiver)
    happen(house)
    work(house)
    (task,) = [one for one in house_tasks(house.settings) if one.name == "forget-events"]
    house.wait(86_400 * 31)
    with house.store.write() as session:
        task.run(session, house.now)

    assert log(house, webhook_id) == []
