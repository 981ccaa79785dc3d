"""Read one wave of interviews from a file of any format: all of it, or every reason why not.

Every column is read as text, so "01" stays a code and a stray "N/A" is a fault with a row number rather than a silent
null. Columns that the survey does not declare are not kept. The codebook is applied at once, so that the faults of
form and of content come in one reply.

A column with value labels (SPSS, Stata) arrives as its labels. A codebook that names codes is understood too: where it
does not know a label and does know ``code:1``, or plainly ``1``, that name takes the place of the label. So the same
codebook serves a pollster's file with labels and its export of bare codes. See ``polling.formats.labels``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date

import polars as pl

from polling.codebook import Conversion, convert
from polling.consent import has_consented, undeclared_labels
from polling.decimal_comma import with_points
from polling.declaration import SurveyDeclaration
from polling.enums import as_enums
from polling.errors import WaveRejected
from polling.faults import Fault, FaultLog, listing
from polling.formats.labels import by_code
from polling.identifiers import find_identifiers
from polling.quarantine import set_aside
from polling.reading import FIRST_ROW
from polling.tabular import INFLATED_BYTES, Table, as_text, read_table

__all__ = ["ReadWave", "read_wave"]


@dataclass(frozen=True, slots=True)
class ReadWave:
    """A wave that can be accepted."""

    received: pl.DataFrame
    """The declared columns that the file has, as text under the pollster's names, of few different texts as Enum (see
    ``polling.enums``); respondent ids are still plain, and String."""
    n_interviews: int
    questions_asked: tuple[str, ...]
    """Ids of the questions whose column the file has."""
    conversion: Conversion
    """The same interviews through the codebook, without faults."""
    format: str = "csv"
    """What the file was recognised as."""
    value_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Column -> code -> the text that stands for it in ``received``; for columns with value labels."""
    n_without_consent: int = 0
    """Interviews that were left out because their respondents did not agree; nothing else is known of them."""
    undeclared_consent: Mapping[str, int] = field(default_factory=dict)
    """Labels of consent that are declared neither as yes nor as no: see ``polling.consent``."""
    quarantine: pl.DataFrame | None = None
    """Rows set aside, with their reasons: see ``polling.quarantine``; respondent ids are still plain."""
    faults: tuple[Fault, ...] = ()
    """Of the rows set aside."""
    n_faults: int = 0


