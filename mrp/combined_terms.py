"""Add up the terms that vary together before the pass over the cells.

The effects of age, of education and of age within education are one number for each age and education, however many
districts there are. Such terms are added once for each of their combinations,

    sum_{k in block} u_k[level of cell i in term k] = block[combination of cell i],

so that a cell adds up a few blocks instead of every term. Terms are put together, those of few levels first, as long as
their combinations are far fewer than the cells.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrp.design import DesignRows

__all__ = ["CombinedTerms", "combine"]

_FEW = 8
"""Cells for each combination from which on adding up first is worth it."""


@dataclass(frozen=True, slots=True)
class CombinedTerms:
    """Rows of a design whose terms are blocks, and how the blocks are made of the latents."""

    rows: DesignRows
    """Coded rows that read `latents` instead of those of the design."""
    coefficients: NDArray[np.intp]
    """Positions of the coefficients that are in no block."""
    blocks: tuple[DesignRows, ...]
    """For each block a row for each combination."""

    def latents(self, blocks: list[NDArray[np.float32]], by_latent: NDArray[np.float32]) -> NDArray[np.float32]:
        """Draws of what the rows read: intercept, coefficients in no block, the blocks, then all effects.

        Parameters
        ----------
        blocks
            Draws of the sum of each block, without the intercept, shape (combination, draw).
        by_latent
            Draws of the latents of the design, shape (latent, draw).
        """
        return np.concatenate([by_latent[:1], by_latent[1 + self.coefficients], *blocks, by_latent])


def combine(rows: DesignRows) -> CombinedTerms | None:
    """Put terms together; None if there is nothing to be gained."""
    n_rows = rows.index.shape[0]
    blocks = _find_blocks(rows)
    if not blocks:
        return None
    chosen, index, weight = [], [], []
    free = np.ones(rows.x.shape[1], dtype=np.bool_)
    in_block = np.zeros(rows.index.shape[1], dtype=np.bool_)
    for entries, first, combination in blocks:
        in_block[entries] = True
        # Of the predictors those that tell the combinations apart no further.
        own = free & (rows.x == rows.x[first][combination]).all(axis=0)
        free &= ~own
        x = np.where(own, rows.x[first], 0.0)
        chosen.append(DesignRows(x=x, index=rows.index[first][:, entries], weight=rows.weight[first][:, entries]))
        index.append(combination.astype(np.int32))
        weight.append(np.ones(n_rows))
    coefficients = np.flatnonzero(free)
    offset = 1 + coefficients.size
    for position, block in enumerate(chosen):
        index[position] = (index[position] + offset).astype(np.int32)
        offset += block.x.shape[0]
    for entry in np.flatnonzero(~in_block):
        index.append((rows.index[:, entry] + offset).astype(np.int32))
        weight.append(rows.weight[:, entry])
    combined = DesignRows(x=rows.x[:, coefficients], index=np.stack(index, axis=1), weight=np.stack(weight, axis=1))
    return CombinedTerms(combined, coefficients, tuple(chosen))


def _find_blocks(rows: DesignRows) -> list[tuple[list[int], NDArray[np.intp], NDArray[np.intp]]]:
    """For each block its entries, a row of each combination, and the combination of each row."""
    n_rows, n_entries = rows.index.shape
    most = n_rows // _FEW
    plain = [k for k in range(n_entries) if (rows.weight[:, k] == 1).all()]
    spans = {k: int(np.ptp(rows.index[:, k])) + 1 for k in plain} if n_rows else {}
    blocks = []
    entries: list[int] = []
    code = np.zeros(n_rows, dtype=np.int64)
    n_codes = 1
    for k in sorted(spans, key=lambda k: spans[k]):
        own = rows.index[:, k].astype(np.int64) - int(rows.index[:, k].min())
        joined = _ranked(code * spans[k] + own, n_codes * spans[k])
        if joined[1] > most:
            if len(entries) > 1:
                blocks.append((entries, code))
            entries, joined = [], _ranked(own, spans[k])
            if joined[1] > most:
                continue
        entries = [*entries, k]
        code, n_codes = joined
    if len(entries) > 1 or (entries and rows.x.shape[1]):
        blocks.append((entries, code))
    found = []
    for names, one in blocks:
        _, first = np.unique(one, return_index=True)
        found.append((names, first, one.astype(np.intp)))
    return found


def _ranked(code: NDArray[np.int64], span: int) -> tuple[NDArray[np.int64], int]:
    """Codes numbered from 0 on without gaps, and how many there are."""
    if span > 100 * code.size:
        codes, rank = np.unique(code, return_inverse=True)
        return rank, codes.size
    is_there = np.zeros(span, dtype=np.bool_)
    is_there[code] = True
    rank = np.cumsum(is_there) - 1
    return rank[code], int(rank[-1]) + 1
