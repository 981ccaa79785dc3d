"""Remove a respondent from what is stored, and keep the receipts.

Every version of every wave is searched, whatever became of it, with what was set aside. A payload that held the
respondent is written anew without; both hashes are handed back for the audit chain. The hash of the file as it was sent
stays: it is of the whole file, names nobody, and without it the same file would not be recognised when it is sent
again. What a purge left are counts per cell in which nobody can be found.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any, Protocol

import polars as pl
from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import Session

from polling.declaration import declaration_from_json
from polling.errors import ErasureNotFound
from polling.payload import from_payload, payload_column, payload_labels, to_payload
from polling.store.checks import forget_checks
from polling.store.columns import Json
from polling.store.dialect import without_limit
from polling.store.fit_inputs import every_wave
from polling.store.tables import Erasure, Fit, FitDraws, SurveyVersion, Wave, WaveEvent, WavePart, WaveVersion
from polling.store.wave_events import NOTHING_COUNTED, append_event
from polling.store.wave_records import Standing

__all__ = [
    "ErasureRecord",
    "Is",
    "Removed",
    "StoredPart",
    "add_case",
    "forget_fits",
    "get_case",
    "keep_case",
    "key_versions",
    "list_cases",
    "mark_fits",
    "mark_if_late",
    "open_cases",
    "remove",
    "respondent_columns",
    "set_receipt",
    "stored_parts",
    "unforgotten_fits",
]


class Is(Protocol):
    """Tells which ids or pseudonyms of a pollster's are the respondent's."""

    def __call__(self, ids: pl.Series, *, pollster: str) -> pl.Series: ...


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed."""

    n_interviews: int
    """Interviews that were counted, in every version of a wave in which they were."""
    n_quarantined: int
    waves: tuple[str, ...]
    """Ids of the waves that changed."""
    payloads: Mapping[str, str]
    """Hash of a payload before -> after."""
    n_purged: int
    """Waves of which counts alone are left, where nobody can be found."""


@dataclass(frozen=True, slots=True)
class StoredPart:
    """Everything that is stored of the interviews of one part. Special-category data."""

    pollster: str
    reference: str
    state: str
    version: int
    counted: bool
    """Whether it is counted now."""
    received_at: datetime
    fieldwork_start: date | None
    fieldwork_end: date | None
    payload: bytes | None
    quarantine: bytes | None


@dataclass(frozen=True, slots=True)
class ErasureRecord:
    """An erasure, without anything that names the respondent."""

    case_number: str
    survey_id: str
    requested_at: datetime
    done_at: datetime | None
    """When nothing was left in the database: bytes freed, draws deleted."""
    actor: str
    n_interviews: int
    waves: tuple[str, ...]
    fits: tuple[str, ...]
    receipt: Mapping[str, Json]


