"""How far the answers of a new wave are from what a release of a question on an ordered scale predicts."""

from functools import partial

import polars as pl

from mrp.categorical.surprise import compare_options
from mrp.errors import DrawsError
from mrp.latents import LatentDraws
from mrp.ordinal.cells import cell_scale
from mrp.ordinal.design import OrdinalDesign
from mrp.surprise import MOST_DRAWS, PollingError, Surprise

__all__ = ["ordinal_surprise"]


def ordinal_surprise(
    latents: LatentDraws,
    design: OrdinalDesign,
    counts: pl.DataFrame,
    *,
    seed: int,
    error: PollingError | None = None,
) -> dict[str, Surprise]:
    """Compare the counts of a wave with what a release predicts of each option.

    Option by option, as `mrp.categorical.surprise.option_surprise`: a scale that was turned round shows at its ends.

    Raises
    ------
    CountsError
        If a column is missing.
    DrawsError
        If the draws are those of another design.
    """
    if latents.names != design.latent_names:
        raise DrawsError("the draws and the design are not of the same fit")
    shares = partial(cell_scale, latents, design, most_draws=MOST_DRAWS)
    return compare_options(design, counts, shares, seed=seed, error=error)
