"""Draws of a model of an ordered scale by the names that the model gives them, and what of them a release keeps."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrp.latents import LatentDraws, collect_latents
from mrp.ordinal.design import OrdinalDesign
from mrp.ordinal.scale import cutpoints
from mrp.posterior import posterior_dataset

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["LINK", "ordinal_dataset", "ordinal_latents"]

LINK = "cumulative-logit"


def ordinal_dataset(
    design: OrdinalDesign, latents: NDArray[np.floating[Any]], hypers: NDArray[np.float64]
) -> "xr.Dataset":
    """Name draws by term and level; the cutpoints are among them.

    Parameters
    ----------
    latents
        In the order of `OrdinalDesign.latent_names`, shape (chain, draw, latent).
    hypers
        As for `mrp.posterior.posterior_dataset`, shape (chain, draw, parameter).
    """
    draws, n = ("chain", "draw"), design.n_common
    named = posterior_dataset(design.common, latents[:, :, :n], hypers)
    cuts = cutpoints(latents[:, :, 0], latents[:, :, n:]).astype(latents.dtype)
    own: dict[str, Any] = {"cutpoint": ((*draws, "cutpoint name"), cuts)}
    labels = {"cutpoint name": list(design.cutpoint_names)}
    if design.inner_options:
        own["log width"] = ((*draws, "inner option"), latents[:, :, n:])
        labels["inner option"] = list(design.inner_options)
    return named.assign(own).assign_coords(labels)


def ordinal_latents(tree: "xr.DataTree", design: OrdinalDesign, *, max_draws: int = 4000) -> LatentDraws:
    """Collect the latents from a fit, thinned; see `mrp.latents.from_datatree`.

    Raises
    ------
    DrawsError
        If a term of the design has no draws, or a draw is not finite.
    """
    common = design.common
    wanted = ["intercept", *(["coefficient"] if common.coefficient_names else []), *(e.term for e in common.effects)]
    if design.inner_options:
        wanted.append("log width")
    return collect_latents(tree, wanted, names=design.latent_names, max_draws=max_draws, link=LINK)
