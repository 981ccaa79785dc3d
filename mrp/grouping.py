"""Name the groups that an estimate is wanted for: crossings, filters, merged levels and merged districts.

    Grouping(by=("state", "age"), where={"gender": ("Female",)}, merge={"age": {"18-44": ("18-29", "30-44")}})

First the people are filtered, then levels are merged, then every combination of the columns in ``by`` is a group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.electorate import Electorate
from mrp.errors import FrameError

__all__ = ["GroupedCells", "Grouping", "cells_of", "group_cells", "require_columns_list"]


@dataclass(frozen=True, slots=True)
class Grouping:
    """One breakdown of the population."""

    by: tuple[str, ...] = ()
    """Any of the district column, the parents and the demographics. Empty means one group."""
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Columns and the levels that are kept, named before any are merged."""
    merge: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """Columns of ``by``, with a label for each set of levels to be merged. Other levels stay what they are."""

    def __post_init__(self) -> None:
        require_columns_list(self.by)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the population that decide who is in which group."""
        return tuple(dict.fromkeys((*self.by, *self.where)))


@dataclass(frozen=True, slots=True)
class GroupedCells:
    """Which cell is in which group."""

    areas: pl.DataFrame
    """One row per group with people: the ``by`` columns (String), then ``n_people``."""
    group: NDArray[np.int32]
    """Row of ``areas`` for each cell, -1 for cells that are in none, shape (cell,)."""


def cells_of(electorate: Electorate, columns: Sequence[str], at: Mapping[str, str]) -> pl.DataFrame:
    """Populated cells of an electorate, as coarse as the columns allow.

    Parameters
    ----------
    columns
        Cell columns, parents, and those of ``at``. Cells that agree in them are added up.
    at
        Columns that the population does not have, with the level at which it is looked at, such as a period.

    Returns
    -------
    polars.DataFrame
        ``columns`` (String) and ``n_people`` (> 0), in the order of the frame.

    Raises
    ------
    FrameError
        If a column is none of the electorate's and not in ``at``, or is in both.
    """
    frame = electorate.frame
    for column in at:
        if column in (*electorate.cell_columns, *electorate.parents):
            raise FrameError(f"{column!r} is a column of the population; choose its levels by a filter")
    parents = []
    for column in columns:
        if column not in at:
            electorate.levels(column)
            if column in electorate.parents and column not in electorate.cell_columns:
                parents.append(column)
    if parents:
        lookup = electorate.districts.select(pl.col("code").alias(electorate.district), *parents)
        frame = frame.join(lookup, on=electorate.district, how="left", maintain_order="left")
    frame = frame.with_columns(pl.lit(level).alias(column) for column, level in at.items())
    people = pl.col("n_people").cast(pl.Float64)
    if set(electorate.cell_columns) <= set(columns):
        cells = frame.select(*columns, people)  # one row per cell already
    elif columns:
        cells = frame.group_by(columns, maintain_order=True).agg(people.sum())
    else:
        cells = frame.select(people.sum())
    return cells.filter(pl.col("n_people") > 0)


def group_cells(cells: pl.DataFrame, grouping: Grouping, electorate: Electorate) -> GroupedCells:
    """Find the group of each cell.

    Parameters
    ----------
    cells
        With ``grouping.columns`` and ``n_people`` > 0.

    Returns
    -------
    GroupedCells
        Groups sorted by ``by``: demographics in declared order, a merged level where its first level was, the others
        by name. Groups without people are left out.

    Raises
    ------
    FrameError
        If a column is named twice or is none of the electorate's, or a filter or a merger names a level that is not
        there or none at all, merges a level twice, merges a column that is not in ``by`` or takes the label of a level
        that stays.
    """
    if len(set(grouping.by)) < len(grouping.by):
        raise FrameError(f"a column is named twice in by: {', '.join(grouping.by)}")
    if unused := [column for column in grouping.merge if column not in grouping.by]:
        raise FrameError(f"levels of {unused[0]!r} are merged, but it is not one of by: {', '.join(grouping.by)}")
    kept = [pl.repeat(value=True, n=pl.len())]
    for column, levels in grouping.where.items():
        _require_levels(column, levels, electorate)
        kept.append(pl.col(column).is_in(list(levels)))
    labels = [_merged(column, grouping.merge.get(column, {}), electorate) for column in grouping.by]
    group = np.zeros(cells.height, dtype=np.int64)
    for column, (label, order) in zip(grouping.by, labels, strict=True):
        position = {name: i for i, name in enumerate(order)}
        levels = electorate.levels(column)
        of_level = np.array([position[label[level]] for level in levels])
        group = group * len(order) + of_level[cells[column].cast(pl.Enum(levels)).to_physical().to_numpy()]
    chosen = cells.select(kept=pl.all_horizontal(kept))["kept"].to_numpy()
    present, group[chosen] = np.unique(group[chosen], return_inverse=True)
    group[~chosen] = -1
    n_people = np.bincount(group[chosen], weights=cells["n_people"].to_numpy()[chosen], minlength=present.size)
    codes = np.unravel_index(present, [len(order) for _, order in labels]) if labels else ()
    columns = {
        column: pl.Series(np.array(order, dtype=object)[code], dtype=pl.String)
        for column, (_, order), code in zip(grouping.by, labels, codes, strict=True)
    }
    return GroupedCells(pl.DataFrame({**columns, "n_people": n_people}), group.astype(np.int32))


def _merged(
    column: str, merge: Mapping[str, tuple[str, ...]], electorate: Electorate
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Label of each level, and the labels in order."""
    levels = electorate.levels(column)
    owner: dict[str, str] = {}
    for name, members in merge.items():
        _require_levels(column, members, electorate)
        if name in levels and name not in members:
            raise FrameError(f"{column} {name!r} is a level of its own; give the merged levels another name")
        for level in members:
            if owner.setdefault(level, name) != name:
                raise FrameError(f"{column} {level!r} is merged into {owner[level]!r} and into {name!r}; choose one")
    label = {level: owner.get(level, level) for level in levels}
    return label, tuple(dict.fromkeys(label.values()))


def require_columns_list(by: tuple[str, ...]) -> None:
    """Refuse a text where a list of columns is meant: its letters are no columns."""
    if isinstance(by, str):
        raise FrameError(f"by must be a list of columns, got {by!r}; write ({by!r},)")


def _require_levels(column: str, levels: tuple[str, ...], electorate: Electorate) -> None:
    known = electorate.levels(column)
    if isinstance(levels, str):
        raise FrameError(f"the levels of {column} must be a list, got {levels!r}; write ({levels!r},)")
    if not levels:
        raise FrameError(f"{column} is given no level; name those that are meant, or leave {column} out")
    for level in levels:
        if level not in known:
            shown = f"{', '.join(known[:8])}{' ...' if len(known) > 8 else ''}"
            raise FrameError(f"{column} has no level {level!r}; it has {shown}")
