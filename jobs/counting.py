"""Count the interviews of a question: per cell, and per period, pollster and mode where the formula reads them.

The counts are those of the interviews of every wave that is counted, with the *current* codebook: a mended codebook
restates without a new delivery, and a wave that was corrected, withdrawn or restored is in them as it stands. With a
moment they are the counts "as known on" it. They are the sum of the counts of the parts of waves, which a worker keeps
(``jobs.counted_parts``).
"""

import hashlib
import json
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import polars as pl
from sqlalchemy.orm import Session

from jobs.counted_parts import CountedParts
from jobs.errors import FitImpossible
from jobs.outcomes import outcome_of
from jobs.purged_counts import collapse_left
from jobs.wave_facts import facts_of
from mrp.outcomes import Outcome
from mrp.terms import observed_columns
from polling.codebook import convert, counted_answer
from polling.declaration import Period, Question, SurveyDeclaration
from polling.enums import as_texts
from polling.faults import without_values
from polling.payload import from_payload
from polling.purged import counts_of, kept_of
from polling.store import waves
from polling.store.wave_records import CountedPart, WaveRecord

__all__ = ["CountedInterviews", "count_interviews"]

_OF_WAVES = ("period", "pollster", "mode")
"""What a wave tells of its interviews."""


@dataclass(frozen=True, slots=True)
class CountedInterviews:
    """The counts of a question, and where they come from."""

    counts: pl.DataFrame
    """As the question's outcome collapses interviews, with text for levels. Special-category data."""
    waves: tuple[WaveRecord, ...]
    """The waves whose interviews are in the counts, in the order in which they were first received."""
    inputs: tuple[dict[str, Any], ...]
    """Of each: id, version, and the hash of each part of it."""
    data_through: date | None
    """Last day of fieldwork."""
    purged: Mapping[str, int | list[str]] | None = None
    """Of waves that were purged: ``n_waves``, and of their interviews ``n_merged``, whose day is not known any more,
    and ``n_dropped``, left out with their small cells (fewer than ``min_cell``); ``merged_away``, demographics that are
    not told apart in some of them. None: there are none."""


def count_interviews(
    session: Session,
    declaration: SurveyDeclaration,
    question: Question,
    *,
    at: datetime | None = None,
    only: Collection[str] | None = None,
    memory: CountedParts | None = None,
    also: tuple[str, ...] = (),
    beside: Collection[str] = (),
) -> CountedInterviews:
    """Count the interviews of every wave that is counted, or was at a moment.

    Parameters
    ----------
    only
        Ids of the waves that are counted; periods that are waves keep their numbers among all. None: every wave.
    also
        Of "period" and "pollster" those to count by although the formula does not read them. What was counted with
        other columns is of no use to ``memory``.
    beside
        Ids of questions that are fitted with this one: periods that are waves are numbered among theirs too.
    memory
        Of an earlier count: parts that are as they were are not counted again.

    Raises
    ------
    FitImpossible
        If there is nothing to count, or a stored wave no longer fits the codebook.
    """
    outcome = outcome_of(question)
    loaded = waves.load_parts(session, declaration.id, at=at, question_id=question.id)
    used, data_through = _in_window(loaded, declaration.time.window_days)
    if not used:
        raise FitImpossible("no-interviews", f"No stored wave answers question {question.id}. Push one that does.")
    counted = {part.wave.id: part.wave for part in used}
    in_time = _in_time(counted.values())
    place = _numbers(session, declaration, counted, beside, at=at)
    if only is not None:
        used = [part for part in used if part.wave.id in only]
        counted = {part.wave.id: part.wave for part in used}
    # What the formula reads of an interview and not of a person, unless the survey has a demographic of that name.
    named = [column for column in observed_columns(question.model) if column in _OF_WAVES]
    if "mode" in named and "mode" not in declaration.cell_columns:
        _require_modes(in_time, declaration)
    by = tuple(dict.fromkeys((*declaration.cell_columns, *named, *also)))
    tables = []
    with (memory or CountedParts()).of(declaration, question) as counts_of_part:
        for part in used:
            number = place[part.wave.id]
            make = partial(_count, part, number, declaration, question, outcome, by=by)
            tables.append(counts_of_part(_key(part, number if declaration.time.period == "wave" else None), make))
    counts = outcome.add(tables, by)
    if counts.is_empty():
        answer = "an option" if question.options else "a number"
        raise FitImpossible("no-interviews", f"Nobody interviewed answered question {question.id} with {answer}.")
    return CountedInterviews(
        counts, tuple(counted.values()), _inputs(used), data_through, _purged(used, declaration, question)
    )


