"""Send one event to one address: https, signed, to an address that was checked, without following anybody elsewhere.

Headers and signature are those of Standard Webhooks (https://www.standardwebhooks.com), for which there are libraries:

    webhook-id          the same for every attempt at one event: by it a receiver knows what it has already
    webhook-timestamp   seconds since 1970 of this attempt
    webhook-signature   v1,base64(HMAC-SHA256(secret, "{id}.{timestamp}.{body}"))
"""

import base64
import hmac
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import httpx

from jobs.errors import SourceUnreachable, WebhookRefused
from jobs.networks import networks
from jobs.settings import Settings
from jobs.source_hosts import allowed_address

__all__ = ["LONGEST_S", "Answer", "check_url", "post", "signature"]

LONGEST_S: Final = 10.0
"""An attempt may take so long, from the name server to the status of the answer."""
MAX_URL: Final = 2000


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt."""

    status: int | None
    """Of the answer; None if there was none."""
    detail: str | None
    """What went wrong, in words; None if it was accepted."""


def check_url(url: str, settings: Settings) -> None:
    """Refuse what events are never sent to.

    Raises
    ------
    WebhookRefused
        If it is not https, names a user, or its host is not found or lies in a network that is not allowed.
    """
    if len(url) > MAX_URL:
        raise WebhookRefused(f"The address has more than {MAX_URL:,} characters.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        raise WebhookRefused("The address cannot be read. Write it as https://host/path.") from None
    if parts.scheme != "https" or not host:
        raise WebhookRefused("Events are sent to https addresses only. Write it as https://host/path.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise WebhookRefused("The address has a user, a password or a fragment. Leave them out: events are signed.")
    try:
        allowed_address(host, port, also=networks(settings.webhook_networks), setting="webhook_networks")
    except SourceUnreachable as error:
        raise WebhookRefused(str(error)) from None


def signature(secret: bytes, *, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of the header ``webhook-signature``."""
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()


def post(url: str, body: bytes, *, message_id: str, secret: bytes, settings: Settings, now: datetime) -> Answer:
    """Send a body; any 2xx is an acceptance. Nothing of the answer but its status is read."""
    timestamp = int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "hustings",
        "Accept-Encoding": "identity",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, message_id=message_id, timestamp=timestamp, body=body),
    }
    answers: list[Answer] = []

    def run() -> None:
        try:
            answers.append(_send(url, body, headers, settings))
        except (SourceUnreachable, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            # Messages of the library have addresses and parts of the URL.
            said = str(error) if isinstance(error, SourceUnreachable) else f"{type(error).__name__}."
            answers.append(Answer(None, said))

    # In a thread: a receiver that sends a byte now and then would pass every timeout between two of them.
    thread = threading.Thread(target=run, name="webhook", daemon=True)
    thread.start()
    thread.join(LONGEST_S)
    return answers[0] if answers else Answer(None, f"The receiver took more than {LONGEST_S:g} s.")


def _send(url: str, body: bytes, headers: dict[str, str], settings: Settings) -> Answer:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    address = allowed_address(host, port, also=networks(settings.webhook_networks), setting="webhook_networks")
    # As for sources: no proxy of the environment, which would connect to addresses that nobody checked; the operator's
    # own certificates are trusted.
    trusted = httpx.create_ssl_context(trust_env=True)
    with (
        httpx.Client(trust_env=False, verify=trusted, timeout=LONGEST_S, follow_redirects=False) as client,
        client.stream(
            "POST",
            httpx.URL(url).copy_with(host=address),
            content=body,
            headers={"Host": parts.netloc, **headers},
            extensions={"sni_hostname": host},
        ) as reply,
    ):
        if reply.is_success:
            return Answer(reply.status_code, None)
        also = " Redirects are not followed." if reply.is_redirect else ""
        return Answer(reply.status_code, f"The receiver answered {reply.status_code}.{also}")
