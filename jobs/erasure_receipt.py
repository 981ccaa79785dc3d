"""What a receipt of an erasure says: a case number, what was found and not searched, and what is still to come."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from jobs.settings import Settings
from polling.store import backup_runs, erasure
from polling.store.columns import Json
from polling.store.erasure import ErasureRecord, Removed
from polling.store.suppression import Entry

__all__ = ["deleted_more", "finished", "gaps_of", "lost_receipt", "receipt_of", "unsearched"]

_LOST = "The first receipt was lost with the database, and with it what was found then."


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
        The case so far, if it is asked for again: numbers add up, and the dates of what was done first stay.
    n_fits
        How many fits were marked.
    """
    earlier: Mapping[str, Json] = before.receipt if before else {}
    gaps: dict[str, Json] = {
        "not_searched": [*([_LOST] if earlier.get("first_lost") else []), *gaps_of(removed.n_purged, lost_keys)],
        "keys_lost": list[Json](lost_keys),
    }
    found = bool(removed.waves or n_fits)
    if earlier and not found:  # nothing new was done: what was done, and when, stays as it was
        return dict(earlier) | gaps

    def plus(name: str, n: int) -> int:
        had = earlier.get(name)
        return n + (had if isinstance(had, int) else 0)

    expiries = [one.expires_at for one in backup_runs.not_deleted(session) if one.expires_at is not None]
    last_day = (now + timedelta(days=settings.erasure_days)).isoformat()
    draws = last_day if n_fits and erasure.unforgotten_fits(session, survey_id) else None
    removed_before = earlier.get("removed_at") if earlier and _had_something(earlier) else None
    first_draws = earlier.get("draws_deleted_by")
    return gaps | {
        "case_number": case,
        "requested_at": (before.requested_at if before else now).isoformat(),
        "removed_at": removed_before or now.isoformat(),
        "removed_again_at": now.isoformat() if removed_before else None,
        "n_waves": len({*removed.waves, *(before.waves if before else ())}),
        "n_interviews": plus("n_interviews", removed.n_interviews),
        "n_set_aside": plus("n_set_aside", removed.n_quarantined),
        "n_fits": plus("n_fits", n_fits),
        "draws_deleted_by": first_draws or draws,
        "draws_again_deleted_by": (draws or earlier.get("draws_again_deleted_by")) if first_draws else None,
        "backups_deleted_by": max(expiries).isoformat() if expiries else None,
        "bytes_freed_at": None,
        "finished_at": None,
        "deletions": plus("deletions", 1),
        "first_lost": bool(earlier.get("first_lost")),
    }


def gaps_of(n_purged: int, lost_keys: Sequence[int]) -> list[Json]:
    """What could not be searched, in sentences.

    Parameters
    ----------
    n_purged
        Waves, of those that were searched, of which counts alone are left.
    lost_keys
        Versions of the pseudonym key that the secrets file lacks, and interviews are stored with.
    """
    gaps: list[Json] = []
    if n_purged:
        waves = "1 wave" if n_purged == 1 else f"{n_purged:,} waves"
        gaps.append(f"Of {waves} only counts per cell are left; nobody can be found in them.")
    gaps += [
        f"Version {one} of the pseudonym key is lost: interviews stored with it cannot be searched. Look for it in the "
        "copies of the secrets file, put it back, and ask again."
        for one in lost_keys
    ]
    return gaps


def unsearched(receipt: Mapping[str, Json]) -> frozenset[int]:
    """Versions of the pseudonym key that were lost when it was last searched; an older receipt has them in words."""
    listed = receipt.get("keys_lost")
    if isinstance(listed, list):
        return frozenset(one for one in listed if isinstance(one, int))
    told = receipt.get("not_searched")
    sentences = told if isinstance(told, list) else []
    found = (re.match(r"Version (\d+) of the pseudonym key is lost", str(one)) for one in sentences)
    return frozenset(int(one[1]) for one in found if one is not None)


def finished(receipt: Mapping[str, Json], *, keys: Collection[int], now: datetime) -> dict[str, Json] | None:
    """The receipt of a case of which nothing is left to do, or None if interviews are left that were not searched.

    Parameters
    ----------
    keys
        Versions of the pseudonym key that interviews are stored with now: those of lost keys may be purged since.
    """
    if unsearched(receipt) & frozenset(keys):
        return None
    return dict(receipt) | {
        "finished_at": receipt.get("finished_at") or now.isoformat(),
        "draws_deleted_by": None,
        "draws_again_deleted_by": None,
        "keys_lost": [],
    }


def lost_receipt(entry: Entry) -> dict[str, Json]:
    """Of an erasure whose receipt was lost with the database."""
    at = entry.created_at.isoformat()
    told: dict[str, Json] = dict.fromkeys(("n_waves", "n_interviews", "n_set_aside", "n_fits"), 0)
    told |= dict.fromkeys(("draws_deleted_by", "backups_deleted_by", "bytes_freed_at", "finished_at"))
    return told | {
        "case_number": entry.case_number,
        "requested_at": at,
        "removed_at": at,
        "not_searched": [_LOST],
        "keys_lost": [],
        "deletions": 1,
        "first_lost": True,
    }


def deleted_more(receipt: Mapping[str, Json]) -> dict[str, Json]:
    """The receipt after something more was deleted, whose bytes are to be freed once more."""
    deletions = receipt.get("deletions")
    n = deletions if isinstance(deletions, int) else 0
    return dict(receipt) | {"deletions": n + 1, "bytes_freed_at": None, "finished_at": None}


def _had_something(receipt: Mapping[str, Json]) -> bool:
    return bool(receipt.get("n_interviews") or receipt.get("n_set_aside") or receipt.get("first_lost"))
