"""Read one wave of interviews from CSV or Parquet: all of it, or every reason why not.

Every column is read as text, so "01" stays a code and a stray "N/A" is a fault with a row number rather than a silent
null. Columns that the survey does not declare are not kept. The codebook is applied at once, so that the faults of
form and of content come in one reply.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from polling.codebook import FIRST_ROW, Conversion, convert
from polling.declaration import SurveyDeclaration
from polling.errors import WaveRejected
from polling.faults import FaultLog, listing
from polling.tabular import Table, as_text, read_table

__all__ = ["ReadWave", "read_wave"]


@dataclass(frozen=True, slots=True)
class ReadWave:
    """A wave that can be accepted."""

    received: pl.DataFrame
    """The declared columns that the file has, as text under the pollster's names; respondent ids are still plain."""
    n_interviews: int
    questions_asked: tuple[str, ...]
    """Ids of the questions whose column the file has."""
    conversion: Conversion
    """The same interviews through the codebook, without faults."""


def read_wave(
    content: bytes,
    declaration: SurveyDeclaration,
    *,
    pollster: str,
    fieldwork: tuple[date, date] | None = None,
) -> ReadWave:
    """Read and check a whole wave.

    Parameters
    ----------
    content
        The bytes of the file: UTF-8 text with a header (comma, semicolon, tab or bar between fields), or Parquet.
    declaration
        The survey.
    pollster
        Who sends it.
    fieldwork
        First and last day of interviewing; no interview has a date outside them. None: dates are not compared.

    Returns
    -------
    ReadWave
        At least one interview with at least one question.

    Raises
    ------
    WaveRejected
        If the file cannot be read, holds no interview, asks no question of the survey, lacks a declared column or
        holds a value outside the codebook or a date outside fieldwork. Carries every fault, equal ones together.
    """
    log = FaultLog()
    names = declaration.columns_of(pollster)
    table = read_table(content, log, expected=set(names.values()), only=True)
    if table is None:
        raise WaveRejected(log.reported(), 0, total=log.total)
    received = _received(table, log)
    if received.height == 0:
        log.add("the wave holds no interviews", "Send one line per interview below the header.")
    questions = {question.id: names[question.id] for question in declaration.questions}
    if not set(questions.values()) & set(table.header):
        reason = f"no question of the survey is in the file (looked for {listing(questions.values())})"
        log.add(reason, f"Rename the column, or name it in [columns.{pollster}].", row=1)

    # Damaged lines are faults already; their fields may have slipped sideways and would be faulted once more.
    numbered = received.with_row_index("\x00row", offset=FIRST_ROW)  # no column can have that name
    sound = numbered.filter(~pl.col("\x00row").is_in(table.damaged_rows)) if table.damaged_rows else numbered
    conversion = convert(
        sound.drop("\x00row"),
        declaration,
        pollster=pollster,
        rows=sound["\x00row"].to_list(),
        header=table.header,
    )
    if fieldwork is not None:
        _check_days(conversion.interviews, *fieldwork, declaration.columns_of(pollster).get("date"), log)
    if log or conversion.n_faults:
        faults = FaultLog()
        faults.merge(log)
        faults.extend(conversion.faults, total=conversion.n_faults)
        raise WaveRejected(faults.reported(), received.height, total=faults.total)
    return ReadWave(received, received.height, conversion.questions_asked, conversion)


def _check_days(interviews: pl.DataFrame, start: date, end: date, column: str | None, log: FaultLog) -> None:
    outside = interviews.filter(~pl.col("date").is_between(start, end)).select("row", pl.col("date").cast(pl.String))
    log.add_rows(
        outside["row"],
        outside["date"],
        f"the interview was not within fieldwork, {start} to {end}",
        "Correct the date, or the dates of the fieldwork.",
        column=column,
    )


def _received(table: Table, log: FaultLog) -> pl.DataFrame:
    """Every column as String, "" as null; columns that are no text, number or date are faults and left out."""
    columns = []
    for series in table.data:
        text = as_text(series)
        if text is None:
            reason = f"the column holds {series.dtype}"
            log.add(reason, "Send text, numbers or dates.", row=1, column=series.name)
            continue
        text = text.set((text == "").fill_null(value=False), None)
        nul = text.str.contains("\x00", literal=True).fill_null(value=False)
        if nul.any():
            reason, remedy = "the text contains a NUL character", "Remove it: it cannot be stored."
            log.add_rows(nul.arg_true() + FIRST_ROW, None, reason, remedy, column=series.name)
        columns.append(text)
    return pl.DataFrame(columns) if columns else pl.DataFrame(height=table.data.height)
