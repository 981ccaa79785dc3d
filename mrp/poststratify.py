"""Turn draws for population cells into draws for areas and groups.

The estimate for an area is the population-weighted mean of its cells

    theta[s, a] = sum_j N[j] * p[s, j] / sum_j N[j],   j in cells of a,

computed once per posterior draw ``s``. Averaging over draws comes last, in
``mrp.summary``: an interval for an area cannot be rebuilt from cell intervals.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit

from mrp.design import Design
from mrp.electorate import Electorate
from mrp.errors import DrawsError, FrameError, ShapeMismatch, UncoveredPopulation
from mrp.latents import LatentDraws

__all__ = ["AreaDraws", "area_draws", "cell_shares", "poststratify"]

# Numbers held at a time while cells are turned into areas: 2 million float32 are 8 MB, about a level-2 cache, which
# is twice as fast as chunks of a hundred megabytes.
_CHUNK = 2_000_000


@dataclass(frozen=True, slots=True)
class AreaDraws:
    """Posterior draws of a population share, one column per area."""

    areas: pl.DataFrame
    """One row per area: the ``by`` columns, then ``n_people``. Row order is column order of ``draws``."""
    draws: NDArray[np.float64]
    """Shares in [0, 1], shape (draw, area)."""
    n_chains: int = 1
    """Chains of equal length that the draws come from, one after the other; 1 for independent draws."""
    points: NDArray[np.int32] | None = None
    """As in `mrp.latents.LatentDraws`, shape (draw,)."""


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
    groups = _group(frame, by)
    _require_covered(frame, np.isfinite(cell_share).all(axis=0))
    draws = np.empty((cell_share.shape[0], groups.areas.height))
    for area, (start, stop) in enumerate(groups.spans()):
        cells = groups.cell[start:stop]
        draws[:, area] = cell_share[:, cells] @ groups.weight[start:stop]
    return AreaDraws(areas=groups.areas, draws=draws)


def area_draws(latents: LatentDraws, design: Design, electorate: Electorate, *, by: tuple[str, ...] = ()) -> AreaDraws:
    """Draws for areas and groups straight from the latents, a chunk of cells at a time.

    The same numbers as `poststratify` of `cell_shares`, without ever holding all draws of all cells.

    Parameters
    ----------
    latents
        Draws of a fit of ``design``.
    by
        Any of the district column, the parents and the demographics. Empty means the whole population.

    Returns
    -------
    AreaDraws
        Areas sorted by ``by``, demographics in their declared order; areas without people are left out.

    Raises
    ------
    DrawsError
        If the latents are those of another design.
    FrameError
        If ``by`` names no column of the electorate, or one twice.
    UncoveredPopulation
        If people live at a level that the model has not seen.
    """
    _require_design(latents, design)
    if len(set(by)) < len(by):
        raise FrameError(f"a column is named twice in by: {', '.join(by)}")
    frame = _labelled(electorate, by)
    covered = design.covers(frame)
    _require_covered(frame, covered)
    # Cells that agree in what the model reads have the same share: their people are added up first.
    columns = list(dict.fromkeys((*by, *design.cell_columns)))
    if columns:
        frame = frame.group_by(columns, maintain_order=True).agg(pl.col("n_people").cast(pl.Float64).sum())
        frame = frame.filter(pl.col("n_people") > 0)
    groups = _group(frame, by)
    rows = design.rows(frame.select(design.cell_columns)[groups.cell]) if design.cell_columns else None
    by_latent = np.ascontiguousarray(latents.draws.T)
    n_draws, n_cells = latents.draws.shape[0], groups.cell.size
    # Areas are sums over up to a whole frame: cells are summed in float32 within a chunk of a few hundred, where
    # rounding (1e-6) is far below Monte-Carlo error, and chunks are added up in float64.
    weight = groups.weight.astype(np.float32)
    total = np.zeros((groups.areas.height, n_draws))
    step = max(1, _CHUNK // max(n_draws, 1))
    area_of = np.repeat(np.arange(groups.areas.height), np.diff(groups.starts))
    for start in range(0, n_cells, step):
        stop = min(start + step, n_cells)
        eta = np.repeat(by_latent[:1], stop - start, axis=0)
        if rows is not None:
            _add_terms(eta, by_latent, rows.x[start:stop], rows.index[start:stop])
        share = expit(eta, out=eta)
        share *= weight[start:stop, None]
        areas, first = np.unique(area_of[start:stop], return_index=True)
        total[areas] += np.add.reduceat(share, first, axis=0)
    return AreaDraws(
        areas=_plain(groups.areas, by),
        draws=np.ascontiguousarray(total.T),
        n_chains=latents.n_chains,
        points=latents.points,
    )


def cell_shares(latents: LatentDraws, design: Design, table: pl.DataFrame) -> NDArray[np.float32]:
    """Draws of the share in each row of a table of cells, shape (draw, row).

    Raises
    ------
    DrawsError
        If the latents are those of another design.
    FrameError
        If a row has a level that the model has not seen.
    """
    _require_design(latents, design)
    rows = design.rows(table)
    by_latent = np.ascontiguousarray(latents.draws.T)
    eta = np.repeat(by_latent[:1], table.height, axis=0)
    _add_terms(eta, by_latent, rows.x, rows.index)
    return np.ascontiguousarray(expit(eta, out=eta).T)


@dataclass(frozen=True, slots=True)
class _Groups:
    """Populated cells in the order of their areas."""

    areas: pl.DataFrame
    cell: NDArray[np.int64]
    weight: NDArray[np.float64]
    """Share of its area's people in each of ``cell``."""
    starts: NDArray[np.int64]
    """First position in ``cell`` of each area, and the end."""

    def spans(self) -> list[tuple[int, int]]:
        return [(int(a), int(b)) for a, b in zip(self.starts[:-1], self.starts[1:], strict=True)]


