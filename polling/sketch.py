"""A survey as its names alone would have it, so that formulas can be checked beside faulty tables.

What a formula may name does not depend on the numbers in the tables. The sketch has the declared demographics and the
columns of the districts table, filled with made-up values that nothing can be said against: two districts, and cells
that show every level. It is never stored.
"""

import re
from dataclasses import replace

import polars as pl

from polling.bundle import SurveyBundle
from polling.declaration import SurveyDeclaration
from polling.declaration_check import RESERVED_NAMES, is_name
from polling.tabular import Table, as_text

__all__ = ["sketch_survey"]

_CODES = ("A", "B")
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
    n_cells = 2 * max(map(len, levels.values()))
    frame = pl.DataFrame(
        {
            declaration.geography.district: [_CODES[row % 2] for row in range(n_cells)],
            **{name: [known[row // 2 % len(known)] for row in range(n_cells)] for name, known in levels.items()},
            "n_people": [1.0] * n_cells,
        }
    )
    columns: dict[str, list[str] | list[float]] = {"code": list(_CODES), "name": list(_CODES)}
    for name, is_number in _district_columns(declaration, districts).items():
        if is_name(name) and name not in RESERVED_NAMES and name not in cell:
            columns[name] = [0.25, 0.75] if is_number else list(_CODES)
    geography = replace(declaration.geography, codes=_CODES)
    return SurveyBundle(replace(declaration, geography=geography), frame, pl.DataFrame(columns))


def _district_columns(declaration: SurveyDeclaration, districts: Table | None) -> dict[str, bool]:
    """Columns of the districts table, and whether each seems to hold numbers."""
    if districts is None:
        return {name: False for question in declaration.questions for name in _NAME.findall(question.model)}
    geography = declaration.geography
    return {
        series.name: series.name not in (geography.parents or ()) and _seems_numeric(series)
        for series in districts.data
        if series.name not in geography.ignore
    }


def _seems_numeric(series: pl.Series) -> bool:
    text = as_text(series)
    return text is not None and text.cast(pl.Float64, strict=False).count() > 0