def _in_window(loaded: list[CountedPart], window_days: int | None) -> tuple[list[CountedPart], date | None]:
    """Keep the waves of the window, which ends on the last day of fieldwork and not today: the clock is no input."""
    last = max((part.wave.fieldwork_end for part in loaded if part.wave.fieldwork_end), default=None)
    if window_days is None or last is None:
        return loaded, last
    first = last - timedelta(days=window_days - 1)
    return [part for part in loaded if (part.wave.fieldwork_end or last) >= first], last


def _in_time(those: Iterable[WaveRecord]) -> list[WaveRecord]:
    return sorted(those, key=lambda wave: (wave.fieldwork_end or wave.received_at.date(), wave.reference))


def _numbers(
    session: Session,
    declaration: SurveyDeclaration,
    counted: Mapping[str, WaveRecord],
    beside: Collection[str],
    *,
    at: datetime | None,
) -> dict[str, int]:
    """The number of each wave in time, by its id: among those of a question, and of others that have the same waves."""
    among = dict(counted)
    for question_id in beside if declaration.time.period == "wave" else ():
        loaded = waves.load_parts(session, declaration.id, at=at, question_id=question_id)
        among |= {part.wave.id: part.wave for part in _in_window(loaded, declaration.time.window_days)[0]}
    return {wave.id: number for number, wave in enumerate(_in_time(among.values()), start=1)}


def _inputs(parts: list[CountedPart]) -> tuple[dict[str, Any], ...]:
    """What a fit notes of each wave: which version, and the hash of each part of it."""
    found: dict[str, dict[str, Any]] = {}
    for part in parts:
        new = {"id": part.wave.id, "version": part.wave.version, "payload_sha256": []}
        found.setdefault(part.wave.id, new)["payload_sha256"].append(part.payload_sha256)
    return tuple(found.values())


def _key(part: CountedPart, number: int | None) -> tuple[Hashable, ...]:
    """What the counts of a part depend on, but for declaration and question; ``number``: the wave's, if it is read."""
    wave, is_purged = part.wave, part.payload is None
    left = hashlib.sha256(part.counts).hexdigest() if is_purged and part.counts is not None else None
    of_wave = (wave.pollster, wave.reference, wave.fieldwork_end, wave.received_at, json.dumps(wave.facts))
    return (part.payload_sha256, is_purged, left, number, *of_wave)


def _count(
    part: CountedPart,
    number: int,
    declaration: SurveyDeclaration,
    question: Question,
    outcome: Outcome,
    *,
    by: tuple[str, ...],
) -> pl.DataFrame:
    weight = "weight" if question.weights == "likelihood" else None
    if part.payload is None:
        return _left(part, number, declaration, question, by=by, weight=weight)
    answers = _converted(part, number, declaration, question, by=by)
    return as_texts(outcome.collapse(answers, by=by, answer=question.id, weight=weight))


def _converted(
    part: CountedPart, number: int, declaration: SurveyDeclaration, question: Question, *, by: tuple[str, ...]
) -> pl.DataFrame:
    """Interviews to be counted, with the columns of a cell of each."""
    wave = part.wave
    assert part.payload is not None
    needed = _without_respondents(replace(declaration, questions=(question,)))
    columns = needed.columns_of(wave.pollster).values()
    conversion = convert(from_payload(part.payload, columns), needed, pollster=wave.pollster)
    if conversion.faults:
        first = without_values(conversion.faults)[0]  # the sentence is kept with the job, where no erasure looks
        raise FitImpossible(
            "wave-not-convertible",
            f"Wave {wave.reference} of {wave.pollster} no longer fits the codebook: "
            f"{first} Mend the codebook with `hustings survey update`.",
        )
    kept = conversion.interviews.lazy().filter(~pl.col("excluded")).with_columns(counted_answer(question))
    kept = kept.with_columns(value.alias(column) for column, value in _own(wave, number, declaration).items())
    # A weight is relative within its delivery: pollsters, and deliveries of one, sum theirs to what they like.
    kept = kept.filter(pl.col(question.id).is_not_null())
    kept = kept.with_columns((pl.col("weight") / pl.col("weight").mean()).fill_null(1.0))
    return kept.select(*by, question.id, "weight").collect()


