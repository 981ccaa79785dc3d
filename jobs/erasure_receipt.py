"""What a receipt of an erasure says: a case number, what was found and not searched, and what is still to come."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from jobs.settings import Settings
from polling.store import backup_runs, erasure
from polling.store.columns import Json
from polling.store.erasure import ErasureRecord, Removed
from polling.store.suppression import Entry

__all__ = ["deleted_more", "lost_receipt", "receipt_of"]


def receipt_of(
    session: Session,
    settings: Settings,
    survey_id: str,
    case: str,
    *,
    removed: Removed,
    lost_keys: tuple[int, ...],
    before: ErasureRecord | None,
    n_fits: int,
    now: datetime,
) -> dict[str, Json]:
    """The receipt of an erasure.

    Parameters
    ----------
    lost_keys
        Versions of the pseudonym key under which nobody could be looked for.
    before
        The case so far, if it is asked for again: numbers add up.
    n_fits
        How many fits were marked.
    """
    earlier: Mapping[str, Json] = before.receipt if before else {}

    def plus(name: str, n: int) -> int:
        had = earlier.get(name)
        return n + (had if isinstance(had, int) else 0)

    expiries = [one.expires_at for one in backup_runs.not_deleted(session) if one.expires_at is not None]
    gaps = [f"Of wave {one} only counts per cell are left; nobody can be found in them." for one in removed.purged]
    gaps += [
        f"Version {one} of the pseudonym key is lost: interviews stored with it cannot be searched."
        for one in lost_keys
    ]
    last_day = now + timedelta(days=settings.erasure_days)
    return {
        "case_number": case,
        "requested_at": (before.requested_at if before else now).isoformat(),
        "removed_at": now.isoformat(),
        "n_waves": len({*removed.waves, *(before.waves if before else ())}),
        "n_interviews": plus("n_interviews", removed.n_interviews),
        "n_set_aside": plus("n_set_aside", removed.n_quarantined),
        "n_fits": plus("n_fits", n_fits),
        "not_searched": list[Json](gaps),
        "draws_deleted_by": last_day.isoformat() if erasure.unforgotten_fits(session, survey_id) else None,
        "backups_deleted_by": max(expiries).isoformat() if expiries else None,
        "bytes_freed_at": None,
        "finished_at": None,
        "deletions": plus("deletions", 1),
    }


def lost_receipt(entry: Entry) -> dict[str, Json]:
    """Of an erasure whose receipt was lost with the database."""
    at = entry.created_at.isoformat()
    told: dict[str, Json] = dict.fromkeys(("n_waves", "n_interviews", "n_set_aside", "n_fits"), 0)
    told |= dict.fromkeys(("draws_deleted_by", "backups_deleted_by", "bytes_freed_at", "finished_at"))
    lost: list[Json] = ["The first receipt was lost with the database, and with it what was found then."]
    return told | {
        "case_number": entry.case_number,
        "requested_at": at,
        "removed_at": at,
        "not_searched": lost,
        "deletions": 1,
    }


def deleted_more(receipt: Mapping[str, Json]) -> dict[str, Json]:
    """The receipt after something more was deleted, whose bytes are to be freed once more."""
    deletions = receipt.get("deletions")
    n = deletions if isinstance(deletions, int) else 0
    return dict(receipt) | {"deletions": n + 1, "bytes_freed_at": None, "finished_at": None}
