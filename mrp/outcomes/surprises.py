"""How far the answers of a new wave are from what a release of a question of any kind predicts."""

import polars as pl

from mrp.categorical.design import CategoricalDesign
from mrp.categorical.surprise import option_surprise
from mrp.latents import LatentDraws
from mrp.numeric.design import NumericDesign
from mrp.numeric.surprise import numeric_surprise
from mrp.ordinal.design import OrdinalDesign
from mrp.ordinal.surprise import ordinal_surprise
from mrp.outcomes.designs import MEAN, SHARE, AnyDesign
from mrp.surprise import PollingError, Surprise, surprise

__all__ = ["surprises"]


def surprises(
    latents: LatentDraws, design: AnyDesign, counts: pl.DataFrame, *, seed: int, error: PollingError | None = None
) -> dict[str, Surprise]:
    """Compare the counts of a wave with a release, by the names of `mrp.outcomes.designs.estimands`.

    Parameters and errors as of `mrp.surprise.surprise`; counts as the outcome of the question collapses interviews.
    """
    if isinstance(design, CategoricalDesign):
        return option_surprise(latents, design, counts, seed=seed, error=error)
    if isinstance(design, OrdinalDesign):
        return ordinal_surprise(latents, design, counts, seed=seed, error=error)
    if isinstance(design, NumericDesign):
        return {MEAN: numeric_surprise(latents, design, counts, seed=seed, error=error)}
    return {SHARE: surprise(latents, design, counts, seed=seed, error=error)}
