r"""Effects of districts on a map: alike between neighbours, or partly so.

On a graph of districts with precision ``Q = D - A``, D the numbers of neighbours and A one for every pair of them, an
intrinsic autoregression says that a district is normal around the mean of its neighbours. ``Q`` knows differences
within a connected *component* only. With its generalised inverse ``S = V diag(s) V'``, of every component scaled so
that the variances of its districts have the geometric mean 1,

    icar    u = V diag(s)^1/2 v,  over s > 0                               v ~ Normal(0, sd^2)
    bym2    u = V c,              c_j ~ Normal(0, sd^2 (1 - phi + phi s_j))

the first summing to zero over each component. The second is sd (sqrt(1 - phi) v + sqrt(phi) u*) with independent v and
u* of the first kind: the eigenvectors of the sum's covariance are those of S for every phi, so nothing is inverted.

An island, a component of one district, has no neighbours to be like: it is Normal(0, sd^2) by itself in both, s = 1, as
Freni-Sterrantino, Ventrucci and Rue (2018) recommend. Were it zero as its sum would have to be, an island would be the
only district with no effect of its own, and its estimate the more certain for that. The level of a component of
several districts is none of icar's business, as they say; the intercept has it, and a parent area where there are
several components, or bym2.

References
----------
Besag, York and Mollie (1991), "Bayesian image restoration, with two applications in spatial statistics", Annals of the
Institute of Statistical Mathematics 43(1), 1-20.
Sorbye and Rue (2014), "Scaling intrinsic Gaussian Markov random field priors in spatial modelling", Spatial Statistics
8, 39-51.
Riebler, Sorbye, Simpson and Rue (2016), "An intuitive Bayesian spatial model for disease mapping that accounts for
scaling", Statistical Methods in Medical Research 25(4), 1145-1165.
Freni-Sterrantino, Ventrucci and Rue (2018), "A note on intrinsic conditional autoregressive models for disconnected
graphs", Spatial and Spatio-temporal Epidemiology 26, 25-34.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mrp.neighbours import Pairs

__all__ = ["components", "map_basis", "map_directions", "map_precision"]

type Floats = NDArray[np.float64]


def map_precision(n: int, pairs: Pairs) -> Floats:
    """Unscaled precision ``Q`` of the intrinsic autoregression, shape (n, n)."""
    precision = np.zeros((n, n))
    for one, two in pairs:
        precision[one, two] = precision[two, one] = -1
    precision[np.diag_indices(n)] = -precision.sum(axis=1)
    return precision


def components(n: int, pairs: Pairs) -> tuple[tuple[int, ...], ...]:
    """The connected components of a graph of ``n`` districts, each with its districts, in order of the first."""
    root = list(range(n))

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = i = root[root[i]]
        return i

    for one, two in pairs:
        low, high = sorted((find(one), find(two)))
        root[high] = low
    members: dict[int, list[int]] = {}
    for i in range(n):
        members.setdefault(find(i), []).append(i)
    return tuple(map(tuple, members.values()))


@lru_cache(maxsize=16)
def map_directions(n: int, pairs: Pairs) -> tuple[Floats, Floats]:
    """Eigenvectors and eigenvalues of the scaled generalised inverse; see the module.

    Returns
    -------
    vectors
        Orthonormal columns, shape (district, direction).
    values
        Of each column >= 0, shape (direction,): 0 for the level of a component of several districts, 1 for an island.
    """
    precision = map_precision(n, pairs)
    vectors, values = np.zeros((n, n)), np.empty(n)
    at = 0
    for members in components(n, pairs):
        own = slice(at, at + len(members))
        at = own.stop
        if len(members) == 1:
            vectors[members[0], own], values[own] = 1.0, 1.0
            continue
        q, v = np.linalg.eigh(precision[np.ix_(members, members)])
        # The first is the level, whose eigenvalue is zero but for rounding: of a connected graph there is no second.
        v[:, 0] = len(members) ** -0.5
        inverse = np.concatenate([[0.0], 1 / q[1:]])
        variance = (v**2) @ inverse
        # The sign of an eigenvector is a matter of the library: fixed, so that a seed gives the same draws everywhere.
        v *= np.sign(v[np.abs(v).argmax(axis=0), np.arange(len(members))])
        vectors[np.array(members)[:, None], np.arange(own.start, own.stop)] = v
        values[own] = inverse / np.exp(np.log(variance).mean())
    vectors.setflags(write=False)
    values.setflags(write=False)
    return vectors, values


def map_basis(n: int, pairs: Pairs) -> Floats:
    """Effects of an intrinsic autoregression from independent coordinates, shape (district, coordinate)."""
    vectors, values = map_directions(n, pairs)
    kept = values > 0
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))
