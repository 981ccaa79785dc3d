"""Look at the quality of an open wave: as its batches come, and as a whole when it is closed.

    a batch     what an unfinished sample can be judged by, on the interviews so far and the new ones: duplicates,
                speeders, straight lines, impossible combinations, weights, respondents of overlapping waves
    the close   all that a file is judged by; composition, drift and surprise need the whole sample

Over a limit the batch waits for an analyst, with the batches after it, and what was counted of the wave stays
counted. A closed wave is one delivery, as if it had come as one file: over a limit, or with batches that wait, it is
held as a whole, and what was counted of it while it was open counts again when it is let through. What an analyst let
through once does not hold the wave again: a check that was over its limit then is still shown, and nobody has to
release every batch of a panel in two halves.

Two batches that arrive at the same moment do not see each other; the next batch, and the close, see both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import polars as pl
from sqlalchemy.orm import Session

from jobs.delivery import PreparedDelivery, with_consent
from jobs.quality import held_because, quality_flags
from polling.codebook import convert
from polling.enums import as_texts
from polling.payload import from_payload
from polling.quality import Flag
from polling.store import surveys, waves
from polling.store.batches import gathered
from polling.store.columns import Json
from polling.store.records import StoredSurvey
from polling.store.wave_records import NewWave, WaveRecord, WaveVersionRecord

__all__ = ["flag_batch", "judge_closed"]

WAITS = "It was closed while batches of it waited for an analyst."


def flag_batch(session: Session, wave: WaveRecord, prepared: PreparedDelivery) -> NewWave:
    """A batch with the flags of its wave so far, and why it waits for an analyst if it does."""
    survey, new = _unfinished(prepared.known.survey), prepared.new
    so_far = gathered(session, wave)
    parts = _parts(session, wave, so_far)
    flags = _flags(
        session,
        survey,
        wave,
        pl.concat([*parts, as_texts(prepared.received)], how="diagonal"),
        questions=(),
        fieldwork=prepared.fieldwork,
        key_version=new.key_version,
    )
    flags = with_consent(flags, prepared)
    return replace(new, flags=tuple(one.to_json() for one in flags), held=_held(wave, flags))


def judge_closed(session: Session, wave: WaveRecord) -> tuple[tuple[Json, ...], str | None]:
    """The flags of all interviews of a wave that is about to be closed, and why it is held if it is."""
    whole = gathered(session, wave)
    parts = _parts(session, wave, whole)
    if whole is None or whole.fieldwork_start is None or whole.fieldwork_end is None or not parts:
        return (), None
    flags = _flags(
        session,
        surveys.get_survey(session, wave.survey_id),
        wave,
        pl.concat(parts, how="diagonal"),
        questions=whole.questions,
        fieldwork=(whole.fieldwork_start, whole.fieldwork_end),
        key_version=whole.key_version,
    )
    held = _held(wave, flags) or (None if wave.waiting is None else WAITS)
    return tuple(one.to_json() for one in flags), held


def _flags(
    session: Session,
    survey: StoredSurvey,
    wave: WaveRecord,
    received: pl.DataFrame,
    *,
    questions: Sequence[str],
    fieldwork: tuple[date, date],
    key_version: int,
) -> tuple[Flag, ...]:
    """Flags of interviews as they are stored; those of earlier batches were read with the codebook of their time."""
    declaration = survey.bundle.declaration
    column = declaration.columns_of(wave.pollster).get("respondent")
    nobody = pl.Series(dtype=pl.String)
    return quality_flags(
        session,
        survey,
        convert(received, declaration, pollster=wave.pollster),
        pollster=wave.pollster,
        reference=wave.reference,
        pseudonyms=received[column].drop_nulls() if column and column in received.columns else nobody,
        questions=questions,
        fieldwork=fieldwork,
        key_version=key_version,
    )


def _held(wave: WaveRecord, flags: Sequence[Flag]) -> str | None:
    """Why the wave waits, apart from what an analyst let through: flags of what is counted that are over."""
    passed = {(one["kind"], one["about"]) for one in wave.flags if isinstance(one, Mapping) and one["over"]}
    return held_because([one for one in flags if (one.kind, one.about) not in passed])


def _unfinished(survey: StoredSurvey) -> StoredSurvey:
    """The survey without the limits that only a whole sample can be held to."""
    declaration = survey.bundle.declaration
    quality = replace(declaration.quality, composition=None, drift=None, surprise=None)
    return replace(survey, bundle=replace(survey.bundle, declaration=replace(declaration, quality=quality)))


def _parts(session: Session, wave: WaveRecord, version: WaveVersionRecord | None) -> list[pl.DataFrame]:
    if version is None:
        return []
    return [as_texts(from_payload(one)) for one in waves.load_payloads(session, wave, version=version.version)]
