r"""A cheap stand-in for the likelihood of the parameters, learnt from a few hundred exact values.

    f(sd) = quadratic(x) + Gaussian process(x),       x = log(sd + c) or atanh(correlation), centred and scaled

with c a fraction of the most probable sd: near zero, where an effect vanishes and the likelihood stops changing, x
stops changing too. The process has a squared exponential kernel whose length and height maximise the marginal
likelihood over a grid. Values far below the best ones are believed less, so that they cannot bend the surface where it
matters.

References
----------
Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", sections 2.7 and 5.4.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

__all__ = ["Surrogate"]

type Floats = NDArray[np.float64]

_LENGTHS = (1.0, 1.5, 2.2, 3.3, 5.0)
"""In standard deviations of x."""
_HEIGHTS = (1.0, 4.0, 16.0, 64.0)
"""In variances of what the quadratic leaves."""
_NOISE = 1e-6
"""Variance of exact values, from Newton's tolerance. With more of it the weights of the last round have errors of
a few percent, which k-hat takes for a heavy tail where weights are nearly equal."""
_MOST = 600
"""Points that length and height are chosen by: with the 1,700 of twelve parameters the choice would take seconds."""
_CHUNK = 4000


class Surrogate:
    """Approximate log likelihood of standard deviations and correlations.

    Parameters
    ----------
    x
        Where it is known, shape (point, parameter).
    value
        Log likelihood there, shape (point,).
    relevance
        Log posterior density there, which decides how closely each value is followed, shape (point,).
    """

    def __init__(self, x: Floats, value: Floats, *, relevance: Floats) -> None:
        self._top = float(value.max())
        weight = np.exp(np.clip((relevance - relevance.max()) / 4, -8, 0))
        self._centre = np.average(x, axis=0, weights=weight)
        self._scale = np.sqrt(np.average((x - self._centre) ** 2, axis=0, weights=weight)) + 1e-6
        self._points = (x - self._centre) / self._scale
        features = _features(self._points)
        ridge = np.full(features.shape[1], 1e-3)
        ridge[0] = 0
        weighted = features * weight[:, None]
        self._quadratic = linalg.solve(
            features.T @ weighted + np.diag(ridge), weighted.T @ (value - self._top), assume_a="pos"
        )
        left = value - self._top - features @ self._quadratic
        noise = _NOISE + 2 * _NOISE / weight
        squared = _squared_distance(self._points, self._points)
        base = float(np.average(left**2, weights=weight)) + 1e-6
        # The points that matter most say enough about length and height; the process itself follows all points.
        few = np.argsort(-weight, kind="stable")[:_MOST]
        best = -np.inf
        for length in _LENGTHS:
            kernel = np.exp(-0.5 / length**2 * squared[np.ix_(few, few)])
            for height in _HEIGHTS:
                root = linalg.cholesky(base * height * kernel + np.diag(noise[few]), lower=True)
                solved = linalg.cho_solve((root, True), left[few])
                evidence = -0.5 * left[few] @ solved - np.log(np.diag(root)).sum()
                if evidence > best:
                    best, self._length, chosen = evidence, length, base * height
        kernel = chosen * np.exp(-0.5 / self._length**2 * squared)
        solved = linalg.solve(kernel + np.diag(noise), left, assume_a="pos")
        self._process = chosen * solved

    def __call__(self, x: Floats) -> Floats:
        """Approximate log likelihood at the rows of ``x``, shape (point,)."""
        x = (x - self._centre) / self._scale
        out = np.empty(len(x))
        for start in range(0, len(x), _CHUNK):
            part = x[start : start + _CHUNK]
            kernel = np.exp(-0.5 / self._length**2 * _squared_distance(part, self._points))
            out[start : start + _CHUNK] = _features(part) @ self._quadratic + kernel @ self._process
        return out + self._top


def _features(x: Floats) -> Floats:
    i, j = np.tril_indices(x.shape[1])
    return np.column_stack([np.ones(len(x)), x, x[:, i] * x[:, j]])


def _squared_distance(x: Floats, y: Floats) -> Floats:
    distance: Floats = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T
    return np.maximum(distance, 0.0)
