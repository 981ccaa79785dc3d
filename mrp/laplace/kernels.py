r"""Compiled loops over cells: Newton's method for the latents, and draws around their mode.

The latents are in two parts: ``own``, the levels of the largest varying term, which are independent of each other given
the rest, and ``rest``. The negative Hessian of the log joint density is then

    [ A   B' ]      A: rest by rest          S = A - B' diag(1/d) B      Schur complement, shape (rest, rest)
    [ B   D  ]      D = diag(d): own         B: own by rest

and a step costs cells + rest^2 own + rest^3 instead of cells + (rest + own)^3. The prior is independent:
``prior = (mean of rest, precision of rest, precision of own)``. ``data = (x, rest_index, own_index, n, y)``, with x of
shape (cell, predictor), rest_index (cell, other varying term) and one position in own per cell.

Importing this module imports numba; the machine code is cached on disk.
"""

import numba as nb
import numpy as np

__all__ = ["climb", "draw", "log_joint"]

# Everything but the assumption that no number is infinite or NaN, which the verdict relies on seeing.
_FAST = {"reassoc", "contract", "arcp", "nsz"}


@nb.njit(cache=True, nogil=True, fastmath=_FAST)
def log_joint(rest, own, mean, precision, own_precision, x, rest_index, own_index, n, y):
    """Log likelihood (without binomial coefficients) plus log prior (without normaliser)."""
    total = 0.0
    for c in range(x.shape[0]):
        eta = 0.0
        for j in range(x.shape[1]):
            eta += x[c, j] * rest[j]
        for k in range(rest_index.shape[1]):
            eta += rest[rest_index[c, k]]
        if own.shape[0] > 0:
            eta += own[own_index[c]]
        total += y[c] * eta - n[c] * (np.log1p(np.exp(-abs(eta))) + max(eta, 0.0))
    for i in range(rest.shape[0]):
        total -= 0.5 * precision[i] * (rest[i] - mean[i]) ** 2
    for i in range(own.shape[0]):
        total -= 0.5 * own_precision * own[i] ** 2
    return total


@nb.njit(cache=True, nogil=True, fastmath=_FAST)
def _derivatives(rest, own, prior, data):
    """Gradient and negative Hessian of the log joint density: gradients of rest and own, A (lower), B, d."""
    mean, precision, own_precision = prior
    x, rest_index, own_index, n, y = data
    p = x.shape[1]
    q = rest_index.shape[1]
    a = np.diag(precision)
    b = np.zeros((own.shape[0], rest.shape[0]))
    d = np.full(own.shape[0], own_precision)
    g_rest = -precision * (rest - mean)
    g_own = -own_precision * own
    for c in range(x.shape[0]):
        eta = 0.0
        for j in range(p):
            eta += x[c, j] * rest[j]
        for k in range(q):
            eta += rest[rest_index[c, k]]
        if own.shape[0] > 0:
            eta += own[own_index[c]]
        share = 1 / (1 + np.exp(-eta))
        r = y[c] - n[c] * share
        w = n[c] * share * (1 - share)
        for j in range(p):
            g_rest[j] += r * x[c, j]
            wx = w * x[c, j]
            for i in range(j + 1):
                a[j, i] += wx * x[c, i]
            for k in range(q):
                a[rest_index[c, k], j] += wx
        for k in range(q):
            row = rest_index[c, k]
            g_rest[row] += r
            a[row, row] += w
            for m in range(k):  # later terms have later positions: always the lower triangle
                a[row, rest_index[c, m]] += w
        if own.shape[0] > 0:
            o = own_index[c]
            g_own[o] += r
            d[o] += w
            for j in range(p):
                b[o, j] += w * x[c, j]
            for k in range(q):
                b[o, rest_index[c, k]] += w
    return g_rest, g_own, a, b, d


