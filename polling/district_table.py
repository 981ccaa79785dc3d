"""Check the districts table: one row per district with code, name, parents, predictors and optional neighbours."""

import polars as pl

from polling.declaration import SurveyDeclaration
from polling.declaration_check import RESERVED_NAMES, is_name
from polling.faults import FaultLog
from polling.folder_files import column_as_text, has_columns, rows_where
from polling.reading import FIRST_ROW
from polling.tabular import Table

__all__ = ["check_districts"]

_NEIGHBOURS = "neighbours"
_HOW_TO_NAME_THEM = "Write codes of districts with semicolons between them, as in D2;D5 (in Parquet: a list of codes)."


def check_districts(table: Table, declaration: SurveyDeclaration, log: FaultLog) -> pl.DataFrame | None:
    """Bring the districts into canonical form.

    Parameters
    ----------
    table
        As read.
    declaration
        The survey.
    log
        Receives every fault, under the table's file name.

    Returns
    -------
    polars.DataFrame or None
        ``code`` and ``name``, parents (String), predictors (Float64) and ``neighbours`` (List of codes) where the
        table has them, sorted by code; None if no code can be told from another.
    """
    geography = declaration.geography
    parents = geography.parents
    wanted = ("code", "name", *(parents or ()))
    complete = has_columns(table, wanted, geography.ignore, ignore_key="geography.ignore", log=log)
    if "code" not in table.header:
        return None
    code = column_as_text(table.data["code"], log)
    if code is None:
        return None
    _check_codes(code, log)
    columns = [code]
    if "name" in table.header and (name := column_as_text(table.data["name"], log)) is not None:
        _fault_blanks(name, "the district has no name", log)
        columns.append(name)
    taken = set(declaration.cell_columns) | {question.id for question in declaration.questions}
    for series in table.data:
        if series.name in ("code", "name", *geography.ignore):
            continue
        if series.name == _NEIGHBOURS:
            column = _neighbours(series, code, log)
        elif not _name_is_free(series.name, taken, log):
            continue
        elif parents is not None and series.name in parents:
            column = _parent(series, log)
        else:
            column = _parent_or_predictor(series, code, log, typed=table.typed, may_be_parent=parents is None)
        if column is not None:
            columns.append(column)
    return pl.DataFrame(columns).sort("code") if complete else None


def _check_codes(code: pl.Series, log: FaultLog) -> None:
    _fault_blanks(code, "the district has no code", log)
    for row in rows_where(code.is_not_null() & ~code.is_first_distinct()):
        value = code[row - FIRST_ROW]
        log.add("the district is in the table more than once", "Keep one row.", row=row, column="code", value=value)


def _name_is_free(name: str, taken: set[str], log: FaultLog) -> bool:
    ignore = "or list it in geography.ignore."
    if name in taken:
        log.add("the name is taken by the district, a demographic or a question", f"Rename it, {ignore}", column=name)
    elif name in RESERVED_NAMES:
        log.add("the program uses this word itself", f"Rename it, {ignore}", column=name)
    elif not is_name(name):
        remedy = f"Use letters, digits and '_', {ignore}"
        log.add("this name cannot stand in a formula", remedy, column=name)
    else:
        return True
    return False


def _parent_or_predictor(
    series: pl.Series, code: pl.Series, log: FaultLog, *, typed: bool, may_be_parent: bool
) -> pl.Series | None:
    if series.dtype.is_numeric():
        return _predictor(series.cast(pl.Float64), code, log)
    text = column_as_text(series, log)
    if text is None:
        return None
    if not typed:
        number = text.cast(pl.Float64, strict=False)
        n_numbers, n_texts = number.count(), text.count()
        if n_numbers == n_texts and n_texts:
            return _predictor(number, code, log)
        if n_numbers:
            for row in rows_where(text.is_not_null() & number.is_null()):
                reason, remedy = "not a number, in a column of numbers", "Correct it, or declare geography.parents."
                log.add(reason, remedy, row=row, column=series.name, value=text[row - FIRST_ROW])
            return None
    if may_be_parent:
        return _parent(text, log)
    remedy = "List it in geography.parents or geography.ignore."
    log.add("the column is neither a declared parent nor numbers", remedy, row=1, column=series.name)
    return None


def _parent(series: pl.Series, log: FaultLog) -> pl.Series | None:
    text = column_as_text(series, log)
    if text is not None:
        _fault_blanks(text, f"the district belongs to no {series.name}", log)
    return text


def _predictor(number: pl.Series, code: pl.Series, log: FaultLog) -> pl.Series:
    for row in rows_where(~number.is_finite().fill_null(value=False)):
        value = number[row - FIRST_ROW]
        reason = f"the predictor is missing for district '{code[row - FIRST_ROW]}'"
        remedy = "Fill it in, or list the column in geography.ignore."
        log.add(reason, remedy, row=row, column=number.name, value=None if value is None else str(value))
    return number


def _neighbours(series: pl.Series, code: pl.Series, log: FaultLog) -> pl.Series | None:
    """Codes of the districts next to each; as a list, or as text with semicolons."""
    if series.dtype == pl.String:
        series = (
            series.fill_null("").str.split(";").list.eval(pl.element().str.strip_chars().filter(pl.element() != ""))
        )
    if series.dtype != pl.List(pl.String):
        log.add(
            "the column is no list of codes",
            "Write codes with semicolons between them, as in D2;D5.",
            column=_NEIGHBOURS,
        )
        return None
    lists = [sorted(set(codes or ())) for codes in series.to_list()]
    of = dict(zip(code.to_list(), lists, strict=True))
    for row, (own, codes) in enumerate(zip(code, lists, strict=True), start=FIRST_ROW):
        for other in codes:
            if other not in of:
                reason = "the neighbour is not a district"
                log.add(reason, _HOW_TO_NAME_THEM, row=row, column=_NEIGHBOURS, value=other)
            elif other == own:
                log.add("a district is its own neighbour", "Remove it.", row=row, column=_NEIGHBOURS, value=other)
            elif own not in of[other]:
                reason = f"'{other}' does not have '{own}' as its neighbour"
                log.add(reason, "Name both or neither.", row=row, column=_NEIGHBOURS, value=other)
    return pl.Series(_NEIGHBOURS, lists, dtype=pl.List(pl.String))


def _fault_blanks(text: pl.Series, reason: str, log: FaultLog) -> None:
    for row in rows_where(text.is_null()):
        log.add(reason, "Fill it in.", row=row, column=text.name)
