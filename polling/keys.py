"""API keys: how they look, how they are stored, what they may say about their holder.

    hust_<prefix>_<secret><checksum>

``prefix`` (8 characters) is visible in lists and logs and finds the stored record. ``secret`` (32 characters, 190
bits) is random, so a fast keyed hash protects it as well as a slow one would. ``checksum`` (6 characters, CRC-32 of
what precedes it) lets scanners recognise a leaked key and a copying mistake be told from a wrong key, without a
database. Only HMAC-SHA256(pepper, key) is stored; the pepper is in the secrets file.
"""

import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from polling.errors import KeyRefused, KeyScopeRefused

__all__ = ["KeyScope", "NewKey", "Role", "hash_key", "key_matches", "key_prefix", "new_key"]

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_PREFIX_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # read aloud and typed: no i, l, o, u
_KEY = re.compile(r"hust_([0-9a-z]{8})_([0-9A-Za-z]{32})([0-9A-Za-z]{6})")


class Role(StrEnum):
    """What the holder of a key is here for."""

    POLLSTER = "pollster"
    """Pushes waves and sees its own."""
    READER = "reader"
    """Reads estimates."""
    ANALYST = "analyst"
    """Also reads diagnostics."""
    DPO = "dpo"
    """Data protection officer: sees what is held and who read it."""
    MONITOR = "monitor"
    """Reads metrics of the service and nothing else."""
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class KeyScope:
    """Whom a key speaks for, where and how long.

    Raises
    ------
    KeyScopeRefused
        If a pollster's key names no pollster, another key names one, or the expiry has no time zone.
    """

    role: Role
    survey_id: str | None = None
    """The only survey it may see; None: every survey."""
    pollster: str | None = None
    expires_at: datetime | None = None
    """Aware, UTC; None: never."""

    def __post_init__(self) -> None:
        if self.role is Role.POLLSTER and not self.pollster:
            raise KeyScopeRefused("A pollster's key needs the pollster it speaks for.")
        if self.role is not Role.POLLSTER and self.pollster is not None:
            raise KeyScopeRefused(f"Only a pollster's key speaks for a pollster, this one is for role '{self.role}'.")
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise KeyScopeRefused(f"The expiry {self.expires_at} has no time zone. Give it in UTC.")

    def covers(self, survey_id: str) -> bool:
        """Whether the survey may be seen at all; others are answered as if they did not exist."""
        return self.survey_id is None or self.survey_id == survey_id

    def expired(self, now: datetime) -> bool:
        """Whether the key's time is over at ``now`` (aware)."""
        return self.expires_at is not None and now >= self.expires_at


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made; its text is shown once and never stored."""

    prefix: str
    text: str = field(repr=False)


def new_key() -> NewKey:
    """Make a key from the operating system's randomness."""
    prefix = "".join(secrets.choice(_PREFIX_ALPHABET) for _ in range(8))
    body = f"hust_{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(32))
    return NewKey(prefix, body + _checksum(body))


def key_prefix(text: str) -> str:
    """The visible prefix of a key.

    Raises
    ------
    KeyRefused
        If the text cannot be a key, or the checksum says that it was copied wrongly.
    """
    found = _KEY.fullmatch(text)
    if found is None:
        raise KeyRefused("This is not an API key. Keys look like hust_<8 characters>_<38 characters>.")
    if not hmac.compare_digest(_checksum(text[: found.start(3)]), found[3]):
        raise KeyRefused(f"The checksum of key '{found[1]}' is wrong: it was not copied whole. Copy it again.")
    return found[1]


def hash_key(text: str, pepper: bytes) -> str:
    """What is stored of a key: HMAC-SHA256 under the pepper, in hexadecimal."""
    return hmac.digest(pepper, text.encode(), "sha256").hex()


def key_matches(text: str, key_hash: str, pepper: bytes) -> bool:
    """Whether a key has this stored hash; takes the same time whichever character differs."""
    return hmac.compare_digest(hash_key(text, pepper), key_hash)


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
