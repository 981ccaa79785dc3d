r"""Compiled loops over cells for several options: log likelihood, gradient, information, third order.

A cell's linear predictor is ``eta = offset + B' sum_e value[e] z[column[e]] + sum_j own[j] b[j]``, its entries ``e`` in
compressed rows: ``z`` of shape (coordinate, K - 1) are coordinates of vectors over the K options in the orthonormal
zero-sum basis, of shape (K - 1, K) here, and ``b`` plain coefficients. All coordinates in a row are ``z`` row by row,
then ``b``. ``data = (start, column, value, own, offset, n, y, basis)``; start of shape (cell + 1,), own of shape
(cell, predictor, option), offset and y of shape (cell, option). Where an option does not stand, the offset is minus
infinity and its probability exactly 0.

Importing this module imports numba; the machine code is cached on disk.
"""

import numba as nb
import numpy as np

__all__ = ["curvature", "log_likelihood", "third_order"]


@nb.njit(cache=True, nogil=True)
def _predict(c, point, data, eta, direction):
    """Write the linear predictor of cell ``c`` to ``eta``; ``direction`` is working space of K - 1 numbers."""
    start, column, value, own, offset, _, _, basis = data
    width, k = basis.shape
    direction[:] = 0.0
    for e in range(start[c], start[c + 1]):
        at = column[e] * width
        for i in range(width):
            direction[i] += value[e] * point[at + i]
    first = point.shape[0] - own.shape[1]
    for o in range(k):
        total = offset[c, o]
        for i in range(width):
            total += basis[i, o] * direction[i]
        for j in range(own.shape[1]):
            total += own[c, j, o] * point[first + j]
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
def log_likelihood(point, data):
    """Without the multinomial coefficients."""
    offset, n, y, basis = data[4:]
    k = offset.shape[1]
    eta, direction = np.empty(k), np.empty(basis.shape[0])
    total = 0.0
    for c in range(n.shape[0]):
        _predict(c, point, data, eta, direction)
        for o in range(k):
            if y[c, o] > 0:  # otherwise 0 times minus infinity
                total += y[c, o] * eta[o]
        total -= n[c] * _softmax(eta)
    return total


@nb.njit(cache=True, nogil=True)
def curvature(point, data):
    """Log likelihood, its gradient, and its negative Hessian, in the coordinates."""
    start, column, value, own, _, n, y, basis = data
    width, k = basis.shape
    n_own = own.shape[1]
    size = point.shape[0]
    first = size - n_own
    gradient, information = np.zeros(size), np.zeros((size, size))
    eta, direction = np.empty(k), np.empty(width)
    turned, weight, mixed = np.empty((width, k)), np.empty((width, width)), np.empty(k)
    residual, cross = np.empty(k), np.empty(width)
    total = 0.0
    for c in range(n.shape[0]):
        _predict(c, point, data, eta, direction)
        for o in range(k):
            if y[c, o] > 0:
                total += y[c, o] * eta[o]
        total -= n[c] * _softmax(eta)
        for o in range(k):
            residual[o] = y[c, o] - n[c] * eta[o]
        # W = n (diag p - p p'), and B W, B W B'.
        for i in range(width):
            mean = 0.0
            for o in range(k):
                mean += basis[i, o] * eta[o]
            for o in range(k):
                turned[i, o] = n[c] * eta[o] * (basis[i, o] - mean)
            slope = 0.0
            for o in range(k):
                slope += basis[i, o] * residual[o]
            direction[i] = slope
        for i in range(width):
            for m in range(width):
                inner = 0.0
                for o in range(k):
                    inner += turned[i, o] * basis[m, o]
                weight[i, m] = inner
        for e in range(start[c], start[c + 1]):
            at = column[e] * width
            for i in range(width):
                gradient[at + i] += value[e] * direction[i]
            for f in range(start[c], e + 1):
                to = column[f] * width
                both = value[e] * value[f]
                for i in range(width):
                    for m in range(width):
                        information[at + i, to + m] += both * weight[i, m]
                if f < e:
                    for i in range(width):
                        for m in range(width):
                            information[to + m, at + i] += both * weight[i, m]
        for j in range(n_own):
            slope = 0.0
            for o in range(k):
                slope += own[c, j, o] * residual[o]
            gradient[first + j] += slope
            for i in range(width):
                inner = 0.0
                for o in range(k):
                    inner += turned[i, o] * own[c, j, o]
                cross[i] = inner
            for e in range(start[c], start[c + 1]):
                at = column[e] * width
                for i in range(width):
                    information[at + i, first + j] += value[e] * cross[i]
                    information[first + j, at + i] += value[e] * cross[i]
            mean = 0.0
            for o in range(k):
                mean += own[c, j, o] * eta[o]
            for o in range(k):
                mixed[o] = n[c] * eta[o] * (own[c, j, o] - mean)
            for m in range(n_own):
                inner = 0.0
                for o in range(k):
                    inner += mixed[o] * own[c, m, o]
                information[first + j, first + m] += inner
    return total, gradient, information


