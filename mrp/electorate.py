"""The population an estimate is about: its cells, its districts, its demographics.

A *cell* is one combination of district and demographics, with the number of people in it. The districts carry what is
known of them from elsewhere: *parents* (text columns, such as a region) and *predictors* (numeric columns, such as the
last result).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from mrp.errors import FrameError

__all__ = ["Electorate"]

_NOT_PARENTS = ("code", "name")


@dataclass(frozen=True, slots=True)
class Electorate:
    """Frame and districts that belong together; refused if they do not.

    Raises
    ------
    FrameError
        If a column is missing, a cell or a district occurs twice, a count is negative, missing or not finite, a cell is
        in a district or at a level that is not declared, or nobody lives anywhere.
    """

    frame: pl.DataFrame
    """One row per cell: district and demographics (String), ``n_people`` (persons, >= 0, fractional after raking)."""
    districts: pl.DataFrame
    """One row per district: ``code``, ``name``, parents (String), predictors (numeric). Other types are ignored."""
    district: str
    """Name of the district column in ``frame``, e.g. "state"."""
    demographics: Mapping[str, tuple[str, ...]]
    """Levels of each demographic, in declared order."""
    ordered: frozenset[str] = field(default_factory=frozenset)
    """Demographics whose levels have an order, such as age."""

    def __post_init__(self) -> None:
        _check_districts(self.districts)
        _check_frame(self)

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
        raise FrameError(
            f"{column!r} is not a district, parent area or demographic of this electorate; use one of {known}"
        )


def _check_districts(districts: pl.DataFrame) -> None:
    for column in _NOT_PARENTS:
        if column not in districts.columns:
            raise FrameError(f"the table of districts has no column {column!r}; it needs 'code' and 'name'")
    repeated = districts.filter(pl.col("code").is_duplicated())["code"].unique().sort().to_list()
    if repeated:
        raise FrameError(f"district {repeated[0]!r} has more than one row in the table of districts; keep one")
    if districts["code"].null_count():
        raise FrameError(f"the table of districts has {districts['code'].null_count()} rows without a code")


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
