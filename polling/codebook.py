"""Convert interviews as received into the survey's own levels, options, dates and weights.

Nothing is guessed. A label is a level or option, or the codebook recodes it, or it is a number in a band, or it is a
fault that names the nearest label the codebook knows. Three things that look alike stay apart: a blank cell, a label
declared to mean "don't know" (or refused), and a question that was not asked because the wave lacks its column.
Payloads keep what was received, so a mended codebook restates old waves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from polling.bands import banded
from polling.declaration import Demographic, Question, SurveyDeclaration
from polling.faults import MAX_REPORTED_FAULTS, Fault, FaultLog, did_you_mean, listing, near

__all__ = ["FIRST_ROW", "Conversion", "convert", "counted_answer"]

FIRST_ROW = 2
"""The header is row 1."""
_STATUS = pl.Enum(["answered", "dont_know", "refused", "not_asked", "blank"])


@dataclass(frozen=True, slots=True)
class Conversion:
    """Interviews in the survey's own terms."""

    interviews: pl.DataFrame
    """One row per interview in the order received: ``row`` (UInt32), the district and the demographics (String),
    ``date`` (Date), ``weight`` (Float64, > 0) where the wave has them,
    ``timing`` (Float64, seconds; where declared), ``excluded`` (Boolean: a demographic is blank,
    not known, refused or not asked where the declaration allows it, which leaves the interview out of counts), and per
    question of the survey ``<id>`` (the option as String, a number for numeric questions, null unless answered) and
    ``<id>:status`` (Enum: answered, dont_know, refused, not_asked or blank)."""
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
        Declared columns as text, one row per interview; null is a blank cell.
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
    reading = _Reading(received, declaration, pollster, rows, header)
    columns: dict[str, pl.Series | _Spread] = {"row": reading.rows}
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
    interviews = _together(columns)
    return Conversion(interviews, tuple(asked), reading.log.reported(), reading.log.total, reading.bad_rows())


def counted_answer(question: Question) -> pl.Expr:
    """What an interview adds to the counts of a question: its answer, or its status where the base has that, or null.

    For the interviews of a `Conversion`.
    """
    if question.base == ("answered",):
        return pl.col(question.id)
    status = pl.col(f"{question.id}:status")
    return pl.coalesce(question.id, pl.when(status.is_in([*question.base])).then(status.cast(pl.String))).alias(
        question.id
    )


