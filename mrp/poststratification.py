"""Turn draws for population cells into draws for areas and groups.

The estimate for an area is the population-weighted mean of its cells

    theta[s, a] = sum_j N[j] * p[s, j] / sum_j N[j],   j in cells of a,

computed once per posterior draw ``s``. Averaging over draws comes last, in
``mrp.summary``: an interval for an area cannot be rebuilt from cell intervals.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from mrp.cell_pass import add_up, area_weights, share_rows
from mrp.design import Design, DesignRows
from mrp.electorate import Electorate
from mrp.errors import DrawsError, FrameError, ShapeMismatch, UncoveredPopulation
from mrp.grouping import Grouping, cells_of, group_cells, require_columns_list
from mrp.latents import LatentDraws

__all__ = [
    "AreaDraws",
    "FramePass",
    "area_draws",
    "area_draws_many",
    "cell_shares",
    "frame_pass",
    "grouped_cells",
    "poststratify",
    "require_read",
]


@dataclass(frozen=True, slots=True)
class AreaDraws:
    """Posterior draws of a number of the population, a share or a mean, one column per area."""

    areas: pl.DataFrame
    """One row per area: the ``by`` columns, then ``n_people``. Row order is column order of ``draws``."""
    draws: NDArray[np.float64]
    """Shares in [0, 1], or means in the unit of the question, shape (draw, area)."""
    n_chains: int = 1
    """Chains of equal length that the draws come from, one after the other; 1 for independent draws."""
    points: NDArray[np.int32] | None = None
    """As in `mrp.latents.LatentDraws`, shape (draw,)."""
    fit: str | None = None
    """As in `mrp.latents.LatentDraws`: which fit the draws are of; None where nobody knows."""
    kind: Literal["share", "mean"] = "share"
    """What the numbers are."""


def poststratify(
    cell_share: NDArray[np.float64],
    frame: pl.DataFrame,
    *,
    by: tuple[str, ...] = (),
) -> AreaDraws:
    """Aggregate cell shares to areas by population count.

    Parameters
    ----------
    cell_share
        Draws of P(answer = option | cell), in [0, 1], shape (draw, cell).
        Column ``j`` belongs to row ``j`` of ``frame``; NaN where the model has
        nothing to say.
    frame
        Population frame, one row per cell, with ``n_people`` >= 0 (persons,
        fractional after raking) and the columns named in ``by``.
    by
        Frame columns that identify an area. Empty means the whole population.

    Returns
    -------
    AreaDraws
        Areas sorted by ``by``. An area in which nobody lives is left out:
        its share is 0/0, not zero.

    Raises
    ------
    ShapeMismatch
        If ``cell_share`` does not have one column per row of ``frame``.
    FrameError
        If a count is negative, missing or not finite, or ``by`` names no column.
    UncoveredPopulation
        If people live in a cell without draws. Leaving the cell out would
        quietly turn the estimate into one for a smaller population.

    References
    ----------
    Park, Gelman and Bafumi (2004), "Bayesian multilevel estimation with
    poststratification: state-level estimates from national polls",
    Political Analysis 12(4), 375-385.
    """
    if cell_share.ndim != 2 or cell_share.shape[1] != frame.height:
        raise ShapeMismatch("cell_share", f"(draw, {frame.height})", cell_share.shape)
    areas, group, n_people = _areas_of(frame, by)
    _require_covered(frame, np.isfinite(cell_share).all(axis=0))
    # Cells without people have no entry among the weights, so that their draws may be missing.
    weights = area_weights(n_people, [(group, areas)], dtype=np.float64)
    return AreaDraws(areas=areas, draws=np.ascontiguousarray((weights @ cell_share.T).T))


def area_draws(
    latents: LatentDraws,
    design: Design,
    electorate: Electorate,
    *,
    by: tuple[str, ...] = (),
    where: Mapping[str, tuple[str, ...]] | None = None,
    merge: Mapping[str, Mapping[str, tuple[str, ...]]] | None = None,
    at: Mapping[str, str] | None = None,
) -> AreaDraws:
    """Draws for areas and groups straight from the latents: `area_draws_many` of one grouping.

    Parameters
    ----------
    by, where, merge
        See `mrp.grouping.Grouping`.

    Examples
    --------
    >>> area_draws(latents, design, electorate, by=("state",), where={"gender": ("Female",)})  # doctest: +SKIP
    """
    grouping = Grouping(by, where or {}, merge or {})
    return area_draws_many(latents, design, electorate, (grouping,), at=at)[0]


def area_draws_many(
    latents: LatentDraws,
    design: Design,
    electorate: Electorate,
    groupings: Sequence[Grouping],
    *,
    at: Mapping[str, str] | None = None,
) -> tuple[AreaDraws, ...]:
    """Draws for several breakdowns of the population in one pass over its cells.

    The same numbers as `poststratify` of `cell_shares`, without ever holding all draws of all cells, and the shares of
    a cell are computed once for all breakdowns.

    Parameters
    ----------
    latents
        Draws of a fit of ``design``.
    groupings
        The breakdowns.
    at
        Where the model reads a column that the population does not have: the level to look at. A period is by default
        that of the design.

    Returns
    -------
    tuple of AreaDraws
        One for each grouping, areas as `mrp.grouping.group_cells` sorts them; areas without people are left out.

    Raises
    ------
    DrawsError
        If the latents are those of another design.
    FrameError
        If a grouping cannot be made of this population (see `mrp.grouping`), or the model reads a column that is
        neither in the population nor in ``at``, or ``at`` has a column that makes no difference to the prediction.
    UncoveredPopulation
        If people that a grouping counts live at a level that the model has not seen.
    """
    _require_design(latents, design)
    return frame_pass(design, electorate, groupings, at=at).of(latents)


@dataclass(frozen=True, slots=True)
class FramePass:
    """A pass over the cells of a frame for some breakdowns, which any number of fits of its design can go: the cells
    are coded, and dealt to their areas, once."""

    design: Design
    rows: DesignRows | None
    """The coded cells; None if the model has an intercept only."""
    weights: sparse.csc_array
    """Share of each area's people who live in each cell, all breakdowns one below the other, shape (area, cell)."""
    areas: tuple[pl.DataFrame, ...]
    """Of each breakdown."""

    def of(self, latents: LatentDraws) -> tuple[AreaDraws, ...]:
        """Draws for every area of each breakdown; as `area_draws_many`.

        Raises
        ------
        DrawsError
            If the latents are those of another design.
        """
        _require_design(latents, self.design)
        total = np.zeros((self.weights.shape[0], latents.draws.shape[0]))
        if self.areas:
            add_up(total, latents.draws, self.rows, self.weights)
        np.clip(total, 0, 1, out=total)
        ends = itertools.accumulate(areas.height for areas in self.areas)
        return tuple(
            AreaDraws(areas, total[end - areas.height : end].T, latents.n_chains, latents.points, latents.fit)
            for areas, end in zip(self.areas, ends, strict=True)
        )


