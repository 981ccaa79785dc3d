"""What a backtest pushes: a file of interviews, split into the waves that its pollsters would have sent."""

from dataclasses import dataclass
from datetime import date, datetime
from io import BytesIO
from pathlib import Path

import polars as pl

from jobs.backtest_tables import read_table
from jobs.errors import BacktestImpossible
from polling.bundle import SurveyBundle
from polling.declaration import Backtest

__all__ = ["BacktestPlan", "PushedWave", "plan_backtest", "split_waves"]

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


def split_waves(bundle: SurveyBundle, plan: BacktestPlan, tables: Path, *, now: datetime) -> list[PushedWave]:
    """Read the file, keep the interviews that are declared to be kept, and split them into waves.

    Parameters
    ----------
    tables
        Folder of the file.
    now
        Its day is the day of fieldwork where neither declaration nor interviews have a date.

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
    split = table.with_columns(
        (pl.col(declared.pollster_column).cast(pl.String) if declared.pollster_column else pl.lit(declared.pollster))
        .fill_null(declared.pollster)
        .alias(_POLLSTER),
        (pl.col(declared.wave_by).cast(pl.String) if declared.wave_by else pl.lit(Path(plan.interviews).stem))
        .fill_null("no wave")
        .alias(_WAVE),
    )
    waves = []
    for (pollster, reference), part in split.group_by(_POLLSTER, _WAVE, maintain_order=True):
        content = BytesIO()
        part.drop(_POLLSTER, _WAVE).write_parquet(content)
        start, end = _fieldwork(bundle, declared, part, str(pollster), now)
        waves.append(PushedWave(str(pollster), str(reference), content.getvalue(), start, end))
    return waves


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