class _Reading:
    """One wave while it is being converted: what was received, row numbers and the faults so far."""

    def __init__(
        self,
        received: pl.DataFrame,
        declaration: SurveyDeclaration,
        pollster: str,
        rows: Sequence[int] | None,
        header: Sequence[str] | None,
    ) -> None:
        self.received = received
        self.pollster = pollster
        self.geography = declaration.geography
        self.names = declaration.columns_of(pollster)
        self.header = list(received.columns if header is None else header)
        last = received.height + FIRST_ROW
        numbers = pl.int_range(FIRST_ROW, last, dtype=pl.UInt32, eager=True) if rows is None else rows
        self.rows = pl.Series("row", numbers, dtype=pl.UInt32)
        self.log = FaultLog()
        self._bad_rows: list[pl.DataFrame] = []
        few = (self.geography.district, *declaration.levels, "date", *(one.id for one in declaration.questions))
        self._by_text = _by_text(received, {self.names[name] for name in few if self.has(name)})

    def bad_rows(self) -> pl.DataFrame:
        schema = {"row": pl.UInt32, "column": pl.String, "reason": pl.String}
        return pl.concat([pl.DataFrame(schema=schema), *self._bad_rows]).sort("row", maintain_order=True)

    def has(self, name: str) -> bool:
        return self.names.get(name) in self.received.columns

    def level(self, item: Demographic) -> "tuple[pl.Series | _Spread, pl.Series]":
        """The level of each interview, null where there is none, and whether that is as the declaration allows."""
        column = self._distinct(item.name)
        if column is None:
            self._missing(item.name)
            return self._nulls(pl.String), pl.repeat(False, self.received.height, dtype=pl.Boolean, eager=True)
        text = column.texts
        silent = text.is_in([*item.dont_know, *item.refused, *item.not_asked]).fill_null(value=False)
        if item.levels:
            meaning = {**item.recode, **{level: level for level in item.levels}}
            level = _look_up(text, meaning)
            if item.bands:
                level = level.zip_with(level.is_not_null(), banded(text, item.bands))
            unknown = text.is_not_null() & level.is_null() & ~silent
            is_district = item.name == self.geography.district
            section = "geography" if is_district else f"demographics.{item.name}"
            remedy = f"Correct it, or add it to [{section}.recode]."
            what = "the code of a district" if is_district else f"a level of {item.name}"
            self._unknown(column.spread(unknown), item.name, f"not {what} ({listing(item.levels)})", remedy, meaning)
        else:
            level = text.replace(dict(item.recode)) if item.recode else text
        if item.blank == "fault":
            remedy = 'Fill it in, or declare blank = "exclude" to leave such interviews out of the counts.'
            self._bad(column.spread(text.is_null()), item.name, f"{item.name} is blank", remedy)
            return _Spread(level, column.place), column.spread(silent)
        return _Spread(level, column.place), column.spread(silent | text.is_null())

    def check_respondents(self) -> None:
        """Every interview has a respondent, each once. Ids are never shown."""
        if "respondent" not in self.names:
            return
        text = self._text("respondent")
        if text is None:
            self._missing("respondent")
            return
        remedy = "Give every interview its respondent's id: without it the respondent could not be erased."
        self._bad(text.is_null(), "respondent", "the respondent's id is blank", remedy, show=False)
        present = text.drop_nulls()
        if present.hash().n_unique() == len(present):  # equal texts have equal hashes
            return
        first_rows = pl.DataFrame({"text": text, "row": self.rows}).select(pl.col("row").first().over("text"))["row"]
        again = text.is_not_null() & (first_rows != self.rows)
        rows, firsts, column = self.rows.filter(again), first_rows.filter(again), self.names["respondent"]
        remedy = "Keep one interview per respondent."
        for row, first in zip(rows.head(MAX_REPORTED_FAULTS), firsts, strict=False):
            self.log.add(f"the same respondent as in row {first}", remedy, row=row, column=column)
        if len(rows) > MAX_REPORTED_FAULTS:
            reason = "the same respondent as in an earlier row"
            self.log.add_rows(rows.slice(MAX_REPORTED_FAULTS), None, reason, remedy, column=column)
        self._blame(rows, column, "the same respondent as in an earlier row")

    def date(self) -> pl.Series:
        """Interview dates; a column that is blank throughout says nothing, and the fieldwork dates stand."""
        column = self._distinct("date")
        if column is None and "date" in self.names:
            self._missing("date")
        if column is None or column.texts.null_count() == len(column.texts):
            return self._nulls(pl.Date)
        shaped = column.texts.str.contains(r"^\d{4}-\d{2}-\d{2}$").fill_null(value=False)
        date = column.spread(column.texts.set(~shaped, None).str.to_date("%Y-%m-%d", strict=False))
        self._bad(date.is_null(), "date", "not a date", "Write dates as 2018-11-06, in every row or in none.")
        return date

    def weight(self) -> pl.Series:
        """Weights; a column that is blank throughout says nothing."""
        if self.has("weight"):
            numbers = self.received[self.names["weight"]].cast(pl.Float64, strict=False)
            if not numbers.null_count() and ((numbers > 0) & numbers.is_finite()).all():  # as nearly always
                return numbers
        text = self._optional("weight")
        if text is None:
            return self._nulls(pl.Float64)
        weight = text.cast(pl.Float64, strict=False)
        usable = ((weight > 0) & weight.is_finite()).fill_null(value=False)
        remedy = "Give a weight in every row or in none, with a point as decimal mark."
        self._bad(~usable, "weight", "a weight must be a number above 0", remedy)
        return weight

    def timing(self) -> pl.Series:
        """Seconds of each interview; it may be blank."""
        text = self._optional("timing")
        if text is None:
            return self._nulls(pl.Float64)
        seconds = text.cast(pl.Float64, strict=False)
        usable = ((seconds >= 0) & seconds.is_finite()).fill_null(value=False) | text.is_null()
        remedy = "Give it in seconds, or leave it blank."
        self._bad(~usable, "timing", "the time of an interview must be a number, 0 or more", remedy)
        return seconds

    def answer(self, question: Question) -> "tuple[pl.Series | _Spread, pl.Series | _Spread]":
        """The option (or number) of each interview, and the status."""
        statuses = dict.fromkeys(question.dont_know, "dont_know")
        statuses |= dict.fromkeys(question.refused, "refused") | dict.fromkeys(question.not_asked, "not_asked")
        kind = pl.Float64 if question.kind == "numeric" else pl.String
        column = self._distinct(question.id)
        if column is None:
            return self._nulls(kind), pl.repeat("not_asked", self.received.height, dtype=_STATUS, eager=True)
        text = column.texts
        status = _look_up(text, statuses)
        if question.kind == "numeric":
            number = text.set(status.is_not_null(), None).cast(pl.Float64, strict=False)
            answer = number.set(~number.is_finite().fill_null(value=True), None)
            expected = "not a number"
        else:
            meaning = {**question.recode, **{option: option for option in question.options}}
            answer = _look_up(text, meaning)
            expected = f"not an option of {question.id} ({listing(question.options)})"
        unknown = text.is_not_null() & status.is_null() & answer.is_null()
        remedy = f"Correct it, or declare it in [questions.{question.id}]: recode, dont_know, refused or not_asked."
        known = statuses if question.kind == "numeric" else statuses | meaning
        self._unknown(column.spread(unknown), question.id, expected, remedy, known)
        status = status.set(answer.is_not_null(), "answered").set(text.is_null(), "blank")
        return _Spread(answer, column.place), _Spread(status.cast(_STATUS), column.place)

    def _text(self, name: str) -> pl.Series | None:
        """A column with nothing but blanks turned to null, or None where the wave lacks it."""
        if not self.has(name):
            return None
        text = self.received[self.names[name]]
        return text.set((text.str.strip_chars() == "").fill_null(value=False), None)

    def _distinct(self, name: str) -> "_Distinct | None":
        """The same, each text once."""
        return self._by_text[self.names[name]] if self.has(name) else None

    def _optional(self, name: str) -> pl.Series | None:
        if name not in self.names:
            return None
        text = self._text(name)
        if text is None:
            self._missing(name)
        return None if text is None or text.null_count() == len(text) else text

    def _nulls(self, dtype: type[pl.DataType]) -> pl.Series:
        return pl.repeat(None, self.received.height, dtype=dtype, eager=True)

    def _missing(self, name: str) -> None:
        column = self.names[name]
        what = "" if column == name else f" ({name})"
        # Without a header the first line is an interview; it is only quoted if it names a column that was expected.
        has_header = bool(set(self.names.values()) & set(self.header))
        hint = did_you_mean(column, self.header) if has_header else near(column, self.header)
        remedy = f"{hint or 'Begin with a header.'} Send it, or name it in [columns.{self.pollster}]."
        self.log.add(f"the column{what} is missing", remedy, row=1, column=column)

    def _bad(self, mask: pl.Series, name: str, reason: str, remedy: str, *, show: bool = True) -> None:
        if mask.any():
            column = self.names[name]
            values = self.received[column].filter(mask) if show else None
            self.log.add_rows(self.rows.filter(mask), values, reason, remedy, column=column)
            self._blame(self.rows.filter(mask), column, reason)

    def _unknown(self, mask: pl.Series, name: str, reason: str, remedy: str, known: Iterable[str]) -> None:
        """Labels that the codebook does not know, each with the nearest one that it knows."""
        if not mask.any():
            return
        column = self.names[name]
        labels = self.received[column].filter(mask)
        rows = self.rows.filter(mask)
        hints = {label: near(label.strip(), known) for label in labels.unique().head(MAX_REPORTED_FAULTS)}
        for label, hint in hints.items():
            if hint:
                own = labels == label
                self.log.add_rows(rows.filter(own), labels.filter(own), reason, f"{hint} {remedy}", column=column)
        rest = ~labels.is_in([label for label, hint in hints.items() if hint])
        if rest.any():
            self.log.add_rows(rows.filter(rest), labels.filter(rest), reason, remedy, column=column)
        self._blame(rows, column, reason)

    def _blame(self, rows: pl.Series, column: str, reason: str) -> None:
        self._bad_rows.append(
            pl.DataFrame([rows.alias("row")]).with_columns(column=pl.lit(column), reason=pl.lit(reason))
        )


