"""Read the columns of one wave through the codebook, and note every fault with its rows.

A label is a level or option, or the codebook recodes it, or it is a number in a band, or it is a fault that names the
nearest label the codebook knows.
"""

from collections.abc import Iterable, Mapping, Sequence
from unicodedata import normalize

import polars as pl

from polling.bands import banded, between
from polling.by_text import Distinct, by_text, composed, look_up
from polling.decimal_comma import HOW_TO_WRITE
from polling.declaration import Demographic, Question, SurveyDeclaration
from polling.faults import MAX_REPORTED_FAULTS, FaultLog, did_you_mean, listing, near

__all__ = ["FIRST_ROW", "Reading"]

FIRST_ROW = 2
"""The header is row 1."""
_STATUS = pl.Enum(["answered", "dont_know", "refused", "not_asked", "blank"])


class Reading:
    """One wave while it is being converted: what was received, row numbers and the faults so far.

    A name is one of the survey's: ``date``, a demographic, a question; its column is what the pollster calls it.
    """

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
        self._by_text = by_text(received, {self.names[name] for name in few if self.has(name)})

    def bad_rows(self) -> pl.DataFrame:
        """The faults of rows: ``row``, ``column`` and ``reason``, by row."""
        schema = {"row": pl.UInt32, "column": pl.String, "reason": pl.String}
        return pl.concat([pl.DataFrame(schema=schema), *self._bad_rows]).sort("row", maintain_order=True)

    def has(self, name: str) -> bool:
        """Whether the wave has the column."""
        return self.names.get(name) in self.received.columns

    def level(self, item: Demographic) -> tuple[pl.Series, pl.Series]:
        """The level of each interview, null where there is none, and whether that is as the declaration allows."""
        column = self._distinct(item.name)
        kind = pl.Enum(item.levels) if item.levels else pl.String()
        if column is None:
            self._missing(item.name)
            return self._nulls(kind), pl.repeat(False, self.received.height, dtype=pl.Boolean, eager=True)
        text = column.texts
        unsaid = composed(pl.Series([*item.dont_know, *item.refused, *item.not_asked], dtype=pl.String))
        silent = text.is_in(unsaid.implode()).fill_null(value=False)
        if item.levels:
            meaning = {**item.recode, **{level: level for level in item.levels}}
            level = look_up(text, meaning)
            if item.bands:
                level = level.zip_with(level.is_not_null(), banded(text, item.bands))
            level = level.cast(kind, strict=False)
            unknown = text.is_not_null() & level.is_null() & ~silent
            is_district = item.name == self.geography.district
            section = "geography" if is_district else f"demographics.{item.name}"
            remedy = f"Correct it, or add it to [{section}.recode]."
            if item.bands:
                unknown = self._between(column, unknown, item.name, item.bands)
                remedy = f"{remedy} {HOW_TO_WRITE}"
            what = "the code of a district" if is_district else f"a level of {item.name}"
            self._unknown(column.spread(unknown), item.name, f"not {what} ({listing(item.levels)})", remedy, meaning)
        else:
            level = text.replace({normalize("NFC", old): new for old, new in item.recode.items()})
        if item.blank == "fault":
            remedy = 'Fill it in, or declare blank = "exclude" to leave such interviews out of the counts.'
            self._bad(column.spread(text.is_null()), item.name, f"{item.name} is blank", remedy)
            return column.spread(level), column.spread(silent)
        return column.spread(level), column.spread(silent | text.is_null())

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
        if column is None or column.spread(column.texts.is_null()).all():
            return self._nulls(pl.Date())
        shaped = column.texts.str.contains(r"^\d{4}-\d{2}-\d{2}$").fill_null(value=False)
        date = column.spread(column.texts.set(~shaped, None).str.to_date("%Y-%m-%d", strict=False))
        self._bad(date.is_null(), "date", "not a date", "Write dates as 2018-11-06, in every row or in none.")
        return date

    def weight(self) -> pl.Series:
        """Weights; a column that is blank throughout says nothing."""
        if self.has("weight"):
            numbers = self.received[self.names["weight"]].cast(pl.String).cast(pl.Float64, strict=False)
            if not numbers.null_count() and ((numbers > 0) & numbers.is_finite()).all():  # as nearly always
                return numbers
        text = self._optional("weight")
        if text is None:
            return self._nulls(pl.Float64())
        weight = text.cast(pl.Float64, strict=False)
        usable = ((weight > 0) & weight.is_finite()).fill_null(value=False)
        remedy = f"Give a weight in every row or in none. {HOW_TO_WRITE}"
        self._bad(~usable, "weight", "a weight must be a number above 0", remedy)
        return weight

    def timing(self) -> pl.Series:
        """Seconds of each interview; it may be blank."""
        text = self._optional("timing")
        if text is None:
            return self._nulls(pl.Float64())
        seconds = text.cast(pl.Float64, strict=False)
        usable = ((seconds >= 0) & seconds.is_finite()).fill_null(value=False) | text.is_null()
        remedy = f"Give it in seconds, or leave it blank. {HOW_TO_WRITE}"
        self._bad(~usable, "timing", "the time of an interview must be a number, 0 or more", remedy)
        return seconds

    def answer(self, question: Question) -> tuple[pl.Series, pl.Series]:
        """The option (or number) of each interview, and the status."""
        statuses = dict.fromkeys(question.dont_know, "dont_know")
        statuses |= dict.fromkeys(question.refused, "refused") | dict.fromkeys(question.not_asked, "not_asked")
        kind = pl.Float64() if question.kind == "numeric" else pl.Enum(question.options)
        column = self._distinct(question.id)
        if column is None:
            return self._nulls(kind), pl.repeat("not_asked", self.received.height, dtype=_STATUS, eager=True)
        text = column.texts
        status = look_up(text, statuses)
        if question.kind == "numeric":
            number = text.set(status.is_not_null(), None).cast(pl.Float64, strict=False)
            answer = number.set(~number.is_finite().fill_null(value=True), None)
            expected = "not a number"
            outside = self._outside(column, answer, question)
        else:
            meaning = {**question.recode, **{option: option for option in question.options}}
            answer = look_up(text, meaning).cast(kind, strict=False)
            expected = f"not an option of {question.id} ({listing(question.options)})"
            outside = pl.repeat(value=False, n=len(text), eager=True)
        unknown = text.is_not_null() & status.is_null() & answer.is_null()
        answer = answer.set(outside, None)
        remedy = f"Correct it, or declare it in [questions.{question.id}]: recode, dont_know, refused or not_asked."
        if question.kind == "numeric":
            remedy = f"{HOW_TO_WRITE} Or declare it in [questions.{question.id}]: dont_know, refused or not_asked."
        known = statuses if question.kind == "numeric" else statuses | meaning
        self._unknown(column.spread(unknown), question.id, expected, remedy, known)
        status = status.set(answer.is_not_null(), "answered").set(text.is_null(), "blank")
        return column.spread(answer), column.spread(status.cast(_STATUS))

    def _text(self, name: str) -> pl.Series | None:
        """A column with nothing but blanks turned to null, or None where the wave lacks it."""
        if not self.has(name):
            return None
        text = self.received[self.names[name]].cast(pl.String)
        return text.set((text.str.strip_chars() == "").fill_null(value=False), None)

    def _distinct(self, name: str) -> Distinct | None:
        """The same, each text once."""
        return self._by_text[self.names[name]] if self.has(name) else None

    def _optional(self, name: str) -> pl.Series | None:
        if name not in self.names:
            return None
        text = self._text(name)
        if text is None:
            self._missing(name)
        return None if text is None or text.null_count() == len(text) else text

    def _nulls(self, dtype: pl.DataType) -> pl.Series:
        return pl.repeat(None, self.received.height, dtype=dtype, eager=True)

    def _missing(self, name: str) -> None:
        column = self.names[name]
        what = "" if column == name else f" ({name})"
        # Without a header the first line is an interview; it is only quoted if it names a column that was expected.
        has_header = bool(set(self.names.values()) & set(self.header))
        hint = did_you_mean(column, self.header) if has_header else near(column, self.header)
        remedy = f"{hint or 'Begin with a header.'} Send it, or name it in [columns.{self.pollster}]."
        self.log.add(f"the column{what} is missing", remedy, row=1, column=column)

    def _between(
        self, column: Distinct, unknown: pl.Series, name: str, bands: Mapping[str, tuple[float, float | None]]
    ) -> pl.Series:
        """Say of the numbers between two bands which these are; the texts that are left."""
        where = between(column.texts, bands)
        remedy = "Send whole numbers, or let the bands meet: the codebook does not round."
        for pair in where.filter(unknown).drop_nulls().unique().sort():
            reason = f"not a level of {name}: the number lies between the bands {pair}"
            self._bad(column.spread((where == pair).fill_null(value=False) & unknown), name, reason, remedy)
        return unknown & where.is_null()

    def _outside(self, column: Distinct, number: pl.Series, question: Question) -> pl.Series:
        """Which numbers are no answer, because they lie outside the range of the question; says so of their rows."""
        if question.range is None:
            return pl.repeat(value=False, n=len(number), eager=True)
        outside = ~number.is_between(*question.range).fill_null(value=True)
        unit = f" {question.unit}" if question.unit else ""
        reason = f"outside the range of {question.id}, {question.range[0]:g} to {question.range[1]:g}{unit}"
        remedy = (
            f"Correct the number, or the range in [questions.{question.id}]; declare there what stands for no answer: "
            "dont_know, refused or not_asked."
        )
        self._bad(column.spread(outside), question.id, reason, remedy)
        return outside

    def _bad(self, mask: pl.Series, name: str, reason: str, remedy: str, *, show: bool = True) -> None:
        if mask.any():
            column = self.names[name]
            values = self.received[column].filter(mask).cast(pl.String) if show else None
            self.log.add_rows(self.rows.filter(mask), values, reason, remedy, column=column)
            self._blame(self.rows.filter(mask), column, reason)

    def _unknown(self, mask: pl.Series, name: str, reason: str, remedy: str, known: Iterable[str]) -> None:
        """Labels that the codebook does not know, each with the nearest one that it knows."""
        if not mask.any():
            return
        column = self.names[name]
        labels = self.received[column].filter(mask).cast(pl.String)
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