def remove(
    session: Session, survey_id: str, *, is_id: Is, is_pseudonym: Is, pollster: str | None, now: datetime, actor: str
) -> Removed:
    """Remove a respondent from every payload and quarantine; the survey is locked.

    Whatever the store's limit on statements is, this takes its time: an erasure that is given up is none.

    Parameters
    ----------
    pollster
        Whose waves are searched; None for everybody's.
    """
    without_limit(session)

    def either(ids: pl.Series, *, pollster: str) -> pl.Series:
        return is_pseudonym(ids, pollster=pollster) | is_id(ids, pollster=pollster)

    columns = respondent_columns(session, survey_id)
    mine = select(Wave).where(Wave.survey_id == survey_id).order_by(Wave.sequence)
    if pollster is not None:
        mine = mine.where(Wave.pollster == pollster)
    n_interviews = n_quarantined = 0
    changed, purged, payloads = [], set(), {}
    for wave in session.scalars(mine).all():
        touched = moved = False
        counted = Standing(wave.version, wave.state).counted
        parts = select(WavePart.version, WavePart.number).where(WavePart.wave_id == wave.id)
        for version, number in session.execute(parts.order_by(WavePart.version, WavePart.number)).all():
            part = session.get_one(WavePart, (wave.id, version, number), populate_existing=True)
            about = session.get_one(WaveVersion, (wave.id, version), populate_existing=True)
            if part.payload is None:
                purged.add(wave.id)
            before = part.payload_sha256
            n = _from_payload(part, columns[wave.pollster], partial(is_pseudonym, pollster=wave.pollster))
            # What was set aside may have its id under another name, or not be a pseudonym yet.
            aside = _from_quarantine(part, columns[wave.pollster], partial(either, pollster=wave.pollster))
            if n:
                payloads[before] = part.payload_sha256
            about.n_interviews -= n
            about.n_quarantined -= aside
            n_interviews, n_quarantined = n_interviews + n, n_quarantined + aside
            touched = touched or bool(n or aside)
            moved = moved or (n > 0 and version == counted)
            session.flush()
            session.expunge(part)  # one payload in memory at a time
        if touched:
            stands, why = Standing(wave.version, wave.state, wave.waiting), None if moved else NOTHING_COUNTED
            append_event(session, wave, "erased", stands, now=now, actor=actor, reason=why)
            changed.append(wave.id)
    return Removed(n_interviews, n_quarantined, tuple(changed), payloads, len(purged))


def stored_parts(session: Session, survey_id: str, pollster: str | None) -> Iterator[StoredPart]:
    """Every part of every version of every wave, whatever became of it, one at a time.

    Parameters
    ----------
    pollster
        Of this pollster's waves; None for everybody's.
    """
    version = (WaveVersion.wave_id == WavePart.wave_id) & (WaveVersion.version == WavePart.version)
    keys = (
        select(Wave, WaveVersion, WavePart.number, WavePart.received_at)
        .join(WaveVersion, WaveVersion.wave_id == Wave.id)
        .join(WavePart, version)
        .where(Wave.survey_id == survey_id)
        .order_by(Wave.sequence, WavePart.version, WavePart.number)
    )
    if pollster is not None:
        keys = keys.where(Wave.pollster == pollster)
    for wave, about, number, received_at in session.execute(keys).all():
        one = select(WavePart.payload, WavePart.quarantine).where(
            WavePart.wave_id == wave.id, WavePart.version == about.version, WavePart.number == number
        )
        content = session.execute(one).one()
        yield StoredPart(
            pollster=wave.pollster,
            reference=wave.reference,
            state=wave.state,
            version=about.version,
            counted=Standing(wave.version, wave.state).counted == about.version,
            received_at=received_at,
            fieldwork_start=about.fieldwork_start,
            fieldwork_end=about.fieldwork_end,
            payload=content.payload,
            quarantine=content.quarantine,
        )


def respondent_columns(session: Session, survey_id: str) -> Mapping[str, tuple[str, ...]]:
    """Pollster -> every column in which any version of the survey has respondents' ids."""
    versions = select(SurveyVersion.declaration).where(SurveyVersion.survey_id == survey_id)
    declared = [
        declaration_from_json(one.encode()) for one in session.scalars(versions.order_by(SurveyVersion.version.desc()))
    ]
    pollsters = session.scalars(select(Wave.pollster).where(Wave.survey_id == survey_id).distinct())
    return {
        pollster: tuple(
            dict.fromkeys(
                column for one in declared if (column := one.columns_of(pollster).get("respondent")) is not None
            )
        )
        for pollster in pollsters
    }


def key_versions(session: Session, survey_id: str, pollster: str | None = None) -> frozenset[int]:
    """Versions of the pseudonym key that interviews are stored with, or rows set aside; not those of purged waves."""
    part = (WavePart.wave_id == WaveVersion.wave_id) & (WavePart.version == WaveVersion.version)
    there = or_(WavePart.payload.is_not(None), WavePart.quarantine.is_not(None))
    used = select(WaveVersion.key_version).join(Wave, Wave.id == WaveVersion.wave_id).join(WavePart, part).distinct()
    used = used.where(Wave.survey_id == survey_id, WaveVersion.key_version > 0, there)
    return frozenset(session.scalars(used if pollster is None else used.where(Wave.pollster == pollster)))


