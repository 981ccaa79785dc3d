"""Latents of a design as matrices: from coordinates that are independent numbers, and into the predictor of cells."""

import numpy as np
import polars as pl
from scipy import sparse

from mrp.design import Design

__all__ = ["coordinates_basis", "incidence"]


def coordinates_basis(design: Design) -> sparse.csr_array:
    """Latents from their coordinates, shape (latent, coordinate); a mixed map keeps its effects for coordinates."""
    parts = [sparse.eye_array(1 + len(design.coefficient_names))]
    for effect in design.effects:
        basis = None if effect.kind == "bym2" else effect.basis
        parts.append(sparse.eye_array(effect.size) if basis is None else sparse.csr_array(basis))
    return sparse.csr_array(sparse.block_diag(parts, format="csr"))


def incidence(design: Design, table: pl.DataFrame) -> sparse.csr_array:
    """The linear predictor of the rows of a table from the latents, shape (row, latent)."""
    rows = design.rows(table)
    n_rows, n_entries = rows.index.shape
    row = np.repeat(np.arange(n_rows), n_entries)
    effects = sparse.csr_array((rows.weight.ravel(), (row, rows.index.ravel())), shape=(n_rows, design.n_latents))
    free = sparse.csr_array(np.column_stack([np.ones(n_rows), rows.x]))
    free.resize((n_rows, design.n_latents))
    return sparse.csr_array(effects + free)
