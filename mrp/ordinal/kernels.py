r"""Compiled loops over cells of an ordered scale: log likelihood, gradient, curvature, third order.

With F the logistic function, ``u[k] = middle[k] - v`` the distance of cutpoint k from a cell's linear predictor ``v``
(with the intercept), and F(b) - F(a) = F(b) F(-a) (1 - exp(a - b)), the likelihood of the answers ``y`` of a cell is

    sum_k y[k] log F(u[k]) + y[k + 1] log F(-u[k])  +  sum_j y[j] log(1 - exp(-width[j])),     j: inner options

one binomial term for each cutpoint, and a term of the widths that knows of all cells together only how often each inner
option was chosen. ``middle = S width``, see `mrp.ordinal.scale`.

A point is the coordinates ``z`` of the terms, then the log widths; ``v = sum_e value[e] z[column[e]]``, with the
entries ``e`` of a cell in compressed rows. ``data = (start, column, value, y, spacing, chosen)``: start of shape
(cell + 1,), y (cell, option), spacing (cutpoint, width), chosen (width,) the answers of each inner option.

In log widths the likelihood is not concave. As d2 u / d log width^2 = d u / d log width, its negative Hessian is
J'WJ, J the derivative of u and of the widths and W the curvature in those, which is positive, less the gradient by log
widths on its diagonal.

Importing this module imports numba; the machine code is cached on disk.
"""

import numba as nb
import numpy as np

__all__ = ["curvature", "log_likelihood", "third_order"]


@nb.njit(cache=True, nogil=True)
def _log_logistic(u):
    return -np.log1p(np.exp(-u)) if u > 0 else u - np.log1p(np.exp(u))


@nb.njit(cache=True, nogil=True)
def _predict(c, point, data):
    start, column, value = data[:3]
    total = 0.0
    for e in range(start[c], start[c + 1]):
        total += value[e] * point[column[e]]
    return total


@nb.njit(cache=True, nogil=True)
def _scale(point, spacing):
    """Widths, middles, and derivatives of the middles by the log widths, shape (cutpoint, width)."""
    n_cuts, n_widths = spacing.shape
    width = np.exp(point[point.shape[0] - n_widths :])
    slope = spacing * width
    middle = np.zeros(n_cuts)
    for k in range(n_cuts):
        for j in range(n_widths):
            middle[k] += slope[k, j]
    return width, middle, slope


@nb.njit(cache=True, nogil=True)
def log_likelihood(point, data):
    """Without the multinomial coefficients."""
    y, spacing, chosen = data[3:]
    width, middle, _ = _scale(point, spacing)
    total = 0.0
    for j in range(width.shape[0]):
        if chosen[j] > 0:  # otherwise 0 times minus infinity, of a width that is nothing
            total += chosen[j] * np.log(-np.expm1(-width[j]))
    for c in range(y.shape[0]):
        v = _predict(c, point, data)
        for k in range(middle.shape[0]):
            u = middle[k] - v
            total += y[c, k] * _log_logistic(u) + y[c, k + 1] * _log_logistic(-u)
    return total


