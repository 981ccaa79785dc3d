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

from mrp.categorical.cells import cell_options
from mrp.categorical.counts import count_name, weight_name
from mrp.categorical.design import CategoricalDesign
from mrp.checks.margins import with_parents
from mrp.checks.predictive import Predicted, predict_counts
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.errors import DrawsError
from mrp.laplace.coordinates import incidence
from mrp.latents import LatentDraws
from mrp.numeric.design import NumericDesign
from mrp.numeric.merging import are_weighted, mass_of
from mrp.ordinal.cells import cell_scale
from mrp.ordinal.design import OrdinalDesign
from mrp.outcomes.designs import MEAN, SHARE, AnyDesign

__all__ = ["Answered", "AnsweredCells", "answered_cells", "log_likelihood"]

type Floats = NDArray[np.float64]

_LEAST = 1e-9
# Of several arrays of as many numbers: a hundred megabytes.
MOST_NUMBERS = 6_000_000


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
    if latents.names != design.latent_names:
        raise DrawsError("the draws and the design are not of the same fit")
    counts = counts.filter((pl.col("n") > 0) & pl.all_horizontal(pl.col(electorate.cell_columns).is_not_null()))
    names = counts.select(pl.col(electorate.cell_columns).cast(pl.String))
    cells = names.unique(maintain_order=True).with_row_index("#")
    found = names.join(cells, on=electorate.cell_columns, how="left", maintain_order="left")["#"]
    size = max(cells.height, 1) * (1 if isinstance(design, Design | NumericDesign) else len(design.options))
    draws = max(least_draws, min(most_draws, MOST_NUMBERS // size))
    rows = _Rows(counts, found.cast(pl.Int64).to_numpy(), cells.height)
    table = with_parents(cells.drop("#"), electorate)
    if isinstance(design, Design):
        predicted = predict_counts(latents, design, electorate, counts, most_draws=draws)
        return _shares(predicted, rows, table)
    if isinstance(design, NumericDesign):
        return _numbers(latents, design, rows, table, draws)
    return _options(latents, design, rows, table, draws)


def log_likelihood(latents: LatentDraws, design: AnyDesign, electorate: Electorate, counts: pl.DataFrame) -> Floats:
    """Log likelihood of all interviews at every draw, up to a constant, shape (draw,).

    Parameters and errors as of `answered_cells`.
    """
    parts = []
    for some in _portions(latents, max(1, MOST_NUMBERS // max(counts.height, 1) // 4)):
        n_draws = some.draws.shape[0]
        found = answered_cells(some, design, electorate, counts, most_draws=n_draws, least_draws=n_draws)
        parts.append(found.likelihood.sum(axis=1))
    return np.concatenate(parts)


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
    expected = predicted.sums(rows.cell, rows.n_cells)[0] / rows.total(predicted.n)
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
    latents: LatentDraws, design: CategoricalDesign | OrdinalDesign, rows: _Rows, table: pl.DataFrame, draws: int
) -> AnsweredCells:
    if isinstance(design, OrdinalDesign):
        shares = cell_scale(latents, design, rows.counts, most_draws=draws)
    else:
        shares = cell_options(latents, design, rows.counts, most_draws=draws)
    n = rows.column("n")
    y = np.stack([rows.column(count_name(option)) for option in design.options])
    if "weight" in rows.counts.columns:
        weight = rows.column("weight")
        n = weight**2 / rows.column("weight_square")
        y = n * np.stack([rows.column(weight_name(option)) for option in design.options]) / weight
    stands = design.stands(rows.counts)
    whole, chosen = rows.total(n), rows.total(y)
    likelihood = np.zeros((shares.shape[1], rows.n_cells)) + _coefficient(whole, chosen)
    of = {}
    for k, option in enumerate(design.options):
        likelihood += rows.total(y[k] * np.log(np.maximum(shares[k].astype(np.float64), _LEAST)))
        expected = (rows.total(n * shares[k]) / whole).astype(np.float32)
        of[option] = Answered(chosen[k] / whole, expected, None, rows.total(stands[:, k].astype(float)) > 0)
    return AnsweredCells(table, whole, likelihood, of)


def _numbers(
    latents: LatentDraws, design: NumericDesign, rows: _Rows, table: pl.DataFrame, draws: int
) -> AnsweredCells:
    unit = design.require_unit()
    some = latents.draws[:: -(-latents.draws.shape[0] // draws)].astype(np.float64)
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


def _portions(latents: LatentDraws, n: int) -> Iterator[LatentDraws]:
    for start in range(0, latents.draws.shape[0], n):
        part = latents.draws[start : start + n]
        yield replace(latents, draws=part, n_chains=1, points=None)
