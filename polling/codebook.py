"""Convert interviews as received into the survey's own levels, options, dates and weights.

Nothing is guessed. A label is a level or option, or the codebook recodes it, or it is a number in a band, or it is a
fault that names the nearest label the codebook knows. Three things that look alike stay apart: a blank cell, a label
declared to mean "don't know" (or refused), and a question that was not asked because the wave lacks its column.
Payloads keep what was received, so a mended codebook restates old waves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from polling.declaration import Demographic, Question, SurveyDeclaration
from polling.faults import Fault
from polling.reading import Reading

__all__ = ["Conversion", "convert", "counted_answer", "counted_labels"]


@dataclass(frozen=True, slots=True)
class Conversion:
    """Interviews in the survey's own terms."""

    interviews: pl.DataFrame
    """One row per interview in the order received: ``row`` (UInt32), the district and the demographics
    (Enum of the declared levels; String where the codes of districts are not known), ``date`` (Date), ``weight``
    (Float64, > 0) where the wave has them, ``timing`` (Float64, seconds; where declared), ``excluded`` (Boolean: a
    demographic is blank, not known, refused or not asked where the declaration allows it, which leaves the interview
    out of counts), and per question of the survey ``<id>`` (Enum of the options, a number for numeric questions, null
    unless answered) and ``<id>:status`` (Enum: answered, dont_know, refused, not_asked or blank)."""
    questions_asked: tuple[str, ...]
    """Questions whose column the wave has."""
    faults: tuple[Fault, ...]
    """All of them, equal ones together, see ``polling.faults``; a conversion with faults must not be counted."""
    n_faults: int
    bad_rows: pl.DataFrame
    """The same faults row by row, as far as a row is to blame: ``row`` (UInt32), ``column`` and ``reason`` (String)."""

    @property
    def n_row_faults(self) -> int:
        """How many of the faults are those of rows; the others are of the file."""
        return self.bad_rows.height


def convert(
    received: pl.DataFrame,
    declaration: SurveyDeclaration,
    *,
    pollster: str,
    rows: Sequence[int] | None = None,
    header: Sequence[str] | None = None,
) -> Conversion:
    """Apply the codebook to interviews as received.

    Parameters
    ----------
    received
        Declared columns as text, one row per interview, String or Enum; null is a blank cell.
    declaration
        The survey, with the codebook.
    pollster
        Who sent them; it may have its own names for columns.
    rows
        Record numbers for the faults, if they are not 2, 3, ...
    header
        All columns of the file, for hints; default: those received.

    Returns
    -------
    Conversion
        With every fault found, not just the first. The order of rows changes nothing but row numbers.
    """
    reading = Reading(received, declaration, pollster, rows, header)
    columns: dict[str, pl.Series] = {"row": reading.rows}
    geography = declaration.geography
    # A declaration whose folder was never loaded knows no codes; then any district is taken as it comes.
    district = Demographic(
        geography.district, geography.column, geography.codes, recode=geography.recode, blank=geography.blank
    )
    excluded = pl.repeat(False, received.height, dtype=pl.Boolean, eager=True).alias("excluded")
    for item in (district, *declaration.demographics):
        columns[item.name], unknown = reading.level(item)
        excluded = excluded | unknown
    reading.check_respondents()
    columns["date"] = reading.date()
    columns["weight"] = reading.weight()
    if "timing" in reading.names:
        columns["timing"] = reading.timing()
    columns["excluded"] = excluded
    asked = []
    for question in declaration.questions:
        columns[question.id], columns[f"{question.id}:status"] = reading.answer(question)
        if reading.has(question.id):
            asked.append(question.id)
    interviews = pl.DataFrame([one.alias(name) for name, one in columns.items()])
    return Conversion(interviews, tuple(asked), reading.log.reported(), reading.log.total, reading.bad_rows())


def counted_answer(question: Question) -> pl.Expr:
    """What an interview adds to the counts of a question: its answer, or its status where the base has that, or null.

    For the interviews of a `Conversion`.
    """
    if question.base == ("answered",):
        return pl.col(question.id)
    status = pl.col(f"{question.id}:status")
    said = pl.when(status.is_in([*question.base])).then(status.cast(pl.String))
    return pl.coalesce(pl.col(question.id).cast(pl.String), said).alias(question.id)


def counted_labels(question: Question) -> tuple[str, ...]:
    """Everything that `counted_answer` may give: the options, then the statuses that are in the base as well."""
    return (*question.options, *(status for status in question.base if status != "answered"))
