"""Candidate models of one question beside the first: how they predict, how they estimate, what they change.

No one number decides. ELPD orders models by predictions of cells, the score of estimates by what is served
(`mrp.checks.left_out`), misfits say what a model does not describe, and the shift of the estimates says whether it
matters which one is chosen.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.categorical.poststratification import OptionDraws
from mrp.checks.estimate_scores import EstimateScore, estimate_scores
from mrp.checks.left_out import LeftOut, elpd_difference, leave_cells_out
from mrp.checks.margins import Margin, margins_of
from mrp.checks.misfit import judge_margins
from mrp.checks.of_kinds import predictive_by_estimand
from mrp.electorate import Electorate
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.outcomes.designs import AnyDesign, draws_many, estimands

__all__ = ["Candidate", "compare_models"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model beside the first."""

    formula: str
    difference: float
    """ELPD minus that of the first model; larger is better, and 0 for the first."""
    se: float
    """Standard error of that difference over cells: differences of less than about four have uncertain ones, too
    (Sivula, Magnusson, Matamoros and Vehtari 2020, arXiv:2008.10296)."""
    n_parameters: float
    share_bad: float
    """Share of cells for which leaving out by weights cannot be trusted."""
    scores: tuple[EstimateScore, ...]
    misfits: tuple[str, ...]
    """Margins that the model does not describe, e.g. "age and educ"."""
    nation_shift: float
    """National estimate minus that of the first model; of several options that which moves most, like what follows."""
    nation_shift_sds: float
    """The same in posterior standard deviations of the first model."""
    district_shift: float
    """Largest difference of a district's estimate from that of the first model."""
    district: str
    """Which district that is."""
    nation_option: str | None = None
    """Of several options the one whose national share moves most."""
    district_option: str | None = None


def compare_models(
    fits: Mapping[str, tuple[LatentDraws, AnyDesign]], electorate: Electorate, counts: pl.DataFrame, *, least: int = 30
) -> tuple[Candidate, ...]:
    """Compare fits of several models to the same interviews.

    Parameters
    ----------
    fits
        Formula → draws and design; the first is what the others are compared with.
    counts
        Of the interviews, by everything that any of the designs reads.
    least
        Groups with fewer interviews are not looked at.
    """
    margins = margins_of(electorate, counts)
    breakdowns = (Grouping(), Grouping(by=(electorate.district,)))
    first: LeftOut | None = None
    base: tuple[OptionDraws, ...] = ()
    found = []
    for formula, (latents, design) in fits.items():
        left_out = leave_cells_out(latents, design, electorate, counts)
        whole = next(iter(left_out.values()))  # the score of the model is that of all answers
        areas = draws_many(latents, design, electorate, breakdowns)
        first, base = first or whole, base or areas
        difference, se = elpd_difference(whole, first)
        names = estimands(design)
        shifts = [_shift(own.draws, of.draws) for own, of in zip(areas, base, strict=True)]
        nation, district = (np.unravel_index(int(np.abs(one).argmax()), one.shape) for one in shifts)
        shift = float(shifts[0][nation])
        several = len(names) > 1
        found.append(
            Candidate(
                formula=formula,
                difference=difference,
                se=se,
                n_parameters=whole.n_parameters,
                share_bad=whole.share_bad,
                scores=estimate_scores(left_out, electorate, least=least),
                misfits=_misfits((latents, design), electorate, counts, margins, least=least),
                nation_shift=shift,
                nation_shift_sds=shift / max(float(base[0].draws[:, nation[0], nation[1]].std()), 1e-9),
                district_shift=float(shifts[1][district]),
                district=str(areas[1].areas[electorate.district][int(district[0])]),
                nation_option=names[int(nation[1])] if several else None,
                district_option=names[int(district[1])] if several else None,
            )
        )
    return tuple(found)


def _shift(own: NDArray[np.float64], base: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far means move, shape (area, estimand)."""
    return np.asarray(own.mean(axis=0) - base.mean(axis=0))


def _misfits(
    fit: tuple[LatentDraws, AnyDesign],
    electorate: Electorate,
    counts: pl.DataFrame,
    margins: tuple[Margin, ...],
    *,
    least: int,
) -> tuple[str, ...]:
    """Margins that a model does not describe, in words; of several options with the option."""
    latents, design = fit
    checks = predictive_by_estimand(latents, design, electorate, counts, margins)
    return tuple(
        f"{one.check.margin.name} ({option})" if len(checks) > 1 else one.check.margin.name
        for option, of in checks.items()
        for one in judge_margins(of, design.common, least=least, n_shares=len(checks))
        if one.is_misfit
    )
