"""Draws of every crosstab of one or two columns, made in one pass over the cells when the first of them is asked for.

Making the shares of the cells costs far more than adding them up: ten breakdowns in one pass take little longer than
one. Crosstabs of a larger area, or with their columns in another order, are made from these.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np
import polars as pl
from scipy import sparse

from api.estimands import Drawn, drawn_many
from mrp.electorate import Electorate
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.outcomes.designs import AnyDesign, estimands

__all__ = ["Margins", "base_of", "make_margins", "merge_areas"]

MOST_MB = 32
"""For all margins of a release together; what does not fit is made when it is asked for, and alone."""

type Margins = Mapping[tuple[str, ...], Drawn]
"""Columns, in the order of the electorate's cells, and their draws."""


def make_margins(latents: LatentDraws, design: AnyDesign, electorate: Electorate) -> Margins:
    """Draws of every demographic, every two of them, and every district by one of them, as many as may be kept."""
    demographics, district = tuple(electorate.demographics), electorate.district
    wanted = [
        *((name,) for name in demographics),
        *combinations(demographics, 2),
        *((district, name) for name in demographics),
    ]
    chosen, room = [], MOST_MB * 1_000_000 // (8 * max(1, latents.draws.shape[0]) * len(estimands(design)))
    for columns in wanted:
        n_groups = int(np.prod([len(electorate.levels(column)) for column in columns]))
        if n_groups <= room:
            chosen.append(columns)
            room -= n_groups
    made = drawn_many(latents, design, electorate, tuple(map(Grouping, chosen)))
    return dict(zip(chosen, made, strict=True))


def base_of(by: tuple[str, ...], electorate: Electorate) -> tuple[str, ...]:
    """The columns of the margin from which a breakdown can be made: districts for larger areas, in order."""
    of_cells = {electorate.district if column in electorate.parents else column for column in by}
    return tuple(column for column in electorate.cell_columns if column in of_cells)


def merge_areas(base: Drawn, by: tuple[str, ...], electorate: Electorate) -> Drawn:
    """A coarser breakdown: theta[s, a] = sum_b N[b] theta[s, b] / sum_b N[b], b the areas of ``base`` in a.

    Parameters
    ----------
    base
        Draws by `base_of` these columns.
    by
        Columns of the result, in any order.

    Returns
    -------
    Drawn
        Sorted as `mrp.grouping.group_cells` sorts.
    """
    parents = electorate.districts.select(pl.col("code").alias(electorate.district), *electorate.parents)
    table = next(iter(base.values())).areas
    if electorate.district in table.columns:
        table = table.join(parents, on=electorate.district, how="left", maintain_order="left")
    levels = [electorate.levels(column) for column in by]
    shape = tuple(len(names) for names in levels)
    code = np.zeros(table.height, dtype=np.int64)
    for column, names in zip(by, levels, strict=True):
        code = code * len(names) + table[column].cast(pl.Enum(names)).to_physical().to_numpy()
    present, group = np.unique(code, return_inverse=True)
    n_people = table["n_people"].to_numpy()
    total = np.bincount(group, weights=n_people, minlength=present.size)
    entries = (n_people / total[group], (group, np.arange(table.height)))
    merged = sparse.csr_array(entries, shape=(present.size, table.height))
    columns = {
        column: pl.Series(np.array(names, dtype=object)[code], dtype=pl.String)
        for column, names, code in zip(by, levels, np.unravel_index(present, shape) if by else (), strict=True)
    }
    areas = pl.DataFrame({**columns, "n_people": total})
    return {name: replace(one, areas=areas, draws=(merged @ one.draws.T).T) for name, one in base.items()}
