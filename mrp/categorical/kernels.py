r"""Compiled loops over cells for several options: log likelihood, gradient, information, third order, draws.

The coordinates are in two parts, as in `mrp.laplace.kernels`, whose matrices and solvers these are: ``block``, which
falls into blocks that are independent of each other given the rest, and ``rest``. Each is a row of vectors over the
K - 1 directions of an orthonormal zero-sum basis, side by side; rest begins with the plain coefficients ``b`` of the
options' own predictors. A cell's linear predictor is

    eta = offset + B' (sum_e weight[e] z[index[e]] + sum_m block_weight[m] u[block_index[m]]) + sum_j own[j] b[j]

Many cells have the same entries of rest, as all of one age and gender in different districts: one *pattern*. What
depends on these entries alone is computed once for a pattern, and what cells add to them is added up by pattern before
it is spread over pairs of entries, of which there are many.

``data = (pattern, index, weight, block_index, block_weight, own, offset, n, y, options, basis, block_basis)``: pattern
of shape (cell,); index and weight (pattern, entry), positions of vectors, ascending in a row; those of blocks (cell,
entry); own (cell, predictor, option), offset and y (cell, option), options the basis of shape (K - 1, K). Effects, of
rest the last of them, are basis and block_basis times coordinates, for all directions at once; of size 0 where they are
the same. Where an option does not stand, the offset is minus infinity and its probability exactly 0. ``prior`` and
``factors`` are those of `mrp.laplace.kernels`.

Importing this module imports numba; the machine code is cached on disk.
"""

import numba as nb
import numpy as np

from mrp.laplace.block_kernels import (
    coordinates,
    covariance_of_effects,
    effects_of,
    factorised,
    log_determinant,
    own_covariances,
    own_effects,
    own_lower,
    own_pull,
    own_upper,
    solve_blocks_upper,
    solve_lower,
    solve_upper,
    turn_blocks,
)

__all__ = ["derivatives", "draw", "log_joint", "log_joints", "newton_step", "third_order"]

# Points whose likelihoods are computed side by side.
_TOGETHER = 4
# Patterns whose matrices stay in the processor's cache.
_TILE = 512
# Everything but the assumption that no number is infinite or NaN: offsets are infinite.
_FAST = {"reassoc", "contract", "arcp", "nsz"}


@nb.njit(cache=True, nogil=True, fastmath=_FAST)
def _of_patterns(rest, data):
    """What the effects of rest add to the directions of each pattern, shape (pattern, direction)."""
    _, index, weight, _, _, own, _, _, _, options, _, _ = data
    width = options.shape[0]
    out = np.zeros((index.shape[0], width))
    for p in range(index.shape[0]):
        for e in range(index.shape[1]):
            at = own.shape[1] + index[p, e] * width
            for i in range(width):
                out[p, i] += weight[p, e] * rest[at + i]
    return out


@nb.njit(cache=True, nogil=True, fastmath=_FAST)
def _predict(c, toward, rest, block, data, eta, direction):
    """Write the linear predictor of cell ``c``, of effects, to ``eta``; ``direction`` is room for K - 1 numbers.

    ``toward`` is what `_of_patterns` makes of rest.
    """
    pattern, _, _, block_index, block_weight, own, offset, _, _, options, _, _ = data
    width, k = options.shape
    n_own = own.shape[1]
    for i in range(width):
        direction[i] = toward[pattern[c], i]
    for e in range(block_index.shape[1]):
        at = block_index[c, e] * width
        for i in range(width):
            direction[i] += block_weight[c, e] * block[at + i]
    for o in range(k):
        total = offset[c, o]
        for i in range(width):
            total += options[i, o] * direction[i]
        for j in range(n_own):
            total += own[c, j, o] * rest[j]
        eta[o] = total


@nb.njit(cache=True, nogil=True)
def _softmax(eta):
    """Probabilities in place of the linear predictor; returns the logarithm of the sum of exponentials."""
    top = eta.max()
    total = 0.0
    for o in range(eta.shape[0]):
        eta[o] = np.exp(eta[o] - top)
        total += eta[o]
    for o in range(eta.shape[0]):
        eta[o] /= total
    return top + np.log(total)


