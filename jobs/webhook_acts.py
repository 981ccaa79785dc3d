"""What admins do with webhooks: create, delete, send an event again. Each act is in the audit chain."""

import base64
import secrets as random
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from jobs import ledger
from jobs.errors import WebhookRefused
from jobs.events import read_events
from jobs.settings import Settings
from jobs.webhook_post import check_url
from jobs.webhooks import ask_replay
from polling.errors import DeliveryNotFound
from polling.sealed import seal
from polling.secrets import SecretsFile
from polling.store import key_checks, outbox, surveys, webhooks
from polling.store.engine import Store
from polling.store.records import JobRecord
from polling.store.webhooks import WebhookRecord

__all__ = ["MOST", "create", "delete", "send_again"]

MOST: Final = 20
"""Webhooks of one survey."""
_BEGIN: Final = "whsec_"


def create(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,
    *,
    survey_id: str,
    url: str,
    types: Sequence[str],
    now: datetime,
    actor: str,
) -> tuple[WebhookRecord, str]:
    """Send events that happen from now on to an address.

    Returns
    -------
    tuple
        The webhook, and its secret in the form of Standard Webhooks, which cannot be had again.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    WebhookRefused
        If events are never sent to such an address, or the survey has ``MOST`` webhooks.
    SecretsError
        If the secrets file cannot be used, or lacks the key of the secrets that are stored.
    """
    check_url(url, settings)
    with store.read() as session:
        surveys.list_versions(session, survey_id)
        used = bool(webhooks.list_webhooks(session))
    key = secrets.webhook_key(used=used)
    secret, webhook_id = random.token_bytes(32), webhooks.new_id()
    with store.write() as session:
        if not webhooks.list_webhooks(session):
            key_checks.replace(session, "webhook_key", key, now=now)
        key_checks.require_same(session, "webhook_key", key, now=now)
        if len(webhooks.list_webhooks(session, survey_id)) >= MOST:
            raise WebhookRefused(f"The survey has {MOST} webhooks, the most. Delete one first.")
        webhook = WebhookRecord(
            id=webhook_id,
            survey_id=survey_id,
            url=url,
            types=tuple(types),
            sealed_secret=seal(secret, key=key, of=webhook_id),
            actor=actor,
            created_at=now,
            sent_through=outbox.newest_id(session),
        )
        webhooks.add_webhook(session, webhook)
        ledger.record(
            session,
            secrets,
            actor=actor,
            action="webhook-created",
            survey_id=survey_id,
            subject=webhook_id,
            # Not the address: a path or query may be a secret of the receiver.
            detail={"types": list(types)},
            now=now,
        )
    return webhook, _BEGIN + base64.b64encode(secret).decode()


def delete(store: Store, secrets: SecretsFile, *, survey_id: str, webhook_id: str, now: datetime, actor: str) -> None:
    """Send nothing more to an address, and forget it with its secret and its log.

    Raises
    ------
    SurveyNotFound, WebhookNotFound
        If either does not exist.
    """
    with store.write() as session:
        surveys.list_versions(session, survey_id)
        webhooks.get_webhook(session, survey_id, webhook_id)
        webhooks.delete_webhook(session, webhook_id)
        ledger.record(
            session,
            secrets,
            actor=actor,
            action="webhook-deleted",
            survey_id=survey_id,
            subject=webhook_id,
            now=now,
        )


def send_again(
    store: Store,
    secrets: SecretsFile,
    *,
    survey_id: str,
    webhook_id: str,
    event_id: int,
    now: datetime,
    actor: str,
) -> JobRecord:
    """Ask for an event to be sent once more.

    Raises
    ------
    SurveyNotFound, WebhookNotFound
        If either does not exist.
    DeliveryNotFound
        If it was never sent to this address, or is not kept any more.
    """
    with store.write() as session:
        surveys.list_versions(session, survey_id)
        webhook = webhooks.get_webhook(session, survey_id, webhook_id)
        if event_id > outbox.MAX_ID:  # the databases refuse to compare with it, each in its own way
            raise DeliveryNotFound(event_id)
        page = read_events(session, event_id - 1, survey_id=survey_id, through=event_id, limit=1)
        if not page.events or webhooks.find_delivery(session, webhook_id, event_id) is None:
            raise DeliveryNotFound(event_id)
        job = ask_replay(session, webhook, event_id, now=now)
        ledger.record(
            session,
            secrets,
            actor=actor,
            action="webhook-replayed",
            survey_id=survey_id,
            subject=webhook_id,
            detail={"event": event_id},
            now=now,
        )
    return job
