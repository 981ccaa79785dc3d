"""Read one wave of interviews from CSV or Parquet: all of it, or every reason why not.

Every column is read as text, so "01" stays a code and a stray "N/A" is a fault with a row number rather than a silent
null. Columns that the survey does not declare are not kept. The codebook is applied at once, so that the faults of
form and of content come in one reply.
"""

from dataclasses import dataclass

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


def read_wave(content: bytes, declaration: SurveyDeclaration, *, pollster: str) -> ReadWave:
    """Read and check a whole wave.

    Parameters
    ----------
    content
        The bytes of the file: UTF-8 text with a header (comma, semicolon, tab or bar between fields), or Parquet.
    declaration
        The survey.
    pollster
        Who sends it.

    Returns
    -------
    ReadWave
        At least one interview with at least one question.

    Raises
    ------
    WaveRejected
        If the file cannot be read, holds no interview, asks no question of the survey, lacks a declared column or
        holds a value outside the codebook. Carries the first faults by row and the number of all.
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
    if log or conversion.n_faults:
        faults = FaultLog()
        faults.merge(log)
        faults.extend(conversion.faults, total=conversion.n_faults)
        raise WaveRejected(faults.reported(), received.height, total=faults.total)
    return ReadWave(received, received.height, conversion.questions_asked, conversion)


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
        for row in nul.arg_true().head(20):
            reason, remedy = "the text contains a NUL character", "Remove it: it cannot be stored."
            log.add(reason, remedy, row=row + FIRST_ROW, column=series.name)
        log.total += max(0, int(nul.sum()) - 20)
        columns.append(text)
    return pl.DataFrame(columns) if columns else pl.DataFrame(height=table.data.height)
