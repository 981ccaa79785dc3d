"""Read district predictors that are known from some day on: aggregates, one row per district.

================  =====================================================================================================
column            meaning
================  =====================================================================================================
code              the district, as its table calls it or as pollsters do: the recode of the geography applies. The
                  column may be called like the survey's district too
<predictor>       a number for every district, under the name of a numeric column of the districts table
================  =====================================================================================================

``name`` and the larger areas may stand beside them and are not read. Of persons nothing is taken: a table with several
rows of a district, with a column of respondents, donors or the like, or with what looks like a direct identifier
(``polling.identifiers``) is refused as a whole, whatever else is in it. Other faults are found at once.
"""

from itertools import pairwise

import polars as pl

from polling.by_text import composed, look_up
from polling.declaration import SurveyDeclaration
from polling.errors import PredictorsRejected
from polling.faults import FaultLog, did_you_mean, listing
from polling.folder_files import column_as_text, rows_where
from polling.identifier_names import words_of
from polling.identifiers import find_identifiers
from polling.reading import FIRST_ROW
from polling.tabular import Table, as_text, read_table

__all__ = ["read_predictors"]

_BESIDE = ("code", "name", "neighbours")
_PERSONS = frozenset({"respondent", "panelist", "participant", "interviewee", "voter", "donor", "user", "visitor"})
"""Whose id, in a column's name, tells of one person."""
_OF_ONE = frozenset({"id", "uuid", "guid", "key", "hash", "number", "no", "nr"})
_ALONE = frozenset(
    {"respondent", "caseid", "respid", "respondentid", "panelid", "userid", "voterid", "donorid", "uuid"}
)
_AGGREGATE = (
    "Predictors are aggregates: send one row per district with its totals, means or shares, and nothing of one person."
)


def read_predictors(
    content: bytes, declaration: SurveyDeclaration, districts: pl.DataFrame, *, file: str | None
) -> pl.DataFrame:
    """Read and check an upload of predictors.

    Parameters
    ----------
    content
        The bytes of a file in any format of ``polling.tabular``.
    districts
        Of the survey: ``code``, parents (String) and predictors (Float64).
    file
        Its name, for faults.

    Returns
    -------
    polars.DataFrame
        ``code`` and the predictors of the file (Float64, finite), one row per district of the survey, by code.

    Raises
    ------
    PredictorsRejected
        With every fault; with one alone where the table is of persons.
    """
    log = FaultLog(file)
    table = read_table(content, log, expected=("code", *_known(districts)))
    found = None if table is None else _checked(table, declaration, districts, log)
    if log or found is None:
        raise PredictorsRejected(log.reported(), total=log.total)
    return found


def _known(districts: pl.DataFrame) -> tuple[str, ...]:
    """The predictors of a survey."""
    return tuple(name for name, dtype in districts.schema.items() if dtype == pl.Float64)


def _checked(
    table: Table, declaration: SurveyDeclaration, districts: pl.DataFrame, log: FaultLog
) -> pl.DataFrame | None:
    place = next((one for one in ("code", declaration.geography.district) if one in table.header), None)
    code = None if place is None else _codes(table.data[place], declaration, districts, log)
    beside = table.data if place is None else table.data.drop(place)
    if log:
        return None
    _tell_of_persons(beside, code, declaration, districts, log)
    if log:
        return None
    if place is None:
        what = f"'code', or '{declaration.geography.district}'"
        log.add("there is no column of districts", f"Call the column with their codes {what}.", row=1)
        return None
    if code is None:
        return None
    _check_districts(code, districts, log)
    known = _known(districts)
    not_read = {place, *(name for name, dtype in districts.schema.items() if dtype == pl.String), *_BESIDE}
    columns = [name for name in table.header if name not in not_read]
    for name in columns:
        if name not in known:
            remedy = (
                f"{did_you_mean(name, known)} A new predictor is added to the districts table first, with its values "
                "until now (`hustings survey update`)."
            )
            log.add("the districts table has no predictor of this name", remedy, row=1, column=name)
    if not columns:
        log.add("there is no column of a predictor", did_you_mean("", known), row=1)
    numbers = [_numbers(table, name, code, log) for name in columns if name in known]
    if log:
        return None
    return pl.DataFrame([code.alias("code"), *numbers]).sort("code")


