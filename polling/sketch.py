"""A survey as its names alone would have it, so that formulas can be checked beside faulty tables.

What a formula may name does not depend on the numbers in the tables. The sketch has the declared demographics and the
columns of the districts table, filled with made-up values that nothing can be said against: cells that show every
level, numbers that differ in every district, and of each kind of area two, one of which is a single district, another
one for each kind, so that no two kinds are the same. It is never stored.
"""

import re
from dataclasses import replace

import polars as pl

from polling.bundle import SurveyBundle
from polling.declaration import SurveyDeclaration
from polling.declaration_check import RESERVED_NAMES, is_name
from polling.tabular import Table, as_text

__all__ = ["sketch_survey"]

_NAME = re.compile(r"[A-Za-z_]\w*")


def sketch_survey(declaration: SurveyDeclaration, districts: Table | None) -> SurveyBundle | None:
    """Make the sketch.

    Parameters
    ----------
    declaration
        As read, faults included.
    districts
        The districts table as read. None: it cannot be read, and any name in a formula that is no demographic might be
        a column of it.

    Returns
    -------
    SurveyBundle or None
        None if the declared names themselves are at fault: then nothing can be said about a formula.
    """
    cell = declaration.cell_columns
    if not all(map(is_name, cell)) or len(set(cell)) < len(cell) or set(cell) & RESERVED_NAMES:
        return None
    levels = declaration.levels
    if not levels or not all(levels.values()):
        return None
    districts_columns = {
        name: is_number
        for name, is_number in _district_columns(declaration, districts).items()
        if is_name(name) and name not in RESERVED_NAMES and name not in cell
    }
    codes = tuple(f"D{number}" for number in range(len(districts_columns) + 2))
    n_levels = max(map(len, levels.values()))
    cells = [(code, number) for code in codes for number in range(n_levels)]
    frame = pl.DataFrame(
        {
            declaration.geography.district: [code for code, _ in cells],
            **{name: [known[number % len(known)] for _, number in cells] for name, known in levels.items()},
            "n_people": [1.0] * len(cells),
        }
    )
    columns: dict[str, list[str] | list[float]] = {"code": list(codes), "name": list(codes)}
    for number, (name, is_number) in enumerate(districts_columns.items()):
        one = ["A" if place == number else "B" for place in range(len(codes))]
        columns[name] = _numbers(number, len(codes)) if is_number else one
    if districts is None or "neighbours" in districts.data.columns:  # the map may be what is at fault
        table = pl.DataFrame(columns).with_columns(
            neighbours=pl.Series([_beside(codes, place) for place in range(len(codes))])
        )
    else:
        table = pl.DataFrame(columns)
    geography = replace(declaration.geography, codes=codes)
    # Where an option stands is told by areas that are not there, and totals by their values.
    questions = tuple(replace(question, only_in={}, known_totals=None) for question in declaration.questions)
    return SurveyBundle(replace(declaration, geography=geography, questions=questions), frame, table)


def _beside(codes: tuple[str, ...], place: int) -> list[str]:
    """Neighbours on a map that is a row of districts."""
    return [codes[one] for one in (place - 1, place + 1) if 0 <= one < len(codes)]


def _numbers(number: int, n_districts: int) -> list[float]:
    """Shares that differ in every district, and from those of the other columns."""
    return [((place + number) % n_districts + 1) / (n_districts + 1) for place in range(n_districts)]


def _district_columns(declaration: SurveyDeclaration, districts: Table | None) -> dict[str, bool]:
    """Columns of the districts table, and whether each seems to hold numbers."""
    if districts is None:
        named = {name: False for question in declaration.questions for name in _NAME.findall(question.model)}
        own = (of for question in declaration.questions for of in question.own_columns.values())
        return named | {column: True for of in own for column in of.values()}
    geography = declaration.geography
    return {
        series.name: series.name not in (geography.parents or ()) and _seems_numeric(series)
        for series in districts.data
        if series.name not in geography.ignore
    }


def _seems_numeric(series: pl.Series) -> bool:
    text = as_text(series)
    return text is not None and text.cast(pl.Float64, strict=False).count() > 0
