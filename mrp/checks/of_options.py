"""Observed shares of every option beside what a fit predicts of the same interviews; see `mrp.checks.predictive`.

Each option is checked as that of a binary question. The options of an interview are not independent, which makes what
is found at one of them be found at others too, but no honest fit raise more alarms: the chances are corrected for all.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from mrp.categorical.cells import cell_options
from mrp.categorical.counts import count_name
from mrp.categorical.design import CategoricalDesign
from mrp.checks.margins import Margin, with_parents
from mrp.checks.predictive import MarginCheck, Predicted, check_margin
from mrp.electorate import Electorate
from mrp.errors import DrawsError
from mrp.latents import LatentDraws
from mrp.ordinal.cells import cell_scale
from mrp.ordinal.design import OrdinalDesign

__all__ = ["predictive_of_options"]

_MOST_DRAWS = 400


def predictive_of_options(
    latents: LatentDraws,
    design: CategoricalDesign | OrdinalDesign,
    electorate: Electorate,
    counts: pl.DataFrame,
    margins: Sequence[Margin],
) -> dict[str, tuple[MarginCheck, ...]]:
    """Check a fit by margins, option by option.

    Parameters and errors as of `mrp.checks.predictive.posterior_predictive`; counts as those of
    `mrp.categorical.collapse_options`. An option is checked where it stands.
    """
    if latents.names != design.latent_names:
        raise DrawsError("the draws and the design are not of the same fit")
    counts = counts.filter(pl.col("n") > 0)
    if isinstance(design, OrdinalDesign):
        shares = cell_scale(latents, design, counts, most_draws=_MOST_DRAWS)
    else:
        shares = cell_options(latents, design, counts, most_draws=_MOST_DRAWS)
    stands = design.stands(counts)
    table, n = with_parents(counts, electorate), counts["n"].cast(pl.Float64).to_numpy()
    found = {}
    for k, option in enumerate(design.options):
        here = np.flatnonzero(stands[:, k])
        if not here.size:
            found[option] = tuple(MarginCheck(margin, ()) for margin in margins)
            continue
        y = counts[count_name(option)].cast(pl.Float64).to_numpy()
        predicted = Predicted(table[here], n[here], y[here], n[here], np.arange(len(here)), shares[k][:, here])
        found[option] = tuple(check_margin(predicted, margin) for margin in margins)
    return found
