"""Draws of a model by the names that the model gives them: the form in which every engine returns a fit."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrp.design import Design
from mrp.hyper import correlation_name, mixing_name, sd_name

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["posterior_dataset"]


def posterior_dataset(design: Design, latents: NDArray[np.floating[Any]], hypers: NDArray[np.float64]) -> "xr.Dataset":
    """Name draws by term and level.

    Parameters
    ----------
    design
        Gives the names.
    latents
        In the order of `Design.latent_names`, shape (chain, draw, latent).
    hypers
        Natural values in the order of `mrp.hyper.HyperSpace`: sds, correlations, mixings; shape (chain, draw,
        parameter).
    """
    import xarray as xr

    draws = ("chain", "draw")
    variables: dict[str, Any] = {"intercept": (draws, latents[:, :, 0])}
    coords: dict[str, Any] = {"chain": np.arange(latents.shape[0]), "draw": np.arange(latents.shape[1])}
    n_free = 1 + len(design.coefficient_names)
    if design.coefficient_names:
        variables["coefficient"] = ((*draws, "predictor"), latents[:, :, 1:n_free])
        coords["predictor"] = list(design.coefficient_names)
    sd_at, correlation_at = 0, sum(len(effect.columns) for effect in design.effects)
    mixing_at = correlation_at + sum(effect.n_correlations for effect in design.effects)
    for effect, offset in zip(design.effects, design.offsets, strict=True):
        columns, n_pairs = effect.columns, effect.n_correlations
        pairs = [f"{one}, {two}" for i, two in enumerate(columns) for one in columns[:i]]
        for name, at, n, dim, labels in (
            (sd_name(effect.term), sd_at, len(columns), "column", list(columns)),
            (correlation_name(effect.term), correlation_at, n_pairs, "pair", pairs),
            (mixing_name(effect.term), mixing_at, effect.n_mixings, "mixing", []),
        ):
            if n == 1:
                variables[name] = (draws, hypers[:, :, at])
            elif n:
                variables[name] = ((*draws, f"{effect.term} {dim}"), hypers[:, :, at : at + n])
                coords[f"{effect.term} {dim}"] = labels
        sd_at, correlation_at = sd_at + len(columns), correlation_at + n_pairs
        mixing_at += effect.n_mixings
        dim = f"{effect.term} level"
        variables[effect.term] = ((*draws, dim), latents[:, :, offset : offset + effect.size])
        coords[dim] = list(effect.labels)
    return xr.Dataset(variables, coords=coords)
