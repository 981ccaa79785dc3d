r"""What the interviews say, around the most probable latents: the Laplace approximation that NUTS starts from.

The Laplace engine finds the most probable standard deviations and correlations, and the most probable latents given
those. There the log likelihood in any coordinates ``c`` of the linear predictor is nearly

    g'(c - m) - (c - m)'H(c - m)/2,      m: the mode, g: gradient, H: information.

`mrp.totals` and `mrp.whitened` define the sampler's coordinates by it, so that the sampler starts near the mode and
meets about the same scale in every direction.

References
----------
Rue, Martino and Chopin (2009), "Approximate Bayesian inference for latent Gaussian models by using integrated nested
Laplace approximations", JRSS B 71(2), 319-392.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit

from mrp.design import Design
from mrp.errors import SamplingError
from mrp.linear import LinearModel, linear_model
from mrp.priors import Priors

__all__ = ["WarmStart", "prior_means", "prior_sds", "quadratic", "quadratic_of", "warm_start", "warm_start_of"]

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WarmStart:
    """Most probable values."""

    hypers: Floats
    """Natural values of the sds and correlations, see `mrp.hyper.HyperSpace`; shape (parameter,)."""
    latents: Floats
    """Given those, in the order of the design; shape (latent,)."""


def warm_start(design: Design, counts: pl.DataFrame, priors: Priors) -> WarmStart:
    """Find the most probable values by the Laplace engine.

    Where its Newton steps fail, which is a reason to sample in the first place, the start is the middle of the priors:
    only speed depends on it.
    """
    return warm_start_of(linear_model(design, counts, priors))


def warm_start_of(model: LinearModel) -> WarmStart:
    """As `warm_start`, of a model in numbers."""
    from mrp.laplace.conditional import Conditional
    from mrp.laplace.search import most_probable

    space, conditional = model.space, Conditional.of(model)
    try:
        hypers = most_probable(conditional, space)
        no_noise = np.zeros((1, conditional.n_coordinates))
        latents = conditional.draw(hypers, conditional.mode(hypers), no_noise)[0][0]
    except SamplingError:
        hypers = space.natural(space.working(space.start()))
        latents = np.zeros(model.n_latents)
        latents[: model.n_free] = model.mean
    return WarmStart(hypers, latents)


def prior_means(design: Design, priors: Priors) -> Floats:
    """Prior means of intercept and coefficients, shape (1 + coefficient,)."""
    own = (priors.for_predictor(p.name).mean for p in design.predictors for _ in p.coefficients)
    return np.array([priors.intercept.mean, *own])


def prior_sds(design: Design, priors: Priors) -> Floats:
    """Prior sds of intercept and coefficients, shape (1 + coefficient,)."""
    own = (priors.for_predictor(p.name).sd for p in design.predictors for _ in p.coefficients)
    return np.array([priors.intercept.sd, *own])


def quadratic(design: Design, counts: pl.DataFrame, basis: Floats, latents: Floats) -> tuple[Floats, Floats]:
    """Gradient and information of the log likelihood.

    Parameters
    ----------
    design, counts
        The linear predictor, and cells with ``n`` and ``y``.
    basis
        Latents of the design from coordinates, shape (latent, coordinate).
    latents
        Where, shape (latent,).

    Returns
    -------
    gradient, information
        In the coordinates, of shapes (coordinate,) and (coordinate, coordinate).
    """
    rows = design.rows(counts)
    n, y = (counts[name].cast(pl.Float64).to_numpy() for name in ("n", "y"))
    x = np.column_stack([np.ones(counts.height), rows.x])
    return quadratic_of(x, (rows.index, rows.weight), (n, y), basis, latents)


def quadratic_of(
    x: Floats,
    entries: tuple[NDArray[np.int32], Floats],
    counts: tuple[Floats, Floats],
    basis: Floats,
    latents: Floats,
) -> tuple[Floats, Floats]:
    """As `quadratic`, of cells as those of `mrp.linear.LinearModel`: ``entries`` index and weight, ``counts`` n, y."""
    (index, weight), (n, y) = entries, counts
    n_rows, n_entries = index.shape
    cell = np.repeat(np.arange(n_rows), n_entries)
    effects = sparse.csr_array((weight.ravel(), (cell, index.ravel())), shape=(n_rows, len(latents)))
    free = sparse.csr_array(x)
    free.resize((n_rows, len(latents)))
    incidence = effects + free
    share = expit(incidence @ latents)
    # Sparse latents first: the product costs latents squared, not cells times coordinates squared.
    curvature = (incidence.T @ incidence.multiply((n * share * (1 - share))[:, None])).toarray()
    return basis.T @ (incidence.T @ (y - n * share)), basis.T @ curvature @ basis
