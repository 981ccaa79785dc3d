"""Read what happened: a table of shares by geography and option, and by demographic group where it is known.

================  =====================================================================================================
column            meaning
================  =====================================================================================================
geography         a district's code, the name of a parent area, or ``all`` for the nation
level             (optional) ``nation``, or the column that the geography is of, where a name alone could be two areas
option            as the survey calls it, or as pollsters do: the question's recode applies, and labels that mean one
                  option are added up
share             in [0, 1], of everybody in that geography and group
se                (optional) standard error of the share, where the result was measured on a sample; blank: none
<demographic>     (optional, any number) the level whose share it is; blank: everybody
================  =====================================================================================================

Other columns are not read. All faults are found at once, named like those of a wave; rows are those of the file.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from polling.by_text import composed, look_up
from polling.declaration import Question, SurveyDeclaration
from polling.errors import ResultRejected
from polling.faults import FaultLog, did_you_mean
from polling.folder_files import column_as_text, has_columns
from polling.reading import FIRST_ROW
from polling.tabular import Table, read_table

__all__ = ["NATION", "NATION_LABEL", "PARTS", "TOLERANCE", "read_known_result"]

NATION = "nation"
"""The level of the whole population."""
NATION_LABEL = "all"
"""What tables call it."""
PARTS = ("level", "area", "option", "share", "se")
"""Columns of a known result besides the demographics."""
TOLERANCE = 0.01
"""By how much shares that were rounded may miss one."""

_NUMBERS = {"share": 1.0, "se": 0.5}
"""Column of numbers -> the largest that it may hold; a share has no larger standard error than that of one answer."""
_ROW = "\x00row"


def read_known_result(
    content: bytes, declaration: SurveyDeclaration, question: Question, districts: pl.DataFrame, *, file: str | None
) -> pl.DataFrame:
    """Read and check a known result.

    Parameters
    ----------
    content
        The bytes of a file in any format of ``polling.tabular``.
    districts
        Of the survey: ``code`` and the parent areas.
    file
        Its name, for faults.

    Returns
    -------
    polars.DataFrame
        ``level`` (``nation``, or a column of areas), ``area`` (``all``, or a code or name), the demographics of the
        file (String, null for everybody), ``option``, ``share`` and ``se`` (null where there is none), sorted.

    Raises
    ------
    ResultRejected
        With every fault.
    """
    log = FaultLog(file)
    table = read_table(content, log, expected=("geography", "option", "share"))
    found = None if table is None else _checked(table, declaration, question, districts, log)
    if log or found is None:
        raise ResultRejected(log.reported(), total=log.total)
    return found


def _checked(
    table: Table, declaration: SurveyDeclaration, question: Question, districts: pl.DataFrame, log: FaultLog
) -> pl.DataFrame | None:
    if question.kind == "numeric":
        log.add(
            "this question is answered with a number", "Results are shares of options: nothing is compared with it."
        )
        return None
    if not has_columns(table, ("geography", "option", "share"), (), ignore_key="", log=log):
        return None
    if table.data.is_empty():
        log.add("the table has no rows", "Add a row for each geography and option.")
        return None
    groups = [one for one in declaration.demographics if one.name in table.header]
    names = ["geography", "option", *(["level"] if "level" in table.header else []), *(one.name for one in groups)]
    texts = {name: column_as_text(table.data[name], log) for name in names}
    if any(text is None for text in texts.values()):
        return None
    said = pl.DataFrame([composed(text.str.strip_chars()) for text in texts.values() if text is not None])
    rows = [
        *_areas(said, declaration, districts, log),
        *(_labels(said[one.name], one.levels, one.recode, log, blank=True) for one in groups),
        _labels(said["option"], question.options, question.recode, log, blank=False),
        *(_number(table, name, log) for name in _NUMBERS),
    ]
    found = pl.DataFrame(rows).with_columns(label=said["option"]).with_row_index(_ROW, offset=FIRST_ROW)
    key = ["level", "area", *(one.name for one in groups)]
    _refuse_twice(found, [*key, "label"], log)
    if log:
        return None
    added = found.group_by([*key, "option"]).agg(
        pl.col("share").sum(),
        # Of labels that are counted together; a little too wide, since their shares go against each other.
        (pl.col("se") ** 2).sum().sqrt().alias("se") if found["se"].count() else pl.lit(None, pl.Float64).alias("se"),
        pl.col("se").null_count().alias("\x00without"),
        pl.col(_ROW).min(),
    )
    without = pl.col("\x00without") > 0
    added = added.with_columns(pl.when(without).then(None).otherwise(pl.col("se")).alias("se")).sort(_ROW)
    _check_sums(added, key, question, log)
    return added.select(*key, "option", "share", "se").sort(*key, "option", nulls_last=False)


def _areas(
    said: pl.DataFrame, declaration: SurveyDeclaration, districts: pl.DataFrame, log: FaultLog
) -> tuple[pl.Series, pl.Series]:
    """Level and area of each row; null where a fault was recorded."""
    geography, column = declaration.geography, said["geography"]
    parents = [name for name, dtype in districts.schema.items() if dtype == pl.String and name not in ("code", "name")]
    known: dict[str, tuple[str, ...]] = {NATION: (NATION_LABEL,), geography.district: tuple(districts["code"])}
    known |= {name: tuple(districts[name].drop_nulls().unique().sort()) for name in parents}
    recoded = look_up(column, geography.recode)
    told = said["level"] if "level" in said.columns else pl.Series("level", [None] * said.height, dtype=pl.String)
    levels: list[str | None] = []
    areas: list[str | None] = []
    for row, (name, as_code, level) in enumerate(zip(column, recoded, told, strict=True), start=FIRST_ROW):
        found = _find_area(name, as_code, level, known, row=row, log=log)
        levels.append(found[0] if found else None)
        areas.append(found[1] if found else None)
    return pl.Series("level", levels, dtype=pl.String), pl.Series("area", areas, dtype=pl.String)


def _find_area(
    name: str | None, code: str | None, level: str | None, known: dict[str, tuple[str, ...]], *, row: int, log: FaultLog
) -> tuple[str, str] | None:
    if name is None:
        remedy = f"Write a district's code, a larger area's name, or '{NATION_LABEL}' for everybody."
        log.add("the geography is blank", remedy, row=row, column="geography")
        return None
    if level is not None and level not in known:
        log.add("there is no such level", did_you_mean(level, known), row=row, column="level", value=level)
        return None
    places = [(level, known[level])] if level is not None else list(known.items())
    found = [(one, label) for one, labels in places for label in dict.fromkeys((name, code)) if label in labels]
    if len(found) == 1:
        return found[0]
    if found:
        reason = f"the name is of a {' and of a '.join(one for one, _ in found)}"
        log.add(reason, "Say which in a column 'level'.", row=row, column="geography", value=name)
    else:
        labels = [label for _, some in places for label in some]
        what = f"the level {level}" if level is not None else "the survey"
        remedy = f"{did_you_mean(name, labels)} Correct it, or leave the row out."
        log.add(f"not a geography of {what}", remedy, row=row, column="geography", value=name)
    return None


def _labels(
    said: pl.Series, known: Sequence[str], recode: Mapping[str, str], log: FaultLog, *, blank: bool
) -> pl.Series:
    """What each label means; null for blanks, which are faults unless ``blank`` admits them, and for strange ones."""
    meaning = {**recode, **{label: label for label in known}}
    found = look_up(said, meaning)
    if not blank and said.null_count():
        rows = said.is_null().arg_true() + FIRST_ROW
        log.add_rows(rows, None, f"the {said.name} is blank", "Fill it in.", column=said.name)
    strange = said.is_not_null() & found.is_null()
    for label in said.filter(strange).unique(maintain_order=True):
        rows = (said == label).fill_null(value=False).arg_true() + FIRST_ROW
        reason = f"not {'an option of the question' if said.name == 'option' else f'a level of {said.name}'}"
        remedy = f"{did_you_mean(label, meaning)} Correct it, or declare it under recode."
        log.add_rows(rows, pl.Series([label] * len(rows)), reason, remedy, column=said.name)
    return found.alias(said.name)


def _number(table: Table, name: str, log: FaultLog) -> pl.Series:
    if name not in table.header:
        return pl.Series(name, [None] * table.data.height, dtype=pl.Float64)
    series = table.data[name]
    if series.dtype.is_numeric():
        text, number = series.cast(pl.String), series.cast(pl.Float64)
    else:
        text = series.cast(pl.String).str.strip_chars()
        text = text.set((text == "").fill_null(value=False), None)
        if table.decimal_comma:
            text = text.str.replace(r"^([+-]?\d+),(\d+)$", "${1}.${2}")
        number = text.cast(pl.Float64, strict=False)
    most = _NUMBERS[name]
    what = "the share" if name == "share" else "the standard error"
    finite = number.is_finite().fill_null(value=False)

    def refuse(mask: pl.Series, reason: str, remedy: str) -> None:
        if mask.any():
            log.add_rows(mask.arg_true() + FIRST_ROW, text.filter(mask), reason, remedy, column=name)

    if name == "share":
        refuse(text.is_null(), f"{what} is missing", "Write it as a number in [0, 1], or leave the row out.")
    refuse(text.is_not_null() & ~finite, f"{what} is not a number", "Write it with a point, such as 0.523.")
    refuse(finite & (number < 0), f"{what} is below 0", "Write a number in [0, 1].")
    percent = finite & (number > most) & (number <= 100 * most)
    refuse(percent, f"{what} is above {most:g}: is it in percent?", "Divide percent by 100: 52.3% is 0.523.")
    refuse(finite & (number > 100 * most), f"{what} is above {most:g}", "Give shares, not numbers of votes or people.")
    return number.alias(name)


def _refuse_twice(found: pl.DataFrame, key: list[str], log: FaultLog) -> None:
    whole = found.filter(pl.all_horizontal(pl.col("level").is_not_null(), pl.col("option").is_not_null()))
    for row, first, area, label in (
        whole.with_columns(pl.col(_ROW).first().over(key).alias("\x00first"))
        .filter(pl.col(_ROW) != pl.col("\x00first"))
        .select(_ROW, "\x00first", "area", "label")
        .iter_rows()
    ):
        reason = f"the same geography, group and option as in row {first}"
        log.add(reason, "Keep one of them.", row=row, value=f"{area}, {label}")


def _check_sums(added: pl.DataFrame, key: list[str], question: Question, log: FaultLog) -> None:
    """Shares of all options add up to one; where only the first is estimated, it is known wherever anything is."""
    options = question.options
    first = pl.col("option") == options[0] if question.kind == "binary" else pl.lit(value=True)
    of_groups = added.group_by(key, maintain_order=True).agg(
        pl.col(_ROW).min(), pl.col("share").sum(), pl.len().alias("n"), first.any().alias("has")
    )
    for row in of_groups.iter_rows(named=True):
        place = ", ".join(str(row[name]) for name in key[1:] if row[name] is not None)
        if not row["has"]:
            remedy = "Add it: estimates are of the first option."
            log.add(f"the share of '{options[0]}' is not given", remedy, row=row[_ROW], value=place)
        elif row["n"] == len(options) and abs(row["share"] - 1) > TOLERANCE:
            reason = f"the shares of all options add up to {row['share']:.4g}"
            remedy = f"They have to add up to 1 (to {TOLERANCE:g}): correct them, or leave an option out."
            log.add(reason, remedy, row=row[_ROW], column="share", value=place)
        elif row["share"] > 1 + TOLERANCE:
            remedy = "They have to be at most 1: correct them."
            log.add(f"the shares add up to {row['share']:.4g}", remedy, row=row[_ROW], column="share", value=place)