@nb.njit(cache=True, nogil=True)
def curvature(point, data):
    """Log likelihood, its gradient, and J'WJ of the module, in the coordinates and log widths."""
    start, column, value, y, spacing, chosen = data
    n_cuts, n_widths = spacing.shape
    size = point.shape[0]
    first = size - n_widths
    width, middle, slope = _scale(point, spacing)
    gradient, information = np.zeros(size), np.zeros((size, size))
    residuals, weights = np.zeros(n_cuts), np.zeros(n_cuts)
    crossed = np.empty(n_widths)
    total = 0.0
    for c in range(y.shape[0]):
        v = _predict(c, point, data)
        pull, whole = 0.0, 0.0
        crossed[:] = 0.0
        for k in range(n_cuts):
            u = middle[k] - v
            total += y[c, k] * _log_logistic(u) + y[c, k + 1] * _log_logistic(-u)
            n, upto = y[c, k] + y[c, k + 1], 1 / (1 + np.exp(-u))
            residual, weight = y[c, k] - n * upto, n * upto * (1 - upto)
            residuals[k] += residual
            weights[k] += weight
            pull -= residual
            whole += weight
            for j in range(n_widths):
                crossed[j] -= weight * slope[k, j]
        for e in range(start[c], start[c + 1]):
            gradient[column[e]] += value[e] * pull
            for f in range(start[c], e + 1):
                both = value[e] * value[f] * whole
                information[column[e], column[f]] += both
                if f < e:
                    information[column[f], column[e]] += both
            for j in range(n_widths):
                information[column[e], first + j] += value[e] * crossed[j]
    for j in range(n_widths):
        total += chosen[j] * np.log(-np.expm1(-width[j])) if chosen[j] > 0 else 0.0
        r = width[j] / np.expm1(width[j])
        gradient[first + j] += chosen[j] * r
        information[first + j, first + j] += chosen[j] * r * (r + width[j])
        for k in range(n_cuts):
            gradient[first + j] += residuals[k] * slope[k, j]
            for m in range(n_widths):
                information[first + j, first + m] += weights[k] * slope[k, j] * slope[k, m]
        for i in range(first):
            information[first + j, i] = information[i, first + j]
    return total, gradient, information


@nb.njit(cache=True, nogil=True)
def third_order(point, covariance, data):
    r"""Gradient of 1/2 log det H as the point moves, H being the negative Hessian with the inverse ``covariance``.

    With J[k, .] the derivatives of u[k], w and w' the first two derivatives of -l'(u[k]), A[k] the variance of u[k] and
    R[k, j] its covariance with log width j, twice the gradient is

        sum_k (w'[k] A[k] + w[k] b[k]) J[k, .],       b[k] = sum_j J[k, j] C[j, j]

    and by log width j besides sum_k (2 w[k] R[k, j] - l'(u[k]) C[j, j]) J[k, j], less the third derivative of the term
    of the widths times C[j, j].
    """
    start, column, value, y, spacing, chosen = data
    n_cuts, n_widths = spacing.shape
    first = point.shape[0] - n_widths
    width, middle, slope = _scale(point, spacing)
    out = np.zeros(point.shape[0])
    own = covariance[first:, first:]
    # Of the middles: their variances, their covariances with the log widths, and b.
    spread, with_width, bend = np.zeros(n_cuts), np.zeros((n_cuts, n_widths)), np.zeros(n_cuts)
    for k in range(n_cuts):
        for j in range(n_widths):
            bend[k] += slope[k, j] * own[j, j]
            for m in range(n_widths):
                with_width[k, j] += slope[k, m] * own[m, j]
            spread[k] += slope[k, j] * with_width[k, j]
    crossed = np.empty(n_widths)
    for c in range(y.shape[0]):
        v = _predict(c, point, data)
        variance = 0.0
        crossed[:] = 0.0
        for e in range(start[c], start[c + 1]):
            for f in range(start[c], start[c + 1]):
                variance += value[e] * value[f] * covariance[column[e], column[f]]
            for j in range(n_widths):
                crossed[j] += value[e] * covariance[column[e], first + j]
        along = 0.0
        for k in range(n_cuts):
            n, upto = y[c, k] + y[c, k + 1], 1 / (1 + np.exp(v - middle[k]))
            weight = n * upto * (1 - upto)
            of_cut = variance + spread[k]
            for j in range(n_widths):
                of_cut -= 2 * slope[k, j] * crossed[j]
            pushed = weight * ((1 - 2 * upto) * of_cut + bend[k])
            along -= pushed
            for j in range(n_widths):
                bent = 2 * weight * (with_width[k, j] - crossed[j]) - (y[c, k] - n * upto) * own[j, j]
                out[first + j] += 0.5 * (pushed + bent) * slope[k, j]
        for e in range(start[c], start[c + 1]):
            out[column[e]] += 0.5 * value[e] * along
    for j in range(n_widths):
        r = width[j] / np.expm1(width[j])
        left = 1 - r - width[j]
        by_log = r * left
        out[first + j] -= 0.5 * chosen[j] * (by_log * left - r * (by_log + width[j])) * own[j, j]
    return out
