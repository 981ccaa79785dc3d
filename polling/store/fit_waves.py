"""The waves behind a fit, as they were delivered: which version of each, and what was said of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import batched
from typing import Any, Final

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from polling.store.columns import Json
from polling.store.records import FitRecord
from polling.store.tables import Wave, WaveVersion

__all__ = ["FitWave", "waves_noted", "waves_of_fit"]

_AT_A_TIME: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class FitWave:
    """One wave of a fit, in the version whose interviews are in it."""

    id: str
    pollster: str
    reference: str
    version: int
    n_interviews: int
    """Of that version as it stands: batches and erasures since the fit are in it."""
    n_quarantined: int
    n_without_consent: int
    fieldwork_start: date | None
    fieldwork_end: date | None
    facts: Mapping[str, Json]
    """Only what its pollster gave."""
    flags: tuple[Json, ...]

    @property
    def name(self) -> str:
        """What it is called, and by whom."""
        return f"{self.reference} of {self.pollster}"


def waves_of_fit(session: Session, fit: FitRecord) -> list[FitWave]:
    """The waves of a fit in the order in which they were first received."""
    inputs: Any = fit.inputs.get("waves", []) if isinstance(fit.inputs, dict) else []
    return waves_noted(session, inputs)


def waves_noted(session: Session, inputs: Sequence[Any]) -> list[FitWave]:
    """The same of waves as the inputs of a fit note them, be it of its question or of one that was fitted with it."""
    # A fit of the first schema knew one version of every wave.
    used = [(str(one["id"]), int(one.get("version", 1))) for one in inputs if isinstance(one, dict)]
    found: list[tuple[int, FitWave]] = []
    for some in batched(used, _AT_A_TIME):
        mine = tuple_(WaveVersion.wave_id, WaveVersion.version).in_(some)
        rows = session.execute(select(Wave, WaveVersion).join(WaveVersion, WaveVersion.wave_id == Wave.id).where(mine))
        found += [(wave.sequence, _fit_wave(wave, version)) for wave, version in rows]
    return [wave for _, wave in sorted(found, key=lambda pair: pair[0])]


def _fit_wave(wave: Wave, version: WaveVersion) -> FitWave:
    return FitWave(
        id=wave.id,
        pollster=wave.pollster,
        reference=wave.reference,
        version=version.version,
        n_interviews=version.n_interviews,
        n_quarantined=version.n_quarantined,
        n_without_consent=version.n_without_consent,
        fieldwork_start=version.fieldwork_start,
        fieldwork_end=version.fieldwork_end,
        facts=version.facts,
        flags=tuple(version.flags),
    )
