"""What a release says anew: the waves that were corrected, withdrawn or restored since the one before it.

New waves are no restatement: the release before was right about what was known. Between any two fits `compare_waves`
tells of them too.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from polling.store.fits import get_fit
from polling.store.records import FitRecord, ReleaseRecord
from polling.store.tables import Release, Wave
from polling.store.wave_events import CHANGES_WITHIN, changes_after

__all__ = ["ComparedWave", "RestatedWave", "compare_waves", "restated_waves", "waves_used"]

NEWS = ("received", "batch")
"""Changes that bring interviews which were not there before."""


@dataclass(frozen=True, slots=True)
class RestatedWave:
    """A wave that a release counts otherwise than the release before."""

    wave_id: str
    pollster: str
    reference: str
    kind: str
    """replaced | withdrawn | restored | let-through | ...: what happened to it last."""
    version: int
    at: datetime
    reason: str | None
    text: str
    """The same in a sentence."""


@dataclass(frozen=True, slots=True)
class ComparedWave:
    """A wave that two fits use differently."""

    wave_id: str
    pollster: str
    reference: str
    change: Literal["added", "corrected", "removed", "altered"]
    """added, removed: one of the fits has it; corrected: another version; altered: other interviews of one version."""
    text: str
    """The same in a sentence, with what happened to it last, where that is known."""


def restated_waves(session: Session, release: ReleaseRecord) -> tuple[RestatedWave, ...]:
    """The waves that a release restates, in the order of what happened to them; none for a first release."""
    before = select(Release.fit_id).where(
        Release.survey_id == release.survey_id,
        Release.question_id == release.question_id,
        Release.number == release.number - 1,
    )
    if (before_id := session.scalar(before)) is None:
        return ()
    old, new = get_fit(session, before_id), get_fit(session, release.fit_id)
    had, has = waves_used(old), waves_used(new)
    if had == has:
        return ()
    # The release's own place in the history: an identical fit may have been confirmed on later data since.
    since = min(old.data_sequence, new.data_sequence - 1)
    last = {
        change.wave_id: change
        for change in changes_after(session, release.survey_id, since, purges=True)
        if change.sequence <= new.data_sequence
        and release.question_id in change.questions
        # What happened within a wave that the release before did not have restates nothing.
        and (change.wave_id in had or change.kind not in CHANGES_WITHIN)
    }
    return tuple(
        RestatedWave(
            change.wave_id,
            change.pollster,
            change.reference,
            change.kind,
            change.version,
            change.at,
            change.reason,
            change.happened,
        )
        for change in sorted(last.values(), key=lambda change: change.sequence)
        if had.get(change.wave_id) != has.get(change.wave_id)
        and change.kind not in NEWS
        and not (change.kind == "let-through" and change.wave_id not in had)
    )


def compare_waves(session: Session, before: FitRecord, after: FitRecord) -> tuple[ComparedWave, ...]:
    """The waves that two fits of one question use differently, in the order in which they were first received."""
    had, has = waves_used(before), waves_used(after)
    if had == has:
        return ()
    since = min(before.data_sequence, after.data_sequence - 1)
    # What happened to a wave last in between says why; a wave that a window left behind has nothing to tell.
    happened = {
        change.wave_id: change
        for change in changes_after(session, after.survey_id, since, purges=True)
        if change.sequence <= after.data_sequence
    }
    found = []
    for wave in session.scalars(select(Wave).where(Wave.survey_id == after.survey_id).order_by(Wave.sequence)):
        old, new = had.get(wave.id), has.get(wave.id)
        if old == new:
            continue
        change = _compared(old, new)
        name = f"Wave {wave.reference} of {wave.pollster}"
        last = happened.get(wave.id)
        if change == "added" and (last is None or last.kind in NEWS):
            text = f"{name} was added."
        elif last is not None:
            text = last.happened
        else:
            text = f"{name} is not counted any more." if change == "removed" else f"{name} was {change}."
        found.append(ComparedWave(wave.id, wave.pollster, wave.reference, change, text))
    return tuple(found)


def _compared(
    old: tuple[int, Any] | None, new: tuple[int, Any] | None
) -> Literal["added", "corrected", "removed", "altered"]:
    if old is None:
        return "added"
    if new is None:
        return "removed"
    return "corrected" if old[0] != new[0] else "altered"


def waves_used(fit: FitRecord) -> dict[str, tuple[int, Any]]:
    """Wave -> what the fit used of it, version and hashes; a fit of schema 0001 knew one version and one part."""
    used: Any = fit.inputs.get("waves", []) if isinstance(fit.inputs, dict) else []
    found = {}
    for one in used if isinstance(used, list) else []:
        if isinstance(one, dict):
            hashes = one.get("payload_sha256")
            found[str(one.get("id"))] = (int(one.get("version", 1)), [hashes] if isinstance(hashes, str) else hashes)
    return found
