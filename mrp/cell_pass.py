"""The pass over the cells: shares from latents, weighted into areas, a chunk of cells at a time.

    eta[i, s] = latent terms of cell i in draw s,    p = 1 / (1 + exp(-eta)),    total[a, s] += sum_i w[a, i] p[i, s]

Everything is float32 and stays in cache between these steps; only the totals are float64. Arrays are shaped
(cell, draw), so that the draws of a latent lie next to each other and a term is the addition of a row.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from mrp.combined_terms import CombinedTerms, combine
from mrp.design import DesignRows
from mrp.threads import in_threads, parts_of

__all__ = [
    "Chunk",
    "add_up",
    "area_weights",
    "chunks_of",
    "inverse_logit",
    "linear_predictor",
    "share_rows",
    "with_blocks",
]

# Numbers held at a time: 200,000 float32 are 800 kB, of a level-2 cache of a megabyte or more.
_CHUNK = 200_000
# Numbers that are worth a thread: a millisecond's work.
_LEAST = 200_000


def area_weights(
    n_people: NDArray[np.float64],
    grouped: list[tuple[NDArray[np.int32], pl.DataFrame]],
    *,
    dtype: type[np.float32 | np.float64] = np.float32,
) -> sparse.csc_array:
    """Share of each area's people who live in each cell.

    Parameters
    ----------
    n_people
        Shape (cell,).
    grouped
        Breakdowns: the area of each cell (-1: none), and the table of areas with their ``n_people``.

    Returns
    -------
    scipy.sparse.csc_array
        All breakdowns one below the other, shape (area, cell); no entry for a cell that is in no area.
    """
    row, cell, weight, offset = [np.empty(0, dtype=np.int32)], [np.empty(0, dtype=np.int64)], [np.empty(0)], 0
    for group, areas in grouped:
        member = np.flatnonzero(group >= 0)
        row.append(group[member] + np.int32(offset))
        cell.append(member)
        weight.append(n_people[member] / areas["n_people"].to_numpy()[group[member]])
        offset += areas.height
    entries = (np.concatenate(weight).astype(dtype), (np.concatenate(row), np.concatenate(cell)))
    return sparse.csc_array(entries, shape=(offset, n_people.size))


def add_up(
    total: NDArray[np.float64], draws: NDArray[np.float32], rows: DesignRows | None, weights: sparse.csc_array
) -> None:
    """Add the weighted shares of all cells to ``total``, shape (area, draw), in place."""
    n_cells, n_draws = weights.shape[1], draws.shape[0]
    least = max(1, _LEAST // max(n_cells, 1))
    n_parts = parts_of(n_draws, least=least)
    combined = combine(rows) if rows is not None else None
    coded = combined.rows if combined else rows
    chunks = list(chunks_of(weights, max(1, _CHUNK * n_parts // max(n_draws, 1))))

    def some_draws(start: int, stop: int) -> None:
        by_latent = np.ascontiguousarray(draws[start:stop].T)
        if combined:
            by_latent = with_blocks(by_latent, combined)
        most = max((chunk.stop - chunk.start for chunk in chunks), default=0)
        eta = np.empty((most, stop - start), dtype=np.float32)
        for chunk in chunks:
            out = eta[: chunk.stop - chunk.start]
            share = inverse_logit(linear_predictor(by_latent, coded, chunk.start, chunk.stop, out=out))
            # Within a chunk sums are in float32: rounding, 1e-6, is far below Monte-Carlo error; chunks are added up in
            # float64.
            total[chunk.areas, start:stop] += chunk.weights @ share

    in_threads(some_draws, n_draws, least=least)


def share_rows(draws: NDArray[np.float32], rows: DesignRows | None, n_cells: int) -> NDArray[np.float32]:
    """Shares of all cells, shape (cell, draw): what `add_up` adds up."""
    n_draws = draws.shape[0]
    shares = np.empty((n_cells, n_draws), dtype=np.float32)
    combined = combine(rows) if rows is not None else None
    coded = combined.rows if combined else rows

    def some_draws(start: int, stop: int) -> None:
        by_latent = np.ascontiguousarray(draws[start:stop].T)
        if combined:
            by_latent = with_blocks(by_latent, combined)
        step = max(1, _CHUNK // max(stop - start, 1))
        for first in range(0, n_cells, step):
            last = min(first + step, n_cells)
            inverse_logit(linear_predictor(by_latent, coded, first, last, out=shares[first:last, start:stop]))

    in_threads(some_draws, n_draws, least=max(1, _LEAST // max(n_cells, 1)))
    return shares


def with_blocks(by_latent: NDArray[np.float32], combined: CombinedTerms) -> NDArray[np.float32]:
    """What rows whose terms are blocks read, from draws of the latents of their design, shapes (latent, draw)."""
    blocks = []
    for rows in combined.blocks:
        total = np.zeros((rows.index.shape[0], by_latent.shape[1]), dtype=np.float32)
        _add_terms(total, by_latent, rows.x, rows.index, rows.weight)
        blocks.append(total)
    return combined.latents(blocks, by_latent)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some cells next to each other, and the areas that they are in."""

    start: int
    stop: int
    areas: NDArray[np.intp]
    weights: sparse.csc_array
    """Shape (area of these, cell of these)."""


