"""Webhooks as they are stored: how far each has come, and what became of each event."""

from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from polling.errors import WebhookNotFound
from polling.store import outbox, queue, webhooks
from polling.store.engine import Store
from polling.store.webhooks import WebhookRecord
from tests.polling.store.conftest import NOW, seconds

KIND = "webhook"


def hook(name: str = "a", sent_through: int = 0) -> WebhookRecord:
    return WebhookRecord(
        id=name,
        survey_id="demo",
        url=f"https://{name}.example/",
        types=("wave", "release"),
        sealed_secret=b"\x00sealed",
        actor="test",
        created_at=NOW,
        sent_through=sent_through,
    )


def test_a_webhook_is_read_as_it_was_stored_and_gone_when_deleted(survey_store: Store):
    with survey_store.write() as session:
        webhooks.add_webhook(session, hook("a"))
        webhooks.add_webhook(session, hook("b", 2**40))
        webhooks.note_try(session, "a", 7, kind="x", state="failing", status=500, detail="no", now=NOW)
    with survey_store.read() as session:
        assert webhooks.list_webhooks(session, "demo") == [hook("a"), hook("b", 2**40)]
        assert webhooks.list_webhooks(session, "other") == []
        assert webhooks.get_webhook(session, "demo", "b") == hook("b", 2**40)
        with pytest.raises(WebhookNotFound):
            webhooks.get_webhook(session, "other", "b")
    with survey_store.write() as session:
        webhooks.delete_webhook(session, "a")
        assert webhooks.find_webhook(session, "a") is None
        assert webhooks.list_deliveries(session, "a", limit=9) == []


def test_who_is_behind_has_something_to_send_and_no_job(survey_store: Store):
    with survey_store.write() as session:
        webhooks.add_webhook(session, hook("a", outbox.newest_id(session)))
        assert webhooks.behind(session, KIND) == []
        outbox.append(session, "x", None, {}, NOW)
        assert webhooks.behind(session, KIND) == []
        newest = outbox.append(session, "x", "demo", {}, NOW)
        assert [one.id for one in webhooks.behind(session, KIND)] == ["a"]
        about = {"survey_id": "demo", "question_id": None, "now": NOW, "quiet": seconds(0), "patience": seconds(0)}
        queue.ask(session, kind=KIND, key="a", **about)
        assert webhooks.behind(session, KIND) == []
        assert [one.id for one in webhooks.behind(session, "another kind")] == ["a"]
        webhooks.advance(session, "a", newest)
        webhooks.advance(session, "a", 1)  # never back
        assert webhooks.behind(session, "another kind") == []
        assert webhooks.get_webhook(session, "demo", "a").sent_through == newest


def test_attempts_are_counted_and_the_last_one_is_told(survey_store: Store):
    with survey_store.write() as session:
        webhooks.add_webhook(session, hook())
        told = {"kind": "x", "status": 500, "detail": "no"}
        webhooks.note_try(session, "a", 7, state="failing", now=NOW, **told)
        one = webhooks.note_try(session, "a", 7, state="failing", now=NOW + seconds(5), **told)
        assert (one.attempts, one.state, one.first_at, one.last_at) == (2, "failing", NOW, NOW + seconds(5))
        webhooks.note_try(session, "a", 7, kind="x", state="delivered", status=200, detail=None, now=NOW + seconds(9))
        webhooks.note_try(session, "a", 9, state="given-up", now=NOW, **told)
    with survey_store.read() as session:
        newest, oldest = webhooks.list_deliveries(session, "a", limit=9)
        assert (oldest.event_id, oldest.state, oldest.attempts, oldest.detail) == (7, "delivered", 3, None)
        assert webhooks.list_deliveries(session, "a", limit=1) == [newest]
        assert webhooks.find_delivery(session, "a", 8) is None


def test_what_is_still_tried_is_not_forgotten(survey_store: Store):
    with survey_store.write() as session:
        webhooks.add_webhook(session, hook())
        for number, state in enumerate(("delivered", "failing", "given-up")):
            webhooks.note_try(session, "a", number, kind="x", state=state, status=None, detail=None, now=NOW)
        webhooks.forget_deliveries(session, before=NOW)
        assert len(webhooks.list_deliveries(session, "a", limit=9)) == 3
        webhooks.forget_deliveries(session, before=NOW + timedelta(days=1))
        assert [one.state for one in webhooks.list_deliveries(session, "a", limit=9)] == ["failing"]


def test_a_delivery_needs_its_webhook(survey_store: Store):
    with pytest.raises(IntegrityError), survey_store.write() as session:
        webhooks.note_try(session, "none", 1, kind="x", state="failing", status=None, detail=None, now=NOW)


def test_what_waits_is_what_happened_later_and_is_of_its_kinds(survey_store: Store):
    with survey_store.write() as session:
        begin = outbox.append(session, "x", "demo", {}, NOW)
        webhooks.add_webhook(session, hook("a", begin))
        for at, (kind, survey) in enumerate([("y", "demo"), ("x", None), ("x", "demo"), ("z", "demo")]):
            outbox.append(session, kind, survey, {}, NOW + seconds(at))
        assert webhooks.waiting(session, hook("a", begin), ("x", "z")) == webhooks.Waiting(2, NOW + seconds(2))
        assert webhooks.waiting(session, hook("a", begin), ("none",)) == webhooks.Waiting(0, None)
        assert webhooks.count_given_up(session) == 0
        webhooks.note_try(session, "a", 7, kind="x", state="given-up", status=500, detail="no", now=NOW)
        assert webhooks.count_given_up(session) == 1


def test_a_webhook_that_is_kept_is_there(survey_store: Store):
    with survey_store.write() as session:
        webhooks.add_webhook(session, hook("a"))
        assert webhooks.keep_webhook(session, "a")
        webhooks.delete_webhook(session, "a")
        assert not webhooks.keep_webhook(session, "a")