def mark_fits(session: Session, survey_id: str, payloads: Iterable[str], *, now: datetime) -> tuple[str, ...]:
    """Say of the fits that used one of these payloads that they contain erased data; their ids."""
    gone = set(payloads)
    rows = session.execute(select(Fit.id, Fit.inputs).where(Fit.survey_id == survey_id)) if gone else ()
    ids = tuple(fit_id for fit_id, inputs in rows if gone & _hashes(inputs))
    session.execute(update(Fit).where(Fit.id.in_(ids), Fit.contains_erased_at.is_(None)).values(contains_erased_at=now))
    return ids


def mark_if_late(session: Session, fit_id: str) -> bool:
    """Mark a fit that was counted before an erasure and is stored after it; tells whether it was one."""
    fit = session.get_one(Fit, fit_id)
    used = _waves(fit.inputs)
    erased = select(WaveEvent).where(
        WaveEvent.survey_id == fit.survey_id,
        WaveEvent.kind == "erased",
        WaveEvent.sequence > fit.data_sequence,
        WaveEvent.wave_id.in_(used),
    )
    event = session.scalars(erased.order_by(WaveEvent.sequence)).first()
    if event is None or fit.contains_erased_at is not None:
        return False
    stored = set(session.scalars(select(WavePart.payload_sha256).where(WavePart.wave_id.in_(used))))
    if _hashes(fit.inputs) <= stored:
        return False
    fit.contains_erased_at = event.at
    session.flush()
    return True


def unforgotten_fits(
    session: Session, survey_id: str, *, question_id: str | None = None, marked_before: datetime | None = None
) -> tuple[str, ...]:
    """Fits with erased data whose draws or counts are still there."""
    kept = or_(Fit.counts.is_not(None), exists().where(FitDraws.fit_id == Fit.id))
    mine = select(Fit.id).where(Fit.survey_id == survey_id, Fit.contains_erased_at.is_not(None), kept)
    if question_id is not None:
        mine = mine.where(Fit.question_id == question_id)
    if marked_before is not None:
        mine = mine.where(Fit.contains_erased_at <= marked_before)
    return tuple(session.scalars(mine.order_by(Fit.id)))


def forget_fits(session: Session, fit_ids: Sequence[str]) -> None:
    """Delete the draws, counts and checks of fits; that they were made, and from which hashes, is kept."""
    forget_checks(session, fit_ids)
    session.execute(delete(FitDraws).where(FitDraws.fit_id.in_(fit_ids)))
    session.execute(update(Fit).where(Fit.id.in_(fit_ids)).values(counts=None))


def add_case(
    session: Session,
    survey_id: str,
    case_number: str,
    removed: Removed,
    *,
    fits: Sequence[str],
    receipt: Mapping[str, Json],
    now: datetime,
    actor: str,
) -> ErasureRecord:
    """Keep the receipt of an erasure; of one that is asked for again, with what was found this time added."""
    row = session.get(Erasure, case_number, populate_existing=True)
    if row is None:
        row = Erasure(
            case_number=case_number,
            survey_id=survey_id,
            requested_at=now,
            actor=actor,
            n_interviews=0,
            waves=[],
            fits=[],
        )
        session.add(row)
    row.n_interviews += removed.n_interviews
    row.waves = sorted({*row.waves, *removed.waves})
    row.fits = sorted({*row.fits, *fits})
    row.receipt = dict(receipt)
    if removed.waves or fits:
        row.done_at = None
    session.flush()
    return _record(row)


