"""Observed shares of every option beside what a fit predicts of the same interviews; see `mrp.checks.predictive`.

Each option is checked as that of a binary question. The options of an interview are not independent, which makes what
is found at one of them be found at others too, but no honest fit raise more alarms: the chances are corrected for all.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from mrp.categorical.cells import OptionBlocks, option_blocks
from mrp.categorical.counts import count_name
from mrp.categorical.design import CategoricalDesign
from mrp.checks.margin_sums import GroupedRows, blocks_of
from mrp.checks.margins import Margin, with_parents
from mrp.checks.predictive import ExpectedAnswers, MarginCheck, check_margins, n_draws_used
from mrp.electorate import Electorate
from mrp.errors import DrawsError
from mrp.heed import Heed, nobody
from mrp.latents import LatentDraws
from mrp.ordinal.cells import ScaleBlocks, scale_blocks
from mrp.ordinal.design import OrdinalDesign

__all__ = ["predictive_of_options"]


def predictive_of_options(
    latents: LatentDraws,
    design: CategoricalDesign | OrdinalDesign,
    electorate: Electorate,
    counts: pl.DataFrame,
    margins: Sequence[Margin],
    *,
    heed: Heed = nobody,
) -> dict[str, tuple[MarginCheck, ...]]:
    """Check a fit by margins, option by option.

    Parameters and errors as of `mrp.checks.predictive.posterior_predictive`; counts as those of
    `mrp.categorical.collapse_options`. An option is checked where it stands.
    """
    if latents.names != design.latent_names:
        raise DrawsError("the draws and the design are not of the same fit")
    counts = counts.filter(pl.col("n") > 0)
    n, most = counts["n"].cast(pl.Float64).to_numpy(), n_draws_used(counts.height)
    shares: OptionBlocks | ScaleBlocks
    if isinstance(design, OrdinalDesign):
        shares = scale_blocks(latents, design, counts, most_draws=most)
    else:
        shares = option_blocks(latents, design, counts, most_draws=most)
    n_draws = shares.n_draws
    grouped = GroupedRows.of(with_parents(counts, electorate), margins, heed)
    expected = np.zeros((len(design.options), int(grouped.starts[-1]), n_draws))
    of_one = np.empty((len(design.options), counts.height))
    for start, stop in blocks_of(counts.height, n_draws):
        heed()
        for k, share in enumerate(shares(start, stop)):
            of_one[k, start:stop] = (share * (1 - share)).mean(axis=1)
            grouped.add(expected[k], share * n[start:stop, None].astype(np.float32), start)
    stands = design.stands(counts)
    found = {}
    for k, option in enumerate(design.options):
        y = counts[count_name(option)].cast(pl.Float64).to_numpy()
        here = [grouped.totals(one * stands[:, k]) for one in (n, y, n * of_one[k])]
        found[option] = check_margins(grouped, ExpectedAnswers(here[0], here[1], expected[k], here[2]), heed=heed)
    return found
