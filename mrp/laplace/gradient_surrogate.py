r"""A stand-in for the likelihood of the parameters, learnt from few exact values with their gradients.

    f(x) = quadratic(x) + Gaussian process(x)

as in `mrp.laplace.surrogate`, but each exact value comes with its gradient: of twelve parameters that is thirteen
numbers instead of one, so that forty points say as much as five hundred. The quadratic is part of the process, by wide
normal priors of its coefficients. Values far below the best ones are believed less.

References
----------
Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", sections 2.7, 9.4.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

__all__ = ["GradientSurrogate"]

type Floats = NDArray[np.float64]

_LENGTHS = (2.5, 4.0, 6.5, 10.0)
"""In standard deviations of x."""
_HEIGHTS = (0.004, 0.02, 0.1)
"""Of the process, in fourth powers of its length: what is left of the quadratic is of third order."""
_VALUE_NOISE, _GRADIENT_NOISE = 1e-3, 1e-3
"""Variances of what is wrong with a value and a gradient: of a few draws' correction, which the gradient leaves out."""
_CONSTANT, _LINEAR, _QUADRATIC = 1e4, 1e3, 1e2
_MOST = 2200
"""Numbers that are learnt from: beyond it, of points far from the best the gradient is left out."""
_CHUNK = 1000


class GradientSurrogate:
    """Approximate log likelihood of standard deviations and correlations.

    Parameters
    ----------
    x
        Where it is known, shape (point, parameter).
    value, gradient
        Log likelihood there, shape (point,), and its gradient by ``x``, shape (point, parameter); NaN where it is not
        known.
    relevance
        Log posterior density there, which decides how closely each value is followed, shape (point,).
    """

    def __init__(self, x: Floats, value: Floats, gradient: Floats, *, relevance: Floats) -> None:
        n, d = x.shape
        self._top = float(value.max())
        below = np.clip((relevance.max() - relevance) / 8, 0, 8)
        weight = np.exp(-below)
        self._centre = np.average(x, axis=0, weights=weight)
        self._scale = np.sqrt(np.average((x - self._centre) ** 2, axis=0, weights=weight)) + 1e-9
        self._points = (x - self._centre) / self._scale
        slopes = gradient * self._scale
        steep = np.flatnonzero(np.isfinite(gradient).all(axis=1))
        n_slopes = min(len(steep), max(0, (_MOST - n) // d))
        self._with_slope = np.sort(steep[np.argsort(-relevance[steep], kind="stable")[:n_slopes]])
        observed = np.concatenate([value - self._top, slopes[self._with_slope].ravel()])
        noise = np.concatenate(
            [
                _VALUE_NOISE * np.exp(below),
                np.repeat(_GRADIENT_NOISE * np.exp(below[self._with_slope]), d),
            ]
        )
        quadratic = self._quadratic(self._points, self._points[self._with_slope])
        best = -np.inf
        for length in _LENGTHS:
            unit = self._process(self._points, self._points[self._with_slope], length)
            for height in _HEIGHTS:
                covariance = quadratic + height * length**4 * unit
                covariance[np.diag_indices_from(covariance)] += noise
                root = linalg.cholesky(covariance, lower=True)
                solved = linalg.cho_solve((root, True), observed)
                evidence = -0.5 * observed @ solved - np.log(np.diag(root)).sum()
                if evidence > best:
                    best, self._length, self._height, self._solved = evidence, length, height, solved
        self.evidence = float(best + n_slopes * np.log(self._scale).sum())
        """Log density of what it was learnt from, up to a constant for as many numbers: by it `x` can be chosen."""

    def __call__(self, x: Floats) -> Floats:
        """Approximate log likelihood at the rows of ``x``, shape (point,)."""
        return np.concatenate([self._cross(x[at : at + _CHUNK]) @ self._solved for at in range(0, len(x), _CHUNK)]) + (
            self._top
        )

    def _cross(self, x: Floats) -> Floats:
        """Covariance of the values at ``x`` with everything observed."""
        z = (x - self._centre) / self._scale
        known, steep = self._points, self._points[self._with_slope]
        by_value = _polynomial(z @ known.T) + self._height * self._length**4 * np.exp(
            -0.5 / self._length**2 * _squared_distance(z, known)
        )
        inner = z @ steep.T
        kernel = self._height * self._length**2 * np.exp(-0.5 / self._length**2 * _squared_distance(z, steep))
        # Of a value at z with a gradient at x: of the quadratic (b + 2 c z'x) z, of the process k (z - x) / l^2.
        slope = _polynomial_slope(inner) + kernel
        by_slope = slope[:, :, None] * z[:, None, :] - kernel[:, :, None] * steep
        return np.concatenate([by_value, by_slope.reshape(len(z), -1)], axis=1)

    @staticmethod
    def _quadratic(known: Floats, steep: Floats) -> Floats:
        """Covariances of the quadratic: of values at ``known`` and gradients at ``steep``."""
        values = _polynomial(known @ known.T)
        inner = known @ steep.T
        across = _polynomial_slope(inner)[:, :, None] * known[:, None, :]
        inner = steep @ steep.T
        d = steep.shape[1]
        slopes = _polynomial_slope(inner)[:, None, :, None] * np.eye(d)[None, :, None, :] + 2 * _QUADRATIC * (
            steep[:, None, None, :] * steep.T[None, :, :, None].transpose(0, 1, 2, 3)
        )
        return _joined(values, across, slopes)

    @staticmethod
    def _process(known: Floats, steep: Floats, length: float) -> Floats:
        """Correlations of the process: of values at ``known`` and gradients at ``steep``."""
        values = np.exp(-0.5 / length**2 * _squared_distance(known, known))
        kernel = np.exp(-0.5 / length**2 * _squared_distance(known, steep))
        across = kernel[:, :, None] * (known[:, None] - steep[None]) / length**2
        kernel = np.exp(-0.5 / length**2 * _squared_distance(steep, steep))
        apart = (steep[:, None] - steep[None]) / length**2
        d = steep.shape[1]
        inside = np.eye(d)[None, None] / length**2 - apart[:, :, :, None] * apart[:, :, None, :]
        return _joined(values, across, (kernel[:, :, None, None] * inside).transpose(0, 2, 1, 3))


def _joined(values: Floats, across: Floats, slopes: Floats) -> Floats:
    """One matrix of covariances: between values, of values with gradients, between gradients."""
    n = slopes.shape[0] * slopes.shape[1]
    beside = across.reshape(len(values), n)
    return np.block([[values, beside], [beside.T, slopes.reshape(n, n)]])


def _polynomial(inner: Floats) -> Floats:
    """Covariance of two values of the quadratic, from the inner product of their points."""
    return _CONSTANT + _LINEAR * inner + _QUADRATIC * inner**2


def _polynomial_slope(inner: Floats) -> Floats:
    return _LINEAR + 2 * _QUADRATIC * inner


def _squared_distance(x: Floats, y: Floats) -> Floats:
    distance: Floats = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T
    return np.maximum(distance, 0.0)
