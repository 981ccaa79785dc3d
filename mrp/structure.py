r"""Structured priors of effects whose levels have an order, or sum to zero.

An intrinsic effect ``u`` has a singular precision ``Q / sd^2``: of ``Q`` only differences matter, so that level (and
for a second-order walk also slope) belong to other terms. With ``Q = V diag(q) V'`` and positive ``q`` only,

    u = B v,   B = V diag(q)^-1/2,   v ~ Normal(0, sd^2)                          independent

is that effect, summing to zero, with the normaliser of the right rank. ``Q`` is scaled so that the variances of ``u``
have the geometric mean ``sd^2``: the prior of an sd then means the same whatever the number of levels.

References
----------
Sorbye and Rue (2014), "Scaling intrinsic Gaussian Markov random field priors in spatial modelling", Spatial Statistics
8, 39-51.
Rue and Held (2005), "Gaussian Markov Random Fields", chapter 3.
Gao, Kennedy, Simpson and Gelman (2021), "Improving multilevel regression and poststratification with structured
priors", Bayesian Analysis 16(3), 719-744.
Lewandowski, Kurowicka and Joe (2009), "Generating random correlation matrices based on vines and extended onion
method", Journal of Multivariate Analysis 100(9), 1989-2001.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["autoregressive_precision", "correlation_root", "walk_basis", "walk_structure", "zero_sum_basis"]

type Floats = NDArray[np.float64]


def walk_structure(n: int, order: int) -> Floats:
    """Unscaled precision ``D'D`` of a random walk, D the matrix of ``order``-th differences; shape (n, n)."""
    differences = np.diff(np.eye(n), n=order, axis=0)
    return np.asarray(differences.T @ differences)


def walk_basis(n: int, order: int) -> Floats:
    """``B`` of a scaled random walk of ``order`` 1 or 2 over ``n`` levels, shape (n, n - order); see the module."""
    if n <= order:
        return np.empty((n, 0))
    values, vectors = np.linalg.eigh(walk_structure(n, order))
    basis = vectors[:, order:] / np.sqrt(values[order:])
    # The sign of an eigenvector is a matter of the library: fixed, so that a seed gives the same draws everywhere.
    basis *= np.sign(basis[-1])
    return np.asarray(basis / np.exp(0.5 * np.log((basis**2).sum(axis=1)).mean()))


def zero_sum_basis(n: int) -> Floats:
    """Orthonormal columns that sum to zero, shape (n, n - 1): ``B v`` has the covariance ``sd^2 (I - 11'/n)``."""
    basis: Floats = np.zeros((n, n - 1))
    for j in range(1, n):
        basis[:j, j - 1] = 1
        basis[j, j - 1] = -j
    return basis / np.sqrt(np.square(basis).sum(axis=0))


def autoregressive_precision(n: int, autocorrelation: float) -> Floats:
    """Inverse of the matrix of ``autocorrelation ** |i - j|``, shape (n, n): tridiagonal."""
    diagonal = np.full(n, 1 + autocorrelation**2)
    diagonal[[0, -1]] = 1.0
    if n == 1:
        return np.eye(1)
    beside = np.full(n - 1, -autocorrelation)
    tridiagonal = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    return np.asarray(tridiagonal / (1 - autocorrelation**2))


def correlation_root(partial: Any, size: int) -> list[list[Any]]:
    """Lower Cholesky factor of a correlation matrix from its canonical partial correlations, row by row.

    Parameters
    ----------
    partial
        Numbers in (-1, 1), or expressions of them, one per pair: (1, 0), (2, 0), (2, 1), (3, 0) ... For two columns the
        one partial correlation is the correlation.
    size
        Number of columns.
    """
    rows = []
    at = 0
    for i in range(size):
        row: list[Any] = []
        left: Any = 1.0
        for _ in range(i):
            row.append(partial[at] * left**0.5)
            left = left * (1 - partial[at] ** 2)
            at += 1
        rows.append([*row, left**0.5, *[0.0] * (size - i - 1)])
    return rows
