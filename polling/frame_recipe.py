"""Read a recipe for a frame, ``hustings frame build``: what the frame is of, the tables, and the steps to it.

[frame]
source = "Census 2021, TS007 and TS067; electoral register of 2023"
date = 2024-07-04                    # of the people it has
district = "constituency"            # name of the district column; "district" if left out
districts = "districts.parquet"      # for models that read predictors of districts
ordered = ["age"]                    # demographics that a random walk may go over

[demographics]                       # columns of the finished frame, with all their levels
age = ["18-29", "30-44", "45-64", "65+"]
education = ["degree", "none"]

[tables.NAME]                        # see polling.recipe_table
[[steps]]                            # see polling.recipe_steps
"""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from polling.errors import RecipeRejected
from polling.faults import FaultLog, did_you_mean
from polling.folder_files import column_as_text, has_columns, read_folder_table, rows_where
from polling.recipe_steps import Count, Merge, Model, Product, Rake, Split, Step, parse_step
from polling.recipe_table import RecipeTable, TableDeclaration, parse_table, read_recipe_table
from polling.tabular import Table
from polling.toml_section import Section, open_toml

__all__ = ["FrameRecipe", "load_recipe"]

_TAKEN = ("n_people", "number", "draw", "share")


@dataclass(frozen=True, slots=True)
class FrameRecipe:
    """Everything that a frame is built from."""

    source: str
    date: dt.date
    district: str
    demographics: Mapping[str, tuple[str, ...]]
    ordered: frozenset[str]
    districts: pl.DataFrame | None
    """``code``, and what else the file has, text or numbers; None: nothing is known of the districts."""
    tables: Mapping[str, RecipeTable]
    steps: tuple[Step, ...]
    sha256: str
    """Of the bytes of the recipe."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the finished frame: the district, then the demographics."""
        return (self.district, *self.demographics)


def load_recipe(path: Path) -> FrameRecipe:
    """Read a recipe and all its tables, which lie beside it.

    Raises
    ------
    RecipeRejected
        With every fault of the recipe and its tables, each with file, row, column and remedy.
    """
    log = FaultLog(path.name)
    try:
        content = path.read_bytes()
    except OSError as error:
        log.add(f"the recipe cannot be read: {error.strerror}", "Give the path of a TOML file.")
        raise RecipeRejected(log.reported(), total=log.total) from None
    root = open_toml(content, log)
    found = None if root is None else _parsed(root, path.parent, content, log)
    if log or found is None:
        raise RecipeRejected(log.reported(), total=log.total)
    return found


def _parsed(root: Section, folder: Path, content: bytes, log: FaultLog) -> FrameRecipe | None:
    frame = root.section("frame")
    source, date = frame.text("source"), frame.date("date")
    if date is None:
        frame.fault("date", "'date' is missing", "Say of when the people are: date = 2024-07-04, without quotes.")
    district = frame.maybe_text("district") or "district"
    levels = root.section("demographics")
    demographics = {name: levels.texts(name) or () for name in levels.names()}
    ordered, districts_file = frame.texts("ordered") or (), frame.maybe_text("districts")
    for name in ordered:
        if name not in demographics:
            frame.fault("ordered", "not one of the demographics", did_you_mean(name, demographics), value=name)
    for name in (district, *demographics):
        if name in _TAKEN or (name == district and name in demographics):
            levels.fault(name, "the name means something else in a frame", "Choose another name.")
    frame.close()
    declared = {name: parse_table(name, section) for name, section in root.sections("tables").items()}
    sections = root.tables("steps")
    steps = [parse_step(section) for section in sections]
    root.close()
    if not sections:
        root.fault("steps", "there are no steps", 'Add one: [[steps]] with do = "count", "rake" or "product" first.')
    _check_names(steps, sections, declared)
    _check_columns(root, declared, (district, *demographics))
    districts = _read_districts(folder, districts_file, log) if districts_file else None
    # The levels of a column that is merged or split are those of the frame at the end only.
    changed = {step.column for step in steps if isinstance(step, Merge | Split)}
    expected = {name: of for name, of in demographics.items() if name not in changed}
    tables: dict[str, RecipeTable] = {}
    for name, table in declared.items():
        read, own_log = read_recipe_table(folder, table, expected, log)
        log.merge(own_log)
        if read is not None:
            tables[name] = read
    if log or date is None:
        return None
    whole = tuple(step for step in steps if step is not None)
    digest = hashlib.sha256(content).hexdigest()
    return FrameRecipe(source, date, district, demographics, frozenset(ordered), districts, tables, whole, digest)


