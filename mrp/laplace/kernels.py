r"""Compiled loops over cells: Newton's method for the latents, and draws around their mode.

The latents are in two parts: ``own``, which falls into blocks that are independent of each other given the rest (see
`mrp.laplace.elimination`), and ``rest``. The negative Hessian of the log joint density is then

    [ A   B' ]      A: rest by rest              S = A - W'W      Schur complement, shape (rest, rest)
    [ B   D  ]      D = L L': own, in blocks     W = L^-1 B       shape (own, rest)

and a step costs cells + rest^2 own + rest^3 instead of cells + (rest + own)^3. The last of rest, and own, are
coordinates of structured effects, which are ``basis`` and, in every block, ``own_basis`` times them: cells are added up
by effect, one number per entry and cell, and the sums are carried over to the coordinates. A basis of size 0 stands for
the identity.

``prior = (mean of rest, precision matrix of rest, precision matrix of a block)``. ``data = (x, index, weight,
own_index, own_weight, n, y, basis, own_basis)``, with x of shape (cell, predictor), index and weight (cell, entry) of
the effects of rest, own_index and own_weight (cell, entry) of the effects of own, those of one cell in one block. Own
and its effects are in the order (block, number in block). ``factors = (factor of S, W, roots)``, the roots being L of
each block, shape (block, number in block, number in block).

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

__all__ = ["climb", "draw", "log_joint", "third_order"]

# Everything but the assumption that no number is infinite or NaN, which the verdict relies on seeing.
_FAST = {"reassoc", "contract", "arcp", "nsz"}


@nb.njit(cache=True, nogil=True, fastmath=_FAST, inline="always")
def _linear_predictor(c, effect, own, data):
    x, index, weight, own_index, own_weight, _, _, _, _ = data
    eta = 0.0
    for j in range(x.shape[1]):
        eta += x[c, j] * effect[j]
    for k in range(index.shape[1]):
        eta += weight[c, k] * effect[index[c, k]]
    for k in range(own_index.shape[1]):
        eta += own_weight[c, k] * own[own_index[c, k]]
    return eta


@nb.njit(cache=True, nogil=True, fastmath=_FAST)
def log_joint(rest, own, prior, data):
    """Log likelihood (without binomial coefficients) plus log prior (without normaliser)."""
    mean, precision, own_precision = prior
    _, _, _, _, _, n, y, basis, own_basis = data
    effect = effects_of(rest, basis)
    own_effect = own_effects(own, own_basis)
    total = 0.0
    for c in range(n.shape[0]):
        eta = _linear_predictor(c, effect, own_effect, data)
        total += y[c] * eta - n[c] * (np.log1p(np.exp(-abs(eta))) + max(eta, 0.0))
    away = rest - mean
    total -= 0.5 * (away @ (precision @ away))
    if own.shape[0] > 0:
        total -= 0.5 * (own @ own_pull(own, own_precision))
    return total


@nb.njit(cache=True, nogil=True, fastmath=_FAST)
def _derivatives(rest, own, prior, data):
    """Gradient and negative Hessian of the log joint: of rest and own, A (lower), B, and D by effect (lower)."""
    mean, precision, own_precision = prior
    x, index, weight, own_index, own_weight, n, y, basis, own_basis = data
    effect = effects_of(rest, basis)
    own_effect = own_effects(own, own_basis)
    p = x.shape[1]
    q = index.shape[1]
    q_own = own_index.shape[1]
    a = np.zeros((effect.shape[0], effect.shape[0]))
    b = np.zeros((own_effect.shape[0], effect.shape[0]))
    height = own_basis.shape[0] if own_basis.size > 0 else own_precision.shape[0]
    d = np.zeros((own_effect.shape[0], height))
    g = np.zeros(effect.shape[0])
    g_own = np.zeros(own_effect.shape[0])
    for c in range(x.shape[0]):
        eta = _linear_predictor(c, effect, own_effect, data)
        share = 1 / (1 + np.exp(-eta))
        r = y[c] - n[c] * share
        w = n[c] * share * (1 - share)
        for j in range(p):
            g[j] += r * x[c, j]
            wx = w * x[c, j]
            for i in range(j + 1):
                a[j, i] += wx * x[c, i]
            for k in range(q):
                a[index[c, k], j] += wx * weight[c, k]
        for k in range(q):
            row = index[c, k]
            wk = w * weight[c, k]
            g[row] += r * weight[c, k]
            for m in range(k + 1):  # later entries have later positions: always the lower triangle
                a[row, index[c, m]] += wk * weight[c, m]
        for k in range(q_own):
            o = own_index[c, k]
            wo = w * own_weight[c, k]
            g_own[o] += r * own_weight[c, k]
            first = o - o % height
            for m in range(k + 1):
                d[o, own_index[c, m] - first] += wo * own_weight[c, m]
            for j in range(p):
                b[o, j] += wo * x[c, j]
            for m in range(q):
                b[o, index[c, m]] += wo * weight[c, m]
    if basis.shape[0] > 0:
        g, a, b = coordinates(g, a, b, basis)
    turned = np.ascontiguousarray(own_basis.T)
    if own.shape[0] > 0:
        g_own = own_effects(g_own, turned) - own_pull(own, own_precision)
    return g - precision @ (rest - mean), g_own, a + precision, turn_blocks(turned, b), d


@nb.njit(cache=True, nogil=True)
def climb(rest, own, prior, data, tolerance, max_steps):
    """Newton's method with halved steps, from ``rest`` and ``own``.

    Returns rest, own, log joint there, the factors, steps taken; more steps than ``max_steps`` mean that it did
    not arrive. The factors belong to the point before the last step, which is closer than ``tolerance`` in log density:
    that makes it no worse a proposal, and saves an evaluation.
    """
    value = log_joint(rest, own, prior, data)
    steps = 0
    while True:
        g_rest, g_own, a, b, d = _derivatives(rest, own, prior, data)
        factors = factorised(a, b, d, prior[2], data[8])
        factor, w, roots = factors
        solved = own_lower(roots, g_own)
        right = g_rest - w.T @ solved if d.shape[0] > 0 else g_rest
        step_rest = solve_upper(factor, solve_lower(factor, right))
        step_own = own_upper(roots, solved - w @ step_rest) if d.shape[0] > 0 else g_own
        gain = g_rest @ step_rest + g_own @ step_own
        steps += 1
        length = 1.0
        while True:
            new_rest = rest + length * step_rest
            new_own = own + length * step_own
            new_value = log_joint(new_rest, new_own, prior, data)
            if new_value >= value + 0.1 * length * gain or length < 1e-3 or gain < tolerance:
                break
            length *= 0.5
        rest, own, value = new_rest, new_own, new_value
        if gain < tolerance:
            return rest, own, value, factors, steps
        if steps >= max_steps:
            return rest, own, value, factors, max_steps + 1


@nb.njit(cache=True, nogil=True)
def draw(mode, factors, noise, prior, data, out):
    """Normal draws around a mode, written to ``out``; returns log joint minus log normal density of each.

    The factor 2 pi of the normal density is left out on both sides.
    """
    rest, own = mode
    factor, w, roots = factors
    noise_rest, noise_own = noise
    out_rest, out_own = out
    log_det = log_determinant(factors)
    ratio = np.empty(noise_rest.shape[0])
    for s in range(noise_rest.shape[0]):
        shift = solve_upper(factor, noise_rest[s])
        out_rest[s] = rest + shift
        if own.shape[0] > 0:
            out_own[s] = own + own_upper(roots, noise_own[s] - w @ shift)
        log_q = log_det - 0.5 * (noise_rest[s] @ noise_rest[s]) - 0.5 * (noise_own[s] @ noise_own[s])
        value = log_joint(out_rest[s], out_own[s], prior, data)
        ratio[s] = value - log_q
    return ratio


@nb.njit(cache=True, nogil=True, fastmath=_FAST)
def third_order(mode, factors, data):
    """Covariance of the normal distribution around a mode, and how far the mean is from the mode.

    To third order in the log likelihood the mean differs from the mode by -1/2 H^-1 sum_c w'_c var(eta_c) a_c, where w'
    is the derivative of the weight of a cell by its eta, and a its coefficients. Returns the shift of rest and of own,
    the covariance of rest, and that of a block added up over the blocks.
    """
    rest, own = mode
    factor, w, roots = factors
    x, index, weight, own_index, own_weight, n, _, basis, own_basis = data
    effect = effects_of(rest, basis)
    own_effect = own_effects(own, own_basis)
    inverse = np.linalg.inv(factor)
    covariance = inverse.T @ inverse
    with_own = np.zeros(w.shape)
    width = roots.shape[1]
    height = own_basis.shape[0] if own_basis.size > 0 else width
    own_covariance = np.zeros((width, width))
    of_own_effects = np.zeros((own_effect.shape[0], height))
    if own.shape[0] > 0:
        between = w @ covariance
        own_covariances(roots, w, between, own_basis, own_covariance, of_own_effects)
        with_own = turn_blocks(own_basis, solve_blocks_upper(roots, -between))
    of_effects, effects_own = covariance_of_effects(covariance, with_own, basis)
    p = x.shape[1]
    total = p + index.shape[1]
    at = np.empty(total, dtype=np.int64)
    value = np.empty(total)
    t = np.zeros(effect.shape[0])
    t_own = np.zeros(own_effect.shape[0])
    for c in range(n.shape[0]):
        eta = _linear_predictor(c, effect, own_effect, data)
        for j in range(p):
            at[j], value[j] = j, x[c, j]
        for k in range(p, total):
            at[k], value[k] = index[c, k - p], weight[c, k - p]
        variance = 0.0
        for j in range(total):
            row = 0.0
            for k in range(j):
                row += value[k] * of_effects[at[j], at[k]]
            variance += value[j] * (2 * row + value[j] * of_effects[at[j], at[j]])
        for j in range(own_index.shape[1]):
            o = own_index[c, j]
            first = o - o % height
            row = 0.0
            for k in range(total):
                row += value[k] * effects_own[o, at[k]]
            for k in range(j):
                row += own_weight[c, k] * of_own_effects[o, own_index[c, k] - first]
            variance += own_weight[c, j] * (2 * row + own_weight[c, j] * of_own_effects[o, o - first])
        share = 1 / (1 + np.exp(-eta))
        third = n[c] * share * (1 - share) * (1 - 2 * share) * variance
        for k in range(total):
            t[at[k]] += third * value[k]
        for k in range(own_index.shape[1]):
            t_own[own_index[c, k]] += third * own_weight[c, k]
    if basis.shape[0] > 0:
        first = rest.shape[0] - basis.shape[1]
        turned = np.empty(rest.shape[0])
        turned[:first] = t[:first]
        turned[first:] = np.ascontiguousarray(basis.T) @ t[first:]
        t = turned
    solved = own_lower(roots, own_effects(t_own, np.ascontiguousarray(own_basis.T)))
    shift = -0.5 * (covariance @ (t - w.T @ solved if own.shape[0] > 0 else t))
    shift_own = own_upper(roots, -0.5 * solved - w @ shift) if own.shape[0] > 0 else t_own
    return shift, shift_own, covariance, own_covariance