def chunks_of(weights: sparse.csc_array, step: int) -> Iterator[Chunk]:
    n_cells = weights.shape[1]
    for start in range(0, n_cells, step):
        stop = min(start + step, n_cells)
        first, last = weights.indptr[start], weights.indptr[stop]
        areas, position = np.unique(weights.indices[first:last], return_inverse=True)
        pointers = weights.indptr[start : stop + 1] - first
        here = sparse.csc_array((weights.data[first:last], position, pointers), shape=(areas.size, stop - start))
        yield Chunk(start, stop, areas, here)


def linear_predictor(
    by_latent: NDArray[np.float32],
    rows: DesignRows | None,
    start: int,
    stop: int,
    *,
    out: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Sum of the terms of the rows from ``start`` to ``stop``.

    Parameters
    ----------
    by_latent
        Draws of the latents, shape (latent, draw).
    rows
        Coded cells; None if the model has an intercept only.
    out
        Where the result goes, shape (row, draw).

    Returns
    -------
    numpy.ndarray
        ``out``, on the scale of the link.
    """
    out[:] = by_latent[0]
    if rows is not None:
        _add_terms(out, by_latent, rows.x[start:stop], rows.index[start:stop], rows.weight[start:stop])
    return out


def _add_terms(
    eta: NDArray[np.float32],
    by_latent: NDArray[np.float32],
    x: NDArray[np.float64],
    index: NDArray[np.int32],
    weight: NDArray[np.float64],
) -> None:
    """Add coefficients and effects to ``eta``, shape (cell, draw), in place."""
    if x.shape[1]:
        eta += x.astype(np.float32) @ by_latent[1 : 1 + x.shape[1]]
    term = np.empty_like(eta)
    for k in range(index.shape[1]):
        own = weight[:, k].astype(np.float32)
        if not own.any():  # a nuisance effect
            continue
        # Positions are valid by construction: "clip" spares NumPy a copy.
        np.take(by_latent, index[:, k], axis=0, out=term, mode="clip")
        if (own != 1).any():  # a slope
            term *= own[:, None]
        eta += term


def inverse_logit(eta: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / (1 + exp(-eta)), in place. NumPy's exp of float32 is vectorised; SciPy's expit has a fifth of the speed."""
    np.negative(eta, out=eta)
    with np.errstate(over="ignore"):  # exp(89) is infinite in float32, and 1 / inf the right answer
        np.exp(eta, out=eta)
    eta += 1
    return np.reciprocal(eta, out=eta)
