"""What a backtest pushes: a file of interviews, split into the waves that its pollsters would have sent.

Where waves follow each other, a file without waves is split by a declared rule: by date into spans of ``wave_days``, or
without dates at random into ``wave_parts``, which then stand for samples of the same people and show what more
interviews do, not what time does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl

from jobs.backtest_tables import read_table
from jobs.errors import BacktestImpossible
from polling.bundle import SurveyBundle
from polling.declaration import Backtest

__all__ = ["BacktestPlan", "PushedWave", "in_fieldwork_order", "plan_backtest", "split_rule", "split_waves"]

# No column of a file can have these names.
_POLLSTER, _WAVE = "\x00pollster", "\x00wave"


@dataclass(frozen=True, slots=True)
class BacktestPlan:
    """What is scored, and on which interviews."""

    declared: Backtest
    question: str
    interviews: str
    """Name of the file."""


@dataclass(frozen=True, slots=True)
class PushedWave:
    """One wave, as it would have been pushed."""

    pollster: str
    reference: str
    content: bytes
    fieldwork_start: date
    fieldwork_end: date


def plan_backtest(bundle: SurveyBundle, question: str | None, interviews: str | None) -> BacktestPlan:
    """Settle question and file: those asked for, else those declared.

    Raises
    ------
    BacktestImpossible
        If the survey declares no backtest, or has several questions and none is named.
    QuestionNotFound
        If it does not ask the question.
    """
    declaration = bundle.declaration
    declared = declaration.backtest
    if declared is None:
        raise BacktestImpossible(f"Survey {declaration.id} declares no [backtest]; name interviews and a truth there.")
    wanted = question or declared.question
    if wanted is None and len(declaration.questions) == 1:
        wanted = declaration.questions[0].id
    if wanted is None:
        asked = ", ".join(one.id for one in declaration.questions)
        raise BacktestImpossible(f"Survey {declaration.id} has several questions: {asked}. Say which one to score.")
    return BacktestPlan(declared, declaration.question(wanted).id, interviews or declared.interviews)


def split_waves(
    bundle: SurveyBundle, plan: BacktestPlan, tables: Path, *, now: datetime, apart: bool = False
) -> list[PushedWave]:
    """Read the file, keep the interviews that are declared to be kept, and split them into waves.

    Parameters
    ----------
    tables
        Folder of the file.
    now
        Its day is the day of fieldwork where neither declaration nor interviews have a date.
    apart
        Split by the declared rule where no column says which interviews are a wave.

    Raises
    ------
    BacktestImpossible
        If the file cannot be read, lacks a column, or holds no interview to be kept.
    """
    declared = plan.declared
    table = read_table(tables / plan.interviews)
    wanted = [*declared.keep, *filter(None, (declared.wave_by, declared.pollster_column))]
    if missing := [column for column in wanted if column not in table.columns]:
        raise BacktestImpossible(f"{plan.interviews} has no column {missing[0]!r}; it has {', '.join(table.columns)}.")
    for column, values in declared.keep.items():
        table = table.filter(pl.col(column).cast(pl.String).is_in(values))
    if table.is_empty():
        raise BacktestImpossible(f"No interview of {plan.interviews} has the values that [backtest.keep] asks for.")
    rule = _by_rule(bundle, declared, table) if apart and declared.wave_by is None else None
    whole = pl.lit(Path(plan.interviews).stem) if rule is None else rule
    split = table.with_columns(
        (pl.col(declared.pollster_column).cast(pl.String) if declared.pollster_column else pl.lit(declared.pollster))
        .fill_null(declared.pollster)
        .alias(_POLLSTER),
        (pl.col(declared.wave_by).cast(pl.String) if declared.wave_by else whole).fill_null("no wave").alias(_WAVE),
    )
    waves = []
    for (pollster, reference), part in split.group_by(_POLLSTER, _WAVE, maintain_order=True):
        content = BytesIO()
        part.drop(_POLLSTER, _WAVE).write_parquet(content)
        start, end = _fieldwork(bundle, declared, part, str(pollster), now)
        if rule is not None and declared.wave_parts is not None:
            start, end = _part_of(start, end, int(str(reference).rpartition(" ")[2]), declared.wave_parts)
        waves.append(PushedWave(str(pollster), str(reference), content.getvalue(), start, end))
    return waves


def in_fieldwork_order(waves: Iterable[PushedWave]) -> list[PushedWave]:
    """Waves as their fieldwork ended."""
    return sorted(waves, key=lambda wave: (wave.fieldwork_end, wave.fieldwork_start, wave.reference))


def split_rule(declared: Backtest) -> str:
    """By which rule interviews become waves that follow each other, in words."""
    if declared.wave_by is not None:
        return f"Waves are those of column {declared.wave_by}."
    if declared.wave_days is not None:
        return f"Waves are spans of {declared.wave_days} days of the interviews' dates."
    if declared.wave_parts is not None:
        return (
            f"Interviews have no dates: they are dealt at random into {declared.wave_parts} waves of equal size, each "
            "with its part of the fieldwork. What changes from wave to wave is their number, not time."
        )
    return "All interviews are one wave."


def _by_rule(bundle: SurveyBundle, declared: Backtest, table: pl.DataFrame) -> pl.Series | None:
    """Name of the wave of each interview; None where no rule is declared."""
    if declared.wave_parts is not None:
        part = np.random.default_rng(0).permutation(table.height) % declared.wave_parts
        return pl.Series([f"part {number + 1}" for number in part])
    if declared.wave_days is None:
        return None
    column = bundle.declaration.columns_of(declared.pollster).get("date")
    if column not in table.columns:
        raise BacktestImpossible("wave_days splits interviews by their date, and they have none. Use wave_parts.")
    days = table[column].cast(pl.String).str.head(10).str.to_date(strict=False)
    span = (days - days.min()).dt.total_days() // declared.wave_days
    return pl.Series([f"days {number + 1:03d}" if number is not None else None for number in span], dtype=pl.String)


def _part_of(start: date, end: date, part: int, parts: int) -> tuple[date, date]:
    """Days of one of several equal parts of a fieldwork, counted from 1."""
    days = (end - start).days + 1
    first = start + timedelta(days=(part - 1) * days // parts)
    return first, max(first, start + timedelta(days=part * days // parts - 1))


def _fieldwork(
    bundle: SurveyBundle, declared: Backtest, part: pl.DataFrame, pollster: str, now: datetime
) -> tuple[date, date]:
    """First and last day of interviewing: declared, or found in the interviews, or the day of the backtest."""
    if declared.fieldwork_start and declared.fieldwork_end:
        return declared.fieldwork_start, declared.fieldwork_end
    column = bundle.declaration.columns_of(pollster).get("date")
    if column in part.columns:
        days = part[column].cast(pl.String).str.head(10).str.to_date(strict=False).drop_nulls()
        if len(days):
            first, last = days.min(), days.max()
            assert isinstance(first, date)
            assert isinstance(last, date)
            return first, last
    return now.date(), now.date()