def frame_pass(
    design: Design,
    electorate: Electorate,
    groupings: Sequence[Grouping],
    *,
    at: Mapping[str, str] | None = None,
) -> FramePass:
    """Prepare a pass over the cells; parameters and errors as of `area_draws_many`."""
    at = at or {}
    require_read(at, design, electorate)
    if not groupings:
        return FramePass(design, None, sparse.csc_array((0, 0), dtype=np.float32), ())
    if "period" in at and "period" in design.observed:
        design = design.at_period(at["period"])
    cells, grouped = grouped_cells(design, electorate, groupings, at)
    rows = design.rows(cells) if design.has_terms else None
    weights = area_weights(cells["n_people"].to_numpy(), grouped)
    return FramePass(design, rows, weights, tuple(areas for _, areas in grouped))


class CellReader(Protocol):
    """What of a design decides which cells of a population have the same prediction."""

    @property
    def cell_columns(self) -> tuple[str, ...]:
        """Columns that the prediction depends on."""

    def covers(self, table: pl.DataFrame) -> NDArray[np.bool_]:
        """Which rows have only levels that the model knows."""


def grouped_cells(
    design: CellReader, electorate: Electorate, groupings: Sequence[Grouping], at: Mapping[str, str]
) -> tuple[pl.DataFrame, list[tuple[NDArray[np.int32], pl.DataFrame]]]:
    """Cells that a pass for several breakdowns goes over, in its order, with their ``n_people``.

    Returns
    -------
    cells
        One row per combination of what the model reads and the groupings tell apart.
    grouped
        For each grouping the area of each cell (-1: none) and the table of areas, as `mrp.cell_pass.area_weights` takes
        them.

    Raises
    ------
    FrameError, UncoveredPopulation
        As `area_draws_many`.
    """
    known = {*electorate.cell_columns, *at}
    if unknown := [column for column in design.cell_columns if column not in known]:
        raise FrameError(f"the model reads {unknown[0]!r}, which the population does not have; give its level in at")
    # Cells that agree in what the model reads have the same share: their people are added up first.
    columns = dict.fromkeys((*(c for grouping in groupings for c in grouping.columns), *design.cell_columns))
    cells = cells_of(electorate, tuple(columns), at)
    grouped = [group_cells(cells, grouping, electorate) for grouping in groupings]
    # Cells of one area next to each other: then a chunk of cells touches few areas. Cells in no group are left out.
    finest = max(grouped, key=lambda one: one.areas.height)
    order = np.argsort(finest.group, kind="stable")
    order = order[np.any([one.group[order] >= 0 for one in grouped], axis=0)]
    cells = cells[order]
    _require_covered(cells, design.covers(cells))
    return cells, [(one.group[order], one.areas) for one in grouped]


