r"""The interviews of every cell of the population beside what a fit of any kind predicts of them.

Of a cell the rows of its counts (periods, pollsters) are added up. Per draw ``s``, with effects of pollsters and modes
in ``p`` and ``m``, as these interviews were made by somebody, the log likelihood of a cell's answers is that of

    shares     y[j, :] ~ Multinomial(n[j], p[s, j, :]), with its coefficient for the cell as a whole
    numbers    n[j], mean[j], ss[j] of answers from Normal(m[s, j], residual[s]^2)

where the counts have weights, of as many interviews as have the same variance, n = (sum w)^2 / sum w^2.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import gammaln

from mrp.categorical.cells import OptionBlocks, cell_options, option_blocks
from mrp.categorical.counts import count_name, weight_name
from mrp.categorical.design import CategoricalDesign
from mrp.checks.margin_sums import blocks_of
from mrp.checks.margins import with_parents
from mrp.checks.predictive import Predicted, predict_counts
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.errors import DrawsError
from mrp.heed import Heed, nobody
from mrp.laplace.coordinates import incidence
from mrp.latents import LatentDraws
from mrp.numeric.design import NumericDesign
from mrp.numeric.merging import are_weighted, mass_of
from mrp.ordinal.cells import ScaleBlocks, cell_scale, scale_blocks
from mrp.ordinal.design import OrdinalDesign
from mrp.outcomes.designs import MEAN, SHARE, AnyDesign

__all__ = ["Answered", "AnsweredCells", "answered_blocks", "answered_cells", "log_likelihood"]

type Floats = NDArray[np.float64]

_LEAST = 1e-9
# Of several arrays of as many numbers, if all cells are looked at together: a hundred megabytes.
MOST_NUMBERS = 6_000_000
# Of a block of cells: some tenths of a second.
_BLOCK = 1_500_000


@dataclass(frozen=True, slots=True)
class Answered:
    """One estimand in every cell."""

    observed: Floats
    """Share, or mean, shape (cell,)."""
    expected: NDArray[np.floating[Any]]
    """Draws of it, shape (draw, cell); of many options in single precision."""
    variance: Floats | None
    """Of one answer, shape (cell,); None of a share m, of which it is m (1 - m)."""
    stands: NDArray[np.bool_]
    """Where it can be other than nothing, shape (cell,)."""


@dataclass(frozen=True, slots=True)
class AnsweredCells:
    """All cells with interviews. Of exact counts: not to be shown cell by cell."""

    cells: pl.DataFrame
    """District and demographics of each cell, with the parents of the district."""
    n: Floats
    """Interviews, shape (cell,); with weights in the likelihood as many as have the same variance."""
    likelihood: Floats
    """Log likelihood, shape (draw, cell)."""
    of: Mapping[str, Answered]
    """By the names of `mrp.outcomes.designs.estimands`."""


def answered_cells(
    latents: LatentDraws,
    design: AnyDesign,
    electorate: Electorate,
    counts: pl.DataFrame,
    *,
    most_draws: int,
    least_draws: int = 1,
) -> AnsweredCells:
    """Put the interviews of every cell beside their prediction.

    Parameters
    ----------
    latents, design
        Of the fit.
    counts
        As the outcome of the question collapses interviews, by the district, the demographics and whatever the design
        reads. Rows with a gap in a demographic are left out.
    most_draws, least_draws
        Of many draws some are used, evenly, and of many cells fewer.

    Raises
    ------
    CountsError, FrameError
        If the counts lack what the design reads, or have a level that it does not know.
    DrawsError
        If the draws are those of another design.
    """
    draws = _n_draws(design, _of_cells(electorate, counts)[1].height, most_draws, least_draws)
    return next(_blocks(latents, design, electorate, counts, draws=draws, whole=True, heed=nobody))


def answered_blocks(
    latents: LatentDraws,
    design: AnyDesign,
    electorate: Electorate,
    counts: pl.DataFrame,
    *,
    most_draws: int,
    least_draws: int = 1,
    heed: Heed = nobody,
) -> Iterator[AnsweredCells]:
    """The same, some cells after the other, so that many cells need little memory; with no interview one empty block.

    Parameters and errors as of `answered_cells`.
    """
    draws = _n_draws(design, _of_cells(electorate, counts)[1].height, most_draws, least_draws)
    yield from _blocks(latents, design, electorate, counts, draws=draws, whole=False, heed=heed)


def log_likelihood(
    latents: LatentDraws, design: AnyDesign, electorate: Electorate, counts: pl.DataFrame, *, heed: Heed = nobody
) -> Floats:
    """Log likelihood of all interviews at every draw, up to a constant, shape (draw,).

    Parameters and errors as of `answered_cells`.
    """
    n_draws = latents.draws.shape[0]
    if isinstance(design, CategoricalDesign | OrdinalDesign):
        return _of_chosen(latents, design, electorate, counts, heed)
    total = np.zeros(n_draws)
    for some in _blocks(latents, design, electorate, counts, draws=n_draws, whole=False, heed=heed):
        total += some.likelihood.sum(axis=1)
    return total


def _of_chosen(
    latents: LatentDraws,
    design: CategoricalDesign | OrdinalDesign,
    electorate: Electorate,
    counts: pl.DataFrame,
    heed: Heed,
) -> Floats:
    """The log likelihood of options: of a row with one interview one option's share is needed."""
    if latents.names != design.latent_names:
        raise DrawsError("the draws and the design are not of the same fit")
    rows = _rows_of(electorate, counts)[0]
    n, y = _multinomial(design, rows.counts)
    n_draws = latents.draws.shape[0]
    shares: OptionBlocks | ScaleBlocks
    if isinstance(design, OrdinalDesign):
        shares = scale_blocks(latents, design, rows.counts, most_draws=n_draws)
    else:
        shares = option_blocks(latents, design, rows.counts, most_draws=n_draws)
    total = np.full(n_draws, _coefficient(rows.total(n), rows.total(y)).sum())
    for start, stop in blocks_of(rows.counts.height, n_draws):
        heed()
        for k, share in enumerate(shares(start, stop)):
            chose = np.flatnonzero(y[k, start:stop])
            total += y[k, start + chose] @ np.log(np.maximum(share[chose].astype(np.float64), _LEAST))
    return total