def _check_names(steps: list[Step | None], sections: tuple[Section, ...], tables: Mapping[str, object]) -> None:
    """Every table that a step names is there, the first step makes a frame, and only checks follow an extension."""
    extended = False
    for i, (step, section) in enumerate(zip(steps, sections, strict=True)):
        if step is None:
            continue
        for key, names in _named_tables(step).items():
            for name in names:
                if name and name not in tables:
                    section.fault(key, "there is no such table", did_you_mean(name, tables), value=name)
        if i == 0 and not isinstance(step, Count | Rake | Product):
            section.fault("do", "the first step has no frame to go on with", "Begin with count, rake or product.")
        if isinstance(step, Count) and i > 0:
            section.fault("do", "records are counted in the first step only", "Put it first.")
        if isinstance(step, Product) and len(step.tables) != (2 if i == 0 else 1):
            wanted = "two tables" if i == 0 else "one table, which is joined to the frame so far"
            section.fault("tables", f"a product here needs {wanted}", "Name so many.", value=", ".join(step.tables))
        if extended and type(step).__name__ != "Check":
            section.fault("do", "only checks may follow an extension", "Do it before the extension.")
        extended = extended or (isinstance(step, Model) and step.draws > 0)


def _check_columns(root: Section, tables: Mapping[str, TableDeclaration], columns: tuple[str, ...]) -> None:
    """A table has columns of the frame, or is a crosswalk."""
    for name, section in root.sections("tables").items():
        for one in tables[name].by:
            if one not in columns and set(tables[name].by) != {"old", "new"}:
                remedy = f"{did_you_mean(one, columns)} Name it in [demographics], or leave it out."
                section.fault("by", "no column of the frame", remedy, value=one)


def _named_tables(step: Step) -> dict[str, tuple[str, ...]]:
    keys = {
        "table": "table", "margins": "margins", "seed": "seed", "tables": "tables", "interviews": "interviews",
        "shares": "shares", "crosswalk": "crosswalk", "totals": "totals", "other": "with",
    }  # fmt: skip
    found: dict[str, tuple[str, ...]] = {}
    for attribute, key in keys.items():
        value = getattr(step, attribute, None)
        if isinstance(value, str):
            found[key] = (value,)
        elif isinstance(value, tuple):
            found[key] = value
    return found


def _read_districts(folder: Path, name: str, log: FaultLog) -> pl.DataFrame | None:
    """The districts with text and numbers as they are in the file; the survey that uses the frame checks them."""
    table, own_log = read_folder_table(folder, name, key="frame.districts", declaration_log=log)
    found = None
    if table is not None and has_columns(table, ("code",), (), ignore_key="", log=own_log):
        code = column_as_text(table.data["code"], own_log)
        if code is not None and (blank := rows_where(code.is_null())):
            own_log.add("the code is blank", "Fill it in.", row=blank[0], column="code")
        elif code is not None:
            found = _typed(table, code)
    log.merge(own_log)
    return found


def _typed(table: Table, code: pl.Series) -> pl.DataFrame:
    """Columns that hold numbers throughout as numbers, where the file itself knows text only."""
    data = table.data.with_columns(code)
    if not table.typed:
        data = data.with_columns(pl.exclude("code").cast(pl.String))
        as_numbers = data.select(pl.exclude("code", "name").cast(pl.Float64, strict=False))
        data = data.with_columns(one for one in as_numbers if not one.null_count())
    name = pl.col("name").cast(pl.String) if "name" in data.columns else pl.col("code").alias("name")
    return data.with_columns(name)