def cell_shares(latents: LatentDraws, design: Design, table: pl.DataFrame) -> NDArray[np.float32]:
    """Draws of the share in each row of a table of cells, shape (draw, row); those of a row lie next to each other.

    Raises
    ------
    DrawsError
        If the latents are those of another design.
    FrameError
        If a row has a level that the model has not seen.
    """
    _require_design(latents, design)
    return share_rows(latents.draws, design.rows(table), table.height).T


def _areas_of(frame: pl.DataFrame, by: tuple[str, ...]) -> tuple[pl.DataFrame, NDArray[np.int32], NDArray[np.float64]]:
    """Areas with people, sorted; the area of each cell, -1 where nobody lives; the people of each cell."""
    require_columns_list(by)
    for column in (*by, "n_people"):
        if column not in frame.columns:
            raise FrameError(f"the frame has no column {column!r}; it has {', '.join(frame.columns)}")
    n_people = frame["n_people"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    if not np.isfinite(n_people).all() or (n_people < 0).any():
        raise FrameError("n_people must be finite and >= 0 in every cell")
    areas = (
        frame.select(*by, pl.col("n_people").cast(pl.Float64))
        .with_row_index("cell")
        .filter(pl.col("n_people") > 0)
        .group_by(by or pl.lit("all").alias("area"))
        .agg(pl.col("n_people").sum(), pl.col("cell"))
        .sort(by or "area")
    )
    group = np.full(frame.height, -1, dtype=np.int32)
    members = areas["cell"].explode(empty_as_null=False).to_numpy()
    group[members] = np.repeat(np.arange(areas.height), areas["cell"].list.len().to_numpy())
    return areas.select(*by, "n_people"), group, n_people


def _require_covered(frame: pl.DataFrame, covered: NDArray[np.bool_]) -> None:
    n_people = frame["n_people"].cast(pl.Float64).to_numpy()
    uncovered = (n_people > 0) & ~covered
    if uncovered.any():
        cells = frame.drop("n_people").filter(pl.Series(uncovered)).head(3)
        examples = [" / ".join(map(str, row)) for row in cells.iter_rows()]
        raise UncoveredPopulation(float(n_people[uncovered].sum()), examples)


def require_read(at: Mapping[str, str], design: Design, electorate: Electorate) -> None:
    """Refuse a level to look at that the prediction would not depend on: the answer would not be to the question."""
    of_population = (*electorate.cell_columns, *electorate.parents)
    may_be = [column for column in design.cell_columns if column not in of_population]
    may_be += ["period"] if "period" in design.observed else []
    for column, level in at.items():
        if column in may_be or column in of_population:  # the latter is refused by `cells_of`
            continue
        if column in ("pollster", "mode"):
            raise FrameError(
                f"at has {column} {level!r}, but a prediction is for no {column} in particular; leave it out"
            )
        has = f"it may have {', '.join(may_be)}" if may_be else "leave it out"
        raise FrameError(f"at has {column} {level!r}, which the model {design.formula!r} does not read; {has}")


def _require_design(latents: LatentDraws, design: Design) -> None:
    if latents.names != design.latent_names:
        raise DrawsError(
            f"the draws are of {len(latents.names)} latents and the design has {design.n_latents} (or other names); "
            "use the design that was stored with the fit"
        )
    if latents.link != "logit":
        raise DrawsError(f"the draws have the link {latents.link!r}; this version knows 'logit'")
