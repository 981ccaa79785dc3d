"""Candidate models of one question beside the first: how they predict, how they estimate, what they change.

No one number decides. ELPD orders models by predictions of cells, the score of estimates by what is served
(`mrp.checks.left_out`), misfits say what a model does not describe, and the shift of the estimates says whether it
matters which one is chosen.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from mrp.checks.left_out import EstimateScore, LeftOut, elpd_difference, estimate_scores, leave_cells_out
from mrp.checks.margins import margins_of
from mrp.checks.misfit import judge_margins
from mrp.checks.predictive import posterior_predictive
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.grouping import Grouping
from mrp.latents import LatentDraws
from mrp.poststratification import AreaDraws, area_draws_many

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
    """National share minus that of the first model."""
    nation_shift_sds: float
    """The same in posterior standard deviations of the first model."""
    district_shift: float
    """Largest difference of a district's share from that of the first model."""
    district: str
    """Which district that is."""


def compare_models(
    fits: Mapping[str, tuple[LatentDraws, Design]], electorate: Electorate, counts: pl.DataFrame, *, least: int = 30
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
    first_formula = next(iter(fits))
    margins = margins_of(electorate, counts)
    left_out: dict[str, LeftOut] = {}
    areas: dict[str, tuple[AreaDraws, ...]] = {}
    found = []
    for formula, (latents, design) in fits.items():
        left_out[formula] = leave_cells_out(latents, design, electorate, counts)
        areas[formula] = area_draws_many(latents, design, electorate, (Grouping(), Grouping(by=(electorate.district,))))
        difference, se = elpd_difference(left_out[formula], left_out[first_formula])
        checks = posterior_predictive(latents, design, electorate, counts, margins)
        (nation, districts), (base, base_districts) = areas[formula], areas[first_formula]
        shift = float(nation.draws.mean() - base.draws.mean())
        shifts = districts.draws.mean(axis=0) - base_districts.draws.mean(axis=0)
        worst = int(np.argmax(np.abs(shifts)))
        found.append(
            Candidate(
                formula=formula,
                difference=difference,
                se=se,
                n_parameters=left_out[formula].n_parameters,
                share_bad=left_out[formula].share_bad,
                scores=estimate_scores(left_out[formula], electorate, least=least),
                misfits=tuple(
                    one.check.margin.name for one in judge_margins(checks, design, least=least) if one.is_misfit
                ),
                nation_shift=shift,
                nation_shift_sds=shift / max(float(base.draws.std()), 1e-9),
                district_shift=float(shifts[worst]),
                district=str(districts.areas[electorate.district][worst]),
            )
        )
    return tuple(found)
