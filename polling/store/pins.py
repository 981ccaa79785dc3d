"""Releases whose draws are kept however old they get, because somebody pinned them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from polling.errors import ReleaseRefused
from polling.store.releases import get_release, lock_state
from polling.store.tables import ReleasePin

__all__ = ["PinRecord", "find_pin", "pin", "unpin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PinRecord:
    """Since when, by whom and why a release is pinned."""

    at: datetime
    actor: str
    reason: str


def pin(session: Session, release_id: str, *, actor: str, reason: str, now: datetime) -> bool:
    """Keep the draws of a release; tells whether anything changed: a pin stays the one it is.

    Raises
    ------
    ReleaseNotFound
        If there is no such release.
    ReleaseRefused
        If its draws are gone already.
    """
    release = get_release(session, release_id)
    lock_state(session, release.survey_id, release.question_id)
    if find_pin(session, release_id) is not None:
        return False
    if not release.has_draws:
        raise ReleaseRefused(release.number, "its draws are not kept any more, so that there is nothing to pin.")
    session.add(ReleasePin(release_id=release_id, at=now, actor=actor, reason=reason))
    session.flush()
    return True


def unpin(session: Session, release_id: str) -> bool:
    """Let the draws of a release go when their time is over; tells whether it was pinned.

    Raises
    ------
    ReleaseNotFound
        If there is no such release.
    """
    get_release(session, release_id)
    row = session.get(ReleasePin, release_id, populate_existing=True)
    if row is None:
        return False
    session.delete(row)
    session.flush()
    return True


def find_pin(session: Session, release_id: str) -> PinRecord | None:
    """The pin of a release; None if it has none."""
    row = session.get(ReleasePin, release_id, populate_existing=True)
    return None if row is None else PinRecord(at=row.at, actor=row.actor, reason=row.reason)
