r"""Coordinates in which the posterior of any latent Gaussian model is nearly round, for NUTS.

The coordinates ``z`` of the latents have the prior ``z = mean + R(h) u`` with ``u`` standard normal and ``h`` the sds
and correlations. Around the most probable latents (for the most probable ``h``) the log likelihood is nearly
``b'z - z'Hz/2``, which would make the posterior of ``u`` given ``h`` normal with precision and mean

    G = I + R'H R,      m = G^-1 R'(b - H mean),        so   u = m + L'^-1 eps,   L L' = G

would leave ``eps`` standard normal whatever ``h``: neither the funnel of a centred nor the ridge of a non-centred
parametrisation, nor the ridges between terms that data cannot tell apart. The summary need not be exact, because the
change of variables is: only speed depends on it. A gradient costs the cube of the number of coordinates; models of
varying intercepts alone have cheaper ones (`mrp.identified`).

References
----------
Papaspiliopoulos, Roberts and Skold (2007), "A general framework for the parametrization of hierarchical models",
Statistical Science 22(1), 59-73.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.special import expit

from mrp.design import Design
from mrp.hyper import HyperSpace, hyper_space
from mrp.model import hyper_coords, hyper_variables
from mrp.posterior import posterior_dataset
from mrp.priors import Priors
from mrp.structure import correlation_root

if TYPE_CHECKING:
    import pymc as pm
    from xarray import DataTree

__all__ = ["Whitening", "build_whitened_model", "collect_whitened", "starting_points", "whiten"]

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Whitening:
    """What the interviews say of the coordinates, as a normal observation; see the module."""

    hypers: Floats
    """Most probable sds and correlations, shape (parameter,)."""
    information: Floats
    """H, shape (coordinate, coordinate)."""
    pull: Floats
    """b - H mean, shape (coordinate,)."""
    mean: Floats
    """Prior mean of the coordinates, shape (coordinate,)."""
    basis: Floats
    """Latents of the design from coordinates, shape (latent, coordinate)."""


def whiten(design: Design, counts: pl.DataFrame, priors: Priors) -> Whitening:
    """Find the most probable parameters and latents, by the Laplace engine, and the likelihood around them."""
    from mrp.laplace.conditional import Conditional
    from mrp.laplace.explore import most_probable

    space = hyper_space(design, priors)
    conditional = Conditional(design, counts, priors)
    hypers = most_probable(conditional, space)
    no_noise = np.zeros((1, conditional.n_coordinates))
    latents = conditional.draw(hypers, conditional.mode(hypers), no_noise)[0][0]
    own = [priors.for_predictor(p.name) for p in design.predictors for _ in p.coefficients]
    bases = [np.eye(e.size) if (basis := e.basis) is None else basis for e in design.effects]
    basis = linalg.block_diag(np.eye(1 + len(own)), *bases)
    rows = design.rows(counts)
    n, y = (counts[name].cast(pl.Float64).to_numpy() for name in ("n", "y"))
    n_rows, n_entries = rows.index.shape
    cell = np.repeat(np.arange(n_rows), n_entries)
    effects = sparse.csr_array((rows.weight.ravel(), (cell, rows.index.ravel())), shape=(n_rows, design.n_latents))
    free = sparse.csr_array(np.column_stack([np.ones(n_rows), rows.x]))
    free.resize((n_rows, design.n_latents))
    incidence = effects + free
    share = expit(incidence @ latents)
    curvature = (incidence.T @ incidence.multiply((n * share * (1 - share))[:, None])).toarray()
    information = basis.T @ curvature @ basis
    mean = np.zeros(basis.shape[1])
    mean[: 1 + len(own)] = [priors.intercept.mean, *(prior.mean for prior in own)]
    coordinates = linalg.lstsq(basis, latents)[0]
    pull = basis.T @ (incidence.T @ (y - n * share)) + information @ (coordinates - mean)
    return Whitening(hypers, information, pull, mean, basis)


def build_whitened_model(whitening: Whitening, design: Design, counts: pl.DataFrame, priors: Priors) -> "pm.Model":
    """The posterior in the coordinates ``eps``.

    Returns
    -------
    pymc.Model
        Variables ``eps``, the sds and correlations as `mrp.model.build_model` names them, and the deterministic
        ``latent``, in the order of the design.
    """
    import pymc as pm
    import pytensor.tensor as pt

    rows = design.rows(counts)
    n, y = (counts[name].cast(pl.Float64).to_numpy() for name in ("n", "y"))
    size = whitening.mean.size
    n_free = 1 + len(design.coefficient_names)
    with pm.Model(coords=hyper_coords(design)) as model:
        root = _prior_root(design, priors)
        pulled = pt.linalg.cholesky(pt.eye(size) + pt.dot(root.T, pt.dot(whitening.information, root)), lower=True)
        middle = pt.linalg.solve_triangular(pulled, pt.dot(root.T, whitening.pull), lower=True)
        eps: Any = pm.Flat("eps", shape=size)
        standard = pt.linalg.solve_triangular(pulled.T, middle + eps, lower=False)
        coordinates = whitening.mean + pt.dot(root, standard)
        latent = pm.Deterministic("latent", pt.dot(whitening.basis, coordinates))
        eta = latent[0] + pt.dot(rows.x, latent[1:n_free]) if n_free > 1 else latent[0]
        eta = eta + (rows.weight * latent[rows.index]).sum(axis=1)
        # Log density of standard normal numbers, plus the log Jacobian of them in eps.
        pm.Potential("latent prior", -0.5 * pt.sum(standard**2) - pt.sum(pt.log(pt.diag(pulled))))
        pm.Potential("likelihood", pt.sum(y * eta - n * pt.softplus(eta)))
    return model


def starting_points(whitening: Whitening, design: Design, priors: Priors, model: "pm.Model") -> dict[Any, Any]:
    """Initial values of the variables of a whitened model: the mode."""
    space = hyper_space(design, priors)
    values: dict[str, Any] = {"eps": np.zeros(whitening.mean.size)}
    for variable in model.free_RVs:
        if variable.name not in values:
            of = next(terms for terms in space.terms if variable.name.endswith(f" {terms.term}"))
            unit = variable.name.startswith("unit ")
            found = (whitening.hypers[of.correlations] + 1) / 2 if unit else whitening.hypers[of.sds]
            values[variable.name] = found if variable.ndim else found[0]
    return values


def collect_whitened(raw: "DataTree", design: Design, space: HyperSpace) -> "DataTree":
    """Draws of the model's own variables from what the sampler kept of a whitened model."""
    import xarray as xr

    from mrp.hyper import correlation_name, sd_name

    sampled = raw["posterior"].to_dataset()
    latents = sampled["latent"].to_numpy()
    names = [sd_name(terms.term) for terms in space.terms]
    names += [correlation_name(terms.term) for terms in space.terms if terms.shapes]
    hypers = [sampled[name].to_numpy().reshape(*latents.shape[:2], -1) for name in names]
    return xr.DataTree.from_dict(
        {
            "posterior": posterior_dataset(design, latents, np.concatenate([latents[:, :, :0], *hypers], axis=2)),
            "sampled": sampled[["eps"]].assign_coords(
                {
                    sampled["eps"].dims[2]: [
                        f"direction {i + 1} of all latents" for i in range(sampled.sizes["eps_dim_0"])
                    ]
                }
            ),
            "sample_stats": raw["sample_stats"].to_dataset(),
        }
    )


