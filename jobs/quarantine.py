"""What becomes of rows that were set aside: stored with pseudonyms, listed, downloaded, released after a fix.

To release is to look again with the newest codebook: rows that pass are counted, through a new version of the wave;
those that do not stay where they are. Downloads are reads of respondent-level data and are in the audit chain.
"""

from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
from sqlalchemy.orm import Session

from jobs import ledger
from jobs.delivery import answered_questions
from jobs.restate import restate
from jobs.settings import Settings
from jobs.wave_life import Also, ChangedWaves
from polling.codebook import Conversion, convert
from polling.declaration import SurveyDeclaration
from polling.enums import as_texts
from polling.errors import WaveRejected, WaveStateRefused
from polling.payload import from_payload, payload_labels, to_payload
from polling.quarantine import REASONS, ROW, from_quarantine, reasons_of, rows_aside, to_quarantine
from polling.secrets import SecretsFile
from polling.spreadsheet import defuse
from polling.store import deliveries, surveys, waves
from polling.store.engine import Store
from polling.store.wave_events import data_sequence, lock_survey
from polling.store.wave_records import OPEN, WITHDRAWN, NewWave, WaveRecord
from polling.wave_file import ReadWave

__all__ = ["QuarantineList", "download", "list_quarantine", "release"]


@dataclass(frozen=True, slots=True)
class QuarantineList:
    """The rows of a wave that are set aside, without their content."""

    wave: WaveRecord
    version: int
    """The delivery: the one that waits for an analyst, or else the one that stands."""
    n_quarantined: int
    rows: tuple[tuple[int, str], ...]
    """Row of the file, and why."""
    reasons: tuple[tuple[str, int], ...]
    """Why, and how many rows."""


def list_quarantine(store: Store, *, survey_id: str, wave: str, pollster: str | None = None) -> QuarantineList:
    """List what is set aside of a wave.

    Raises
    ------
    WaveNotFound
        If there is no such wave, or it is another pollster's.
    """
    with store.read() as session:
        found = waves.get_wave(session, survey_id, wave, pollster=pollster)
        rows = _load(session, found)
    listed = () if rows is None else tuple((int(row), str(why)) for row, why in rows.select(ROW, REASONS).iter_rows())
    told = () if rows is None else tuple(reasons_of(rows))
    return QuarantineList(found, _version(found), len(listed), listed, told)


def download(
    store: Store,
    secrets: SecretsFile,
    *,
    survey_id: str,
    wave: str,
    pollster: str | None = None,
    now: datetime,
    actor: str,
) -> str:
    """The rows that are set aside as CSV, respondents as pseudonyms; cells that look like formulas begin with ``'``.

    The read is in the audit chain.

    Raises
    ------
    WaveNotFound
        If there is no such wave, or it is another pollster's.
    """
    with store.write() as session:
        found = waves.get_wave(session, survey_id, wave, pollster=pollster)
        rows = _load(session, found)
        n = 0 if rows is None else rows.height
        ledger.record(
            session,
            secrets,
            actor=actor,
            action="interviews-read",
            survey_id=survey_id,
            subject=found.id,
            detail={"what": "quarantine", "version": _version(found), "n": n},
            now=now,
        )
    if rows is None:
        rows = pl.DataFrame(schema={ROW: pl.UInt32, REASONS: pl.String})
    shown = rows.rename({ROW: "file row", REASONS: "reasons"}) if "file row" not in rows.columns else rows
    return defuse(shown).write_csv()


def release(
    store: Store,
    secrets: SecretsFile,
    settings: Settings,
    *,
    survey_id: str,
    wave: str,
    pollster: str | None = None,
    reason: str,
    now: datetime,
    actor: str,
    also: Also | None = None,
) -> ChangedWaves:
    """Count the rows that pass the codebook of the newest version of the survey; parameters as for ``wave_life``.

    Returns
    -------
    ChangedWaves
        The wave is unchanged if no row passes.

    Raises
    ------
    WaveNotFound
        If there is no such wave, or it is another pollster's.
    WaveStateRefused
        If it is open or withdrawn, its interviews were purged, or it changed meanwhile.
    WaveRejected
        If it lacks a column that the survey declares by now.
    """
    with store.read() as session:  # the slow part, outside the write transaction
        survey = surveys.get_survey(session, survey_id)
        seen = waves.get_wave(session, survey_id, wave, pollster=pollster)
        new = _reconsidered(session, seen, survey.bundle.declaration, survey.version)
    with store.write() as session:
        lock_survey(session, survey_id)
        before = data_sequence(session, survey_id)
        found = waves.get_wave(session, survey_id, wave, pollster=pollster)
        if found.changed != seen.changed:
            raise WaveStateRefused(found.reference, "it changed meanwhile. Look at it again.")
        answer = ChangedWaves((), (found,), ())
        if new is not None:
            after = deliveries.requarantine(session, found, new, now=now, actor=actor, reason=reason)
            jobs = restate(session, secrets, settings, (after,), after=before, now=now)
            answer = ChangedWaves((after,), (), jobs)
        if also is not None:
            also(session, answer)
        return answer


