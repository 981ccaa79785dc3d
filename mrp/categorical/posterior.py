"""Draws of a model of several options by the names that the model gives them, and what of them a release keeps."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrp.categorical.design import CategoricalDesign
from mrp.hyper import sd_name
from mrp.latents import LatentDraws, collect_latents
from mrp.posterior import posterior_dataset

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["LINK", "categorical_dataset", "categorical_latents"]

LINK = "softmax"


def categorical_dataset(
    design: CategoricalDesign, latents: NDArray[np.floating[Any]], hypers: NDArray[np.float64]
) -> "xr.Dataset":
    """Name draws by term, level and option.

    Parameters
    ----------
    latents
        In the order of `CategoricalDesign.latent_names`, shape (chain, draw, latent).
    hypers
        In the order of `mrp.categorical.hyper.option_space`, shape (chain, draw, parameter).
    """
    k, shared, by_option = design.n_options, hypers, dict[str, Any]()
    if design.sd == "by option":
        columns = [len(effect.columns) for effect in design.common.effects]
        sds = hypers[:, :, : sum(columns) * k].reshape(*hypers.shape[:2], -1, k)
        shared = np.concatenate([sds[..., 0], hypers[:, :, sum(columns) * k :]], axis=2)
        for effect, end, n in zip(design.common.effects, np.cumsum(columns), columns, strict=True):
            dims = ("chain", "draw", *([f"{effect.term} column"] if n > 1 else []), "option")
            own_sds = sds[:, :, end - n : end]
            by_option[sd_name(effect.term)] = (dims, own_sds if n > 1 else own_sds[:, :, 0])
    n = design.n_common * design.n_options
    vectors = latents[:, :, :n].reshape(*latents.shape[:2], design.n_common, design.n_options)
    named = posterior_dataset(design.common, vectors[..., 0], shared).assign_coords(option=list(design.options))
    n_free = 1 + len(design.common.coefficient_names)
    parts = {"intercept": vectors[:, :, 0], "coefficient": vectors[:, :, 1:n_free]}
    for effect, offset in zip(design.common.effects, design.common.offsets, strict=True):
        parts[effect.term] = vectors[:, :, offset : offset + effect.size]
    own = {name: ((*named[name].dims, "option"), values) for name, values in parts.items() if name in named}
    if design.own:
        own["own"] = (("chain", "draw", "own term"), latents[:, :, n:])
        named = named.assign_coords({"own term": [predictor.term for predictor in design.own]})
    return named.assign(own | by_option)


def categorical_latents(tree: "xr.DataTree", design: CategoricalDesign, *, max_draws: int = 4000) -> LatentDraws:
    """Collect the latents from a fit, thinned; see `mrp.latents.from_datatree`.

    Raises
    ------
    DrawsError
        If a term of the design has no draws, or a draw is not finite.
    """
    common = design.common
    wanted = ["intercept", *(["coefficient"] if common.coefficient_names else []), *(e.term for e in common.effects)]
    if design.own:
        wanted.append("own")
    return collect_latents(tree, wanted, names=design.latent_names, max_draws=max_draws, link=LINK)
