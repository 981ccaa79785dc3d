"""Look at the quality of a delivery before it is stored; say what has to wait for an analyst.

What a delivery is compared with is read from the store: the pollster's own earlier waves (composition, respondents) and
the release that is served for each question it answers (surprise). All of it happens before the transaction that
stores. A flag over its limit holds the delivery: it is stored and does not move the public numbers until somebody who
looked at it lets it through.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any, Final

import polars as pl
from sqlalchemy.orm import Session

from jobs.errors import JobsError
from jobs.outcomes import outcome_of
from jobs.respondents import MOST, n_shared
from mrp.errors import MrpError
from mrp.latents import LatentDraws
from mrp.outcomes import design_from_json, surprises
from mrp.shifts import as_fitted
from mrp.surprise import PollingError, Surprise
from polling.codebook import Conversion, convert, counted_answer
from polling.declaration import Question, SurveyDeclaration, declaration_to_json
from polling.enums import as_texts
from polling.errors import DrawsNotFound
from polling.once import Once
from polling.payload import from_payload
from polling.quality import Flag, answer_flags, composition_flags, drift_flags, weight_flags
from polling.quality.flag import LEAST_INTERVIEWS, percents
from polling.quality.sample import composition_of
from polling.store import fits, releases, waves
from polling.store.records import StoredSurvey
from polling.store.wave_records import CountedPart, WaveRecord

__all__ = ["held_because", "quality_flags"]

EARLIER = 5
"""Waves of the pollster that a sample is compared with: the last ones."""
SEED = 20_181_106
"""Of simulated errors of polls: the same delivery gets the same flags."""
_KNOWN: Final[Once[tuple[str, ...], Mapping[str, Mapping[str, int]]]] = Once(500)
"""Compositions by what they are of: each is compared with the next five waves of its pollster."""
WORDS = {"slope": "the slope on the prediction", "cells": "the scatter"}


def quality_flags(
    session: Session,
    survey: StoredSurvey,
    conversion: Conversion,
    *,
    pollster: str,
    reference: str,
    pseudonyms: pl.Series,
    questions: Sequence[str],
    fieldwork: tuple[date, date],
    key_version: int,
) -> tuple[Flag, ...]:
    """Every flag of a delivery.

    Parameters
    ----------
    conversion
        Its interviews through the codebook.
    pseudonyms
        Its respondents; empty where the survey declares no id.
    questions
        Ids of those that somebody who is counted answered.
    """
    declaration, interviews = survey.bundle.declaration, conversion.interviews
    found = answer_flags(interviews, declaration, asked=conversion.questions_asked)
    found += weight_flags(interviews, declaration)
    effect = _design_effect(interviews)
    composition = composition_of(interviews, declaration)
    found += composition_flags(composition, survey.bundle.frame, declaration, design_effect=effect)
    mine = waves.list_waves(session, survey.id, pollster)
    others = [one for one in mine if one.reference != reference and one.is_counted]
    if declaration.quality.drift is not None:
        before = [one for one in others if one.fieldwork_end is None or one.fieldwork_end <= fieldwork[1]]
        earlier = _compositions(session, before[-EARLIER:], declaration)
        found += drift_flags(composition, earlier, declaration, design_effect=effect)
    overlapping = [one for one in others if one.key_version == key_version and _overlaps(one, fieldwork)]
    found += _overlap(session, overlapping[-MOST:], declaration, pseudonyms, pollster=pollster)
    for question_id in questions:
        found += _surprise(session, declaration, declaration.question(question_id), interviews)
    return tuple(found)


def held_because(flags: Sequence[Flag]) -> str | None:
    """Why a delivery waits for an analyst; None if no flag is over its limit."""
    over = [one for one in flags if one.over]
    more = f" {len(over) - 1} more limits are exceeded." if len(over) > 2 else ""
    more = " One more limit is exceeded." if len(over) == 2 else more
    return over[0].words + more if over else None


def _design_effect(interviews: pl.DataFrame) -> float:
    weight = interviews["weight"].drop_nulls().to_numpy()
    return float(len(weight) * (weight**2).sum() / weight.sum() ** 2) if len(weight) else 1.0


def _compositions(
    session: Session, earlier: Sequence[WaveRecord], declaration: SurveyDeclaration
) -> list[Mapping[str, Mapping[str, int]]]:
    """Who was interviewed in each stored wave; nobody where its interviews were purged."""
    bare = replace(declaration, questions=(), columns={}, pollster_columns=_cells_only(declaration), consent=None)
    about = hashlib.sha256(declaration_to_json(bare)).hexdigest()
    parts: dict[str, list[CountedPart]] = {wave.id: [] for wave in earlier}
    for part in waves.load_parts_of(session, earlier):
        if part.payload is not None:
            parts[part.wave.id].append(part)
    found = []
    for wave in earlier:
        mine = parts[wave.id]
        key = (about, wave.pollster, *(part.payload_sha256 for part in mine))
        found.append(
            _KNOWN.get(key, partial(_composition, [part.payload or b"" for part in mine], bare, wave.pollster))
        )
    return found


def _composition(payloads: Sequence[bytes], bare: SurveyDeclaration, pollster: str) -> Mapping[str, Mapping[str, int]]:
    if not payloads:
        return {}
    columns = bare.columns_of(pollster).values()
    received = pl.concat([as_texts(from_payload(one, columns)) for one in payloads], how="diagonal")
    return composition_of(convert(received, bare, pollster=pollster).interviews, bare)


def _cells_only(declaration: SurveyDeclaration) -> dict[str, dict[str, str | None]]:
    return {
        pollster: {name: column for name, column in own.items() if name in declaration.cell_columns}
        for pollster, own in declaration.pollster_columns.items()
    }


def _overlaps(wave: WaveRecord, fieldwork: tuple[date, date]) -> bool:
    if wave.fieldwork_start is None or wave.fieldwork_end is None:
        return False
    return wave.fieldwork_start <= fieldwork[1] and fieldwork[0] <= wave.fieldwork_end


def _overlap(
    session: Session, others: Sequence[WaveRecord], declaration: SurveyDeclaration, mine: pl.Series, *, pollster: str
) -> list[Flag]:
    limit, column = declaration.quality.overlap, declaration.columns_of(pollster).get("respondent")
    if limit is None or column is None or len(mine) < LEAST_INTERVIEWS:
        return []
    if not others:
        return []
    shared = n_shared(session, others, mine, column)
    n, reference = max((n, wave.reference) for n, wave in zip(shared, others, strict=True))
    share = n / len(mine)
    measured, most = percents(share, limit)
    words = (
        f"{n:,} of {len(mine):,} respondents are in '{reference}' too, whose fieldwork overlaps: {measured}, the "
        f"limit is {most}."
    )
    return [Flag("overlap", reference, round(share, 4), limit, share > limit, words)]


def _surprise(
    session: Session, declaration: SurveyDeclaration, question: Question, interviews: pl.DataFrame
) -> list[Flag]:
    """How far answers are from what is served; nothing where nothing is, or its draws are gone."""
    limit = declaration.quality.surprise
    if limit is None:
        return []
    release = releases.current_release(session, declaration.id, question.id)
    if release is None:
        return []
    kept = interviews.filter(~pl.col("excluded")).with_columns(counted_answer(question))
    error = PollingError(house_sd=declaration.quality.house_sd, error_sd=declaration.quality.error_sd)
    try:
        design_json: Any = fits.load_design(session, release.fit_id)
        latents = LatentDraws.from_bytes(fits.load_draws(session, release.fit_id))
        counts = outcome_of(question).collapse(kept, by=declaration.cell_columns, answer=question.id)
        counts = as_texts(counts).sort(declaration.cell_columns)
        # Interviews are compared with what the model says of them, not with what is known besides.
        found = surprises(*as_fitted(latents, design_from_json(design_json)), counts, seed=SEED, error=error)
    except (DrawsNotFound, MrpError, JobsError):  # of a survey that changed since: there is nothing to compare with
        return []
    judged = {option: one for option, one in found.items() if one.measures and one.n_interviews >= LEAST_INTERVIEWS}
    if not judged:
        return []
    worst = min(judged, key=lambda option: judged[option].chance)
    chance = min(1.0, len(judged) * judged[worst].chance)
    what = {"binary": "the share of the first option", "numeric": "the mean"}.get(
        question.kind, f"the share of {worst}"
    )
    words = (
        f"{_words(judged[worst], what)} The chance of being so far from release {release.number} of {question.id} is "
        f"{chance:.2g}, the limit is {limit:g}."
    )
    return [Flag("surprise", question.id, chance, limit, not chance >= limit, words)]


def _words(found: Surprise, what: str) -> str:
    told = "; ".join(
        f"{WORDS.get(one.name, what)} is {_number(one.observed)} where {_number(one.expected)} ± {_number(one.sd)} "
        "was predicted"
        for one in found.measures
    )
    return f"{told[0].upper()}{told[1:]}."


def _number(value: float) -> str:
    """Shares and ratios to three decimals, larger numbers to about as many digits."""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"