def _version(wave: WaveRecord) -> int:
    return wave.version if wave.waiting is None else wave.waiting


def _load(session: Session, wave: WaveRecord) -> pl.DataFrame | None:
    parts = [from_quarantine(one) for one in waves.load_quarantine(session, wave, version=_version(wave))]
    return pl.concat(parts, how="diagonal") if parts else None


def _reconsidered(
    session: Session, wave: WaveRecord, declaration: SurveyDeclaration, survey_version: int
) -> NewWave | None:
    """The next version of a wave, with the rows that pass by now; None if none does."""
    if wave.state == WITHDRAWN:
        raise WaveStateRefused(wave.reference, "it was withdrawn. Restore it first.")
    if wave.state == OPEN:
        raise WaveStateRefused(wave.reference, "it is open. Close it first.")
    aside = _load(session, wave)
    if aside is None or not aside.height:
        return None
    payloads = waves.load_payloads(session, wave, version=_version(wave))
    if not payloads:
        raise WaveStateRefused(wave.reference, "its interviews were purged. Send the rows as a new wave.")
    counted = pl.concat([as_texts(from_payload(one)) for one in payloads], how="diagonal")
    labels = {column: codes for one in payloads for column, codes in payload_labels(one).items()}
    (about,) = [one for one in waves.list_versions(session, wave.id) if one.version == _version(wave)]
    both, conversion, bad = _converted(counted, aside, declaration, wave)
    if about.fieldwork_start is not None and about.fieldwork_end is not None:
        within = pl.col("date").is_between(about.fieldwork_start, about.fieldwork_end)
        late = conversion.interviews.filter(~within).select(
            "row", column=pl.lit("date"), reason=pl.lit("the interview was not within fieldwork")
        )
        bad = pl.concat([bad, late])
    # The rows set aside come last, numbered as in the file; a wave of batches has some numbers twice.
    place = pl.Series(range(counted.height, both.height), dtype=pl.UInt32)
    fails = place.is_in(bad["row"].implode())
    if fails.all():
        return None
    sound = pl.concat([pl.repeat(True, counted.height, dtype=pl.Boolean, eager=True), ~fails])
    received = both.filter(sound)
    kept = replace(conversion, interviews=conversion.interviews.filter(sound))
    read = ReadWave(received, received.height, conversion.questions_asked, kept)
    left = _left(aside, fails, place, bad)
    return NewWave(
        survey_id=wave.survey_id,
        survey_version=survey_version,
        pollster=wave.pollster,
        reference=wave.reference,
        content_sha256=about.content_sha256,
        payload=to_payload(received, labels),
        n_interviews=received.height,
        questions=answered_questions(read, declaration),
        fieldwork_start=about.fieldwork_start,
        fieldwork_end=about.fieldwork_end,
        key_version=about.key_version,
        facts=about.facts,
        flags=about.flags,
        n_quarantined=left.height,
        n_without_consent=about.n_without_consent,
        quarantine=to_quarantine(left) if left.height else None,
        file_name=about.file_name,
    )


def _converted(
    counted: pl.DataFrame, aside: pl.DataFrame, declaration: SurveyDeclaration, wave: WaveRecord
) -> tuple[pl.DataFrame, Conversion, pl.DataFrame]:
    """Counted rows, then those set aside, through the codebook, numbered 0, 1, ...; and the faults of rows."""
    both = pl.concat([counted, aside.drop(ROW, REASONS)], how="diagonal")
    conversion = convert(both, declaration, pollster=wave.pollster, rows=range(both.height))
    if conversion.n_faults > conversion.n_row_faults:
        raise WaveRejected(conversion.faults, both.height, total=conversion.n_faults)
    return both, conversion, conversion.bad_rows


def _left(aside: pl.DataFrame, fails: pl.Series, place: pl.Series, bad: pl.DataFrame) -> pl.DataFrame:
    """The rows that stay, with what is wrong with them now."""
    told = rows_aside(aside.drop(ROW, REASONS).filter(fails), place.filter(fails), bad)
    return told.with_columns(aside.filter(fails)[ROW])