def _of_cells(electorate: Electorate, counts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Counts with interviews and without gaps, and their cells in the order in which they come."""
    counts = counts.filter((pl.col("n") > 0) & pl.all_horizontal(pl.col(electorate.cell_columns).is_not_null()))
    names = counts.select(pl.col(electorate.cell_columns).cast(pl.String))
    return counts, names.unique(maintain_order=True)


def _rows_of(electorate: Electorate, counts: pl.DataFrame) -> "tuple[_Rows, pl.DataFrame]":
    """Rows in the order of their cells, and these."""
    counts, cells = _of_cells(electorate, counts)
    names = counts.select(pl.col(electorate.cell_columns).cast(pl.String))
    found = names.join(cells.with_row_index("#"), on=electorate.cell_columns, how="left", maintain_order="left")["#"]
    at = found.cast(pl.Int64).to_numpy()
    order = np.argsort(at, kind="stable")
    return _Rows(counts[order], at[order], cells.height), cells


def _n_draws(design: AnyDesign, n_cells: int, most: int, least: int) -> int:
    return max(least, min(most, MOST_NUMBERS // (max(n_cells, 1) * _n_shares(design))))


def _n_shares(design: AnyDesign) -> int:
    return 1 if isinstance(design, Design | NumericDesign) else len(design.options)


def _blocks(
    latents: LatentDraws,
    design: AnyDesign,
    electorate: Electorate,
    counts: pl.DataFrame,
    *,
    draws: int,
    whole: bool,
    heed: Heed,
) -> Iterator[AnsweredCells]:
    """Blocks of cells, each with all rows of its cells."""
    if latents.names != design.latent_names:
        raise DrawsError("the draws and the design are not of the same fit")
    all_rows, cells = _rows_of(electorate, counts)
    counts, at = all_rows.counts, all_rows.cell
    table = with_parents(cells, electorate)
    step = -(-latents.draws.shape[0] // draws)
    some = replace(latents, draws=latents.draws[::step], n_chains=1, points=None)
    most = counts.height if whole else _BLOCK // (len(some.draws) * _n_shares(design))
    ends = np.searchsorted(at, np.arange(cells.height), side="right")  # of the rows of each cell
    start = first = 0
    while True:
        heed()
        stop = min(max(int(np.searchsorted(ends, first + most, side="right")), start + 1), cells.height)
        last = int(ends[stop - 1]) if stop else 0
        rows = _Rows(counts[first:last], at[first:last] - start, stop - start)
        here = table[start:stop]
        if isinstance(design, Design):
            yield _shares(predict_counts(some, design, electorate, rows.counts, most_draws=None), rows, here)
        elif isinstance(design, NumericDesign):
            yield _numbers(some, design, rows, here)
        else:
            yield _options(some, design, rows, here)
        start, first = stop, last
        if start >= cells.height:
            return


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of counts, and which cell each is of."""

    counts: pl.DataFrame
    cell: NDArray[np.int64]
    n_cells: int

    def total(self, values: Floats) -> Floats:
        """Sums over the rows of each cell, of values whose last axis is the row."""
        at = (np.arange(len(self.cell)), self.cell)
        member = sparse.csc_array((np.ones(len(self.cell)), at), shape=(len(self.cell), self.n_cells))
        return np.asarray(member.T @ values.T).T if values.ndim > 1 else np.asarray(member.T @ values)

    def column(self, name: str) -> Floats:
        return self.counts[name].cast(pl.Float64).to_numpy()


def _shares(predicted: Predicted, rows: _Rows, table: pl.DataFrame) -> AnsweredCells:
    n_of_row = predicted.n**2 / predicted.spread  # with weights: as many equal ones as have its variance
    n = rows.total(n_of_row)
    observed = rows.total(n_of_row * predicted.y / predicted.n) / n
    expected = predicted.expected(rows.cell, rows.n_cells) / rows.total(predicted.n)
    share = np.clip(predicted.share.astype(np.float64), _LEAST, 1 - _LEAST)
    y = n_of_row * predicted.y / predicted.n
    shape = (share.shape[1], rows.n_cells)
    of_yes, of_no = (sparse.csc_array((of, (predicted.cell, rows.cell)), shape=shape) for of in (y, n_of_row - y))
    chosen = rows.total(y)
    likelihood = (of_yes.T @ np.log(share).T + of_no.T @ np.log1p(-share).T).T
    likelihood += _coefficient(n, np.stack([chosen, n - chosen]))
    everywhere = np.ones(rows.n_cells, dtype=np.bool_)
    return AnsweredCells(table, n, likelihood, {SHARE: Answered(observed, expected, None, everywhere)})


def _options(
    latents: LatentDraws, design: CategoricalDesign | OrdinalDesign, rows: _Rows, table: pl.DataFrame
) -> AnsweredCells:
    draws = len(latents.draws)
    if isinstance(design, OrdinalDesign):
        shares = cell_scale(latents, design, rows.counts, most_draws=draws)
    else:
        shares = cell_options(latents, design, rows.counts, most_draws=draws)
    n, y = _multinomial(design, rows.counts)
    stands = design.stands(rows.counts)
    whole, chosen = rows.total(n), rows.total(y)
    likelihood = np.zeros((shares.shape[1], rows.n_cells)) + _coefficient(whole, chosen)
    of = {}
    for k, option in enumerate(design.options):
        likelihood += rows.total(y[k] * np.log(np.maximum(shares[k].astype(np.float64), _LEAST)))
        expected = (rows.total(n * shares[k]) / whole).astype(np.float32)
        of[option] = Answered(chosen[k] / whole, expected, None, rows.total(stands[:, k].astype(float)) > 0)
    return AnsweredCells(table, whole, likelihood, of)


def _multinomial(design: CategoricalDesign | OrdinalDesign, counts: pl.DataFrame) -> tuple[Floats, Floats]:
    """Interviews of each row, and those for each option; with weights of as many as have the variance."""

    def columns(*names: str) -> Floats:
        return counts.select(pl.col(names).cast(pl.Float64)).to_numpy().T

    if "weight" not in counts.columns:
        return columns("n")[0], columns(*map(count_name, design.options))
    weight, square = columns("weight", "weight_square")
    n = weight**2 / square
    return n, n * columns(*map(weight_name, design.options)) / weight


def _numbers(latents: LatentDraws, design: NumericDesign, rows: _Rows, table: pl.DataFrame) -> AnsweredCells:
    unit = design.require_unit()
    some = latents.draws.astype(np.float64)
    means = unit.centre + unit.scale * (incidence(design.common, rows.counts) @ some[:, :-1].T).T
    variance = (unit.scale * some[:, -1:]) ** 2
    n, mass = rows.column("n"), rows.column(mass_of(rows.counts))
    if are_weighted(rows.counts):
        n = mass**2 / rows.column("weight_square")
    squares = rows.column("ss") * n / mass + n * (rows.column("mean") - means) ** 2
    whole = rows.total(n)
    likelihood = -0.5 * (whole * np.log(2 * np.pi * variance) + rows.total(squares) / variance)
    observed = rows.total(n * rows.column("mean")) / whole
    of_one = np.full(rows.n_cells, float(variance.mean()))
    everywhere = np.ones(rows.n_cells, dtype=np.bool_)
    answered = Answered(observed, rows.total(n * means) / whole, of_one, everywhere)
    return AnsweredCells(table, whole, likelihood, {MEAN: answered})


def _coefficient(n: Floats, chosen: Floats) -> Floats:
    """Logarithm of the multinomial coefficient: in which rows a cell's interviews are must not matter."""
    found: Floats = gammaln(n + 1) - gammaln(np.maximum(chosen, 0.0) + 1).sum(axis=0)
    return found