def read_wave(
    content: bytes,
    declaration: SurveyDeclaration,
    *,
    pollster: str,
    fieldwork: tuple[date, date] | None = None,
    inflated_bytes: int = INFLATED_BYTES,
) -> ReadWave:
    """Read and check a whole wave.

    Parameters
    ----------
    content
        The bytes of the file, of any format that ``polling.tabular`` reads.
    declaration
        The survey.
    pollster
        Who sends it.
    fieldwork
        First and last day of interviewing; no interview has a date outside them. None: dates are not compared.
    inflated_bytes
        What a compressed file, or a workbook, may become.

    Returns
    -------
    ReadWave
        At least one interview with at least one question.

    Raises
    ------
    WaveRejected
        If the file cannot be read, holds no interview, asks no question of the survey, lacks a declared column or
        holds a value outside the codebook or a date outside fieldwork. Carries every fault, equal ones together.
        Rows with faults of their own are set aside instead if the survey's policy and their number allow it.
    """
    log = FaultLog()
    names = declaration.columns_of(pollster)
    expected = set(names.values())
    table = read_table(content, log, expected=expected, only=True, inflated_bytes=inflated_bytes)
    if table is None:
        raise WaveRejected(log.reported(), 0, total=log.total)
    if len(table.damaged_rows) == table.data.height > 0:  # no line could be read: what it lacks is not known
        raise WaveRejected(log.reported(), table.data.height, total=log.total)
    received, value_labels = _by_name(_received(table, log), table.value_labels, declaration, names)
    if table.decimal_comma:
        received = with_points(received, declaration, pollster=pollster)
    received = as_enums(received, but=[names.get("respondent")])
    if received.height == 0:
        log.add("the wave holds no interviews", "Send one line per interview below the header.")
    questions = {question.id: names[question.id] for question in declaration.questions}
    if not set(questions.values()) & set(table.header):
        reason = f"no question of the survey is in the file (looked for {listing(questions.values())})"
        log.add(reason, f"Rename the column, or name it in [columns.{pollster}].", row=1)

    identifying = _identifying(received, table, declaration, log, pollster=pollster, fieldwork=fieldwork)
    # Damaged lines are faults already; their fields may have slipped sideways and would be faulted once more.
    n_sent = received.height
    undeclared = undeclared_labels(received, declaration, pollster=pollster)
    received, sound, rows = _left(received, table, declaration, log, pollster=pollster)
    if received.height == 0 < n_sent:
        remedy = "Send it when there are interviews with consent."
        if undeclared:
            remedy += " A label that means yes has to be in [consent] values, letter by letter."
        told = ", ".join(f"{label or 'others'} ({n:,})" for label, n in undeclared.items()) or None
        column = declaration.columns_of(pollster).get("consent")
        log.add("nobody in the wave agreed to be stored", remedy, column=column, value=told)
    conversion = convert(sound, declaration, pollster=pollster, rows=rows, header=table.header)
    days, outside = FaultLog(), conversion.bad_rows.clear()
    if fieldwork is not None:
        outside = _check_days(conversion.interviews, *fieldwork, declaration.columns_of(pollster).get("date"), days)
    aside = quarantine = None
    n_aside = 0
    if declaration.policy == "quarantine" and not log and (days or conversion.n_faults):
        aside = set_aside(received, conversion, outside, declaration, log, pollster=pollster, header=table.header)
    log.merge(days)
    if aside is not None:
        log.extend(conversion.faults, total=conversion.n_faults)
        quarantine, n_aside = aside.quarantine, aside.quarantine.height
        received, conversion = aside.received, aside.conversion
    elif log or conversion.n_faults:
        faults = FaultLog()
        faults.merge(log)
        # An address where a label was expected is a fault of the codebook too; it is not quoted.
        quoted = [replace(one, value=None) if one.column in identifying else one for one in conversion.faults]
        faults.extend(quoted, total=conversion.n_faults)
        raise WaveRejected(faults.reported(), received.height, total=faults.total)
    return ReadWave(
        received,
        received.height,
        conversion.questions_asked,
        conversion,
        table.format,
        value_labels,
        n_without_consent=n_sent - received.height - n_aside,
        undeclared_consent=undeclared,
        quarantine=quarantine,
        faults=log.reported(),
        n_faults=log.total,
    )


def _left(
    received: pl.DataFrame, table: Table, declaration: SurveyDeclaration, log: FaultLog, *, pollster: str
) -> tuple[pl.DataFrame, pl.DataFrame, list[int] | None]:
    """Interviews of those who agreed, these without damaged lines, and their row numbers if some are missing."""
    agreed = has_consented(received, declaration, log, pollster=pollster, header=table.header)
    if agreed is None and not len(table.damaged_rows):
        return received, received, None
    numbered = received.with_row_index("\x00row", offset=FIRST_ROW)  # no column can have that name
    if agreed is not None:
        received, numbered = received.filter(agreed), numbered.filter(agreed)
    numbered = numbered.filter(~pl.col("\x00row").is_in(table.damaged_rows.implode()))
    return received, numbered.drop("\x00row"), numbered["\x00row"].to_list()


def _identifying(
    received: pl.DataFrame,
    table: Table,
    declaration: SurveyDeclaration,
    log: FaultLog,
    *,
    pollster: str,
    fieldwork: tuple[date, date] | None,
) -> frozenset[str]:
    """Columns of the file that look like direct identifiers, declared or not; each is a fault."""
    if not received.width:  # perhaps a file without header: its first line would be quoted
        return frozenset()
    columns = [*received.get_columns(), *table.others.get_columns()]
    end = fieldwork[1] if fieldwork else None
    return find_identifiers(columns, declaration, log, pollster=pollster, fieldwork_end=end)


