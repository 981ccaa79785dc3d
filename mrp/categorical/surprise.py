"""How far the answers of a new wave are from what a release of a question of several options predicts.

Each option is compared as that of a binary question, see `mrp.surprise`: it was chosen, or another was. The errors that
polls add are on the scale of the logit of its share.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.categorical.cells import cell_options
from mrp.categorical.counts import OptionReader, count_name
from mrp.categorical.design import CategoricalDesign
from mrp.errors import CountsError, DrawsError
from mrp.latents import LatentDraws
from mrp.surprise import MOST_DRAWS, PollingError, Surprise, compare

__all__ = ["compare_options", "option_surprise"]

type Shares = Callable[[pl.DataFrame], NDArray[np.floating[Any]]]
"""Draws of the shares of all options in the rows of a table, shape (option, draw, row)."""

# A share of which not even the logarithm of its odds could be told.
_LEAST = 1e-12


def option_surprise(
    latents: LatentDraws,
    design: CategoricalDesign,
    counts: pl.DataFrame,
    *,
    seed: int,
    error: PollingError | None = None,
) -> dict[str, Surprise]:
    """Compare the counts of a wave with what a release predicts of each option, where it stands.

    Parameters
    ----------
    latents, design, seed, error
        As for `mrp.surprise.surprise`.
    counts
        Of the wave: `CategoricalDesign.cell_columns`, ``n`` and a column for each option.

    Raises
    ------
    CountsError
        If a column is missing.
    DrawsError
        If the draws are those of another design.
    """
    if latents.names != design.latent_names:
        raise DrawsError("the draws and the design are not of the same fit")
    shares = partial(cell_options, latents, design, most_draws=MOST_DRAWS)
    return compare_options(design, counts, shares, seed=seed, error=error)


def compare_options(
    design: OptionReader, counts: pl.DataFrame, shares_of: Shares, *, seed: int, error: PollingError | None = None
) -> dict[str, Surprise]:
    """What `option_surprise` does, of any model of options.

    Parameters
    ----------
    shares_of
        Predicts the options of a table of cells.
    """
    names = [count_name(option) for option in design.options]
    for column in (*design.cell_columns, "n", *names):
        if column not in counts.columns:
            raise CountsError(f"the counts have no column {column!r}; they have {', '.join(counts.columns)}")
    by, sums = design.cell_columns, [pl.col(name).sum() for name in ("n", *names)]
    cells = counts.group_by(by).agg(sums).sort(by) if by else counts.select(sums)
    known = cells.filter(pl.Series(design.covers(cells), dtype=pl.Boolean)) if by else cells
    n = known["n"].cast(pl.Float64).to_numpy()
    left_out = int(cells["n"].sum()) - int(n.sum())
    if not n.sum() > 0:
        return {option: Surprise(0, left_out, ()) for option in design.options}
    shares, stands = shares_of(known), design.stands(known)
    found = {}
    for k, option in enumerate(design.options):
        here = stands[:, k]
        share = np.clip(shares[k][:, here].astype(np.float64), _LEAST, 1 - _LEAST)
        y = known[names[k]].cast(pl.Float64).to_numpy()[here]
        elsewhere = int(n[~here].sum())
        if n[here].sum() > 0:
            eta = np.log(share) - np.log1p(-share)
            found[option] = compare(eta, n[here], y, left_out + elsewhere, seed=seed, error=error)
        else:
            found[option] = Surprise(0, left_out + elsewhere, ())
    return found