@nb.njit(cache=True, nogil=True)
def log_joint(rest, block, prior, data):
    """Log likelihood without the multinomial coefficients, plus log prior without normaliser."""
    mean, precision, block_precision = prior
    n, y, options, basis, block_basis = data[7:]
    effect, block_effect = effects_of(rest, basis), own_effects(block, block_basis)
    toward = _of_patterns(effect, data)
    k = options.shape[1]
    eta, direction = np.empty(k), np.empty(options.shape[0])
    total = 0.0
    for c in range(n.shape[0]):
        _predict(c, toward, effect, block_effect, data, eta, direction)
        for o in range(k):
            if y[c, o] > 0:  # otherwise 0 times minus infinity
                total += y[c, o] * eta[o]
        total -= n[c] * _softmax(eta)
    away = rest - mean
    total -= 0.5 * (away @ (precision @ away))
    if block.shape[0] > 0:
        total -= 0.5 * (block @ own_pull(block, block_precision))
    return total


@nb.njit(cache=True, nogil=True, fastmath=_FAST)
def _log_likelihoods(rests, blocks, data):
    """Log likelihoods of `log_joint` at several points, of effects, shape (point,)."""
    pattern, index, weight, block_index, block_weight, own, offset, n, y, options, _, _ = data
    width, k = options.shape
    n_points, n_own = rests.shape[0], own.shape[1]
    # Points side by side, so that the same is done to all at once.
    row = width * n_points
    vectors = _side_by_side(rests[:, n_own:], width)
    block_vectors = _side_by_side(blocks, width)
    coefficients = np.ascontiguousarray(rests[:, :n_own].T)
    toward = np.zeros((index.shape[0], row))
    for p in range(index.shape[0]):
        for e in range(index.shape[1]):
            at, by = index[p, e], weight[p, e]
            for x in range(row):
                toward[p, x] += by * vectors[at, x]
    total = np.zeros(n_points)
    direction, eta = np.empty(row), np.empty((k, n_points))
    top, mass = np.empty(n_points), np.empty(n_points)
    for c in range(n.shape[0]):
        p = pattern[c]
        for x in range(row):
            direction[x] = toward[p, x]
        for e in range(block_index.shape[1]):
            at, by = block_index[c, e], block_weight[c, e]
            for x in range(row):
                direction[x] += by * block_vectors[at, x]
        for s in range(n_points):
            top[s], mass[s] = -np.inf, 0.0
        for o in range(k):
            for s in range(n_points):
                eta[o, s] = offset[c, o]
            for i in range(width):
                by, at = options[i, o], i * n_points
                for s in range(n_points):
                    eta[o, s] += by * direction[at + s]
            for j in range(n_own):
                by = own[c, j, o]
                for s in range(n_points):
                    eta[o, s] += by * coefficients[j, s]
            for s in range(n_points):
                top[s] = max(top[s], eta[o, s])
        for o in range(k):
            if y[c, o] > 0:  # otherwise 0 times minus infinity
                for s in range(n_points):
                    total[s] += y[c, o] * eta[o, s]
            for s in range(n_points):
                mass[s] += np.exp(eta[o, s] - top[s])
        for s in range(n_points):
            total[s] -= n[c] * (top[s] + np.log(mass[s]))
    return total


@nb.njit(cache=True, nogil=True)
def _side_by_side(points, width):
    """Vectors of several points, shape (point, vector times direction), as (vector, direction times point)."""
    n_points, n_vectors = points.shape[0], points.shape[1] // width
    out = np.empty((n_vectors, width * n_points))
    for s in range(n_points):
        for v in range(n_vectors):
            for i in range(width):
                out[v, i * n_points + s] = points[s, v * width + i]
    return out