@dataclass(frozen=True, slots=True)
class _Distinct:
    """A column by its different texts: there are few, so that a million interviews are told apart in a moment."""

    texts: pl.Series
    """Different texts, then null; blanks are null."""
    place: pl.Series
    """Where the text of each row is in them."""

    def spread(self, values: pl.Series) -> pl.Series:
        """What belongs to each text, for every row."""
        if values.dtype == pl.Boolean and not values.any():
            return pl.repeat(False, len(self.place), dtype=pl.Boolean, eager=True)
        return values.gather(self.place)


@dataclass(frozen=True, slots=True)
class _Spread:
    """What belongs to each row, while that is not yet written out."""

    values: pl.Series
    place: pl.Series


def _by_text(received: pl.DataFrame, columns: Iterable[str]) -> dict[str, _Distinct]:
    """Columns by their different texts; all at a time, on every core."""
    names = sorted(columns)
    frame = pl.DataFrame([received[name].alias(str(number)) for number, name in enumerate(names)])
    if not names:
        return {}
    unique = frame.select(pl.all().drop_nulls().unique().implode())
    texts = [unique[str(number)][0] for number in range(len(names))]
    places = frame.select(
        pl.col(str(number)).cast(pl.Enum(few)).to_physical().cast(pl.UInt32).fill_null(len(few))
        for number, few in enumerate(texts)
    )
    nothing = pl.Series([None], dtype=pl.String)
    return {
        name: _Distinct(pl.concat([few.set(few.str.strip_chars() == "", None), nothing]), places[str(number)])
        for number, (name, few) in enumerate(zip(names, texts, strict=True))
    }


def _together(columns: Mapping[str, pl.Series | _Spread]) -> pl.DataFrame:
    """One table of all columns, written out on every core."""
    spread = [one for one in columns.values() if isinstance(one, _Spread)]
    places = pl.DataFrame([one.place.alias(str(number)) for number, one in enumerate(spread)])
    written = places.select(
        pl.lit(one.values).gather(pl.col(str(number))).alias(str(number)) for number, one in enumerate(spread)
    )
    rows = iter(written.get_columns())
    return pl.DataFrame(
        [(next(rows) if isinstance(one, _Spread) else one).alias(name) for name, one in columns.items()]
    )


def _look_up(text: pl.Series, meaning: Mapping[str, str]) -> pl.Series:
    if not meaning:
        return pl.Series([None] * len(text), dtype=pl.String)
    return text.replace_strict(list(meaning), list(meaning.values()), default=None, return_dtype=pl.String)