def _group(frame: pl.DataFrame, by: tuple[str, ...]) -> _Groups:
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
    cell = areas["cell"].explode(empty_as_null=False).cast(pl.Int64).to_numpy()
    length = areas["cell"].list.len().to_numpy().astype(np.int64)
    weight = n_people[cell] / np.repeat(areas["n_people"].to_numpy(), length)
    starts = np.concatenate([[0], np.cumsum(length)])
    return _Groups(areas.select(*by, "n_people"), cell, weight, starts)


def _require_covered(frame: pl.DataFrame, covered: NDArray[np.bool_]) -> None:
    n_people = frame["n_people"].cast(pl.Float64).to_numpy()
    uncovered = (n_people > 0) & ~covered
    if uncovered.any():
        cells = frame.drop("n_people").filter(pl.Series(uncovered)).head(3)
        examples = [" / ".join(map(str, row)) for row in cells.iter_rows()]
        raise UncoveredPopulation(float(n_people[uncovered].sum()), examples)


def _require_design(latents: LatentDraws, design: Design) -> None:
    if latents.names != design.latent_names:
        raise DrawsError(
            f"the draws are of {len(latents.names)} latents and the design has {design.n_latents} (or other names); "
            "use the design that was stored with the fit"
        )
    if latents.link != "logit":
        raise DrawsError(f"the draws have the link {latents.link!r}; this version knows 'logit'")


def _labelled(electorate: Electorate, by: tuple[str, ...]) -> pl.DataFrame:
    """The frame with the parents named in ``by``, demographics as ordered levels."""
    frame = electorate.frame
    parents = [column for column in by if column in electorate.parents and column not in frame.columns]
    for column in by:
        electorate.levels(column)
    if parents:
        lookup = electorate.districts.select(pl.col("code").alias(electorate.district), *parents)
        frame = frame.join(lookup, on=electorate.district, how="left", maintain_order="left")
    return frame.with_columns(pl.col(c).cast(pl.Enum(electorate.levels(c))) for c in by if c in electorate.demographics)


def _plain(areas: pl.DataFrame, by: tuple[str, ...]) -> pl.DataFrame:
    return areas.with_columns(pl.col(column).cast(pl.String) for column in by)


def _add_terms(
    eta: NDArray[np.float32],
    by_latent: NDArray[np.float32],
    x: NDArray[np.float64],
    index: NDArray[np.int32],
) -> None:
    """Add coefficients and effects to ``eta``, shape (cell, draw), in place."""
    if x.shape[1]:
        eta += x.astype(np.float32) @ by_latent[1 : 1 + x.shape[1]]
    for k in range(index.shape[1]):
        eta += by_latent[index[:, k]]