def _check_days(interviews: pl.DataFrame, start: date, end: date, column: str | None, log: FaultLog) -> pl.DataFrame:
    """Record interviews outside fieldwork, and list them like the faulty rows of a conversion."""
    outside = interviews.filter(~pl.col("date").is_between(start, end)).select("row", pl.col("date").cast(pl.String))
    log.add_rows(
        outside["row"],
        outside["date"],
        reason := f"the interview was not within fieldwork, {start} to {end}",
        "Correct the date, or the dates of the fieldwork.",
        column=column,
    )
    return outside.select("row", column=pl.lit(column, dtype=pl.String), reason=pl.lit(reason))


def _received(table: Table, log: FaultLog) -> pl.DataFrame:
    """Every column as String or Enum, "" as null; what is no text, number or date is a fault and left out."""
    columns = []
    for series in table.data:
        text = series if _is_sound(series.dtype) else as_text(series)
        if text is None:
            reason = f"the column holds {series.dtype}"
            log.add(reason, "Send text, numbers or dates.", row=1, column=series.name)
            continue
        columns.append(text)
    if table.format == "csv" or not columns:  # of CSV, cells are blank or not, and without NUL, as it is
        return pl.DataFrame(columns) if columns else pl.DataFrame(height=table.data.height)
    received = pl.DataFrame(columns)
    # What was a number or a date is neither blank nor has it a NUL.
    texts = pl.DataFrame([one for one in columns if not _is_of_digits(table.data.schema[one.name])])
    texts = texts.select(pl.col(pl.String))
    if not texts.width:
        return received
    nul = texts.select(pl.all().str.contains("\x00", literal=True).any())
    for name in (name for name, found in nul.row(0, named=True).items() if found):
        rows = received[name].str.contains("\x00", literal=True).fill_null(value=False).arg_true() + FIRST_ROW
        reason, remedy = "the text contains a NUL character", "Remove it: it cannot be stored."
        log.add_rows(rows, None, reason, remedy, column=name)
    blank = texts.select((pl.all() == "").any())
    return received.with_columns(
        received[name].set(received[name] == "", None) for name, found in blank.row(0, named=True).items() if found
    )


def _is_of_digits(kind: pl.DataType) -> bool:
    return kind.is_numeric() or kind.is_temporal()


def _is_sound(kind: pl.DataType) -> bool:
    """Whether a column is an Enum without blanks and NULs."""
    return isinstance(kind, pl.Enum) and not kind.categories.str.contains("^$|\x00").any()


def _by_name(
    received: pl.DataFrame,
    value_labels: Mapping[str, Mapping[str, str]],
    declaration: SurveyDeclaration,
    names: Mapping[str, str],
) -> tuple[pl.DataFrame, dict[str, dict[str, str]]]:
    """Labelled columns in the words of the codebook, and what now stands for each code."""
    known = {
        names[item]: _names_in(about)
        for item, about in (
            (declaration.geography.district, declaration.geography),
            *((demographic.name, demographic) for demographic in declaration.demographics),
            *((question.id, question) for question in declaration.questions),
            *((("consent", declaration.consent),) if declaration.consent else ()),
        )
        if item in names
    }
    # Labels of respondents would be stored beside their pseudonyms.
    kept = set(received.columns) - {names.get("respondent")}
    labels = {column: dict(texts) for column, texts in value_labels.items() if column in kept}
    replaced = {column: by_code(texts, known.get(column, ())) for column, texts in labels.items()}
    received = received.with_columns(
        received[column].replace(instead) for column, instead in replaced.items() if instead
    )
    return received, {
        column: {code: replaced[column].get(text, text) for code, text in texts.items()}
        for column, texts in labels.items()
    }


def _names_in(about: object) -> frozenset[str]:
    """Every name that a part of the declaration lists: levels, options, codes of districts, what is recoded or set
    apart."""
    found: set[str] = set()
    for one in fields(about):  # type: ignore[arg-type]
        value = getattr(about, one.name)
        if isinstance(value, tuple | list | frozenset | Mapping):
            found.update(name for name in value if isinstance(name, str))
    return frozenset(found)
