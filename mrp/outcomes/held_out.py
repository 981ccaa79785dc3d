"""Score a fit of any kind on interviews that it has not seen, and beside it a prediction that is the same for all."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.categorical.cells import cell_options
from mrp.categorical.counts import count_name
from mrp.categorical.design import CategoricalDesign
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.errors import CountsError
from mrp.holdout import HeldOutScores, score_held_out, score_held_out_means, score_held_out_options
from mrp.laplace.coordinates import incidence
from mrp.latents import LatentDraws
from mrp.numeric.design import NumericDesign
from mrp.numeric.merging import merged, whole
from mrp.ordinal.cells import cell_scale
from mrp.ordinal.design import OrdinalDesign
from mrp.outcomes.designs import AnyDesign
from mrp.poststratification import cell_shares

__all__ = ["score_alike", "score_interviews"]

type Floats = NDArray[np.float64]

_MOST_DRAWS = 1000


def score_interviews(
    latents: LatentDraws, design: AnyDesign, electorate: Electorate, counts: pl.DataFrame, *, seed: int
) -> HeldOutScores | None:
    """Score what a fit predicts of interviews, as people of their cells and without the effects of who asked them.

    Parameters
    ----------
    counts
        Of the interviews, as the outcome collapses them; weights are left out.
    seed
        As in `mrp.holdout.score_held_out`.

    Returns
    -------
    HeldOutScores or None
        By district; None if there are no interviews in cells that the fit knows.
    """
    of = _held_out(counts, design, electorate)
    if of is None:
        return None
    cells, group = of.cells, of.group
    if isinstance(design, NumericDesign):
        unit = design.require_unit()
        draws = latents.draws[:: -(-len(latents.draws) // _MOST_DRAWS)].astype(np.float64)
        means = unit.centre + unit.scale * (incidence(design.common, cells) @ draws[:, :-1].T).T
        return score_held_out_means(means, unit.scale * draws[:, -1], of.numbers, group, seed=seed)
    if isinstance(design, Design):
        share = cell_shares(latents, design, cells)
        n, y = (cells[name].cast(pl.Float64).to_numpy() for name in ("n", "y"))
        return score_held_out(share, n, y, group, seed=seed)
    if isinstance(design, OrdinalDesign):
        shares = cell_scale(latents, design, cells, most_draws=_MOST_DRAWS)
    else:
        shares = cell_options(latents, design, cells, most_draws=_MOST_DRAWS)
    return score_held_out_options(shares, of.answers(design), group, seed=seed)


def score_alike(
    fitted: pl.DataFrame, design: AnyDesign, electorate: Electorate, counts: pl.DataFrame
) -> HeldOutScores | None:
    """Score the prediction that is the same for everybody: what was answered in the interviews that were fitted.

    Around shares Jeffreys' distribution, around a mean the normal one of its standard error. An option is predicted
    where it stands.

    Parameters
    ----------
    fitted, counts
        Of the interviews that are known, and of those that are predicted.
    """
    district = electorate.district
    numbers = [name for name in counts.columns if name in {"n", "y"} or name.startswith("y[")]
    if isinstance(design, NumericDesign):
        sums = merged(counts.select(district, "n", "mean", "ss"), (district,))
    else:
        sums = counts.group_by(district).agg(pl.col(numbers).sum()).sort(district)
    if sums.is_empty():
        return None
    group, rng = np.arange(sums.height), np.random.default_rng(0)
    if isinstance(design, NumericDesign):
        n, mean, ss = whole(fitted.select("n", "mean", "ss")).row(0)
        if n < 2:
            raise CountsError("one answer says nothing of how answers differ; fit more interviews")
        sd = np.full(_MOST_DRAWS, np.sqrt(ss / (n - 1)))
        means = np.repeat((mean + sd / np.sqrt(n) * rng.standard_normal(_MOST_DRAWS))[:, None], sums.height, axis=1)
        return score_held_out_means(means, sd, _numbers(sums), group)
    if isinstance(design, Design):
        y, n = float(fitted["y"].sum()), float(fitted["n"].sum())
        draws = np.repeat(rng.beta(y + 0.5, n - y + 0.5, _MOST_DRAWS)[:, None], sums.height, axis=1)
        asked, chose = (sums[name].cast(pl.Float64).to_numpy() for name in ("n", "y"))
        return score_held_out(draws, asked, chose, group)
    columns = [count_name(option) for option in design.options]
    share = rng.dirichlet(np.array([float(fitted[name].sum()) for name in columns]) + 0.5, _MOST_DRAWS)
    stands = np.ones((sums.height, len(columns)), dtype=np.bool_)
    if isinstance(design, CategoricalDesign):
        stands = design.stands(sums)
    shares = share.T[:, :, None] * stands.T[:, None, :]
    return score_held_out_options(shares / shares.sum(axis=0), sums.select(columns).to_numpy().T.astype(float), group)


@dataclass(frozen=True, slots=True)
class _HeldOut:
    """Interviews in cells that a design knows."""

    cells: pl.DataFrame
    group: NDArray[np.int64]
    """District of each cell, shape (cell,)."""

    @property
    def numbers(self) -> tuple[Floats, Floats, Floats]:
        return _numbers(self.cells)

    def answers(self, design: CategoricalDesign | OrdinalDesign) -> Floats:
        """Shape (option, cell)."""
        return self.cells.select(map(count_name, design.options)).to_numpy().T.astype(np.float64)


def _numbers(cells: pl.DataFrame) -> tuple[Floats, Floats, Floats]:
    n, mean, ss = (cells[name].cast(pl.Float64).to_numpy() for name in ("n", "mean", "ss"))
    return n, mean, ss


def _held_out(counts: pl.DataFrame, design: AnyDesign, electorate: Electorate) -> _HeldOut | None:
    by = electorate.cell_columns
    if isinstance(design, NumericDesign):
        cells = merged(counts.select(*by, "n", "mean", "ss"), by)
    else:
        names = [name for name in counts.columns if name in {"n", "y"} or name.startswith("y[")]
        cells = counts.group_by(by).agg(pl.col(names).sum()).sort(by)
    cells = cells.filter((pl.col("n") > 0) & pl.Series(design.covers(cells)))
    if cells.is_empty():
        return None
    codes = {code: i for i, code in enumerate(electorate.codes)}
    return _HeldOut(cells, np.array([codes[code] for code in cells[electorate.district]], dtype=np.int64))
