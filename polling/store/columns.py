"""Column types that mean the same on SQLite and PostgreSQL.

Times are aware UTC in Python on both stores. JSON is kept as canonical text
(sorted keys, no spaces, no NaN), so that equal values are equal bytes and can
be hashed; neither store's own JSON type promises that.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

__all__ = ["CanonicalJson", "Json", "UtcDateTime", "canonical_json", "json_sha256"]

type Json = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime with microseconds; a naive one is refused.

    SQLite stores text of fixed width without an offset, so that comparison in
    SQL is comparison in time; PostgreSQL stores ``timestamptz``.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"time {value.isoformat()} has no time zone; pass an aware UTC datetime")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        # SQLite gives back the naive text; PostgreSQL answers in the session's own time zone.
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class CanonicalJson(TypeDecorator[Any]):
    """A JSON value stored as its canonical text; SQL NULL is Python None."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else canonical_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any | None:  # noqa: ARG002
        return None if value is None else json.loads(value)


def canonical_json(value: Json) -> str:
    """Write ``value`` so that equal values give equal text.

    Raises
    ------
    ValueError
        If a number is NaN or infinite: JSON has neither, and PostgreSQL and
        browsers refuse what Python would write.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        where = _first_not_finite(value, "$")
        raise ValueError(f"{where or 'a value'} cannot be written as JSON ({error}); store null instead") from None


def json_sha256(value: Json) -> str:
    """Hash the canonical text of ``value``: 64 hexadecimal characters."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _first_not_finite(value: Json, path: str) -> str | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else path
    if isinstance(value, Mapping):
        members = [(f"{path}.{key}", member) for key, member in value.items()]
    elif isinstance(value, Sequence) and not isinstance(value, str):
        members = [(f"{path}[{index}]", member) for index, member in enumerate(value)]
    else:
        return None
    return next((found for where, member in members if (found := _first_not_finite(member, where))), None)
