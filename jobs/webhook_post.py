"""Send one event to one address: https, signed, to an address that was checked, without following anybody elsewhere.

Headers and signature are those of Standard Webhooks (https://www.standardwebhooks.com), for which there are libraries:

    webhook-id          the same for every attempt at one event: by it a receiver knows what it has already
    webhook-timestamp   seconds since 1970 of this attempt
    webhook-signature   v1,base64(HMAC-SHA256(secret, "{id}.{timestamp}.{body}"))
"""

import base64
import contextlib
import hmac
import socket
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from jobs.errors import SourceUnreachable, WebhookRefused, WorkerStopping
from jobs.networks import networks
from jobs.settings import Settings
from jobs.source_hosts import allowed_address

__all__ = ["LONGEST_S", "Answer", "check_url", "post", "signature"]

LONGEST_S: Final = 10.0
"""An attempt may take so long, from the name server to the status of the answer."""
STOPPING_S: Final = 1.0
"""What an attempt that is under way gets when its worker stops."""
STEP_S: Final = 0.05
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


def post(
    url: str,
    body: bytes,
    *,
    message_id: str,
    secret: bytes,
    settings: Settings,
    now: datetime,
    stop: threading.Event,
) -> Answer:
    """Send a body; any 2xx is an acceptance. Nothing of the answer but its status is read.

    Raises
    ------
    WorkerStopping
        If ``stop`` is set and there is no answer soon after.
    """
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
    line = _Line()

    def run() -> None:
        try:
            answers.append(_send(url, body, headers, settings, line))
        except (SourceUnreachable, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            # Messages of the library have addresses and parts of the URL.
            said = str(error) if isinstance(error, SourceUnreachable) else f"{type(error).__name__}."
            answers.append(Answer(None, said))

    # In a thread: a receiver that sends a byte now and then would pass every timeout between two of them.
    thread = threading.Thread(target=run, name="webhook-post", daemon=True)
    thread.start()
    until, is_stopping = time.monotonic() + LONGEST_S, False
    while thread.is_alive() and (left := until - time.monotonic()) > 0:
        if stop.is_set() and not is_stopping:
            is_stopping, until = True, min(until, time.monotonic() + STOPPING_S)
        thread.join(min(left, STEP_S))
    if answers:
        return answers[0]
    line.cut()
    if is_stopping:
        raise WorkerStopping
    return Answer(None, f"The receiver took more than {LONGEST_S:g} s.")


class _Line:
    """The connection of an attempt, which can be cut from another thread: whoever reads it then reads its end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_cut = False

    def watch(self, event: str, about: dict[str, Any]) -> None:
        """Take note of the connection when it is there; called by httpcore for everything that it does."""
        if event != "connection.connect_tcp.complete":
            return
        with self._lock:
            # A second handle: the first one becomes that of TLS.
            self._socket = about["return_value"].get_extra_info("socket").dup()
            if self._is_cut:
                self._shut()

    def cut(self) -> None:
        """End the connection, or the one that is coming."""
        with self._lock:
            self._is_cut = True
            self._shut()

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def _shut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _send(url: str, body: bytes, headers: dict[str, str], settings: Settings, line: _Line) -> Answer:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    address = allowed_address(host, port, also=networks(settings.webhook_networks), setting="webhook_networks")
    # As for sources: no proxy of the environment, which would connect to addresses that nobody checked; the operator's
    # own certificates are trusted.
    trusted = httpx.create_ssl_context(trust_env=True)
    with (
        contextlib.closing(line),
        httpx.Client(trust_env=False, verify=trusted, timeout=LONGEST_S, follow_redirects=False) as client,
        client.stream(
            "POST",
            httpx.URL(url).copy_with(host=address),
            content=body,
            headers={"Host": parts.netloc, **headers},
            extensions={"sni_hostname": host, "trace": line.watch},
        ) as reply,
    ):
        if reply.is_success:
            return Answer(reply.status_code, None)
        also = " Redirects are not followed." if reply.is_redirect else ""
        return Answer(reply.status_code, f"The receiver answered {reply.status_code}.{also}")
