"""Expected answers of every group of many margins, in one pass over the rows of counts.

    E[s, g] = sum_i n[i] p[s, i],   i in rows of g

for the groups of all margins at once, some rows after the other: the draws of the rows are made, added up in single
precision while they are in the cache, and forgotten. Of 100,000 rows and fifty margins every number is added fifty
times and made once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from mrp.checks.margins import Margin
from mrp.heed import Heed, nobody

__all__ = ["GroupedRows", "blocks_of", "groups_of"]

type Floats = NDArray[np.float64]
type Single = NDArray[np.float32]

_BLOCK = 400_000
"""Numbers of a block of rows, of one option."""


def groups_of(table: pl.DataFrame, margin: Margin) -> tuple[list[tuple[str, ...]], NDArray[np.int64]]:
    """Levels of each group in order, and the group of each row; -1 for a row with a gap."""
    if not margin.columns:
        return [()], np.zeros(table.height, dtype=np.int64)
    keys = table.select(pl.col(margin.columns).cast(pl.String))
    groups = keys.drop_nulls().unique().sort(margin.columns).with_row_index("#")
    found = keys.join(groups, on=margin.columns, how="left", maintain_order="left")["#"]
    return [row[1:] for row in groups.iter_rows()], found.cast(pl.Int64).fill_null(-1).to_numpy()


@dataclass(frozen=True)
class GroupedRows:
    """Which group of each margin every row of counts is in."""

    margins: tuple[Margin, ...]
    names: tuple[list[tuple[str, ...]], ...]
    """Of each margin the levels of its groups."""
    group: tuple[NDArray[np.int64], ...]
    """Of each margin the group of each row, -1: none."""

    @classmethod
    def of(cls, table: pl.DataFrame, margins: Sequence[Margin], heed: Heed = nobody) -> "GroupedRows":
        """Group the rows of a table by every margin."""
        names, group = [], []
        for margin in margins:
            heed()
            levels, of_row = groups_of(table, margin)
            names.append(levels)
            group.append(of_row)
        return cls(tuple(margins), tuple(names), tuple(group))

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where the groups of each margin begin among those of all, and how many there are."""
        return np.cumsum([0, *map(len, self.names)])

    def totals(self, values: Floats) -> Floats:
        """Sums of a number of each row over the groups of all margins, shape (group,)."""
        parts = [np.zeros(0)]
        for names, of_row in zip(self.names, self.group, strict=True):
            member = np.flatnonzero(of_row >= 0)
            parts.append(np.bincount(of_row[member], values[member], len(names)))
        return np.concatenate(parts)

    def add(self, total: Floats, values: Single, start: int) -> None:
        """Add draws of the rows from ``start`` on, shape (row, draw), to the sums of their groups, (group, draw)."""
        total += self._member(start, start + len(values)) @ values

    def _member(self, start: int, stop: int) -> sparse.csr_array:
        """Rows of a block by the groups of all margins that they are in, shape (group, row)."""
        here = [of_row[start:stop] for of_row in self.group]
        row = np.concatenate([np.flatnonzero(one >= 0) for one in here] or [np.zeros(0, dtype=np.int64)])
        at = [one[one >= 0] + first for one, first in zip(here, self.starts[:-1], strict=True)]
        group = np.concatenate(at or [np.zeros(0, dtype=np.int64)])
        ones = np.ones(row.size, dtype=np.float32)
        return sparse.csr_array((ones, (group, row)), shape=(int(self.starts[-1]), stop - start))


def blocks_of(n_rows: int, n_draws: int) -> Iterator[tuple[int, int]]:
    """Where blocks of rows start and stop, of a size that stays in the cache."""
    step = max(1, _BLOCK // max(n_draws, 1))
    return ((start, min(start + step, n_rows)) for start in range(0, n_rows, step))
