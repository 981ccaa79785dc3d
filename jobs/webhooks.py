"""Events sent to the addresses that admins gave: each at least once, in their order, as long as it takes.

An address goes through the outbox with its own place in it, ``sent_through``. A job of kind ``webhook`` sends what
comes after, one event at a time; what is not accepted is tried again, later and later, and nothing overtakes it. An
event that is refused for ``GIVE_UP`` is given up, noted, and can be sent again by hand (``webhook-replay``). The jobs
are of a lane of their own, and asked for when something happened (``jobs.webhook_threads``).
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy.orm import Session

from jobs.errors import JobsError, WorkerStopping
from jobs.events import Event, read_events
from jobs.heartbeat import Pulse, beating
from jobs.settings import Settings
from jobs.urgency import PRIORITIES
from jobs.webhook_post import Answer, post
from polling.errors import LeaseLost, PollingError
from polling.sealed import unseal
from polling.secrets import SecretsFile
from polling.store import queue, webhooks
from polling.store.engine import Store
from polling.store.records import Claim, JobRecord
from polling.store.webhooks import WebhookRecord

__all__ = ["GIVE_UP", "REPLAY", "WEBHOOK", "ask_behind", "ask_replay", "message_of", "send"]

WEBHOOK: Final = "webhook"
"""The kind of job that sends a webhook's events."""
REPLAY: Final = "webhook-replay"
"""The kind of job that sends one of them again."""
GIVE_UP: Final = timedelta(hours=24)
LONGEST_PAUSE: Final = timedelta(minutes=5)
TURN: Final = timedelta(seconds=20)
"""After so long others have their turn."""
REPLAYS: Final = 5
"""Attempts at one replay."""
DELETED: Final = "The webhook was deleted."
NO_END: Final = 1_000_000_000

log = logging.getLogger("hustings.webhooks")


def ask_behind(session: Session, *, now: datetime) -> int:
    """Ask for a job for every webhook that something happened for; how many."""
    found = webhooks.behind(session, WEBHOOK)
    for one in found:
        _ask(session, WEBHOOK, one.id, one.survey_id, now=now, max_attempts=NO_END)
    return len(found)


def ask_replay(session: Session, webhook: WebhookRecord, event_id: int, *, now: datetime) -> JobRecord:
    """Ask for one event to be sent once more."""
    key = f"{webhook.id}/{event_id}"
    return _ask(session, REPLAY, key, webhook.survey_id, now=now, max_attempts=REPLAYS)


def message_of(webhook: WebhookRecord, event: Event) -> tuple[str, bytes]:
    """The id and body of an event for an address; the same whenever it is sent."""
    body = {"type": event.type, **event.to_json()}
    return f"{webhook.id}-{event.id}", msgspec.json.encode(body)


@dataclass(frozen=True, slots=True)
class _Sender:
    """What an attempt needs."""

    claim: Claim
    store: Store
    settings: Settings
    clock: Callable[[], datetime]
    stop: threading.Event

    def send(self, webhook: WebhookRecord, event: Event) -> Answer:
        """Try once.

        Raises
        ------
        WorkerStopping
            If the worker stops before there is an answer.
        """
        key = SecretsFile(self.settings.secrets_file).webhook_key(used=True)
        secret = unseal(webhook.sealed_secret, key=key, of=webhook.id)
        message_id, body = message_of(webhook, event)
        return post(
            webhook.url,
            body,
            message_id=message_id,
            secret=secret,
            settings=self.settings,
            now=self.clock(),
            stop=self.stop,
        )

    def put_off(self, code: str, detail: str) -> None:
        """Have the job tried again after a while."""
        with self.store.write() as session:
            now = self.clock()
            queue.fail(session, self.claim, now=now, code=code, detail=detail, retry_after=LONGEST_PAUSE)

    def end(self, code: str, detail: str) -> None:
        """End the job well."""
        with self.store.write() as session:
            queue.finish(session, self.claim, now=self.clock(), code=code, detail=detail)


def send(
    claim: Claim,
    store: Store,
    settings: Settings,
    *,
    beat: Callable[[], bool],
    stop: threading.Event,
    clock: Callable[[], datetime],
) -> None:
    """Do a job of the lane ``post``, and end it, put it off or give it back.

    Parameters
    ----------
    beat
        Keeps the job; tells whether it was cancelled.

    Raises
    ------
    LeaseLost
        If the job belongs to another worker by now.
    """
    sender = _Sender(claim, store, settings, clock, stop)
    try:
        with beating(beat, settings.heartbeat_s) as pulse:
            if claim.job.kind == REPLAY:
                _replay(sender)
            else:
                _send_events(sender, pulse)
    except WorkerStopping:
        with store.write() as session:
            queue.give_back(session, claim, now=clock())
    except LeaseLost:
        raise
    except (PollingError, JobsError) as error:
        sender.put_off("not-sent", str(error))
    except Exception as error:
        log.exception("job %s failed", claim.job.id)
        sender.put_off(
            "internal-error", f"An unexpected {type(error).__name__}; the log of the worker has the details."
        )