@nb.njit(cache=True, nogil=True)
def log_joints(rests, blocks, prior, data):
    """`log_joint` of several points, of which rest and block are rows; shape (point,)."""
    mean, precision, block_precision = prior
    basis, block_basis = data[10:]
    out = np.empty(rests.shape[0])
    for start in range(0, rests.shape[0], _TOGETHER):
        stop = min(start + _TOGETHER, rests.shape[0])
        effects = np.empty((stop - start, effects_of(rests[start], basis).shape[0]))
        block_effects = np.empty((stop - start, own_effects(blocks[start], block_basis).shape[0]))
        for s in range(stop - start):
            effects[s] = effects_of(rests[start + s], basis)
            block_effects[s] = own_effects(blocks[start + s], block_basis)
        out[start:stop] = _log_likelihoods(effects, block_effects, data)
    for s in range(rests.shape[0]):
        away = rests[s] - mean
        out[s] -= 0.5 * (away @ (precision @ away))
        if blocks.shape[1] > 0:
            out[s] -= 0.5 * (blocks[s] @ own_pull(blocks[s], block_precision))
    return out


@nb.njit(cache=True, nogil=True, fastmath=_FAST)
def _add_pairs(inners, index, weight, pairs):
    """Add the matrix of each pattern to those of all pairs of its entries.

    Later entries have later positions, which makes it the lower triangle. A few patterns at a time, one pair of entries
    after the other: a pair has few positions, which the processor then has at hand.
    """
    size = inners.shape[1]
    for start in range(0, index.shape[0], _TILE):
        stop = min(start + _TILE, index.shape[0])
        for e in range(index.shape[1]):
            for f in range(e + 1):
                for p in range(start, stop):
                    # Named first: read in the loop below they would be in the way of adding several numbers at once.
                    i, j, both = index[p, e], index[p, f], weight[p, e] * weight[p, f]
                    for x in range(size):
                        pairs[i, j, x] += both * inners[p, x]


@nb.njit(cache=True, nogil=True, fastmath=_FAST)
def _gather_pairs(pairs, index, weight, inners):
    """The inverse of `_add_pairs`: add up over the pairs of entries of each pattern, those of two entries twice."""
    size = inners.shape[1]
    for start in range(0, index.shape[0], _TILE):
        stop = min(start + _TILE, index.shape[0])
        for e in range(index.shape[1]):
            for f in range(e + 1):
                times = 1.0 if f == e else 2.0
                for p in range(start, stop):
                    i, j, both = index[p, e], index[p, f], times * weight[p, e] * weight[p, f]
                    for x in range(size):
                        inners[p, x] += both * pairs[i, j, x]


@nb.njit(cache=True, nogil=True)
def _by_pair(matrix, first, width):
    """The inverse of `_spread`: the columns of a matrix from ``first`` on, by pair of vectors."""
    n_rows, n_columns = matrix.shape[0] // width, (matrix.shape[1] - first) // width
    out = np.empty((n_rows, n_columns, width * width))
    for e in range(n_rows):
        for i in range(width):
            for f in range(n_columns):
                for m in range(width):
                    out[e, f, i * width + m] = matrix[e * width + i, first + f * width + m]
    return out


@nb.njit(cache=True, nogil=True)
def _spread(pairs, first, out):
    """Write what was added up by pair of vectors to a matrix, from column ``first`` on; rows end where it ends."""
    n_rows, n_columns, _ = pairs.shape
    width = (out.shape[1] - first) // n_columns
    top = out.shape[0] - n_rows * width
    for e in range(n_rows):
        for i in range(width):
            for f in range(n_columns):
                for m in range(width):
                    out[top + e * width + i, first + f * width + m] = pairs[e, f, i * width + m]


