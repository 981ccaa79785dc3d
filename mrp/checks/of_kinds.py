"""Observed beside predicted for a fit of any kind: by what is estimated, and where it can be chosen."""

from collections.abc import Sequence

import polars as pl

from mrp.checks.margins import Margin
from mrp.checks.of_means import predictive_of_means
from mrp.checks.of_options import predictive_of_options
from mrp.checks.predictive import MarginCheck, posterior_predictive
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.heed import Heed, nobody
from mrp.latents import LatentDraws
from mrp.numeric.design import NumericDesign
from mrp.outcomes.designs import MEAN, SHARE, AnyDesign

__all__ = ["predictive_by_estimand"]


def predictive_by_estimand(
    latents: LatentDraws,
    design: AnyDesign,
    electorate: Electorate,
    counts: pl.DataFrame,
    margins: Sequence[Margin],
    *,
    heed: Heed = nobody,
) -> dict[str, tuple[MarginCheck, ...]]:
    """Check a fit by margins.

    Parameters and errors as of `mrp.checks.predictive.posterior_predictive`; means are in the unit of
    `mrp.checks.of_means`.

    Returns
    -------
    dict
        By the names of `mrp.outcomes.designs.estimands`.
    """
    if isinstance(design, Design):
        return {SHARE: posterior_predictive(latents, design, electorate, counts, margins, heed=heed)}
    if isinstance(design, NumericDesign):
        return {MEAN: predictive_of_means(latents, design, electorate, counts, margins, heed=heed)}
    return predictive_of_options(latents, design, electorate, counts, margins, heed=heed)