@nb.njit(cache=True, nogil=True)
def third_order(point, covariance, data):
    r"""Gradient of 1/2 log det H as the point moves, H being the negative Hessian with the inverse ``covariance``.

    With C the covariance of a cell's linear predictor, its derivative by eta[k] is
    n p[k] (q[k] - sum_l p[l] q[l]) / 2,  q[k] = (e_k - p)' C (e_k - p).
    """
    start, column, value, own, _, n, _, basis = data
    width, k = basis.shape
    n_own = own.shape[1]
    size = point.shape[0]
    first = size - n_own
    out = np.zeros(size)
    eta, direction = np.empty(k), np.empty(width)
    inner, outer, c_matrix = np.empty((width, width)), np.empty((width, k)), np.empty((k, k))
    for c in range(n.shape[0]):
        _predict(c, point, data, eta, direction)
        _softmax(eta)
        inner[:] = 0.0
        for e in range(start[c], start[c + 1]):
            at = column[e] * width
            for f in range(start[c], start[c + 1]):
                to = column[f] * width
                both = value[e] * value[f]
                for i in range(width):
                    for m in range(width):
                        inner[i, m] += both * covariance[at + i, to + m]
        outer[:] = 0.0
        for i in range(width):
            for o in range(k):
                total = 0.0
                for m in range(width):
                    total += inner[i, m] * basis[m, o]
                outer[i, o] = total
        for o in range(k):
            for r in range(k):
                total = 0.0
                for i in range(width):
                    total += basis[i, o] * outer[i, r]
                c_matrix[o, r] = total
        for j in range(n_own):
            direction[:] = 0.0
            for e in range(start[c], start[c + 1]):
                at = column[e] * width
                for i in range(width):
                    direction[i] += value[e] * covariance[at + i, first + j]
            for o in range(k):
                total = 0.0
                for i in range(width):
                    total += basis[i, o] * direction[i]
                for r in range(k):
                    c_matrix[o, r] += total * own[c, j, r]
                    c_matrix[r, o] += total * own[c, j, r]
            for m in range(n_own):
                for o in range(k):
                    for r in range(k):
                        c_matrix[o, r] += covariance[first + j, first + m] * own[c, j, o] * own[c, m, r]
        # q up to the same constant for all options, p'Cp, which the weighted mean takes off again.
        mean = 0.0
        for o in range(k):
            total = c_matrix[o, o]
            for r in range(k):
                total -= 2 * c_matrix[o, r] * eta[r]
            outer[0, o] = total
            mean += eta[o] * total
        for o in range(k):
            outer[0, o] = 0.5 * n[c] * eta[o] * (outer[0, o] - mean)
        for i in range(width):
            total = 0.0
            for o in range(k):
                total += basis[i, o] * outer[0, o]
            direction[i] = total
        for e in range(start[c], start[c + 1]):
            at = column[e] * width
            for i in range(width):
                out[at + i] += value[e] * direction[i]
        for j in range(n_own):
            for o in range(k):
                out[first + j] += own[c, j, o] * outer[0, o]
    return out