def _send_events(sender: _Sender, pulse: Pulse) -> None:
    """Send what comes next, until there is nothing or one is not accepted."""
    claim, store, clock = sender.claim, sender.store, sender.clock
    began, n_sent = clock(), 0
    while True:
        with store.read() as session:
            webhook = webhooks.find_webhook(session, claim.job.key)
            if webhook is not None:
                page = read_events(session, webhook.sent_through, survey_id=webhook.survey_id, limit=100)
        if webhook is None:
            sender.end("webhook-deleted", DELETED)
            return
        for event in page.events:
            if event.type not in webhook.types:
                continue
            if sender.stop.is_set():
                raise WorkerStopping
            if pulse.cancelled.is_set() or clock() > began + TURN:
                sender.end("sent", f"Events sent: {n_sent}; there are more.")
                return
            if not _try(sender, webhook, event):
                return
            n_sent += 1
        with store.write() as session:
            webhooks.advance(session, webhook.id, page.through)
        if page.is_last:
            sender.end("sent", f"Events sent: {n_sent}.")
            return


def _replay(sender: _Sender) -> None:
    """Send one event again, out of order."""
    claim, store, clock = sender.claim, sender.store, sender.clock
    webhook_id, _, number = claim.job.key.partition("/")
    with store.read() as session:
        webhook = webhooks.find_webhook(session, webhook_id)
        if webhook is None:
            event = None
        else:
            page = read_events(session, int(number) - 1, survey_id=webhook.survey_id, through=int(number), limit=1)
            event = page.events[0] if page.events else None
    if webhook is None or event is None:
        sender.end("nothing-to-send", "The webhook or the event is not there any more.")
        return
    answer, now = sender.send(webhook, event), clock()
    with store.write() as session:
        if not webhooks.keep_webhook(session, webhook.id):
            queue.finish(session, claim, now=now, code="webhook-deleted", detail=DELETED)
            return
        if answer.detail is None:
            _note(session, webhook, event, "delivered", answer, now=now)
            queue.finish(session, claim, now=now, code="sent", detail="The event was accepted.")
            return
        known = webhooks.find_delivery(session, webhook.id, event.id)
        state = "given-up" if known is None or known.state == "failing" else known.state
        _note(session, webhook, event, state, answer, now=now)  # type: ignore[arg-type]
        pause = _pause(sender.settings, claim.attempt)
        queue.fail(session, claim, now=now, code="not-accepted", detail=answer.detail, retry_after=pause)


def _try(sender: _Sender, webhook: WebhookRecord, event: Event) -> bool:
    """Send one event and note what came of it; whether the next one may be sent."""
    answer, now = sender.send(webhook, event), sender.clock()
    with sender.store.write() as session:
        # First: who lost the job must not say how far it has come.
        queue.heartbeat(session, sender.claim, now=now, lease=sender.settings.lease)
        if not webhooks.keep_webhook(session, webhook.id):
            queue.finish(session, sender.claim, now=now, code="webhook-deleted", detail=DELETED)
            return False
        if answer.detail is None:
            _note(session, webhook, event, "delivered", answer, now=now)
            webhooks.advance(session, webhook.id, event.id)
            return True
        known = webhooks.find_delivery(session, webhook.id, event.id)
        if known is not None and known.state == "failing" and now >= known.first_at + GIVE_UP:
            _note(session, webhook, event, "given-up", answer, now=now)
            webhooks.advance(session, webhook.id, event.id)
            log.warning("event %d was given up at webhook %s: %s", event.id, webhook.id, answer.detail)
            return True
        attempts = _note(session, webhook, event, "failing", answer, now=now)
        pause = _pause(sender.settings, attempts)
        queue.fail(session, sender.claim, now=now, code="not-accepted", detail=answer.detail, retry_after=pause)
    log.info("event %d was not accepted at webhook %s: %s", event.id, webhook.id, answer.detail)
    return False


def _note(
    session: Session,
    webhook: WebhookRecord,
    event: Event,
    state: webhooks.DeliveryState,
    answer: Answer,
    *,
    now: datetime,
) -> int:
    noted = webhooks.note_try(
        session,
        webhook.id,
        event.id,
        kind=event.kind,
        state=state,
        status=answer.status,
        detail=answer.detail,
        now=now,
    )
    return noted.attempts


def _pause(settings: Settings, attempt: int) -> timedelta:
    """Doubled with every attempt, up to ``LONGEST_PAUSE``."""
    return min(LONGEST_PAUSE, timedelta(seconds=settings.retry_backoff_s * 2 ** min(attempt - 1, 16)))


def _ask(session: Session, kind: str, key: str, survey_id: str, *, now: datetime, max_attempts: int) -> JobRecord:
    return queue.ask(
        session,
        kind=kind,
        key=key,
        survey_id=survey_id,
        question_id=None,
        now=now,
        quiet=timedelta(0),
        patience=timedelta(0),
        max_attempts=max_attempts,
        priority=PRIORITIES[kind],
    )