def keep_case(
    session: Session, survey_id: str, case_number: str, *, receipt: Mapping[str, Json], now: datetime
) -> None:
    """Keep a receipt in place of one that was lost; nothing if it is there."""
    if session.get(Erasure, case_number) is None:
        nothing = Removed(0, 0, (), {}, 0)
        add_case(session, survey_id, case_number, nothing, fits=(), receipt=receipt, now=now, actor="journal")


def get_case(session: Session, survey_id: str, case_number: str) -> ErasureRecord:
    """One erasure.

    Raises
    ------
    ErasureNotFound
        If the survey has no such case.
    """
    row = session.get(Erasure, case_number, populate_existing=True)
    if row is None or row.survey_id != survey_id:
        raise ErasureNotFound(survey_id, case_number)
    return _record(row)


def list_cases(session: Session, survey_id: str) -> list[ErasureRecord]:
    """Every erasure of a survey, oldest first."""
    mine = select(Erasure).where(Erasure.survey_id == survey_id).order_by(Erasure.requested_at, Erasure.case_number)
    return [_record(row) for row in session.scalars(mine.execution_options(populate_existing=True))]


def open_cases(session: Session) -> list[ErasureRecord]:
    """Erasures of which something is left to do, oldest first."""
    left = select(Erasure).where(Erasure.done_at.is_(None)).order_by(Erasure.requested_at, Erasure.case_number)
    return [_record(row) for row in session.scalars(left.execution_options(populate_existing=True))]


def set_receipt(
    session: Session, case_number: str, receipt: Mapping[str, Json], *, done_at: datetime | None = None
) -> None:
    """Bring a receipt up to date."""
    values: dict[str, Any] = {"receipt": dict(receipt), "done_at": done_at}
    session.execute(update(Erasure).where(Erasure.case_number == case_number).values(values))


def _from_payload(part: WavePart, columns: tuple[str, ...], is_one: Callable[[pl.Series], pl.Series]) -> int:
    """Remove a respondent's interviews from a part; how many there were."""
    if part.payload is None:
        return 0
    # Only this column is read of the many parts in which there is nothing to do.
    here = [one for one in columns if is_one(pl.Series(payload_column(part.payload, one), dtype=pl.String)).any()]
    if not here:
        return 0
    rows = from_payload(part.payload)
    left = rows.filter(~_any(rows, here, is_one))
    part.payload = to_payload(left, payload_labels(part.payload))
    part.payload_sha256 = hashlib.sha256(part.payload).hexdigest()
    n = rows.height - left.height
    part.n_interviews -= n
    return n


def _from_quarantine(part: WavePart, columns: tuple[str, ...], is_one: Callable[[pl.Series], pl.Series]) -> int:
    if part.quarantine is None:
        return 0
    rows = pl.read_parquet(io.BytesIO(part.quarantine))
    left = rows.filter(~_any(rows, [one for one in columns if one in rows.columns], is_one))
    if left.height < rows.height:
        part.quarantine = to_payload(left) if left.height else None
    return rows.height - left.height


def _any(rows: pl.DataFrame, columns: Sequence[str], is_one: Callable[[pl.Series], pl.Series]) -> pl.Series:
    found = pl.Series([False] * rows.height, dtype=pl.Boolean)
    for column in columns:
        found = found | is_one(rows[column].cast(pl.String)).fill_null(value=False)
    return found


def _hashes(inputs: Any) -> set[str]:
    hashes = [one.get("payload_sha256") or [] for one in every_wave(inputs)]
    return {sha256 for one in hashes for sha256 in ([one] if isinstance(one, str) else one)}


def _waves(inputs: Any) -> list[str]:
    return [str(one.get("id")) for one in every_wave(inputs)]


def _record(row: Erasure) -> ErasureRecord:
    return ErasureRecord(
        case_number=row.case_number,
        survey_id=row.survey_id,
        requested_at=row.requested_at,
        done_at=row.done_at,
        actor=row.actor,
        n_interviews=row.n_interviews,
        waves=tuple(row.waves),
        fits=tuple(row.fits),
        receipt=row.receipt or {},
    )