@nb.njit(cache=True, nogil=True)
def _factor(a, b, d):
    """Lower Cholesky factor of the Schur complement."""
    s = a.copy()
    for i in range(a.shape[0]):
        for j in range(i):
            s[j, i] = s[i, j]
    if d.shape[0] > 0:
        scaled = b / d.reshape(-1, 1)
        s -= b.T @ scaled
    return np.linalg.cholesky(s)


@nb.njit(cache=True, nogil=True)
def _solve_lower(factor, right):
    out = right.copy()
    for i in range(out.shape[0]):
        for j in range(i):
            out[i] -= factor[i, j] * out[j]
        out[i] /= factor[i, i]
    return out


@nb.njit(cache=True, nogil=True)
def _solve_upper(factor, right):
    """Solve factor' out = right."""
    out = right.copy()
    for i in range(out.shape[0] - 1, -1, -1):
        out[i] /= factor[i, i]
        for j in range(i):
            out[j] -= factor[i, j] * out[i]
    return out


@nb.njit(cache=True, nogil=True)
def climb(rest, own, prior, data, tolerance, max_steps):
    """Newton's method with halved steps, from ``rest`` and ``own``.

    Returns rest, own, log joint there, factor of S, B, d, steps taken; more steps than ``max_steps`` mean that it did
    not arrive. The factor belongs to the point before the last step, which is closer than ``tolerance`` in log density:
    that makes it no worse a proposal, and saves an evaluation.
    """
    x, rest_index, own_index, n, y = data
    mean, precision, own_precision = prior
    value = log_joint(rest, own, mean, precision, own_precision, x, rest_index, own_index, n, y)
    steps = 0
    while True:
        g_rest, g_own, a, b, d = _derivatives(rest, own, prior, data)
        factor = _factor(a, b, d)
        right = g_rest - b.T @ (g_own / d) if d.shape[0] > 0 else g_rest
        step_rest = _solve_upper(factor, _solve_lower(factor, right))
        step_own = (g_own - b @ step_rest) / d if d.shape[0] > 0 else g_own
        gain = g_rest @ step_rest + g_own @ step_own
        steps += 1
        length = 1.0
        while True:
            new_rest = rest + length * step_rest
            new_own = own + length * step_own
            new_value = log_joint(new_rest, new_own, mean, precision, own_precision, x, rest_index, own_index, n, y)
            if new_value >= value + 0.1 * length * gain or length < 1e-3 or gain < tolerance:
                break
            length *= 0.5
        rest, own, value = new_rest, new_own, new_value
        if gain < tolerance:
            return rest, own, value, factor, b, d, steps
        if steps >= max_steps:
            return rest, own, value, factor, b, d, max_steps + 1


@nb.njit(cache=True, nogil=True)
def draw(mode, factors, noise, prior, data, out):
    """Normal draws around a mode, written to ``out``; returns log joint minus log normal density of each.

    The factor 2 pi of the normal density is left out on both sides.
    """
    x, rest_index, own_index, n, y = data
    mean, precision, own_precision = prior
    rest, own = mode
    factor, b, d = factors
    noise_rest, noise_own = noise
    out_rest, out_own = out
    log_det = 0.0
    for i in range(factor.shape[0]):
        log_det += np.log(factor[i, i])
    for i in range(d.shape[0]):
        log_det += 0.5 * np.log(d[i])
    ratio = np.empty(noise_rest.shape[0])
    for s in range(noise_rest.shape[0]):
        shift = _solve_upper(factor, noise_rest[s])
        out_rest[s] = rest + shift
        if d.shape[0] > 0:
            out_own[s] = own - (b @ shift) / d + noise_own[s] / np.sqrt(d)
        log_q = log_det - 0.5 * (noise_rest[s] @ noise_rest[s]) - 0.5 * (noise_own[s] @ noise_own[s])
        value = log_joint(out_rest[s], out_own[s], mean, precision, own_precision, x, rest_index, own_index, n, y)
        ratio[s] = value - log_q
    return ratio
