"""Draws of a question answered with a number by the names that the model gives them, and what of them a release keeps.

All of it is in the unit of the design: latents and standard deviations are parts of the spread of the answers.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrp.evidence import Evidence, evidence_of
from mrp.hyper import hyper_space
from mrp.latents import LatentDraws, collect_latents
from mrp.numeric.design import NumericDesign
from mrp.numeric.residual import RESIDUAL
from mrp.posterior import posterior_dataset
from mrp.priors import Priors

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["LINK", "numeric_dataset", "numeric_evidence", "numeric_latents", "sampled_dataset"]

LINK = "identity"


def numeric_dataset(
    design: NumericDesign, latents: NDArray[np.floating[Any]], hypers: NDArray[np.float64]
) -> "xr.Dataset":
    """Name draws by term and level.

    Parameters
    ----------
    latents
        In the order of `NumericDesign.latent_names`, the residual sd last, shape (chain, draw, latent).
    hypers
        As for `mrp.posterior.posterior_dataset`, without the residual sd, shape (chain, draw, parameter).
    """
    named = posterior_dataset(design.common, latents[:, :, :-1], hypers)
    return named.assign({RESIDUAL: (("chain", "draw"), latents[:, :, -1])})


def sampled_dataset(
    design: NumericDesign, latents: NDArray[np.floating[Any]], hypers: NDArray[np.float64]
) -> "xr.Dataset":
    """The same of what an engine drew: the last of its parameters is the residual sd."""
    return numeric_dataset(design, latents, hypers[:, :, :-1])


def numeric_latents(tree: "xr.DataTree", design: NumericDesign, *, max_draws: int = 4000) -> LatentDraws:
    """Collect latents and residual sd from a fit, thinned; see `mrp.latents.from_datatree`.

    Raises
    ------
    DrawsError
        If a term of the design has no draws, or a draw is not finite.
    """
    common = design.common
    wanted = ["intercept", *(["coefficient"] if common.coefficient_names else []), *(e.term for e in common.effects)]
    return collect_latents(tree, [*wanted, RESIDUAL], names=design.latent_names, max_draws=max_draws, link=LINK)


def numeric_evidence(tree: "xr.DataTree", design: NumericDesign, priors: Priors) -> Evidence:
    """What is kept beside the latents: of the parameters all but the residual sd, which is among the latents."""
    evidence = evidence_of(tree, design.common, hyper_space(design.common, priors))
    return evidence if evidence.points is None else replace(evidence, points=evidence.points[:, :-1])