def _tell_of_persons(
    beside: pl.DataFrame,
    code: pl.Series | None,
    declaration: SurveyDeclaration,
    districts: pl.DataFrame,
    log: FaultLog,
) -> None:
    """Record one fault if a table is of persons.

    Parameters
    ----------
    beside
        All columns but the one of districts.
    """
    others, known = beside.columns, set(districts.columns)
    texts = [text.alias(one.name) for one in beside if (text := as_text(one)) is not None and one.name not in _BESIDE]
    # A declared predictor is a predictor, whatever its name, as long as it holds numbers.
    strange = [text for text in texts if text.name not in known or not _are_numbers(text)]
    seen = FaultLog()
    respondents = {columns.get("respondent") for columns in _every_pollsters(declaration)} - {None}
    if personal := [name for name in others if name not in known and (name in respondents or _tells_persons(name))]:
        reason = f"the table looks individual-level: it has {listing([f'a column {name!r}' for name in personal])}"
        log.add(reason, _AGGREGATE, row=1, column=personal[0])
    elif identifiers := find_identifiers(strange, declaration, seen, pollster=""):
        reason = f"the table looks individual-level: {seen.reported()[0].reason}"
        log.add(reason, _AGGREGATE, row=1, column=min(identifiers))
    elif code is not None and (again := code.drop_nulls()).is_duplicated().any():
        most = again.value_counts(sort=True).row(0)
        n = again.filter(again.is_duplicated()).n_unique()
        reason = (
            f"the table looks individual-level: {n:,} district{'s have' if n != 1 else ' has'} several rows, "
            f"{most[0]} has {most[1]:,}"
        )
        log.add(reason, _AGGREGATE, row=rows_where(code.is_not_null() & ~code.is_first_distinct())[0])


def _every_pollsters(declaration: SurveyDeclaration) -> list[dict[str, str]]:
    return [declaration.columns_of(pollster) for pollster in ("", *declaration.pollster_columns)]


def _tells_persons(name: str) -> bool:
    words = words_of(name)
    of_one = any(one in _PERSONS and two in _OF_ONE for one, two in pairwise(words))
    return of_one or bool(_ALONE & {*words, "".join(words)})


def _are_numbers(text: pl.Series) -> bool:
    return text.drop_nulls().cast(pl.Float64, strict=False).null_count() == 0


def _codes(
    series: pl.Series, declaration: SurveyDeclaration, districts: pl.DataFrame, log: FaultLog
) -> pl.Series | None:
    """The district of each row; what is no district stays as it was written."""
    text = column_as_text(series, log)
    if text is None:
        return None
    text = composed(text.str.strip_chars())
    meaning = {label: target for label, target in declaration.geography.recode.items() if target}
    recoded = look_up(text, meaning | {one: one for one in districts["code"]})
    return pl.select(pl.coalesce(recoded, text)).to_series().alias(series.name)


def _check_districts(code: pl.Series, districts: pl.DataFrame, log: FaultLog) -> None:
    known = districts["code"].to_list()
    for row in rows_where(code.is_null()):
        log.add("the district is blank", "Fill it in, or remove the row.", row=row, column=code.name)
    for row in rows_where(code.is_not_null() & ~code.is_in(known)):
        value = code[row - FIRST_ROW]
        remedy = f"{did_you_mean(value, known)} Correct it, or remove the row."
        log.add("the survey has no such district", remedy, row=row, column=code.name, value=value)
    if missing := sorted(set(known) - set(code)):
        reason = f"{len(missing):,} of the {len(known):,} districts {'are' if len(missing) > 1 else 'is'} missing"
        log.add(reason, "Add a row for each: no value is invented.", column=code.name, value=listing(missing))


def _numbers(table: Table, name: str, code: pl.Series, log: FaultLog) -> pl.Series:
    series = table.data[name]
    text = as_text(series)
    if series.dtype.is_numeric():
        number = series.cast(pl.Float64)
    elif text is None:
        log.add(f"the column holds {series.dtype}", "Send numbers.", row=1, column=name)
        return pl.Series(name, [None] * len(series), dtype=pl.Float64)
    else:
        text = text.cast(pl.String).str.strip_chars()
        if table.decimal_comma:
            text = text.str.replace(r"^([+-]?\d+),(\d+)$", "${1}.${2}")
        number = text.cast(pl.Float64, strict=False)
    for row in rows_where(~number.is_finite().fill_null(value=False)):
        found = None if text is None else text[row - FIRST_ROW]
        reason = f"the predictor is {'no number' if found else 'missing'} for district '{code[row - FIRST_ROW]}'"
        log.add(reason, "Fill in a number: no value is invented.", row=row, column=name, value=found or None)
    return number.alias(name)
