r"""Compiled algebra of latents that are eliminated in blocks, whatever the answers are counts of.

The negative Hessian of a log joint density is

    [ A   B' ]      A: rest by rest              S = A - W'W      Schur complement, shape (rest, rest)
    [ B   D  ]      D = L L': own, in blocks     W = L^-1 B       shape (own, rest)

``factors = (factor of S, W, roots)``, the roots being L of each block, shape (block, number in block, number in block).
The last of rest, and own, are coordinates of structured effects, which are ``basis`` and, in every block, ``own_basis``
times them; a basis of size 0 stands for the identity. The loops over cells are those of `mrp.laplace.kernels` and
`mrp.categorical.kernels`.

Importing this module imports numba; the machine code is cached on disk.
"""

import numba as nb
import numpy as np

__all__ = [
    "block_roots",
    "coordinates",
    "covariance_of_effects",
    "effects_of",
    "factorised",
    "log_determinant",
    "own_covariances",
    "own_effects",
    "own_lower",
    "own_pull",
    "own_upper",
    "solve_blocks",
    "solve_blocks_upper",
    "solve_lower",
    "solve_upper",
    "turn_blocks",
]

# Everything but the assumption that no number is infinite or NaN, which the verdict relies on seeing.
_FAST = {"reassoc", "contract", "arcp", "nsz"}


@nb.njit(cache=True, nogil=True, fastmath=_FAST)
def effects_of(rest, basis):
    """Rest with structured effects in place of their coordinates."""
    if basis.shape[0] == 0:
        return rest
    first = rest.shape[0] - basis.shape[1]
    out = np.empty(first + basis.shape[0])
    out[:first] = rest[:first]
    out[first:] = basis @ rest[first:]
    return out


@nb.njit(cache=True, nogil=True)
def turn_blocks(matrix, rows):
    """``matrix`` times each block of rows."""
    if matrix.size == 0 or rows.size == 0:
        return rows
    height, width = matrix.shape
    n_blocks = rows.shape[0] // width
    out = np.empty((n_blocks * height, rows.shape[1]))
    for g in range(n_blocks):
        out[g * height : (g + 1) * height] = matrix @ rows[g * width : (g + 1) * width]
    return out


