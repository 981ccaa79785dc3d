"""The population an estimate is about: its cells, its districts, its demographics.

A *cell* is one combination of district and demographics, with the number of people in it. The districts carry what is
known of them from elsewhere: *parents* (text columns, such as a region), *predictors* (numeric columns, such as the
last result) and their *neighbours* (`mrp.neighbours`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import polars as pl

from mrp.errors import FrameError
from mrp.neighbours import NEIGHBOURS, Pairs, neighbour_pairs

__all__ = ["Electorate"]

_LABELS = ("code", "name")
_NOT_PARENTS = (*_LABELS, NEIGHBOURS)
_TAKEN = ("intercept", "n_people")
"""Names that mean something else in a design or a frame."""


@dataclass(frozen=True, slots=True)
class Electorate:
    """Frame and districts that belong together; refused if they do not.

    Raises
    ------
    FrameError
        If a column is missing or is not of text, two columns have one name, a level, a cell or a district occurs
        twice, a count is negative, missing or not finite, a cell is in a district or at a level that is not declared,
        nobody lives anywhere, or neighbours are not (see `mrp.neighbours`).
    """

    frame: pl.DataFrame
    """One row per cell: district and demographics (String), ``n_people`` (persons, >= 0, fractional after raking)."""
    districts: pl.DataFrame
    """One row per district: ``code``, ``name``, parents (String), predictors (numeric), perhaps ``neighbours``, lists
    of codes or text as in "D2;D5". Other types are ignored."""
    district: str
    """Name of the district column in ``frame``, e.g. "state"."""
    demographics: Mapping[str, tuple[str, ...]]
    """Levels of each demographic, in declared order."""
    ordered: frozenset[str] = field(default_factory=frozenset)
    """Demographics whose levels have an order, such as age."""

    def __post_init__(self) -> None:
        for name in ("frame", "districts"):
            if not isinstance(table := getattr(self, name), pl.DataFrame):
                raise FrameError(f"{name} is a {type(table).__name__}, it has to be a polars.DataFrame; convert it")
        if unknown := sorted(set(self.ordered) - set(self.demographics)):
            known = ", ".join(self.demographics)
            raise FrameError(f"{unknown[0]!r} is ordered, but not one of the demographics {known}; rename it")
        _check_districts(self.districts)
        _check_names(self)
        _check_levels(self.demographics)
        _check_frame(self)

    def with_cells(self, cells: pl.DataFrame) -> "Electorate":
        """The same with some of its cells only, which need not be looked at again.

        Parameters
        ----------
        cells
            Rows of ``frame``.
        """
        part = object.__new__(Electorate)
        for one in fields(self):
            object.__setattr__(part, one.name, getattr(self, one.name))
        object.__setattr__(part, "frame", cells)
        return part

    @property
    def codes(self) -> tuple[str, ...]:
        """District codes, sorted."""
        return tuple(sorted(self.districts["code"].to_list()))

    @property
    def parents(self) -> tuple[str, ...]:
        """Text columns of the districts without gaps: areas that every district belongs to."""
        text = (c for c, t in self.districts.schema.items() if t == pl.String and c not in _NOT_PARENTS)
        return tuple(c for c in text if not self.districts[c].null_count())

    @property
    def predictors(self) -> tuple[str, ...]:
        """Numeric columns of the districts."""
        return tuple(c for c, t in self.districts.schema.items() if t.is_numeric())

    @property
    def neighbours(self) -> Pairs | None:
        """Pairs of districts next to each other, by position in `codes`; None if the table does not say."""
        return neighbour_pairs(self.districts)

    @property
    def cell_columns(self) -> tuple[str, ...]:
        """The columns that identify a cell: the district, then the demographics."""
        return (self.district, *self.demographics)

    def levels(self, column: str) -> tuple[str, ...]:
        """Levels of a categorical column (district, demographic or parent), in declared or sorted order.

        Raises
        ------
        FrameError
            If the column is none of these.
        """
        if column == self.district:
            return self.codes
        if column in self.demographics:
            return tuple(self.demographics[column])
        if column in self.parents:
            return tuple(sorted(self.districts[column].unique().to_list()))
        known = ", ".join((*self.cell_columns, *self.parents))
        reason = self.unusable(column)
        raise FrameError(
            f"{column!r} is not a district, parent area or demographic of this electorate"
            f"{f' ({reason})' if reason else ''}; use one of {known}"
        )

    def unusable(self, column: str) -> str | None:
        """Why a column of the districts is neither parent nor predictor, in words; None if it is, or is not there."""
        if column in (*_LABELS, *self.parents, *self.predictors) or column not in self.districts.columns:
            return None
        if column == NEIGHBOURS:
            return "it says which districts are next to each other"
        values = self.districts[column]
        if values.dtype == pl.String:
            gaps = self.districts.filter(values.is_null())["code"].to_list()
            return f"it has no value in {', '.join(map(str, gaps[:3]))}, and a parent area needs text in every district"
        return f"it is of type {values.dtype}, and a parent area needs text (String), a predictor numbers; cast it"


def _check_districts(districts: pl.DataFrame) -> None:
    for column in _LABELS:
        if column not in districts.columns:
            raise FrameError(f"the table of districts has no column {column!r}; it needs 'code' and 'name'")
    repeated = districts.filter(pl.col("code").is_duplicated())["code"].unique().sort().to_list()
    if repeated:
        raise FrameError(f"district {repeated[0]!r} has more than one row in the table of districts; keep one")
    if districts["code"].null_count():
        raise FrameError(f"the table of districts has {districts['code'].null_count()} rows without a code")
    _require_text(districts["code"], "the table of districts")
    neighbour_pairs(districts)


def _check_names(electorate: Electorate) -> None:
    for column in electorate.cell_columns:
        if column in _TAKEN:
            raise FrameError(f"a column of the frame is called {column!r}, which means something else; rename it")
    for column in (*electorate.parents, *electorate.predictors):
        if column in (*electorate.cell_columns, *_TAKEN):
            kind = "the district" if column == electorate.district else "a demographic"
            other = "which means something else" if column in _TAKEN else f"as is {kind} in the frame"
            raise FrameError(f"a column of the districts is called {column!r}, {other}; rename it or leave it out")


def _check_levels(demographics: Mapping[str, tuple[str, ...]]) -> None:
    for name, levels in demographics.items():
        if isinstance(levels, str):
            raise FrameError(f"the levels of {name} must be a list, got {levels!r}; write ({levels!r},)")
        if wrong := [level for level in levels if not isinstance(level, str)]:
            raise FrameError(f"{name} has the level {wrong[0]!r}, which is {type(wrong[0]).__name__}; write it as text")
        if repeated := [level for i, level in enumerate(levels) if level in levels[:i]]:
            raise FrameError(f"{name} has the level {repeated[0]!r} more than once; keep one")


def _require_text(values: pl.Series, table: str) -> None:
    if not isinstance(values.dtype, pl.String | pl.Categorical | pl.Enum):
        name = values.name
        raise FrameError(
            f"column {name!r} of {table} is of type {values.dtype}, it has to be text; "
            f"write .with_columns(pl.col({name!r}).cast(pl.String))"
        )


def _check_frame(electorate: Electorate) -> None:
    frame = electorate.frame
    for column in (*electorate.cell_columns, "n_people"):
        if column not in frame.columns:
            raise FrameError(f"the frame has no column {column!r}; it has {', '.join(frame.columns)}")
    n_people = frame["n_people"]
    if not n_people.dtype.is_numeric() or not (n_people.is_finite() & (n_people >= 0)).fill_null(value=False).all():
        raise FrameError("n_people must be a finite number >= 0 in every cell of the frame")
    if not n_people.sum() > 0:
        raise FrameError("nobody lives in the frame: the counts of its cells sum to 0")
    for column in electorate.cell_columns:
        _require_text(frame[column], "the frame")
        levels = electorate.levels(column)
        unknown = frame.filter(~pl.col(column).is_in(levels) | pl.col(column).is_null())
        if unknown.height:
            raise FrameError(
                f"{unknown.height:,} cells of the frame have {column} {unknown[column][0]!r}, "
                f"which is not one of {', '.join(levels[:8])}{' ...' if len(levels) > 8 else ''}"
            )
    if frame.select(electorate.cell_columns).is_duplicated().any():
        twice = frame.filter(frame.select(electorate.cell_columns).is_duplicated()).select(electorate.cell_columns)
        raise FrameError(f"the frame has more than one row for the cell {' / '.join(twice.row(0))}; add them up first")
