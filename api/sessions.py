"""Sessions of the web page: a key is exchanged for a secret that the browser keeps in a cookie and no script can read.

The secret is random and stored by its keyed hash. A session ends after ``LASTS``, with a sign-out, and with its key:
when that expires, is revoked or is rotated. Its cookie opens pages and their stream of events, and no route under /v1.

A form carries a token that follows from the cookie's secret, which a page of another site neither knows nor can have
computed: HMAC-SHA256(secret, "form"). Who has not signed in yet gets a cookie of its own for that.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from litestar.datastructures import Cookie

from api.callers import Connection, Principal, principal_for
from api.errors import KeyNotAccepted
from api.services import Services
from polling.keys import hash_key
from polling.store import web_sessions

__all__ = [
    "LASTS",
    "Signed",
    "cookie_of",
    "end_session",
    "find_session",
    "form_token",
    "is_form_token",
    "new_form_secret",
    "open_session",
    "secret_of",
]

LASTS: Final = timedelta(hours=12)
SEEN: Final = timedelta(hours=1)
"""How exactly it is known when a session was last used; a session costs one write in that time."""
_BEGIN: Final = "hustsession_"
_NAMES: Final = {"session": "hustings", "form": "hustings-form"}


@dataclass(frozen=True, slots=True)
class Signed:
    """Somebody who signed in."""

    secret: str
    principal: Principal
    """Whom the key speaks for; until the session ends."""


def open_session(services: Services, principal: Principal, now: datetime) -> tuple[str, datetime]:
    """A new session of a key that was accepted: its secret, and when it ends."""
    secret, expires_at = _BEGIN + secrets.token_urlsafe(32), now + LASTS
    if principal.expires_at is not None:
        expires_at = min(expires_at, principal.expires_at)
    with services.store.write() as session:
        web_sessions.add(session, _hash(services, secret), key_id=principal.key_id, expires_at=expires_at, now=now)
    return secret, expires_at


def find_session(services: Services, secret: str, now: datetime) -> Signed | None:
    """Who signed in with this secret; None if nobody did, or the session or its key is over."""
    if not secret.startswith(_BEGIN):
        return None
    found = services.memory.find_session(_hash(services, secret))
    if found is None or now >= found.expires_at:
        return None
    record = services.memory.find_key(found.key_prefix)
    if record is None:
        return None
    try:
        principal = principal_for(record, now)
    except KeyNotAccepted:
        return None
    if now - found.last_seen_at >= SEEN:
        services.uses.note_session(found.secret_hash, now)
    until = found.expires_at if principal.expires_at is None else min(found.expires_at, principal.expires_at)
    about = (principal.key_id, principal.role, principal.survey_id, principal.pollster, principal.prefix)
    return Signed(secret, Principal(*about, expires_at=until))


def end_session(services: Services, secret: str) -> None:
    """End a session, if there is one."""
    with services.store.write() as session:
        web_sessions.end(session, _hash(services, secret))


def secret_of(connection: Connection, kind: str) -> str | None:
    """The secret in the browser's cookie of a kind, ``session`` or ``form``."""
    return connection.cookies.get(_name(connection, kind))


def cookie_of(connection: Connection, kind: str, secret: str | None, *, max_age_s: int | None = None) -> Cookie:
    """The cookie that keeps a secret, or that makes the browser forget it."""
    # The prefix __Host- keeps other hosts of the domain from setting it; browsers take it over https alone.
    return Cookie(
        key=_name(connection, kind),
        value=secret or "",
        max_age=0 if secret is None else max_age_s,
        path="/",
        secure=_is_secure(connection),
        httponly=True,
        samesite="lax",
    )


def new_form_secret() -> str:
    """A secret for the cookie of a browser that fills in a form without a session."""
    return secrets.token_urlsafe(32)


def form_token(secret: str) -> str:
    """What a form carries beside the cookie with this secret."""
    return hmac.digest(secret.encode(), b"form", "sha256").hex()


def is_form_token(secret: str | None, token: Any) -> bool:
    """Whether a form with this token was written for the browser with this secret."""
    if not secret or not isinstance(token, str):
        return False
    return hmac.compare_digest(form_token(secret).encode(), token.encode())


def _is_secure(connection: Connection) -> bool:
    # The edge has put in what a trusted proxy says of it.
    return connection.scope.get("scheme") == "https"


def _name(connection: Connection, kind: str) -> str:
    return f"__Host-{_NAMES[kind]}" if _is_secure(connection) else _NAMES[kind]


def _hash(services: Services, secret: str) -> str:
    return hash_key(secret, services.secrets.pepper(used=True))