@nb.njit(cache=True, nogil=True)
def own_effects(own, own_basis):
    """``own_basis`` times each block."""
    if own_basis.size == 0 or own.size == 0:
        return own
    width = own_basis.shape[1]
    return (own.reshape(own.size // width, width) @ own_basis.T).ravel()


@nb.njit(cache=True, nogil=True)
def own_pull(own, own_precision):
    """The precision of a block times each block."""
    width = own_precision.shape[0]
    return (own.reshape(own.size // width, width) @ own_precision).ravel()


@nb.njit(cache=True, nogil=True)
def coordinates(g, a, b, basis):
    """Gradient and curvature by effect, carried over to the coordinates of structured effects."""
    first = a.shape[0] - basis.shape[0]
    size = first + basis.shape[1]
    turned = np.ascontiguousarray(basis.T)
    g_new = np.empty(size)
    g_new[:first] = g[:first]
    g_new[first:] = turned @ np.ascontiguousarray(g[first:])
    corner = np.ascontiguousarray(a[first:, first:])
    for i in range(corner.shape[0]):
        for j in range(i):
            corner[j, i] = corner[i, j]
    a_new = np.zeros((size, size))
    a_new[:first, :first] = a[:first, :first]
    a_new[first:, :first] = turned @ np.ascontiguousarray(a[first:, :first])
    a_new[first:, first:] = turned @ (corner @ basis)
    b_new = np.empty((b.shape[0], size))
    b_new[:, :first] = b[:, :first]
    b_new[:, first:] = np.ascontiguousarray(b[:, first:]) @ basis
    return g_new, a_new, b_new


@nb.njit(cache=True, nogil=True)
def factorised(a, b, d, own_precision, own_basis):
    """Lower Cholesky factor of the Schur complement, W and the roots."""
    s = a.copy()
    for i in range(a.shape[0]):
        for j in range(i):
            s[j, i] = s[i, j]
    roots = block_roots(d, own_precision, own_basis)
    w = solve_blocks(roots, b)
    if d.shape[0] > 0:
        s -= w.T @ w
    return np.linalg.cholesky(s), w, roots


@nb.njit(cache=True, nogil=True, fastmath=_FAST)
def block_roots(d, own_precision, own_basis):
    """Lower Cholesky factor of each block of D, from its part by effect."""
    height = d.shape[1]
    width = own_precision.shape[0]
    n_blocks = d.shape[0] // height
    turned = np.ascontiguousarray(own_basis.T)
    out = np.zeros((n_blocks, width, width))
    for g in range(n_blocks):
        block = d[g * height : (g + 1) * height]
        if own_basis.size > 0:
            for i in range(height):
                for j in range(i):
                    block[j, i] = block[i, j]
            block = turned @ (block @ own_basis)
        for i in range(width):
            for j in range(i + 1):
                left = block[i, j] + own_precision[i, j]
                for k in range(j):
                    left -= out[g, i, k] * out[g, j, k]
                out[g, i, j] = np.sqrt(left) if i == j else left / out[g, j, j]
    return out


@nb.njit(cache=True, nogil=True, fastmath=_FAST)
def solve_blocks(roots, right):
    """Solve L out = right, shape (own, anything)."""
    n_blocks, width, _ = roots.shape
    out = right.copy()
    for g in range(n_blocks):
        for i in range(width):
            row = g * width + i
            for j in range(i):
                for r in range(out.shape[1]):
                    out[row, r] -= roots[g, i, j] * out[g * width + j, r]
            for r in range(out.shape[1]):
                out[row, r] /= roots[g, i, i]
    return out


@nb.njit(cache=True, nogil=True, fastmath=_FAST)
def solve_blocks_upper(roots, right):
    """Solve L' out = right, shape (own, anything)."""
    n_blocks, width, _ = roots.shape
    out = right.copy()
    for g in range(n_blocks):
        for i in range(width - 1, -1, -1):
            row = g * width + i
            for r in range(out.shape[1]):
                out[row, r] /= roots[g, i, i]
            for j in range(i):
                for r in range(out.shape[1]):
                    out[g * width + j, r] -= roots[g, i, j] * out[row, r]
    return out


@nb.njit(cache=True, nogil=True)
def own_lower(roots, right):
    return solve_blocks(roots, right.reshape(right.size, 1)).ravel()


@nb.njit(cache=True, nogil=True)
def own_upper(roots, right):
    return solve_blocks_upper(roots, right.reshape(right.size, 1)).ravel()


@nb.njit(cache=True, nogil=True)
def solve_lower(factor, right):
    out = right.copy()
    for i in range(out.shape[0]):
        for j in range(i):
            out[i] -= factor[i, j] * out[j]
        out[i] /= factor[i, i]
    return out


@nb.njit(cache=True, nogil=True)
def solve_upper(factor, right):
    """Solve factor' out = right."""
    out = right.copy()
    for i in range(out.shape[0] - 1, -1, -1):
        out[i] /= factor[i, i]
        for j in range(i):
            out[j] -= factor[i, j] * out[i]
    return out


@nb.njit(cache=True, nogil=True)
def log_determinant(factors):
    """Half of the log determinant of the negative Hessian."""
    factor, _, roots = factors
    total = 0.0
    for i in range(factor.shape[0]):
        total += np.log(factor[i, i])
    for g in range(roots.shape[0]):
        for i in range(roots.shape[1]):
            total += np.log(roots[g, i, i])
    return total


@nb.njit(cache=True, nogil=True, fastmath=_FAST)
def own_covariances(roots, w, between, own_basis, total, of_effects):
    """Blocks of own's part of H^-1, L'^-1 (1 + W S^-1 W') L^-1: added up, and by effect; ``between`` is W S^-1."""
    n_blocks, width, _ = roots.shape
    height = of_effects.shape[1]
    turned = np.ascontiguousarray(own_basis.T)
    middle = np.empty((width, width))
    for g in range(n_blocks):
        first = g * width
        for i in range(width):
            for j in range(i + 1):
                value = 1.0 if i == j else 0.0
                for r in range(w.shape[1]):
                    value += between[first + i, r] * w[first + j, r]
                middle[i, j] = middle[j, i] = value
        root = roots[g : g + 1]
        half = solve_blocks_upper(root, middle)
        block = solve_blocks_upper(root, np.ascontiguousarray(half.T))
        total += block
        if own_basis.size > 0:
            block = own_basis @ (block @ turned)
        of_effects[g * height : (g + 1) * height] = block


@nb.njit(cache=True, nogil=True)
def covariance_of_effects(covariance, with_own, basis):
    """Covariances of coordinates carried over to the effects that they stand for: of rest, and of own with rest."""
    if basis.shape[0] == 0:
        return covariance, with_own
    first = covariance.shape[0] - basis.shape[1]
    size = first + basis.shape[0]
    turned = np.ascontiguousarray(basis.T)
    out = np.empty((size, size))
    out[:first, :first] = covariance[:first, :first]
    out[first:, :first] = basis @ np.ascontiguousarray(covariance[first:, :first])
    out[:first, first:] = out[first:, :first].T
    out[first:, first:] = basis @ (np.ascontiguousarray(covariance[first:, first:]) @ turned)
    own = np.empty((with_own.shape[0], size))
    own[:, :first] = with_own[:, :first]
    own[:, first:] = np.ascontiguousarray(with_own[:, first:]) @ turned
    return out, own