@nb.njit(cache=True, nogil=True, fastmath=_FAST)
def derivatives(rest, block, prior, data):
    """Gradient and negative Hessian of the log joint: of rest and block, A (lower), B, and D by effect (lower)."""
    mean, precision, block_precision = prior
    pattern, index, weight, block_index, block_weight, own, _, n, y, options, basis, block_basis = data
    width, k = options.shape
    n_own, q, q_block = own.shape[1], index.shape[1], block_index.shape[1]
    effect, block_effect = effects_of(rest, basis), own_effects(block, block_basis)
    toward = _of_patterns(effect, data)
    height = block_basis.shape[0] if block_basis.size > 0 else block_precision.shape[0]
    a = np.zeros((effect.shape[0], effect.shape[0]))
    b = np.zeros((block_effect.shape[0], effect.shape[0]))
    d = np.zeros((block_effect.shape[0], height))
    g, g_block = np.zeros(effect.shape[0]), np.zeros(block_effect.shape[0])
    eta, direction = np.empty(k), np.empty(width)
    half, inner = np.empty((width, k)), np.empty(width * width)
    n_patterns = index.shape[0]
    slopes, crosses = np.zeros((n_patterns, width)), np.zeros((n_patterns, n_own, width))
    inners = np.zeros((n_patterns, width * width))
    # By pair of vectors, so that what a cell adds to one lies side by side.
    n_vectors = (effect.shape[0] - n_own) // width
    size = width * width
    pairs = np.zeros((n_vectors, n_vectors, size))
    block_pairs = np.zeros((block_effect.shape[0] // width, n_vectors, size))
    mixed, residual, cross = np.empty(k), np.empty(k), np.empty((n_own, width))
    for c in range(n.shape[0]):
        _predict(c, toward, effect, block_effect, data, eta, direction)
        _softmax(eta)
        p = pattern[c]
        for o in range(k):
            residual[o] = y[c, o] - n[c] * eta[o]
        # W = n (diag p - p p'), and B W, B W B'.
        for i in range(width):
            mean_of = 0.0
            slope = 0.0
            for o in range(k):
                mean_of += options[i, o] * eta[o]
                slope += options[i, o] * residual[o]
            for o in range(k):
                half[i, o] = n[c] * eta[o] * (options[i, o] - mean_of)
            direction[i] = slope
        for i in range(width):
            for m in range(i + 1):
                total = 0.0
                for o in range(k):
                    total += half[i, o] * options[m, o]
                inner[i * width + m] = total
                inner[m * width + i] = total
        for j in range(n_own):
            slope = 0.0
            mean_of = 0.0
            for o in range(k):
                slope += own[c, j, o] * residual[o]
                mean_of += own[c, j, o] * eta[o]
            g[j] += slope
            for i in range(width):
                total = 0.0
                for o in range(k):
                    total += half[i, o] * own[c, j, o]
                cross[j, i] = total
            for o in range(k):
                mixed[o] = n[c] * eta[o] * (own[c, j, o] - mean_of)
            for m in range(j + 1):
                total = 0.0
                for o in range(k):
                    total += mixed[o] * own[c, m, o]
                a[j, m] += total
        for i in range(width):
            slopes[p, i] += direction[i]
            for j in range(n_own):
                crosses[p, j, i] += cross[j, i]
        for x in range(size):
            inners[p, x] += inner[x]
        for e in range(q_block):
            at = block_index[c, e] * width
            first = at - at % height
            for i in range(width):
                g_block[at + i] += block_weight[c, e] * direction[i]
                for j in range(n_own):
                    b[at + i, j] += block_weight[c, e] * cross[j, i]
            for f in range(e + 1):
                to = block_index[c, f] * width - first
                both = block_weight[c, e] * block_weight[c, f]
                for i in range(width):
                    for m in range(width):
                        d[at + i, to + m] += both * inner[i * width + m]
            own_at = block_index[c, e]
            for f in range(q):
                at, both = index[p, f], block_weight[c, e] * weight[p, f]
                for x in range(size):
                    block_pairs[own_at, at, x] += both * inner[x]
    for p in range(n_patterns):
        for e in range(q):
            at = n_own + index[p, e] * width
            for i in range(width):
                g[at + i] += weight[p, e] * slopes[p, i]
                for j in range(n_own):
                    a[at + i, j] += weight[p, e] * crosses[p, j, i]
    _add_pairs(inners, index, weight, pairs)
    _spread(pairs, n_own, a)
    _spread(block_pairs, n_own, b)
    if basis.shape[0] > 0:
        g, a, b = coordinates(g, a, b, basis)
    if block.shape[0] > 0:
        transposed = np.ascontiguousarray(block_basis.T)
        g_block = own_effects(g_block, transposed) - own_pull(block, block_precision)
        b = turn_blocks(transposed, b)
    return g - precision @ (rest - mean), g_block, a + precision, b, d


@nb.njit(cache=True, nogil=True)
def newton_step(rest, block, prior, data):
    """A step of Newton's method: of rest, of block, the gain it promises, and the factors."""
    g, g_block, a, b, d = derivatives(rest, block, prior, data)
    factors = factorised(a, b, d, prior[2], data[11])
    factor, w, roots = factors
    solved = own_lower(roots, g_block)
    right = g - w.T @ solved if block.shape[0] > 0 else g
    step = solve_upper(factor, solve_lower(factor, right))
    step_block = own_upper(roots, solved - w @ step) if block.shape[0] > 0 else g_block
    return step, step_block, g @ step + g_block @ step_block, factors


@nb.njit(cache=True, nogil=True)
def draw(mode, factors, noise, prior, data, out):
    """Normal draws around a mode, written to ``out``; returns log joint minus log normal density of each."""
    rest, block = mode
    factor, w, roots = factors
    noise_rest, noise_block = noise
    out_rest, out_block = out
    log_det = log_determinant(factors)
    ratio = np.empty(noise_rest.shape[0])
    for s in range(noise_rest.shape[0]):
        shift = solve_upper(factor, noise_rest[s])
        out_rest[s] = rest + shift
        if block.shape[0] > 0:
            out_block[s] = block + own_upper(roots, noise_block[s] - w @ shift)
        log_q = log_det - 0.5 * (noise_rest[s] @ noise_rest[s]) - 0.5 * (noise_block[s] @ noise_block[s])
        ratio[s] = -log_q
    return ratio + log_joints(out_rest, out_block, prior, data)


@nb.njit(cache=True, nogil=True, fastmath=_FAST)
def third_order(mode, factors, data):
    r"""Covariance of the normal distribution around a mode, and how far the mean is from the mode.

    The shift is -H^-1 times the gradient of 1/2 log det H as the point moves. With C the covariance of a cell's linear
    predictor, its derivative by eta[k] is

        n p[k] (q[k] - sum_l p[l] q[l]) / 2,  q[k] = (e_k - p)' C (e_k - p).

    Returns the shift of rest and of block, the covariance of rest, and that of a block added up over the blocks.
    """
    rest, block = mode
    factor, w, roots = factors
    pattern, index, weight, block_index, block_weight, own, _, n, _, options, basis, block_basis = data
    width, k = options.shape
    n_own, q, q_block = own.shape[1], index.shape[1], block_index.shape[1]
    effect, block_effect = effects_of(rest, basis), own_effects(block, block_basis)
    toward = _of_patterns(effect, data)
    inverse = np.linalg.inv(factor)
    covariance = inverse.T @ inverse
    height = block_basis.shape[0] if block_basis.size > 0 else roots.shape[1]
    with_block = np.zeros(w.shape)
    block_covariance = np.zeros(roots.shape[1:])
    of_block = np.zeros((block_effect.shape[0], height))
    if block.shape[0] > 0:
        between = w @ covariance
        own_covariances(roots, w, between, block_basis, block_covariance, of_block)
        with_block = turn_blocks(block_basis, solve_blocks_upper(roots, -between))
    of_rest, with_block = covariance_of_effects(covariance, with_block, basis)
    t, t_block = np.zeros(effect.shape[0]), np.zeros(block_effect.shape[0])
    eta, direction, of_option = np.empty(k), np.empty(width), np.empty(k)
    size = width * width
    inner, outer, c_matrix = np.empty(size), np.empty((width, k)), np.empty((k, k))
    n_patterns = index.shape[0]
    inners, beside = np.zeros((n_patterns, size)), np.zeros((n_patterns, n_own, width))
    slopes = np.zeros((n_patterns, width))
    block_pairs = _by_pair(with_block, n_own, width)
    _gather_pairs(_by_pair(of_rest[n_own:], n_own, width), index, weight, inners)
    for p in range(n_patterns):
        for e in range(q):
            at = n_own + index[p, e] * width
            for i in range(width):
                for j in range(n_own):
                    beside[p, j, i] += weight[p, e] * of_rest[at + i, j]
    for c in range(n.shape[0]):
        _predict(c, toward, effect, block_effect, data, eta, direction)
        _softmax(eta)
        p = pattern[c]
        # Twice the covariance of the directions, but for its symmetry, which C does not need.
        for x in range(size):
            inner[x] = inners[p, x]
        for e in range(q_block):
            own_at = block_index[c, e]
            for f in range(q):
                at, both = index[p, f], 2.0 * block_weight[c, e] * weight[p, f]
                for x in range(size):
                    inner[x] += both * block_pairs[own_at, at, x]
            first = own_at * width - own_at * width % height
            for f in range(e + 1):
                to = block_index[c, f] * width - first
                both = block_weight[c, e] * block_weight[c, f] * (1.0 if f == e else 2.0)
                for i in range(width):
                    for m in range(width):
                        inner[i * width + m] += both * of_block[own_at * width + i, to + m]
        for i in range(width):
            for o in range(k):
                total = 0.0
                for m in range(width):
                    total += 0.5 * (inner[i * width + m] + inner[m * width + i]) * options[m, o]
                outer[i, o] = total
        for o in range(k):
            for r in range(o + 1):
                total = 0.0
                for i in range(width):
                    total += options[i, o] * outer[i, r]
                c_matrix[o, r] = total
                c_matrix[r, o] = total
        for j in range(n_own):
            for i in range(width):
                direction[i] = beside[p, j, i]
            for e in range(q_block):
                at = block_index[c, e] * width
                for i in range(width):
                    direction[i] += block_weight[c, e] * with_block[at + i, j]
            for o in range(k):
                total = 0.0
                for i in range(width):
                    total += options[i, o] * direction[i]
                for r in range(k):
                    c_matrix[o, r] += total * own[c, j, r]
                    c_matrix[r, o] += total * own[c, j, r]
            for m in range(n_own):
                for o in range(k):
                    for r in range(k):
                        c_matrix[o, r] += of_rest[j, m] * own[c, j, o] * own[c, m, r]
        # q up to the same constant for all options, p'Cp, which the weighted mean takes off again.
        mean_of = 0.0
        for o in range(k):
            total = c_matrix[o, o]
            for r in range(k):
                total -= 2 * c_matrix[o, r] * eta[r]
            of_option[o] = total
            mean_of += eta[o] * total
        for o in range(k):
            of_option[o] = 0.5 * n[c] * eta[o] * (of_option[o] - mean_of)
        for i in range(width):
            total = 0.0
            for o in range(k):
                total += options[i, o] * of_option[o]
            direction[i] = total
        for i in range(width):
            slopes[p, i] += direction[i]
        for e in range(q_block):
            at = block_index[c, e] * width
            for i in range(width):
                t_block[at + i] += block_weight[c, e] * direction[i]
        for j in range(n_own):
            for o in range(k):
                t[j] += own[c, j, o] * of_option[o]
    for p in range(n_patterns):
        for e in range(q):
            at = n_own + index[p, e] * width
            for i in range(width):
                t[at + i] += weight[p, e] * slopes[p, i]
    if basis.shape[0] > 0:
        first = effect.shape[0] - basis.shape[0]
        t = np.concatenate((t[:first], np.ascontiguousarray(basis.T) @ t[first:]))
    if block.shape[0] == 0:
        return -(covariance @ t), t_block, covariance, block_covariance
    solved = own_lower(roots, own_effects(t_block, np.ascontiguousarray(block_basis.T)))
    shift = -(covariance @ (t - w.T @ solved))
    return shift, own_upper(roots, -solved - w @ shift), covariance, block_covariance