def _left(
    part: CountedPart,
    number: int,
    declaration: SurveyDeclaration,
    question: Question,
    *,
    by: tuple[str, ...],
    weight: str | None,
) -> pl.DataFrame:
    """The counts that a purge left of a part."""
    wave = part.wave
    if part.counts is None:
        raise FitImpossible("wave-purged", f"Nothing is left of wave {wave.reference} of {wave.pollster}. Withdraw it.")
    own = _own(wave, number, declaration)
    return collapse_left(part.counts, wave, declaration, question, by=by, of_wave=own, weight=weight)


def _purged(
    parts: list[CountedPart], declaration: SurveyDeclaration, question: Question
) -> dict[str, int | list[str]] | None:
    gone = [part for part in parts if part.counts is not None]
    if not gone:
        return None
    kept = [one for part in gone if (one := kept_of(part.counts or b"").get(question.id)) is not None]
    apart = [set(counts_of(part.counts or b"", question.id).columns) for part in gone]
    merged_away = [name for name in declaration.levels if any(name not in columns for columns in apart)]
    return {
        "merged_away": merged_away,
        "n_waves": len({part.wave.id for part in gone}),
        "n_merged": sum(one.n_merged for one in kept),
        "n_dropped": sum(one.n_dropped for one in kept),
        "min_cell": max((one.min_cell for one in kept), default=0),
    }


def _own(wave: WaveRecord, number: int, declaration: SurveyDeclaration) -> dict[str, pl.Expr]:
    """What a wave tells of its interviews, unless they tell it themselves."""
    own = {
        "period": _period(wave, number, declaration.time.period),
        "pollster": pl.lit(wave.pollster),
        "mode": pl.lit(_mode(wave, declaration), dtype=pl.String),
    }
    return {column: value for column, value in own.items() if column not in declaration.cell_columns}


def _without_respondents(declaration: SurveyDeclaration) -> SurveyDeclaration:
    """The same survey without ids, which were looked at when the wave arrived."""
    own = {pollster: _no_id(columns) for pollster, columns in declaration.pollster_columns.items()}
    return replace(declaration, columns=_no_id(declaration.columns), pollster_columns=own)


def _no_id[Name](columns: Mapping[str, Name]) -> dict[str, Name]:
    return {name: column for name, column in columns.items() if name != "respondent"}


def _mode(wave: WaveRecord, declaration: SurveyDeclaration) -> str | None:
    mode = facts_of(declaration, wave.facts).get("mode")
    return mode if isinstance(mode, str) else None


def _require_modes(used: list[WaveRecord], declaration: SurveyDeclaration) -> None:
    if silent := [wave for wave in used if _mode(wave, declaration) is None]:
        more = f" and {len(silent) - 1} more do" if len(silent) > 1 else " does"
        raise FitImpossible(
            "mode-not-told",
            f"Wave {silent[0].reference} of {silent[0].pollster}{more} not tell the mode of its interviews, which the "
            "formula reads. Send it again with its mode, saying that it replaces the first, or declare the survey's.",
        )


def _period(wave: WaveRecord, number: int, period: Period) -> pl.Expr:
    """The period of each interview: of its own date, or else of the wave's last day of fieldwork."""
    if period == "wave":
        return pl.lit(f"{number:03d} {wave.reference}")
    last_day = wave.fieldwork_end or wave.received_at.date()
    day = pl.coalesce(pl.col("date"), pl.lit(last_day, dtype=pl.Date))
    return day.dt.strftime({"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}[period])
