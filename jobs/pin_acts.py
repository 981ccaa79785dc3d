"""Pin a release, so that its draws are kept however old it gets, or let go of it. The acts are in the audit log."""

from datetime import datetime

from jobs import ledger
from polling.secrets import SecretsFile
from polling.store import pins
from polling.store.engine import Store
from polling.store.releases import get_release

__all__ = ["pin", "unpin"]


def pin(
    store: Store, secrets: SecretsFile, *, release_id: str, reason: str, now: datetime, actor: str
) -> tuple[pins.PinRecord | None, bool]:
    """Keep the draws of a release.

    Returns
    -------
    tuple
        Its pin, and whether anything changed: a pin stays the one it is.

    Raises
    ------
    ReleaseNotFound
        If there is no such release.
    ReleaseRefused
        If its draws are gone already.
    """
    with store.write() as session:
        changed = pins.pin(session, release_id, actor=actor, reason=reason, now=now)
        release = get_release(session, release_id)
        if changed:
            ledger.record(
                session,
                secrets,
                actor=actor,
                action="release-pinned",
                survey_id=release.survey_id,
                subject=release_id,
                detail={"question_id": release.question_id, "number": release.number, "reason": reason},
                now=now,
            )
        return pins.find_pin(session, release_id), changed


def unpin(
    store: Store, secrets: SecretsFile, *, release_id: str, reason: str, now: datetime, actor: str
) -> tuple[pins.PinRecord | None, bool]:
    """Let the draws of a release go when their time is over; returns as ``pin`` does.

    Raises
    ------
    ReleaseNotFound
        If there is no such release.
    """
    with store.write() as session:
        changed = pins.unpin(session, release_id)
        release = get_release(session, release_id)
        if changed:
            ledger.record(
                session,
                secrets,
                actor=actor,
                action="release-unpinned",
                survey_id=release.survey_id,
                subject=release_id,
                detail={"question_id": release.question_id, "number": release.number, "reason": reason},
                now=now,
            )
        return None, changed