def _prior_root(design: Design, priors: Priors) -> Any:
    """R: coordinates less their mean from standard normal numbers, in the model that is being built."""
    import pytensor.tensor as pt

    fixed = [priors.intercept.sd, *(priors.for_predictor(p.name).sd for p in design.predictors for _ in p.coefficients)]
    rows, columns = [np.arange(len(fixed))], [np.arange(len(fixed))]
    values: list[Any] = [pt.as_tensor(np.array(fixed))]
    at = len(fixed)
    for effect, hypers in zip(design.effects, hyper_space(design, priors).terms, strict=True):
        sd, partial = hyper_variables(effect, hypers)
        width = {"slopes": len(effect.columns), "correlated slopes": len(effect.columns), "ar1": effect.size}
        k = width.get(effect.kind, 1)
        n = effect.n_coordinates
        first = at + np.arange(0, n, k)
        at += n
        for i in range(k):
            for j in range(i + 1):
                if effect.kind == "ar1":
                    # The first period has the stationary variance, the others what the one before leaves.
                    value = sd[0] * partial[0] ** (i - j) * (1.0 if j == 0 else (1 - partial[0] ** 2) ** 0.5)
                elif effect.kind == "correlated slopes":
                    value = sd[i] * correlation_root(partial, k)[i][j]
                elif i == j:
                    value = sd[i]
                else:
                    continue
                rows.append(first + i)
                columns.append(first + j)
                values.append(value * np.ones(first.size))
    return pt.set_subtensor(pt.zeros((at, at))[np.concatenate(rows), np.concatenate(columns)], pt.concatenate(values))
