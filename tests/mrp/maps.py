"""Districts on maps, and what their effects should be, by dense algebra from the definitions."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import integrate

from mrp.electorate import Electorate

type Floats = NDArray[np.float64]

EIGHT = ((0, 1), (0, 2), (1, 2), (1, 3), (3, 4), (5, 6))
"""Of eight districts: a triangle with a tail, two by themselves, and an island."""


def on_map(world: Electorate, pairs: tuple[tuple[int, int], ...]) -> Electorate:
    """The same electorate with neighbours, given by positions among the sorted codes."""
    codes = world.codes
    names = {code: ";".join(codes[sum(pair) - i] for pair in pairs if i in pair) for i, code in enumerate(codes)}
    neighbours = world.districts["code"].replace_strict(names).alias("neighbours")
    return replace(world, districts=world.districts.with_columns(neighbours))


def grid(n_rows: int, n_columns: int) -> tuple[tuple[int, int], ...]:
    """Neighbours on a rectangular grid, numbered along its rows."""
    at = np.arange(n_rows * n_columns).reshape(n_rows, n_columns)
    beside = [*zip(at[:, :-1].ravel(), at[:, 1:].ravel(), strict=True)]
    below = [*zip(at[:-1].ravel(), at[1:].ravel(), strict=True)]
    return tuple(sorted((int(one), int(two)) for one, two in (*beside, *below)))


def parts(n: int, pairs: tuple[tuple[int, int], ...]) -> list[list[int]]:
    """Connected components: who is reached from whom, by powers of the adjacency matrix."""
    reached = np.eye(n)
    for one, two in pairs:
        reached[one, two] = reached[two, one] = 1
    reached = np.linalg.matrix_power(reached, n) > 0
    return [list(np.flatnonzero(row)) for i, row in enumerate(reached) if np.argmax(row) == i]


def slow_covariance(n: int, pairs: tuple[tuple[int, int], ...]) -> Floats:
    """Of a scaled intrinsic autoregression with sd 1: generalised inverses part by part, 1 for islands."""
    covariance = np.zeros((n, n))
    for part in parts(n, pairs):
        if len(part) == 1:
            covariance[part[0], part[0]] = 1.0
            continue
        q = np.zeros((len(part), len(part)))
        for one, two in pairs:
            if one in part:
                i, j = part.index(one), part.index(two)
                q[i, j] = q[j, i] = -1.0
                q[i, i] += 1
                q[j, j] += 1
        inverse = np.linalg.pinv(q, rcond=1e-9, hermitian=True)
        covariance[np.ix_(part, part)] = inverse / np.exp(np.log(np.diag(inverse)).mean())
    return covariance


def slow_mixing_density(
    n: int, pairs: tuple[tuple[int, int], ...], upper: float, probability: float, phi: Floats
) -> Floats:
    """The penalised-complexity prior of phi from its words: distances from determinants on what sums to zero.

    The rate is found by trying; the density is the slope of the distribution function, which is known by distance.
    """
    covariance = slow_covariance(n, pairs)
    levels = np.array([[float(i in part) for i in range(n)] for part in parts(n, pairs) if len(part) > 1])
    contrasts = np.linalg.svd(levels)[2][len(levels) :]
    inside = contrasts @ covariance @ contrasts.T

    def distance(x: float) -> float:
        mixed = (1 - x) * np.eye(len(inside)) + x * inside
        return float(np.sqrt(max(np.trace(mixed) - len(mixed) - np.linalg.slogdet(mixed)[1], 0.0)))

    most = distance(1.0)

    def below(rate: float, d: float) -> float:
        return float(
            integrate.quad(lambda t: np.exp(-rate * t), 0, d)[0]
            / integrate.quad(lambda t: np.exp(-rate * t), 0, most)[0]
        )

    low, high = -50.0 / most, 50.0 / most
    for _ in range(60):
        rate = (low + high) / 2
        low, high = (rate, high) if below(rate, distance(upper)) < probability else (low, rate)
    step = 1e-5
    return np.array([(below(rate, distance(x + step)) - below(rate, distance(x - step))) / (2 * step) for x in phi])
